/* Signed notes, verifier keys, checkpoints: the vectors of their specifications, and what must be refused. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base64.h"
#include "checkpoint.h"
#include "key_file.h"
#include "merkle.h"
#include "note.h"

#include "tap.h"

#include "banned.h"

#define PETER "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define ENOCH "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define TEXT \
	"If you think cryptography is the answer to your problem,\n" \
	"then you don't know what your problem is.\n"
#define PETER_LINE \
	"\xe2\x80\x94 PeterNeumann " \
	"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
#define ENOCH_LINE \
	"\xe2\x80\x94 EnochRoot " \
	"rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
#define LOG "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
#define LOG_TEXT \
	"example.com/log/testdata\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n"
#define LOG_LINE \
	"\xe2\x80\x94 example.com/log/testdata " \
	"M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI=\n"
#define WITNESS "witness.example.com/w1+dbba4a08+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define WITNESS_LINE \
	"\xe2\x80\x94 witness.example.com/w1 " \
	"27pKCAAAAABkGFDLILWsoHYU5nE6iMwqzh4ISaMMikPClTEXsiJYvPDeyYDdpVJYiA/QyHbcvlgfCzGuWGTdxI7rPkxQKo5vfYIJBA==\n"
#define WITNESS_TIME 1679315147

static struct span
span_of(const char *s)
{
	return ((struct span){s, strlen(s)});
}

static struct note_key
key_of(const char *vkey)
{
	struct note_key k = {NULL, 0, 0, {0}};
	struct err e = {0};

	if (note_key_parse(span_of(vkey), &k, &e) != 0)
		ok(false, "%s: %s", vkey, e.text);
	return (k);
}

/* The signer of an skey: base64 of 0x01 and the seed. */
static struct note_signer *
signer_of(const char *name, const char *key, uint8_t type)
{
	struct note_signer *s = NULL;
	struct err e = {0};
	uint8_t bytes[33];

	base64_decode(key, strlen(key), bytes);
	if (note_signer_new(bytes + 1, span_of(name), type, &s, &e) != 0)
		ok(false, "%s: %s", name, e.text);
	return (s);
}

static void
signs(struct note_signer *s, const char *vkey, const char *text, uint64_t time_s, const char *line)
{
	struct buf out = BUF_INIT;
	struct err e = {0};

	note_key_format(note_signer_key(s), &out);
	is_bytes(buf_cstr(&out), out.len, vkey, "the vkey of a private key");
	buf_reset(&out);
	ok(note_sign(span_of(text), s, time_s, &out, &e) == 0, "%s signs", note_signer_key(s)->name);
	is_bytes(buf_cstr(&out), out.len, line, "and its line is that of the specification");
	buf_release(&out);
	note_signer_free(s);
}

static void
test_signing(void)
{
	static const uint8_t zeros[ED25519_SEED];
	struct note_signer *s = NULL;

	signs(signer_of("PeterNeumann", "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", NOTE_ED25519),
	    PETER, TEXT, 0, PETER_LINE);
	note_signer_new(zeros, SPAN("EnochRoot"), NOTE_ED25519, &s, NULL);
	signs(s, "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop", TEXT, 0, ENOCH_LINE);
	signs(signer_of("example.com/log/testdata", "AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg", NOTE_ED25519),
	    LOG, LOG_TEXT, 0, LOG_LINE);
	note_signer_new(zeros, SPAN("witness.example.com/w1"), NOTE_COSIGNATURE, &s, NULL);
	signs(s, WITNESS, LOG_TEXT, WITNESS_TIME, WITNESS_LINE);
}

static void
signs_not(const char *text, size_t len, const char *name)
{
	static const uint8_t zeros[ED25519_SEED];
	struct note_signer *s = NULL;
	struct buf out = BUF_INIT;

	note_signer_new(zeros, SPAN("a"), NOTE_ED25519, &s, NULL);
	ok(note_sign((struct span){text, len}, s, 0, &out, NULL) == -1, "no signature over %s", name);
	note_signer_free(s);
	buf_release(&out);
}

static void
test_no_signing(void)
{
	static const uint8_t zeros[ED25519_SEED];
	struct note_signer *s = NULL;

	signs_not("", 0, "nothing");
	signs_not("a", 1, "a text without a line feed at the end");
	signs_not("a\0b\n", 4, "a NUL");
	signs_not("a\tb\n", 4, "a tab");
	signs_not("a\xff\n", 3, "what is not UTF-8");
	ok(note_signer_new(zeros, SPAN("a b"), NOTE_ED25519, &s, NULL) == -1, "no key whose name has a space");
	ok(note_signer_new(zeros, SPAN("a"), 2, &s, NULL) == -1, "no key of another type");
}

/* ---- verifier keys ---- */

static void
test_vkeys(void)
{
	static const char *const good[] = {PETER, ENOCH, LOG, WITNESS};
	static const char *const bad[] = {
	    "", "PeterNeumann", "PeterNeumann+c74f20a3", "PeterNeumann+c74f20a3+",
	    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
	    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "PeterNeumann+c74f20a3 +ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "PeterNeumann+0c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
	    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq_LDE4izWy10TW",
	    "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    " PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	    "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
	};
	struct buf again = BUF_INIT;
	struct note_key k;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		k = key_of(good[i]);
		buf_reset(&again);
		note_key_format(&k, &again);
		is_bytes(buf_cstr(&again), again.len, good[i], "a vkey comes back");
		note_key_release(&k);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&e, 0, sizeof(e));
		ok(note_key_parse(span_of(bad[i]), &k, &e) == -1 && e.text[0] != '\0', "no vkey, %zu: %s", i, e.text);
	}
	buf_release(&again);
}

static void
test_names(void)
{
	static const char *const good[] = {"a", "host/1f0e", "\xc3\xa4.example.com/log", "a=b", "\xe2\x80\x94", "\xe2\x80\x8b"};
	static const char *const bad[] = {"", " ", "a b", "a+b", "a\tb", "a\nb", "a\x0b", "a\x0c", "a\rb", "a\x7f", "a\xff", "a\xc2\x85",
	    "a\xc2\xa0" "b", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
	    "\xe3\x80\x80", "a\xe3\x80\x80" "b"};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(note_name_ok(span_of(good[i])), "a name: '%s'", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!note_name_ok(span_of(bad[i])), "bad name %zu", i);
}

/* ---- notes ---- */

/* What note_parse() and note_verify() make of it: -2 where it does not parse. */
static int
verdict(const char *bytes, size_t len, const struct note_key *keys, size_t n, bool *good, struct err *e)
{
	char *exact = malloc(len + 1); /* so that a byte read too far is seen */
	struct note note;
	int rc = -2;

	memset(e, 0, sizeof(*e));
	memcpy(exact, bytes, len);
	if ((exact = realloc(exact, len + (len == 0))) != NULL &&
	    note_parse((struct span){exact, len}, &note, e) == 0)
		rc = note_verify(&note, keys, n, good, e);
	free(exact);
	return (rc);
}

static void
test_good_notes(void)
{
	static const char both[] = TEXT "\n" PETER_LINE ENOCH_LINE;
	static const char witnessed[] = LOG_TEXT "\n" LOG_LINE WITNESS_LINE;
	struct note_key keys[2] = {key_of(PETER), key_of(ENOCH)}, log[2] = {key_of(LOG), key_of(WITNESS)};
	struct note note;
	bool good[2];
	struct err e;

	ok(note_parse(SPAN(both), &note, &e) == 0 && note.n == 2, "a note of two signatures");
	is_bytes(note.text.p, note.text.len, TEXT, "has its text");
	is_bytes(note.signatures.p, note.signatures.len, PETER_LINE ENOCH_LINE, "and their lines");
	ok(verdict(both, sizeof(both) - 1, keys, 2, good, &e) == 2 && good[0] && good[1], "both are good");
	ok(verdict(both, sizeof(both) - 1, keys + 1, 1, good, &e) == 1 && good[0], "one unknown is passed over");
	ok(verdict(both, sizeof(both) - 1, log, 2, good, &e) == 0 && !good[0] && !good[1], "nobody is known: nobody vouches");
	ok(verdict(witnessed, sizeof(witnessed) - 1, log, 2, good, &e) == 2, "a log's and a witness's");
	ok(verdict(TEXT "\n" PETER_LINE PETER_LINE, sizeof(TEXT PETER_LINE PETER_LINE), keys, 2, good, &e) == 1,
	    "who signs twice is one");
	note_key_release(&keys[0]);
	note_key_release(&keys[1]);
	note_key_release(&log[0]);
	note_key_release(&log[1]);
}

static void
is_refused(const char *bytes, size_t len, const char *name)
{
	struct note_key k = key_of(PETER);
	struct err e;
	bool good;

	ok(verdict(bytes, len, &k, 1, &good, &e) == -2, "refused: %s: %s", name, e.text);
	note_key_release(&k);
}

#define REFUSED(bytes, name) is_refused((bytes), sizeof(bytes) - 1, (name))

static void
test_bad_notes(void)
{
	struct buf many = BUF_INIT;
	struct note note;
	size_t i;

	REFUSED("", "nothing");
	REFUSED("\n", "a line feed");
	REFUSED("\n\n", "two line feeds");
	REFUSED(TEXT, "no signature");
	REFUSED(TEXT "\n", "no signature behind the empty line");
	REFUSED(TEXT PETER_LINE, "no empty line");
	is_refused(TEXT "\n" PETER_LINE, sizeof(TEXT PETER_LINE) - 1, "no final line feed");
	REFUSED("\x01" TEXT "\n" PETER_LINE, "a leading 0x01");
	REFUSED("\xff" TEXT "\n" PETER_LINE, "a leading 0xff");
	REFUSED(TEXT "\n" PETER_LINE "x\n", "a line behind the signatures");
	REFUSED(TEXT "\n" PETER_LINE "\n", "an empty line behind the signatures");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a\n", "a signature without base64");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a \n", "an empty one");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a AAAAAA==\n", "one that is but an ID");
	REFUSED(TEXT "\n" "\xe2\x80\x94  AAAAAAA=\n", "one without a name");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a+b AAAAAAA=\n", "a name with a plus");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a\xc2\xa0" "b AAAAAAA=\n", "a name with a Unicode space");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a AAAAAAB=\n", "base64 with a bit too many");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a AAAAAAA\n", "base64 without padding");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a AAAA AAA=\n", "base64 with a space");
	REFUSED(TEXT "\n" "- a AAAAAAA=\n", "another dash");
	REFUSED(TEXT "\n" "\xe2\x80\x94 a AAAAAAA=\r\n", "a carriage return");
	buf_adds(&many, TEXT "\n");
	for (i = 0; i < NOTE_SIGNATURES_MAX; i++)
		buf_adds(&many, "\xe2\x80\x94 a AAAAAAA=\n");
	ok(note_parse((struct span){many.data, many.len}, &note, NULL) == 0 && note.n == 100, "100 signatures");
	buf_adds(&many, "\xe2\x80\x94 a AAAAAAA=\n");
	is_refused(many.data, many.len, "101 signatures");
	buf_release(&many);
	ok(note_parse(SPAN("a\n\nb\n\n\xe2\x80\x94 a AAAAAAA=\n"), &note, NULL) == 0 && note.text.len == 5,
	    "the last double line feed ends the text");
}

static void
test_known_but_bad(void)
{
	static const char bytes[] = TEXT "\n" PETER_LINE ENOCH_LINE;
	static const char longer[] = TEXT "\n"
	    "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAMAAAAA"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
	static const char shorter[] = TEXT "\n" "\xe2\x80\x94 PeterNeumann x08gowA=\n" ENOCH_LINE;
	struct note_key keys[2] = {key_of(PETER), key_of(ENOCH)};
	char copy[sizeof(bytes)];
	size_t i, passed = 0, loud = 0;
	struct err e;
	bool good[2];
	unsigned bit;

	ok(verdict(longer, sizeof(longer) - 1, keys, 2, good, &e) == -1 && e.exit == EXIT_NO, "a signature that goes on: %s", e.text);
	ok(verdict(shorter, sizeof(shorter) - 1, keys, 2, good, &e) == -1 && e.exit == EXIT_NO, "a short one spoils a good one");
	/* Whatever bit is turned, it is not what both have signed. */
	for (i = 0; i < sizeof(bytes) - 1; i++)
		for (bit = 0; bit < 8; bit++) {
			memcpy(copy, bytes, sizeof(copy));
			copy[i] = (char)(copy[i] ^ 1 << bit);
			passed += verdict(copy, sizeof(copy) - 1, keys, 2, good, &e) == 2;
			if (i < sizeof(TEXT) - 1)
				loud += verdict(copy, sizeof(copy) - 1, keys, 2, good, &e) < 0;
		}
	ok(passed == 0, "no bit can be turned");
	ok(loud == 8 * (sizeof(TEXT) - 1), "in the text it is an error whoever is asked");
	for (i = passed = 0; i < sizeof(bytes) - 1; i++)
		passed += verdict(bytes, i, keys, 2, good, &e) == 2;
	ok(passed == 0, "nor the end be cut off");
	note_key_release(&keys[0]);
	note_key_release(&keys[1]);
}

/* ---- checkpoints ---- */

static void
test_checkpoint(void)
{
	static const char *const bad[] = {
	    "", "a\n", "a\n1\n", "a\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=", "\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n",
	    "a\n015\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n", "a\n-1\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n",
	    "a\n+1\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n", "a\n1 \nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n",
	    "a\n\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n", "a\n18446744073709551616\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n",
	    "a\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383c==\n", "a\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383ct=\n", "a\n15\n\n",
	    "a\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\nextension\n", "a\n0\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n",
	    "a\n15\nrKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=\n\n"};
	static const char *const words[] = {"one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
	    "threeten", "fourten", "fivten"};
	struct checkpoint c = {.size = 0};
	struct buf out = BUF_INIT;
	uint8_t h[SHA256_SIZE];
	struct merkle m;
	struct err e;
	size_t i;

	merkle_init(&m);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		merkle_leaf(words[i], strlen(words[i]), h);
		merkle_add(&m, h);
	}
	merkle_root(&m, h);
	ok(checkpoint_parse(SPAN(LOG_TEXT), &c, &e) == 0 && c.size == 15 && span_is(c.origin, "example.com/log/testdata") &&
		memcmp(c.root, h, SHA256_SIZE) == 0,
	    "a checkpoint of 15 leaves");
	checkpoint_format(&c, &out);
	is_bytes(buf_cstr(&out), out.len, LOG_TEXT, "comes back");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(checkpoint_parse(span_of(bad[i]), &c, &e) == -1 && e.text[0] != '\0', "no checkpoint, %zu: %s", i, e.text);
	buf_reset(&out);
	checkpoint_block_text(SPAN("a/b"), SPAN("{}"), &out);
	is_bytes(buf_cstr(&out), out.len, "a/b/block\n{}\n", "the text of a block's note");
	ok(checkpoint_parse((struct span){out.data, out.len}, &c, &e) == -1, "is no checkpoint");
	buf_release(&out);
}

/* ---- key files ---- */

static int
read_key(const char *bytes, size_t len, struct note_signer **ret, bool *ret_open, struct err *e)
{
	char path[] = "/tmp/test-note.XXXXXX";
	int fd = mkstemp(path), rc;

	memset(e, 0, sizeof(*e));
	if (fd == -1 || write(fd, bytes, len) != (ssize_t)len)
		return (-2);
	close(fd);
	rc = key_file_signer(path, SPAN("a"), NOTE_ED25519, ret, ret_open, e);
	unlink(path);
	return (rc);
}

/* The key of RFC 8410 section 10.3, in both of its forms. */
#define RFC8410 "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
#define RFC8410_PUBLIC "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"

static void
test_key_files(void)
{
	static const char *const good[] = {
	    "-----BEGIN PRIVATE KEY-----\n" RFC8410 "\n-----END PRIVATE KEY-----\n",
	    "-----BEGIN PRIVATE KEY-----\r\n" RFC8410 "\r\n-----END PRIVATE KEY-----",
	    "a word before\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK\n 1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
	    "-----END PRIVATE KEY-----\nand behind\n",
	    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	    "-----BEGIN PRIVATE KEY-----\n" RFC8410 "\n-----END PRIVATE KEY-----\n",
	    "-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
	    "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n"};
	static const char *const bad[][2] = {
	    {"", "empty"}, {"hello\n", "not a key in PEM"},
	    {"-----BEGIN PRIVATE KEY-----\n" RFC8410 "\n", "cut off"},
	    {"-----BEGIN PRIVATE KEY-----\n" RFC8410, "cut off"},
	    {"-----BEGIN PRIVATE KEY-----\n" RFC8410 "\n-----END PUBLIC KEY-----\n", "cut off"},
	    {"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "damaged"},
	    {"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK\n-----END PRIVATE KEY-----\n", "damaged"},
	    {"-----BEGIN PRIVATE KEY-----\nMC4C!!!\n-----END PRIVATE KEY-----\n", "not base64"},
	    {"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "encrypted"}, {"-----BEGIN RSA PRIVATE KEY-----\n", "RSA"},
	    {"-----BEGIN EC PRIVATE KEY-----\n", "ECDSA"}, {"-----BEGIN OPENSSH PRIVATE KEY-----\n", "OpenSSH"},
	    {"-----BEGIN PUBLIC KEY-----\n", "public"}, {"-----BEGIN SOMETHING-----\n", "not a private key"},
	    {"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n", "X25519"},
	    {"-----BEGIN PRIVATE KEY-----\nMC4CAQIwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n", "damaged"}};
	struct buf hex = BUF_INIT, many = BUF_INIT;
	struct note_signer *s = NULL;
	struct err e;
	bool open;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!ok(read_key(good[i], strlen(good[i]), &s, &open, &e) == 0, "key file %zu %s", i, e.text))
			continue;
		buf_reset(&hex);
		buf_addhex(&hex, note_signer_key(s)->public, ED25519_PUBLIC);
		is_bytes(buf_cstr(&hex), hex.len, RFC8410_PUBLIC, "has that public key");
		ok(!open, "and is the owner's alone");
		note_signer_free(s);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(read_key(bad[i][0], strlen(bad[i][0]), &s, &open, &e) == -1 && strstr(e.text, bad[i][1]) != NULL, "no key: %s", e.text);
	buf_reserve(&many, 1 << 20);
	memset(many.data, '-', 1 << 20);
	ok(read_key(many.data, 1 << 20, &s, &open, &e) == -1, "no key: %s", e.text);
	ok(key_file_signer("/nonexistent/key", SPAN("a"), NOTE_ED25519, &s, &open, &e) == -1, "no file: %s", e.text);
	buf_release(&many);
	buf_release(&hex);
}

int
main(void)
{
	test_signing();
	test_no_signing();
	test_vkeys();
	test_names();
	test_good_notes();
	test_bad_notes();
	test_known_but_bad();
	test_checkpoint();
	test_key_files();
	return (tap_done());
}

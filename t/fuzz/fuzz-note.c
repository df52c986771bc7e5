/* Any bytes as a note, a verifier key, a checkpoint and a key file: what is taken has one text, and nobody's signature can be had without the key. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "key_file.h"
#include "note.h"

#include "fuzz.h"

#include "banned.h"

/* Keys that notes may name. */
static const char *const vkeys[] = {"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx",
    "witness.example.com/w1+dbba4a08+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"};

#define KEYS (sizeof(vkeys) / sizeof(vkeys[0]))

static void
try_note(struct span bytes)
{
	static struct note_key keys[KEYS];
	static const uint8_t seed[ED25519_SEED] = {1};
	struct note_signer *s;
	struct note_key own;
	struct buf again = BUF_INIT;
	struct err e = {0};
	struct note n, m;
	bool good[KEYS];
	size_t i, at = 0, signers = 0;
	int rc;

	for (i = 0; i < KEYS && keys[i].name == NULL; i++)
		MUST(note_key_parse((struct span){vkeys[i], strlen(vkeys[i])}, &keys[i], &e) == 0);
	if (note_parse(bytes, &n, &e) != 0) {
		MUST(e.text[0] != '\0');
		return;
	}
	MUST(n.n >= 1 && n.n <= NOTE_SIGNATURES_MAX);
	MUST(n.text.len + 1 + n.signatures.len == bytes.len && n.text.p[n.text.len - 1] == '\n');
	while (note_signer_next(&n, &at, &again))
		signers++;
	MUST(signers == n.n && at == n.signatures.len);
	rc = note_verify(&n, keys, KEYS, good, &e);
	MUST(rc >= -1 && rc <= (int)KEYS && (rc != -1 || e.exit == EXIT_NO));
	/* Its text can be signed anew, and what comes of that is good. */
	MUST(note_signer_new(seed, SPAN("fuzz"), NOTE_ED25519, &s, &e) == 0);
	buf_reset(&again);
	MUST(note_write(n.text, s, &again, &e) == 0);
	MUST(note_parse((struct span){again.data, again.len}, &m, &e) == 0 && m.n == 1 && span_eq(m.text, n.text));
	own = *note_signer_key(s);
	MUST(note_verify(&m, &own, 1, good, &e) == 1 && good[0]);
	/* But not for another text. */
	again.data[0] ^= 1;
	if (note_parse((struct span){again.data, again.len}, &m, &e) == 0)
		MUST(note_verify(&m, &own, 1, good, &e) == -1);
	note_signer_free(s);
	buf_release(&again);
}

static void
try_vkey(struct span bytes)
{
	struct buf again = BUF_INIT;
	struct note_key k;
	struct err e = {0};

	if (note_key_parse(bytes, &k, &e) != 0) {
		MUST(e.text[0] != '\0');
		return;
	}
	note_key_format(&k, &again);
	MUST(span_eq((struct span){again.data, again.len}, bytes));
	note_key_release(&k);
	buf_release(&again);
}

static void
try_checkpoint(struct span bytes)
{
	struct buf again = BUF_INIT;
	struct checkpoint c;
	struct err e = {0};

	if (checkpoint_parse(bytes, &c, &e) != 0) {
		MUST(e.text[0] != '\0');
		return;
	}
	checkpoint_format(&c, &again);
	MUST(span_eq((struct span){again.data, again.len}, bytes));
	buf_release(&again);
}

/* By a pipe, which holds 64 KiB: more is too large for a key anyway. */
static void
try_key_file(struct span bytes)
{
	struct note_signer *s;
	struct err e = {0};
	int fds[2], old;
	bool open;

	if (bytes.len > 32768 || pipe(fds) != 0)
		return;
	MUST(write(fds[1], bytes.p, bytes.len) == (ssize_t)bytes.len);
	close(fds[1]);
	old = dup(STDIN_FILENO);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	if (key_file_signer("-", SPAN("fuzz"), NOTE_ED25519, &s, &open, &e) == 0)
		note_signer_free(s);
	else
		MUST(e.text[0] != '\0');
	if (old != -1) {
		dup2(old, STDIN_FILENO);
		close(old);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest;

	if (size == 0)
		return (0);
	rest = (struct span){(const char *)data + 1, size - 1};
	switch (data[0] % 4) {
	case 0:
		try_note(rest);
		break;
	case 1:
		try_vkey(rest);
		break;
	case 2:
		try_checkpoint(rest);
		break;
	default:
		try_key_file(rest);
	}
	return (0);
}

/*
 * Signed notes.
 *
 * text, of UTF-8 without control characters but LF, which ends it
 * LF
 * 1 to 100 lines: U+2014 SPACE name SPACE base64 LF, where base64 is of the key ID (u32, big-endian) and the signature: 64 bytes, over the
 * text; of a cosignature the time (u64, big-endian), and 64 bytes over "cosignature/v1" LF "time " decimal LF and the text
 *
 * vkey: name "+" 8 hex digits of the key ID "+" base64 of the type (1 byte) and the public key
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "json.h"
#include "note.h"
#include "sha256.h"

#include "banned.h"

#define DASH "\xe2\x80\x94 " /* U+2014 and a space */
#define DASH_LEN 4
#define ID_LEN 4
#define TIME_LEN 8
#define PAYLOAD_MAX (ID_LEN + TIME_LEN + ED25519_SIGNATURE)

struct note_signer {
	struct note_key key;
	uint8_t seed[ED25519_SEED];
};

/* One line of signatures. */
struct line {
	struct span name, base64;
	size_t len; /* of what base64 stands for */
};

static uint32_t
get32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static void
put(uint8_t *p, uint64_t n, size_t len)
{
	while (len-- > 0) {
		p[len] = (uint8_t)n;
		n >>= 8;
	}
}

/* ---- names ---- */

/* The characters of Unicode 15 that have the property White_Space, beyond ASCII, in UTF-8. */
static size_t
space_len(const char *p, size_t len)
{
	static const char *const two[] = {"\xc2\x85", "\xc2\xa0"};
	static const char *const three[] = {"\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
	    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
	size_t i;

	for (i = 0; len >= 2 && i < sizeof(two) / sizeof(two[0]); i++)
		if (memcmp(p, two[i], 2) == 0)
			return (2);
	for (i = 0; len >= 3 && i < sizeof(three) / sizeof(three[0]); i++)
		if (memcmp(p, three[i], 3) == 0)
			return (3);
	/* U+2000 to U+200A */
	if (len >= 3 && memcmp(p, "\xe2\x80", 2) == 0 && (uint8_t)p[2] >= 0x80 && (uint8_t)p[2] <= 0x8a)
		return (3);
	return (0);
}

bool
note_name_ok(struct span name)
{
	size_t i;

	if (name.len == 0 || json_utf8(name.p, name.len) != name.len)
		return (false);
	for (i = 0; i < name.len; i++)
		if ((uint8_t)name.p[i] <= ' ' || name.p[i] == '+' || name.p[i] == 0x7f ||
		    space_len(name.p + i, name.len - i) > 0)
			return (false);
	return (true);
}

/* ---- keys ---- */

/* The verifier key of these three.  The caller releases it. */
static int
key_init(struct note_key *ret, struct span name, uint8_t type,
    const uint8_t public[ED25519_PUBLIC], struct err *e)
{
	uint8_t digest[SHA256_SIZE], end[2] = {'\n', type};
	struct sha256 c;
	char *copy;

	if (!note_name_ok(name))
		return (err_set(e,
		    "the name of a key must be UTF-8, not empty, without spaces, control characters and '+'"));
	if ((copy = malloc(name.len + 1)) == NULL)
		return (err_mem(e));
	memcpy(copy, name.p, name.len);
	copy[name.len] = '\0';
	sha256_init(&c);
	sha256_update(&c, name.p, name.len);
	sha256_update(&c, end, sizeof(end));
	sha256_update(&c, public, ED25519_PUBLIC);
	sha256_final(&c, digest);
	*ret = (struct note_key){.name = copy, .id = get32(digest), .type = type};
	memcpy(ret->public, public, ED25519_PUBLIC);
	return (0);
}

void
note_key_release(struct note_key *k)
{
	free(k->name);
	memset(k, 0, sizeof(*k));
}

void
note_key_format(const struct note_key *k, struct buf *out)
{
	uint8_t bytes[1 + ED25519_PUBLIC];

	bytes[0] = k->type;
	memcpy(bytes + 1, k->public, ED25519_PUBLIC);
	buf_addf(out, "%s+%08" PRIx32 "+", k->name, k->id);
	base64_encode(out, bytes, sizeof(bytes));
}

static bool
known_type(uint8_t type)
{
	return (type == NOTE_ED25519 || type == NOTE_COSIGNATURE);
}

int
note_key_parse(struct span vkey, struct note_key *ret, struct err *e)
{
	static const char bad[] = "a verifier key is NAME+ID+KEY, as 'ecl-prove --vkey' prints it";
	uint8_t id[ID_LEN], bytes[1 + ED25519_PUBLIC];
	struct note_key key;
	const char *plus;
	struct span rest;
	size_t len;

	if (vkey.len > NOTE_VKEY_MAX || (plus = memchr(vkey.p, '+', vkey.len)) == NULL)
		return (err_set(e, "%s", bad));
	rest = (struct span){plus + 1, vkey.len - (size_t)(plus + 1 - vkey.p)};
	if (rest.len <= 2 * ID_LEN || rest.p[2 * ID_LEN] != '+' || hex_decode(rest.p, ID_LEN, id) != 0)
		return (err_set(e, "%s: its ID must be 8 lower-case hex digits", bad));
	rest.p += 2 * ID_LEN + 1;
	rest.len -= 2 * ID_LEN + 1;
	if ((len = base64_size(rest.p, rest.len)) == SIZE_MAX || len == 0)
		return (err_set(e, "%s: its KEY must be base64 with padding", bad));
	if (len != sizeof(bytes))
		return (err_set(e, "a verifier key of Ed25519 has 33 bytes, not %zu", len));
	base64_decode(rest.p, rest.len, bytes);
	if (!known_type(bytes[0]))
		return (err_set(e, "a verifier key of type 0x%02x is none that can be checked", bytes[0]));
	if (key_init(&key, (struct span){vkey.p, (size_t)(plus - vkey.p)}, bytes[0], bytes + 1, e) != 0)
		return (-1);
	if (key.id != get32(id)) {
		note_key_release(&key);
		return (err_set(e, "the ID of the verifier key is not that of its name and key"));
	}
	*ret = key;
	return (0);
}

/* ---- signing ---- */

int
note_signer_new(const uint8_t seed[ED25519_SEED], struct span name, uint8_t type,
    struct note_signer **ret, struct err *e)
{
	uint8_t public[ED25519_PUBLIC];
	struct note_signer *s;

	if (!known_type(type))
		return (err_set(e, "there are no signatures of type 0x%02x", type));
	if (ed25519_public(seed, public, e) != 0)
		return (-1);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (err_mem(e));
	if (key_init(&s->key, name, type, public, e) != 0) {
		free(s);
		return (-1);
	}
	memcpy(s->seed, seed, ED25519_SEED);
	*ret = s;
	return (0);
}

const struct note_key *
note_signer_key(const struct note_signer *s)
{
	return (&s->key);
}

void
note_signer_free(struct note_signer *s)
{
	if (s == NULL)
		return;
	note_key_release(&s->key);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

/* What is signed by a cosignature. */
static int
cosigned(struct span text, uint64_t time_s, struct buf *out, struct err *e)
{
	buf_addf(out, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
	buf_addspan(out, text);
	return (out->failed ? err_mem(e) : 0);
}

/* UTF-8, and no control character but LF. */
static bool
is_text(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((uint8_t)s.p[i] < 0x20 && s.p[i] != '\n')
			return (false);
	return (json_utf8(s.p, s.len) == s.len);
}

int
note_sign(struct span text, const struct note_signer *s, uint64_t time_s, struct buf *out, struct err *e)
{
	bool timed = s->key.type == NOTE_COSIGNATURE;
	size_t at = ID_LEN + (timed ? TIME_LEN : 0);
	uint8_t payload[PAYLOAD_MAX];
	struct buf message = BUF_INIT;
	int rc;

	if (text.len == 0 || text.p[text.len - 1] != '\n' || !is_text(text))
		return (err_set(e, "the text of a note must be lines of UTF-8 without control characters"));
	put(payload, s->key.id, ID_LEN);
	if (timed) {
		put(payload + ID_LEN, time_s, TIME_LEN);
		if ((rc = cosigned(text, time_s, &message, e)) == 0)
			rc = ed25519_sign(s->seed, message.data, message.len, payload + at, e);
		buf_release(&message);
	} else
		rc = ed25519_sign(s->seed, text.p, text.len, payload + at, e);
	if (rc != 0)
		return (-1);
	buf_adds(out, DASH);
	buf_adds(out, s->key.name);
	buf_addc(out, ' ');
	base64_encode(out, payload, at + ED25519_SIGNATURE);
	buf_addc(out, '\n');
	return (out->failed ? err_mem(e) : 0);
}

int
note_write(struct span text, const struct note_signer *s, struct buf *out, struct err *e)
{
	buf_addspan(out, text);
	buf_addc(out, '\n');
	return (note_sign(text, s, 0, out, e));
}

/* ---- reading ---- */

/* The first line of ${rest}, which ends with LF, as a signature; then ${rest} is behind it.  Return 0, or -1 where it is none. */
static int
take_line(struct span *rest, struct line *ret)
{
	const char *end = memchr(rest->p, '\n', rest->len), *space;
	struct span line = {rest->p, (size_t)(end - rest->p)};

	rest->p += line.len + 1;
	rest->len -= line.len + 1;
	if (line.len <= DASH_LEN || memcmp(line.p, DASH, DASH_LEN) != 0)
		return (-1);
	line.p += DASH_LEN;
	line.len -= DASH_LEN;
	if ((space = memchr(line.p, ' ', line.len)) == NULL)
		return (-1);
	ret->name = (struct span){line.p, (size_t)(space - line.p)};
	ret->base64 = (struct span){space + 1, line.len - ret->name.len - 1};
	ret->len = base64_size(ret->base64.p, ret->base64.len);
	/* An ID, and at least a byte of a signature of whatever type. */
	return (note_name_ok(ret->name) && ret->len != SIZE_MAX && ret->len > ID_LEN ? 0 : -1);
}

/* Behind the last double LF begin the signatures.  Return where, or 0. */
static size_t
find_signatures(struct span bytes)
{
	size_t i;

	for (i = bytes.len; i >= 2; i--)
		if (bytes.p[i - 1] == '\n' && bytes.p[i - 2] == '\n')
			return (i);
	return (0);
}

int
note_parse(struct span bytes, struct note *ret, struct err *e)
{
	struct span rest;
	struct line line;
	struct note n;
	size_t at, number = 1;

	if (bytes.len > NOTE_MAX)
		return (err_set(e, "a note has at most %u bytes", NOTE_MAX));
	if (!is_text(bytes))
		return (err_set(e, "a note must be UTF-8 without control characters"));
	if (bytes.len == 0 || bytes.p[bytes.len - 1] != '\n')
		return (err_set(e, "a note must end with a line feed"));
	if ((at = find_signatures(bytes)) == 0)
		return (err_set(e, "a note must have an empty line between its text and its signatures"));
	n.text = (struct span){bytes.p, at - 1};
	n.signatures = rest = (struct span){bytes.p + at, bytes.len - at};
	n.n = 0;
	for (at = 0; at < n.text.len; at++)
		number += n.text.p[at] == '\n';
	while (rest.len > 0) {
		number++;
		if (n.n++ == NOTE_SIGNATURES_MAX)
			return (err_set(e, "a note has at most %d signatures", NOTE_SIGNATURES_MAX));
		if (take_line(&rest, &line) != 0)
			return (err_set(e, "line %zu of a note is no signature", number));
	}
	if (n.n == 0)
		return (err_set(e, "a note without a signature"));
	*ret = n;
	return (0);
}

bool
note_signer_next(const struct note *n, size_t *at, struct buf *out)
{
	struct span rest = {n->signatures.p + *at, n->signatures.len - *at};
	uint8_t id[6]; /* of eight characters */
	struct line line;

	buf_reset(out);
	if (rest.len == 0 || take_line(&rest, &line) != 0)
		return (false);
	*at = n->signatures.len - rest.len;
	base64_decode(line.base64.p, 8, id);
	buf_addspan(out, line.name);
	buf_addf(out, "+%08" PRIx32, get32(id));
	return (true);
}

/* Whether ${payload}, of a line whose name and ID are the key's, is a good signature of it. */
static int
check(struct span text, const struct note_key *k, const uint8_t *payload, size_t len, bool *ret, struct err *e)
{
	struct buf message = BUF_INIT;
	uint64_t time_s = 0;
	size_t i;
	int rc;

	*ret = false;
	if (k->type == NOTE_ED25519)
		return (len != ID_LEN + ED25519_SIGNATURE
			? 0
			: ed25519_verify(k->public, text.p, text.len, payload + ID_LEN, ret, e));
	if (len != PAYLOAD_MAX)
		return (0);
	for (i = 0; i < TIME_LEN; i++)
		time_s = time_s << 8 | payload[ID_LEN + i];
	if ((rc = cosigned(text, time_s, &message, e)) == 0)
		rc = ed25519_verify(k->public, message.data, message.len, payload + ID_LEN + TIME_LEN, ret, e);
	buf_release(&message);
	return (rc);
}

int
note_verify(const struct note *n, const struct note_key *keys, size_t nkeys, bool *good, struct err *e)
{
	struct span rest = n->signatures;
	uint8_t payload[PAYLOAD_MAX + 3];
	struct line line;
	bool right;
	size_t i;
	int count = 0;

	memset(good, 0, nkeys * sizeof(*good));
	while (rest.len > 0) {
		if (take_line(&rest, &line) != 0)
			return (err_set(e, "the signatures of a note that was not parsed"));
		for (i = 0; i < nkeys; i++) {
			if (!span_is(line.name, keys[i].name))
				continue;
			/* Of a longer one only the ID counts: it is no good. */
			base64_decode(line.base64.p, line.len > PAYLOAD_MAX ? 8 : line.base64.len, payload);
			if (get32(payload) != keys[i].id)
				continue;
			if (check(n->text, &keys[i], payload, line.len, &right, e) != 0)
				return (-1);
			if (!right)
				return (err_no(e, "the signature by '%s' is bad", keys[i].name));
			count += !good[i];
			good[i] = true;
		}
	}
	return (count);
}

/*
 * Credentials files of NATS.
 *
 * Two blocks, each a line `-----BEGIN LABEL-----', a line of text, and a line `------END LABEL------'; what stands between them means nothing.
 *   NATS USER JWT    header.claims.signature, each base64url without padding; the claims are JSON: "sub" the user's public key, "nbf" and "exp" seconds
 *   USER NKEY SEED   base32 without padding of 18 << 3 | kind >> 5, (kind & 31) << 3, 32 bytes of an Ed25519 seed, CRC-16/XMODEM (LE)
 * A public key is base32 of its kind, 32 bytes, and the CRC; the kind of a user is 20 << 3.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "ed25519.h"
#include "fleet_creds.h"
#include "io.h"
#include "json.h"

#include "banned.h"

#define CREDS_MAX 65536u
#define KIND_SEED (18 << 3)
#define KIND_USER (20 << 3)
#define KEY_TEXT 56u  /* characters of a public key */
#define SEED_TEXT 58u /* of a seed */
#define KEY_BYTES (1 + ED25519_PUBLIC + 2)
#define SEED_BYTES (2 + ED25519_SEED + 2)

/* ---- nkeys ---- */

static bool
crc_good(const uint8_t *p, size_t len)
{
	unsigned crc = 0, bit;
	size_t i;

	for (i = 0; i < len - 2; i++) {
		crc ^= (unsigned)p[i] << 8;
		for (bit = 0; bit < 8; bit++)
			crc = (crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021u : 0u)) & 0xffff;
	}
	return (p[len - 2] == (crc & 0xff) && p[len - 1] == crc >> 8);
}

/* Base32 of ${len} bytes with their checksum.  Return whether it is. */
static bool
nkey_decode(struct span text, size_t want, uint8_t *out, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t bits = 0;
	unsigned n = 0;
	size_t i, at = 0;
	const char *p;

	if (text.len != want)
		return (false);
	for (i = 0; i < text.len; i++) {
		if (text.p[i] == '\0' || (p = strchr(digits, text.p[i])) == NULL)
			return (false);
		bits = (bits & 0xff) << 5 | (uint32_t)(p - digits);
		n += 5;
		if (n >= 8 && at < len) {
			n -= 8;
			out[at++] = (uint8_t)(bits >> n);
		}
	}
	return (at == len && crc_good(out, len));
}

/* ---- the file ---- */

static int
read_text(const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	ssize_t n;
	int fd, rc = -1;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) == -1 || fstat(fd, &st) != 0) {
		err_sys(e, "cannot open the credentials '%s'", path);
		goto done;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, "the credentials '%s' are no regular file, and they are read anew at each connection", path);
		goto done;
	}
	if (buf_reserve(out, CREDS_MAX + 1) != 0) {
		err_mem(e);
		goto done;
	}
	if ((n = io_read(fd, out->data, CREDS_MAX + 1)) == -1)
		err_sys(e, "cannot read the credentials '%s'", path);
	else if (n > (ssize_t)CREDS_MAX)
		err_set(e, "'%s' is larger than any credentials file", path);
	else {
		out->len = (size_t)n;
		rc = 0;
	}
done:	if (fd != -1)
		close(fd);
	return (rc);
}

static struct span
next_line(struct span *text)
{
	const char *lf = text->len == 0 ? NULL : memchr(text->p, '\n', text->len);
	struct span line = {text->p, lf == NULL ? text->len : (size_t)(lf - text->p)};

	text->p += line.len + (lf != NULL);
	text->len -= line.len + (lf != NULL);
	return (line);
}

/* The line behind that which begins block ${label}.  Return whether there is one. */
static bool
find_block(struct span text, const char *label, struct span *ret)
{
	static const char begin[] = "-----BEGIN ";
	size_t len = strlen(label);
	struct span line;

	while (text.len > 0) {
		line = next_line(&text);
		if (line.len < sizeof(begin) - 1 + len || memcmp(line.p, begin, sizeof(begin) - 1) != 0 || memcmp(line.p + sizeof(begin) - 1, label, len) != 0)
			continue;
		do
			*ret = next_line(&text);
		while (ret->len == 0 && text.len > 0);
		return (ret->len > 0 && ret->p[0] != '-');
	}
	return (false);
}

/* ---- the JWT ---- */

/* The claims, as canonical JSON, into ${out}.  Return whether they are. */
static bool
find_claims(struct span jwt, struct buf *out)
{
	const char *first = memchr(jwt.p, '.', jwt.len), *second;
	struct buf text = BUF_INIT, json = BUF_INIT;
	struct json_work work = {0};
	struct json_fault f;
	size_t i, n, pos = 0;
	bool ok = false;

	if (first == NULL || (second = memchr(first + 1, '.', jwt.len - (size_t)(first + 1 - jwt.p))) == NULL)
		return (false);
	for (i = 0; first + 1 + i < second; i++)
		buf_addc(&text, first[1 + i] == '-' ? '+' : first[1 + i] == '_' ? '/' : first[1 + i]);
	while (text.len % 4 != 0)
		buf_addc(&text, '=');
	if (!text.failed && text.len > 0 && (n = base64_size(text.data, text.len)) != SIZE_MAX && buf_reserve(&json, n) == 0) {
		base64_decode(text.data, text.len, (uint8_t *)json.data);
		ok = n > 0 && json.data[0] == '{' && json_canonical(json.data, n, &pos, 1, &work, out, &f) == 0 && pos == n;
	}
	json_work_release(&work);
	buf_release(&json);
	buf_release(&text);
	return (ok);
}

/* A number of seconds among the claims; 0 where there is none. */
static int64_t
seconds_of(struct span claims, const char *name)
{
	struct span v;
	uint64_t n;

	return (json_get(claims, name, &v) == 1 && decimal_parse(v.p, v.len, &n) == 0 && n <= INT64_MAX / 2000000 ? (int64_t)n : 0);
}

/* Whether the key of ${seed} is the one that the JWT is for.  Return 0 or -1. */
static int
check_key(const char *path, const uint8_t seed[SEED_BYTES], struct span claims, struct err *e)
{
	uint8_t own[ED25519_PUBLIC], named[KEY_BYTES];
	struct span sub;

	if (json_get(claims, "sub", &sub) != 1 || sub.len < 2 || !nkey_decode((struct span){sub.p + 1, sub.len - 2}, KEY_TEXT, named, KEY_BYTES) || named[0] != KIND_USER)
		return (err_set(e, "the JWT in the credentials '%s' is no user's", path));
	if (ed25519_public(seed + 2, own, e) != 0)
		return (-1);
	if (memcmp(own, named + 1, ED25519_PUBLIC) != 0)
		return (err_set(e, "the seed in the credentials '%s' is not that of the user whose JWT is there", path));
	return (0);
}

static int
check(const char *path, struct span text, uint8_t seed[SEED_BYTES], struct buf *claims, struct err *e)
{
	struct span jwt, line;

	if (text.len > 0 && memchr(text.p, '\r', text.len) != NULL)
		return (err_set(e, "the lines of the credentials '%s' end with CR LF: the client library takes only LF", path));
	if (!find_block(text, "NATS USER JWT-----", &jwt))
		return (err_set(e, "'%s' is no credentials file of NATS: it has no '-----BEGIN NATS USER JWT-----' with a line behind it", path));
	if (!find_block(text, "USER NKEY SEED-----", &line))
		return (err_set(e, "the credentials '%s' have no seed: there is no '-----BEGIN USER NKEY SEED-----' with a line behind it", path));
	if (!nkey_decode(line, SEED_TEXT, seed, SEED_BYTES))
		return (err_set(e, "the seed in the credentials '%s' is damaged: its checksum is wrong", path));
	if (seed[0] != (KIND_SEED | KIND_USER >> 5) || seed[1] != ((KIND_USER & 31) << 3))
		return (err_set(e, "the seed in the credentials '%s' is no user's", path));
	if (!find_claims(jwt, claims))
		return (err_set(e, "the JWT in the credentials '%s' is damaged", path));
	return (check_key(path, seed, (struct span){claims->data, claims->len}, e));
}

int
fleet_creds_read(const char *path, struct fleet_creds *ret, struct err *e)
{
	struct buf text = BUF_INIT, claims = BUF_INIT;
	uint8_t seed[SEED_BYTES];
	int rc;

	if ((rc = read_text(path, &text, e)) == 0)
		rc = check(path, (struct span){text.data, text.len}, seed, &claims, e);
	if (rc == 0) {
		ret->from = seconds_of((struct span){claims.data, claims.len}, "nbf");
		ret->until = seconds_of((struct span){claims.data, claims.len}, "exp");
	}
	explicit_bzero(seed, sizeof(seed));
	if (text.len > 0)
		explicit_bzero(text.data, text.len);
	buf_release(&text);
	buf_release(&claims);
	return (rc);
}

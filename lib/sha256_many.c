/* SHA-256 of many messages at a time. */
#include "config.h"

#include "sha256_impl.h"

#include "banned.h"

#define BLOCK SHA256_BLOCK

/* Messages in hand: enough that the lanes which run empty at their ends do not count. */
#define AT_ONCE 64

void
sha256_compress_many(struct sha256_part *part, size_t n)
{
	const struct sha256_engine *e = sha256_chosen();

	if (e->many != NULL && n > 1) {
		e->many(part, n);
		return;
	}
	for (; n > 0; n--, part++)
		if (part->blocks > 0)
			e->compress(part->state, part->p, part->blocks);
}

/* At most AT_ONCE messages, by an engine that knows of blocks only. */
static void
by_parts(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE])
{
	struct sha256_end end[AT_ONCE];
	struct sha256_part part[AT_ONCE];
	size_t i;

	for (i = 0; i < n; i++) {
		sha256_start(part[i].state);
		part[i].p = msg[i].p;
		part[i].blocks = msg[i].len / BLOCK;
	}
	sha256_compress_many(part, n);
	for (i = 0; i < n; i++) {
		sha256_pad(&end[i], msg[i].p, msg[i].len, msg[i].len);
		part[i].p = end[i].block;
		part[i].blocks = end[i].blocks;
	}
	sha256_compress_many(part, n);
	for (i = 0; i < n; i++)
		sha256_digest(part[i].state, out[i]);
}

void
sha256_many(const struct sha256_msg *msg, size_t n)
{
	const struct sha256_engine *e = sha256_chosen();
	uint8_t out[AT_ONCE][SHA256_SIZE];
	size_t i, now;

	for (; n > 0; n -= now, msg += now) {
		now = n < AT_ONCE ? n : AT_ONCE;
		(e->messages != NULL ? e->messages : by_parts)(msg, now, out);
		/* Only now: they may lie over messages that were not done with. */
		for (i = 0; i < now; i++)
			memcpy(msg[i].out, out[i], SHA256_SIZE);
	}
}

#define TREE_AT_ONCE 32

/* The same for an engine that knows of blocks only: SHA-256(prefix || in[i]) of ${n} inputs of ${len} bytes, 32 or 64. */
static void
prefixed_by_parts(uint8_t prefix, const uint8_t *in, size_t len, size_t n, uint8_t *out)
{
	uint8_t message[TREE_AT_ONCE][2 * BLOCK] __attribute__((aligned(16)));
	struct sha256_part part[TREE_AT_ONCE];
	size_t blocks = len == 32 ? 1 : 2, bits = 8 * (1 + len), now, i;

	for (i = 0; i < n && i < TREE_AT_ONCE; i++) {
		memset(message[i], 0, sizeof(message[i]));
		message[i][0] = prefix;
		message[i][1 + len] = 0x80;
		message[i][BLOCK * blocks - 2] = (uint8_t)(bits >> 8);
		message[i][BLOCK * blocks - 1] = (uint8_t)bits;
		part[i].p = message[i];
		part[i].blocks = blocks;
	}
	for (; n > 0; n -= now, in += now * len) {
		now = n < TREE_AT_ONCE ? n : TREE_AT_ONCE;
		for (i = 0; i < now; i++) {
			memcpy(message[i] + 1, in + i * len, len);
			sha256_start(part[i].state);
		}
		sha256_compress_many(part, now);
		for (i = 0; i < now; i++, out += SHA256_SIZE)
			sha256_digest(part[i].state, out);
	}
}

void
sha256_prefixed(uint8_t prefix, const uint8_t *in, size_t hashes, size_t n, uint8_t *out)
{
	const struct sha256_engine *e = sha256_chosen();

	if (e->prefixed != NULL)
		e->prefixed(prefix, in, hashes, n, out);
	else
		prefixed_by_parts(prefix, in, hashes * SHA256_SIZE, n, out);
}

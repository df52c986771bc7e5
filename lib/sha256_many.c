/* SHA-256 of many messages at a time. */
#include "config.h"

#include <string.h>

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

static void
store_be32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

/* The end of a message with its padding.  Return its number of blocks. */
static size_t
pad(uint8_t out[2 * BLOCK], const struct sha256_msg *msg)
{
	size_t rest = msg->len % BLOCK, size = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
	uint64_t total = msg->len;

	memset(out, 0, 2 * BLOCK);
	if (rest > 0)
		memcpy(out, (const uint8_t *)msg->p + (msg->len - rest), rest);
	out[rest] = 0x80;
	store_be32(out + size - 8, (uint32_t)(total >> 29));
	store_be32(out + size - 4, (uint32_t)(total << 3));
	return (size / BLOCK);
}

void
sha256_digest(const uint32_t state[8], uint8_t out[SHA256_SIZE])
{
	int i;

	for (i = 0; i < 8; i++)
		store_be32(out + 4 * i, state[i]);
}

void
sha256_many(const struct sha256_msg *msg, size_t n)
{
	uint8_t end[AT_ONCE][2 * BLOCK] __attribute__((aligned(16)));
	struct sha256_part part[AT_ONCE];
	size_t i, now;

	for (; n > 0; n -= now, msg += now) {
		now = n < AT_ONCE ? n : AT_ONCE;
		for (i = 0; i < now; i++) {
			sha256_start(part[i].state);
			part[i].p = msg[i].p;
			part[i].blocks = msg[i].len / BLOCK;
		}
		sha256_compress_many(part, now);
		for (i = 0; i < now; i++) {
			part[i].blocks = pad(end[i], &msg[i]);
			part[i].p = end[i];
		}
		sha256_compress_many(part, now);
		for (i = 0; i < now; i++)
			sha256_digest(part[i].state, msg[i].out);
	}
}

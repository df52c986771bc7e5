/* The chain: lines get their prev and hash, many at a time. */
#include "config.h"

#include <string.h>

#include "chain.h"
#include "hash_text.h"
#include "sha256_many.h"

#include "banned.h"

#define BLOCK 64

size_t
chain_seal(struct chain *c, char *text, uint8_t head[SHA256_SIZE])
{
	static const char between[] = "\",\"hash\":\"", end[] = "\"}\n";
	struct sha256_part part[CHAIN_MAX];
	char hex[HASH_TEXT], *line, *p;
	size_t i, n = c->n, done, total;

	for (i = 0; i < n; i++) {
		sha256_start(part[i].state);
		part[i].p = (const uint8_t *)text + c->at[i];
		part[i].blocks = c->front[i] / BLOCK;
	}
	sha256_compress_many(part, n);
	hash_text_put(hex, head);
	for (i = 0; i < n; i++) {
		line = text + c->at[i];
		p = line + c->front[i];
		memcpy(p, hex, HASH_TEXT);
		memcpy(p + HASH_TEXT, between, sizeof(between) - 1);
		/* The hash covers the quote behind prev, and nothing behind that. */
		total = c->front[i] + HASH_TEXT + 1;
		done = c->front[i] / BLOCK * BLOCK;
		sha256_finish(part[i].state, line + done, total - done, total, c->hash[i]);
		hash_text_put(hex, c->hash[i]);
		p += HASH_TEXT + sizeof(between) - 1;
		memcpy(p, hex, HASH_TEXT);
		memcpy(p + HASH_TEXT, end, sizeof(end) - 1);
	}
	if (n > 0)
		memcpy(head, c->hash[n - 1], SHA256_SIZE);
	c->n = 0;
	return (n);
}

/* HMAC-SHA-256. */
#include "config.h"

#include <string.h>

#include "hmac.h"

#include "banned.h"

#define BLOCK 64 /* of SHA-256 */

void
hmac_key(struct hmac *h, const void *key, size_t len)
{
	uint8_t block[BLOCK] = {0};
	size_t i;

	if (len > BLOCK)
		sha256(key, len, block);
	else if (len > 0)
		memcpy(block, key, len);
	for (i = 0; i < BLOCK; i++)
		block[i] ^= 0x36;
	sha256_init(&h->inner);
	sha256_update(&h->inner, block, BLOCK);
	for (i = 0; i < BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	sha256_init(&h->outer);
	sha256_update(&h->outer, block, BLOCK);
	explicit_bzero(block, sizeof(block));
}

void
hmac_begin(const struct hmac *h, struct sha256 *c)
{
	*c = h->inner;
}

void
hmac_end(const struct hmac *h, struct sha256 *c, uint8_t out[SHA256_SIZE])
{
	uint8_t inner[SHA256_SIZE];

	sha256_final(c, inner);
	*c = h->outer;
	sha256_update(c, inner, sizeof(inner));
	sha256_final(c, out);
	explicit_bzero(inner, sizeof(inner));
}

void
hmac_wipe(struct hmac *h)
{
	explicit_bzero(h, sizeof(*h));
}

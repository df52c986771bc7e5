/* Merkle tree hashes of RFC 6962 section 2.1, as a stream. */
#include "config.h"

#include <string.h>

#include "merkle.h"
#include "sha256_many.h"

#include "banned.h"

void
merkle_init(struct merkle *m)
{
	m->size = 0;
	m->depth = 0;
}

void
merkle_leaf(const void *data, size_t len, uint8_t out[SHA256_SIZE])
{
	uint8_t small[1 + 2 * SHA256_SIZE];
	struct sha256 c;

	small[0] = 0x00;
	if (len < sizeof(small)) {
		if (len > 0)
			memcpy(small + 1, data, len);
		sha256(small, 1 + len, out);
		return;
	}
	sha256_init(&c);
	sha256_update(&c, small, 1);
	sha256_update(&c, data, len);
	sha256_final(&c, out);
}

void
merkle_node(const uint8_t l[SHA256_SIZE], const uint8_t r[SHA256_SIZE], uint8_t out[SHA256_SIZE])
{
	uint8_t both[1 + 2 * SHA256_SIZE];

	both[0] = 0x01;
	memcpy(both + 1, l, SHA256_SIZE);
	memcpy(both + 1 + SHA256_SIZE, r, SHA256_SIZE);
	sha256(both, sizeof(both), out);
}

void
merkle_leaves(const uint8_t *hashes, size_t n, uint8_t *out)
{
	sha256_prefixed(0x00, hashes, 1, n, out);
}

void
merkle_pairs(const uint8_t *nodes, size_t n, uint8_t *out)
{
	sha256_prefixed(0x01, nodes, 2, n, out);
}

void
merkle_add(struct merkle *m, const uint8_t leaf[SHA256_SIZE])
{
	merkle_add_subtree(m, leaf, 1);
}

void
merkle_add_subtree(struct merkle *m, const uint8_t hash[SHA256_SIZE], uint64_t size)
{
	uint8_t h[SHA256_SIZE];
	uint64_t bit;

	memcpy(h, hash, sizeof(h));
	/* As in binary addition: an equal subtree to the left makes one of twice the size. */
	for (bit = size; (m->size & bit) != 0 && m->depth > 0; bit <<= 1)
		merkle_node(m->stack[--m->depth], h, h);
	memcpy(m->stack[m->depth++], h, sizeof(h));
	m->size += size;
}

size_t
merkle_cut(uint64_t first, uint8_t *leaves, size_t n, struct merkle_subtree *out)
{
	size_t cut = 0, size, left;

	for (; n > 0; n -= size, first += size, leaves += size * SHA256_SIZE, cut++) {
		for (size = 1; size * 2 <= n && (first & size) == 0; size *= 2)
			;
		for (left = size / 2; left > 0; left /= 2)
			merkle_pairs(leaves, left, leaves);
		out[cut].size = size;
		memcpy(out[cut].hash, leaves, SHA256_SIZE);
	}
	return (cut);
}

void
merkle_root(const struct merkle *m, uint8_t out[SHA256_SIZE])
{
	unsigned i;

	if (m->depth == 0) {
		sha256(NULL, 0, out);
		return;
	}
	i = m->depth - 1;
	memcpy(out, m->stack[i], SHA256_SIZE);
	while (i-- > 0)
		merkle_node(m->stack[i], out, out);
}

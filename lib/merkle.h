/* Merkle tree hashes of RFC 6962 section 2.1, as a stream. */
#ifndef ECL_MERKLE_H_
#define ECL_MERKLE_H_

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

/* The roots of the perfect subtrees of what was added, largest first: one per bit of size. */
struct merkle {
	uint64_t size;
	unsigned depth; /* number of hashes on the stack */
	uint8_t stack[64][SHA256_SIZE];
};

/** merkle_init(m): the empty tree. */
void merkle_init(struct merkle *m);

/** merkle_leaf(data, len, out): SHA-256(0x00 || data). */
void merkle_leaf(const void *data, size_t len, uint8_t out[SHA256_SIZE]);

/** merkle_node(l, r, out): SHA-256(0x01 || l || r).  ${out} may be ${l} or ${r}. */
void merkle_node(const uint8_t l[SHA256_SIZE], const uint8_t r[SHA256_SIZE], uint8_t out[SHA256_SIZE]);

/** merkle_add(m, leaf): append a leaf hash.  Amortised one node hash. */
void merkle_add(struct merkle *m, const uint8_t leaf[SHA256_SIZE]);

/**
 * merkle_add_subtree(m, hash, size):
 * Append a perfect subtree of ${size} leaves, a power of two that divides m->size.
 */
void merkle_add_subtree(struct merkle *m, const uint8_t hash[SHA256_SIZE], uint64_t size);

/** merkle_root(m, out): the root of all that was added (SHA-256("") of nothing); ${m} stays as it is.  O(log n). */
void merkle_root(const struct merkle *m, uint8_t out[SHA256_SIZE]);

#endif

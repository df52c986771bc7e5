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

/**
 * merkle_leaves(hashes, n, out):
 * The leaf hashes of ${n} data of 32 bytes each, one behind the other: SHA-256(0x00 || hashes[i]).  ${out}, 32 n bytes,
 * may be ${hashes}.  Many at a time take half the time of one by one, or less.  O(n).
 */
void merkle_leaves(const uint8_t *hashes, size_t n, uint8_t *out);

/**
 * merkle_pairs(nodes, n, out):
 * The next level of a tree: merkle_node() of nodes 2i and 2i + 1 for each i < ${n}; ${nodes} holds 64 n bytes, ${out} 32 n
 * and may be ${nodes}.  O(n), the faster the larger n.
 */
void merkle_pairs(const uint8_t *nodes, size_t n, uint8_t *out);

/** merkle_add(m, leaf): append a leaf hash.  Amortised one node hash. */
void merkle_add(struct merkle *m, const uint8_t leaf[SHA256_SIZE]);

/**
 * merkle_add_subtree(m, hash, size):
 * Append a perfect subtree of ${size} leaves, a power of two that divides m->size.
 */
void merkle_add_subtree(struct merkle *m, const uint8_t hash[SHA256_SIZE], uint64_t size);

/* A perfect subtree. */
struct merkle_subtree {
	uint64_t size; /* leaves: a power of two */
	uint8_t hash[SHA256_SIZE];
};

#define MERKLE_CUT_MAX 128 /* that any run of leaves is cut into */

/**
 * merkle_cut(first, leaves, n, out):
 * The largest perfect subtrees that leaves ${first} to first + n - 1 of a tree make, from their ${n} leaf hashes, which are used
 * up: what merkle_add_subtree() takes one after the other.  Return how many, at most MERKLE_CUT_MAX.  O(n), in lanes.
 */
size_t merkle_cut(uint64_t first, uint8_t *leaves, size_t n, struct merkle_subtree *out);

/** merkle_root(m, out): the root of all that was added (SHA-256("") of nothing); ${m} stays as it is.  O(log n). */
void merkle_root(const struct merkle *m, uint8_t out[SHA256_SIZE]);

#endif

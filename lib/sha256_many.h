/* SHA-256 of many messages at a time: a processor with SHA-NI has room for several, and one waits for itself. */
#ifndef ECL_SHA256_MANY_H_
#define ECL_SHA256_MANY_H_

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

/* A run of whole 64-byte blocks within a message. */
struct sha256_part {
	uint32_t state[8]; /* before and after; sha256_start() where the message begins */
	const uint8_t *p;  /* may be NULL where there are no blocks */
	size_t blocks;
};

struct sha256_msg {
	const void *p; /* may be NULL where len is 0 */
	size_t len;    /* bytes */
	uint8_t *out;  /* the digest's SHA256_SIZE bytes */
};

/**
 * sha256_compress_many(part, n):
 * Advance the state of each part over its blocks; p and blocks stay as they are.  Parts are independent of each
 * other and of any lengths.  Hundreds at a time keep all lanes busy to the end.  O(blocks), allocates nothing.
 */
void sha256_compress_many(struct sha256_part *part, size_t n);

/**
 * sha256_many(msg, n):
 * Digest each of ${n} whole messages.  out[i] may lie over the bytes of message i and of those before it.
 * O(bytes), allocates nothing.
 */
void sha256_many(const struct sha256_msg *msg, size_t n);

/**
 * sha256_prefixed(prefix, in, hashes, n, out):
 * ${n} digests, of ${prefix} and the next ${hashes} hashes of ${in} each, 1 or 2: the leaves and nodes of a Merkle tree.  ${out} may be
 * ${in}.  O(n), allocates nothing.
 */
void sha256_prefixed(uint8_t prefix, const uint8_t *in, size_t hashes, size_t n, uint8_t *out);

#endif

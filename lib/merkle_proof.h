/* Proofs over a Merkle tree: RFC 6962 sections 2.1.1 and 2.1.2; checks as in RFC 9162 sections 2.1.3.2 and 2.1.4.2. */
#ifndef ECL_MERKLE_PROOF_H_
#define ECL_MERKLE_PROOF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "sha256.h"

#define MERKLE_PROOF_MAX 64 /* hashes of an inclusion proof; a consistency proof has at most one more */

/**
 * merkle_range(arg, from, to, out, e):
 * Where hashes come from: MTH(D[from:to]), never of an empty range.  ${from} is a multiple of the least power of two that is not
 * smaller than to - from, so that the range is a subtree of its own.  Return 0 or -1.
 */
typedef int (*merkle_range)(void *arg, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e);

/**
 * merkle_inclusion(i, n, range, arg, out, e):
 * Append PATH(i, D[n]) to ${out}, 32 bytes a hash, the leaf's sibling first; i < n.  Asks for at most 64 ranges, which together are all of
 * D[n] but leaf i.  Return 0, or -1 with ${out} as it was.
 */
int merkle_inclusion(uint64_t i, uint64_t n, merkle_range range, void *arg, struct buf *out, struct err *e);

/** merkle_consistency(m, n, range, arg, out, e): the same of PROOF(m, D[n]), 0 < m <= n; nothing where they are equal. */
int merkle_consistency(uint64_t m, uint64_t n, merkle_range range, void *arg, struct buf *out, struct err *e);

/** merkle_check_inclusion(leaf, i, n, proof, len, root): whether ${proof}, of ${len} bytes, shows that ${leaf} is leaf ${i} of the ${n} under ${root}. */
bool merkle_check_inclusion(const uint8_t leaf[SHA256_SIZE], uint64_t i, uint64_t n, const uint8_t *proof, size_t len,
    const uint8_t root[SHA256_SIZE]);

/** merkle_check_consistency(m, n, r1, r2, proof, len): whether it shows that the ${m} > 0 leaves under ${r1} are the first of the ${n} under ${r2}. */
bool merkle_check_consistency(uint64_t m, uint64_t n, const uint8_t r1[SHA256_SIZE], const uint8_t r2[SHA256_SIZE],
    const uint8_t *proof, size_t len);

#endif

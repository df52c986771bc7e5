/* The numbers of a text's vector: sums of rows, and their lengths; portable, or with AVX2, and the same to the bit. */
#ifndef ECL_EMBED_SUMS_H_
#define ECL_EMBED_SUMS_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * Sums are aligned to 32 bytes, their number is a multiple of 32.  All take whether to use AVX2, which embed_sums_avx2() says is there.  O(dims),
 * and nothing is allocated.
 */
bool embed_sums_avx2(void);

/** embed_sums_add(avx2, to, a, b, dims, by_a, by_b): add row ${a} times ${by_a} and row ${b} times ${by_b}: factors of 15 bits. */
void embed_sums_add(bool avx2, int32_t *to, const int8_t *a, const int8_t *b, unsigned dims, unsigned by_a, unsigned by_b);

/** embed_sums_subtract(avx2, x, dims): x[i] -= x[dims + i]. */
void embed_sums_subtract(bool avx2, int32_t *x, unsigned dims);

/** embed_sums_root(avx2, n): the root of a number below 2^52, rounded down. */
uint32_t embed_sums_root(bool avx2, uint64_t n);

/** embed_sums_settle(avx2, x, dims): make them numbers of 15 bits and a sign, which keeps their direction.  Return their length, 0 where all are 0. */
uint32_t embed_sums_settle(bool avx2, int32_t *x, unsigned dims);

/** embed_sums_put(avx2, x, dims, length, scale, out): bring what was settled, of that length, to ${scale}, rounded, at most 127 each. */
void embed_sums_put(bool avx2, const int32_t *x, unsigned dims, uint32_t length, unsigned scale, int8_t *out);

#endif

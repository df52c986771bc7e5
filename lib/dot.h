/* Inner products of int8 vectors: portable, or with AVX2 where the processor has it; the same numbers on either. */
#ifndef ECL_DOT_H_
#define ECL_DOT_H_

#include <stddef.h>
#include <stdint.h>

#define DOT_WIDTH_MAX 65536u /* no sum of so many products leaves an int32_t: 2^16 * 2^14 = 2^30 */

/*
 * Rows stand one behind the other, ${width} bytes each: a multiple of 32, at most DOT_WIDTH_MAX.  Nothing need be aligned.
 * All products are exact, also of -128.  O(n * width), no allocation.
 */

/** dot_rows(q, rows, n, width, out): out[i] = the inner product of ${q} and row i. */
void dot_rows(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out);

/** dot_rows_self(q, rows, n, width, out, self): the same, and self[i] = that of row i with itself: half again as long. */
void dot_rows_self(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self);

/** dot_self(row, width): the inner product of a row with itself. */
int32_t dot_self(const int8_t *row, unsigned width);

/**
 * dot_cosine(dot, qq, rr):
 * The cosine of two vectors with that inner product, whose products with themselves are ${qq} and ${rr}; 0 where either is all
 * zeros.  One division and one square root of doubles, which IEEE 754 has exactly one result for: the same on every machine.
 */
double dot_cosine(int32_t dot, int32_t qq, int32_t rr);

#endif

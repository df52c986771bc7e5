/* Vectors as a bit a number: codes that tell which of many rows are worth a look. */
#ifndef ECL_CODE_H_
#define ECL_CODE_H_

#include <stddef.h>
#include <stdint.h>

/*
 * The code of a row of int8 says on which side of 0 each number is once the row was turned, by two rounds of random signs and a Hadamard
 * transform: then each bit tells as much as any other, however the numbers were.  A query is turned in the same way and keeps
 * four bits a number.  This is RaBitQ (Gao and Long, SIGMOD 2024), with a rotation of O(n log n) and without the factor of each row,
 * which those turns leave nearly the same for all.
 *
 * Nothing is learnt, so that the code of a row is final when the row is.  All is integers, and the same to the bit on every machine.
 */
#define CODE_ROW_MIN 256u  /* bytes of a row: shorter ones are read as fast as their codes */
#define CODE_ROW_MAX 4096u /* a distance fits into 16 bits */

/** code_width(width): bytes of the code of a row of ${width} bytes, a power of two; 0: such rows have none. */
unsigned code_width(unsigned width);

/** code_make(row, width, out): the code of a row, code_width(width) bytes.  Bit i is bit i % 8 of byte i / 8.  O(width log width): 0.2 us for 256. */
void code_make(const int8_t *row, unsigned width, uint8_t *out);

/* What is looked for. */
struct code_query {
	unsigned bytes; /* of a code */
	uint8_t plane[4][CODE_ROW_MAX / 8] __attribute__((aligned(32))); /* of the numbers' four bits, the lowest first */
};

/** code_query_init(q, row, width): of a row that has a code, and is not all zeros. */
void code_query_init(struct code_query *q, const int8_t *row, unsigned width);

/**
 * code_distances(q, codes, n, out):
 * How far each of ${n} codes, one behind the other, is from the query: 0 to 15 a bit, all of them together.  Of two rows the one with the
 * larger cosine nearly always has the smaller distance, where the cosines differ by more than 2 / sqrt(width).
 * O(n * width): 4 ns each for rows of 256 bytes, with AVX2.
 */
void code_distances(const struct code_query *q, const uint8_t *codes, size_t n, uint16_t *out);

/** code_use(name): choose "avx2" or "portable", for tests; NULL: what is best.  Return 0, or -1 where this processor lacks it. */
int code_use(const char *name);

#endif

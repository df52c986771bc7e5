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

/*
 * The codes of CODE_BLOCK rows stand together, turned: first byte 0 of each of them, in the order of the rows, then byte 1 of each, and so on.
 * So a register has the same byte of many rows, and looks up what it adds to their distances for all at once (Andre, Kermarrec,
 * Le Scouarnec: Cache locality is not enough, VLDB 2015; FastScan of FAISS).
 */
#define CODE_BLOCK 32u

/** code_width(width): bytes of the code of a row of ${width} bytes, a power of two; 0: such rows have none. */
unsigned code_width(unsigned width);

/** code_make(row, width, out): the code of a row, code_width(width) bytes.  Bit i is bit i % 8 of byte i / 8.  O(width log width): 0.2 us for 256. */
void code_make(const int8_t *row, unsigned width, uint8_t *out);

/** code_make_block(rows, width, out): those of CODE_BLOCK rows, one behind the other, as a block. */
void code_make_block(const int8_t *rows, unsigned width, uint8_t *out);

/** code_of(block, bytes, i, out): the code of row ${i} of a block, ${bytes} long. */
void code_of(const uint8_t *block, unsigned bytes, unsigned i, uint8_t *out);

/* What is looked for. */
struct code_query {
	unsigned bytes; /* of a code */
	double scale;	/* of distances: how far it is from a row that has nothing to do with it to one just like it */
	uint8_t table[CODE_ROW_MAX / 4][16] __attribute__((aligned(32))); /* what each four bits of a code add to its distance, the lower ones of a byte first: 0 to 60 */
};

/** code_query_init(q, row, width): of a row that has a code, and is not all zeros. */
void code_query_init(struct code_query *q, const int8_t *row, unsigned width);

/**
 * code_distance(q, code):
 * How far a code is from the query: 0 to 15 a bit, all of them together.  Of two rows the one with the larger cosine nearly always has the
 * smaller distance, where the cosines differ by more than 2 / sqrt(width).
 */
unsigned code_distance(const struct code_query *q, const uint8_t *code);

/** code_reach(q, cosine): hardly one in 100 rows whose cosine with the query is ${cosine}, or more, has a code that is farther than that. */
unsigned code_reach(const struct code_query *q, double cosine);

/**
 * code_distances(q, blocks, n, bar, out, near):
 * The distances of all rows of ${n} blocks, and for each block a bit a row (the lowest is the first one's): whether it is at most ${bar}.
 * O(n * width): 1.1 ns a row of 256 bytes, with AVX2.
 */
void code_distances(const struct code_query *q, const uint8_t *blocks, size_t n, uint16_t bar, uint16_t *out, uint32_t *near);

/** code_use(name): choose "avx2" or "portable", for tests; NULL: what is best.  Return 0, or -1 where this processor lacks it. */
int code_use(const char *name);

#endif

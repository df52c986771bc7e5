/* What the reader and the writer of runs have in common. */
#ifndef ECL_RUNS_IMPL_H_
#define ECL_RUNS_IMPL_H_

#include <stdint.h>

#include "runs.h"
#include "siphash.h"

#define RUN_MAGIC "eclrun01"
#define RUN_BODY (RUN_BLOCK - 4) /* what the CRC covers */
#define BLOCK_HEAD 4u
#define RECORD_FIXED 31u /* bytes of a record beside its name */
#define RECORD_ALIVE 1u
#define FILTER_BITS (RUN_BODY * 8u)
#define FILTER_PROBES 7u
#define FILTER_RECORDS 3200u /* a filter block: ten bits each, one in a hundred other names passes */

/** run_block_crc(seed, number, block, data): of a block's first RUN_BODY bytes. */
uint32_t run_block_crc(uint32_t seed, uint64_t number, uint64_t block, const uint8_t *data);

/** run_filter_place(number, blocks, name, ret_block): the filter block of ${name}; the value gives its bits. */
uint64_t run_filter_place(uint64_t number, uint64_t blocks, struct span name, uint64_t *ret_block);

/* The bit of probe ${i}: double hashing. */
static inline unsigned
run_filter_bit(uint64_t bits, unsigned i)
{
	uint32_t a = (uint32_t)(bits >> 32), b = (uint32_t)bits | 1;

	return ((a + i * b) % FILTER_BITS);
}

#endif

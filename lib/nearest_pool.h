/* The best few of very many by small whole numbers: distances of codes, of which most are seen at a glance to be too far. */
#ifndef ECL_NEAREST_POOL_H_
#define ECL_NEAREST_POOL_H_

#include <stddef.h>
#include <stdint.h>

#include "nearest.h"

/* Those that may be among the best ${k}, and some more: they are sorted out when there are too many. */
struct nearest_pool {
	struct nearest_hit *hit; /* score = the distance below 0; in the order in which they came */
	size_t n, k;
	uint16_t bar;	 /* what is farther is none of the best */
	uint32_t *count; /* of each distance, while they are sorted out */
};

/** nearest_pool_init(p, k), nearest_pool_release(p): for ${k} of them, at least 1.  Return 0, or -1 where memory ran out. */
int nearest_pool_init(struct nearest_pool *p, size_t k);
void nearest_pool_release(struct nearest_pool *p);

/** nearest_pool_add(p, distance, near, seq): of the 32 distances of ${seq} and those behind it those whose bit is set in ${near}.  Calls go up. */
void nearest_pool_add(struct nearest_pool *p, const uint16_t *distance, uint32_t near, uint64_t seq);

/** nearest_pool_take(p, best): put the best ${k}, of equal ones the newest, into ${best}, which is empty: the better the later.  Return 0, or -1 where memory ran out. */
int nearest_pool_take(struct nearest_pool *p, struct nearest *best);

#endif

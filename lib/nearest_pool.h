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
	unsigned bar;	 /* what is farther is none of the best */
	uint32_t *count; /* of each distance, while they are sorted out */
};

/** nearest_pool_init(p, k), nearest_pool_release(p): for ${k} of them, at least 1.  Return 0, or -1 where memory ran out. */
int nearest_pool_init(struct nearest_pool *p, size_t k);
void nearest_pool_release(struct nearest_pool *p);

/** nearest_pool_add(p, distance, n, seq): ${n} distances, of ${seq} and those behind it.  Calls go up.  O(n), less than a ns each. */
void nearest_pool_add(struct nearest_pool *p, const uint16_t *distance, size_t n, uint64_t seq);

/** nearest_pool_offer(p, best): offer the best ${k} to ${best}, of equal ones the newest.  Return 0, or -1 where memory ran out. */
int nearest_pool_offer(struct nearest_pool *p, struct nearest *best);

#endif

/* Random numbers that are the same on every machine (xorshift64*), for tests. */
#ifndef ECL_RANDOM_H_
#define ECL_RANDOM_H_

#include <stdint.h>

struct random {
	uint64_t s; /* the seed, not 0 */
};

/* random_below(r, n): a number from 0 to ${n} - 1. */
static inline uint32_t
random_below(struct random *r, uint32_t n)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return ((uint32_t)((r->s * UINT64_C(2685821657736338717)) >> 32) % n);
}

#endif

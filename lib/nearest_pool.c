/* The best few of very many by small whole numbers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "nearest_pool.h"

#include "banned.h"

#define ROOM 4u	  /* times k: the larger, the less often they are sorted out */
#define GROUP 32u /* that may be added at a time */
#define DISTANCES (UINT16_MAX + 1u)

int
nearest_pool_init(struct nearest_pool *p, size_t k)
{
	*p = (struct nearest_pool){.k = k, .bar = UINT16_MAX};
	p->hit = malloc((ROOM * k + GROUP) * sizeof(*p->hit));
	p->count = malloc(DISTANCES * sizeof(*p->count));
	if (p->hit != NULL && p->count != NULL)
		return (0);
	nearest_pool_release(p);
	return (-1);
}

void
nearest_pool_release(struct nearest_pool *p)
{
	free(p->hit);
	free(p->count);
	*p = (struct nearest_pool){0};
}

/* How many there are of each distance.  Return the farthest. */
static unsigned
count(struct nearest_pool *p)
{
	unsigned d, far = 0;
	size_t i;

	for (i = 0; i < p->n; i++) {
		d = (unsigned)-p->hit[i].score;
		far = d > far ? d : far;
	}
	memset(p->count, 0, (far + 1) * sizeof(*p->count));
	for (i = 0; i < p->n; i++)
		p->count[(unsigned)-p->hit[i].score]++;
	return (far);
}

/* Keep the best. */
static void
sort_out(struct nearest_pool *p)
{
	size_t left = p->k, equal, n = 0, i;
	unsigned d;

	if (p->n <= p->k)
		return;
	count(p);
	for (d = 0; p->count[d] < left; d++)
		left -= p->count[d];
	p->bar = (uint16_t)d;
	/* Of those at the bar the last ones. */
	equal = p->count[d] - left;
	for (i = 0; i < p->n; i++) {
		if (-p->hit[i].score > d || (-p->hit[i].score == d && equal > 0 && equal-- > 0))
			continue;
		p->hit[n++] = p->hit[i];
	}
	p->n = n;
}

void
nearest_pool_add(struct nearest_pool *p, const uint16_t *distance, uint32_t near, uint64_t seq)
{
	unsigned i;

	for (; near != 0; near &= near - 1) {
		i = (unsigned)__builtin_ctz(near);
		if (distance[i] <= p->bar)
			p->hit[p->n++] = (struct nearest_hit){-(double)distance[i], seq + i};
	}
	if (p->n >= ROOM * p->k)
		sort_out(p);
}

int
nearest_pool_take(struct nearest_pool *p, struct nearest *best)
{
	uint32_t *at = p->count, far, d, sum = 0;
	size_t i;

	sort_out(p);
	if (p->n == 0)
		return (0);
	if ((best->hit = malloc(p->n * sizeof(*best->hit))) == NULL)
		return (-1);
	best->n = best->cap = p->n;
	far = count(p);
	/* Where those of each distance begin: the farthest first. */
	for (d = far + 1; d-- > 0; sum += at[d], at[d] = sum - at[d])
		;
	for (i = 0; i < p->n; i++)
		best->hit[at[(unsigned)-p->hit[i].score]++] = p->hit[i];
	return (0);
}

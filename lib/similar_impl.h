/* The inside of the search for what is similar: what its files share. */
#ifndef ECL_SIMILAR_IMPL_H_
#define ECL_SIMILAR_IMPL_H_

#include <stdbool.h>
#include <stdint.h>

#include "bits.h"
#include "nearest.h"
#include "similar.h"

/* A search of rows: those wanted, by row, and the best of them so far. */
struct similar_search {
	struct similar *s;
	uint64_t from, to;
	const uint8_t *wanted;
	struct nearest best;
	bool damaged; /* of given ones: something could not be read */
};

/** similar_wanted(r, from, to): how many rows. */
static inline uint64_t
similar_wanted(const struct similar_search *r, uint64_t from, uint64_t to)
{
	return (r->wanted == NULL ? to - from : bits_count(r->wanted, from, to));
}

/* similar_rows.c: by rows */

/** similar_scan_rows(r, from, to, e): offer every wanted row of that range to r->best; what is damaged by the log.  Return 0 or -1. */
int similar_scan_rows(struct similar_search *r, uint64_t from, uint64_t to, struct err *e);

/* similar_codes.c: by codes, then by rows */

/** similar_has_codes(r): whether to search by codes is less work than by rows. */
bool similar_has_codes(const struct similar_search *r);

/** similar_scan_codes(r, e): offer the wanted rows whose codes are the nearest to r->best: nearly always the best of all.  Return 0 or -1.  O(rows / 8). */
int similar_scan_codes(struct similar_search *r, struct err *e);

/* similar_log.c: by the log */

/** similar_product(a, b, n): the inner product of ${n} numbers, in doubles: none is too large or too small for that. */
double similar_product(const float *a, const float *b, unsigned n);

/** similar_scan_log(s, from, to, best, e): offer all wanted events of [${from}, ${to}), whose vectors are made of their lines.  Return 0 or -1. */
int similar_scan_log(struct similar *s, uint64_t from, uint64_t to, struct nearest *best, struct err *e);

/** similar_embedder(s, e): the embedder, which rows that cannot be read need; or NULL with ${e}. */
struct embedder *similar_embedder(struct similar *s, struct err *e);

/** similar_step(s, n): ${n} events more are done. */
void similar_step(struct similar *s, uint64_t n);

/** similar_damaged(s, why): say so, the first time; ${why} tells what mends it. */
void similar_damaged(struct similar *s, const struct err *why);

#endif

/* The inside of the search for what is similar: what its files share. */
#ifndef ECL_SIMILAR_IMPL_H_
#define ECL_SIMILAR_IMPL_H_

#include "bits.h"
#include "similar.h"

/* similar_log.c: by the log */

/** similar_product(a, b, n): the inner product of ${n} numbers, in doubles: none is too large or too small for that. */
double similar_product(const float *a, const float *b, unsigned n);

/** similar_scan_log(s, from, to, best, e): offer all wanted events of [${from}, ${to}), whose vectors are made of their lines.  Return 0 or -1. */
int similar_scan_log(struct similar *s, uint64_t from, uint64_t to, struct nearest *best, struct err *e);

/** similar_step(s, n): ${n} events more are done. */
void similar_step(struct similar *s, uint64_t n);

/** similar_damaged(s, why): say so, the first time; ${why} tells what mends it. */
void similar_damaged(struct similar *s, const struct err *why);

#endif

/* The dimension of the vectors that events bring with them: the first one in the log fixes it for all. */
#ifndef ECL_GIVEN_H_
#define ECL_GIVEN_H_

#include <stdint.h>

#include "err.h"
#include "index.h"
#include "log.h"

/* What is known of a log so far.  All zeros: nothing.  It stays true as the log grows. */
struct given {
	uint64_t events; /* those below this seq bring none; of no interest once dims is known */
	unsigned dims;
};

/**
 * given_dims(g, ecl_fd, log, index, ret, e):
 * Numbers of a vector in ${log}, as far as it is committed; 0 where no event brought one that could be searched (finite, and of at most
 * VECTOR_DIMS_MAX numbers).  The manifest `index/given.head` tells where to look, and the log has the last word.  O(1) where it knows
 * of one; else what lies beyond it is scanned, up to the first and only once.  Return 0 or -1.
 */
int given_dims(struct given *g, int ecl_fd, struct log *log, struct index *index, unsigned *ret, struct err *e);

#endif

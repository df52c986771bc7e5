/* The inside of the questions: what their files share. */
#ifndef ECL_QUERY_IMPL_H_
#define ECL_QUERY_IMPL_H_

#include "query.h"

/** query_row(ix, seq, ret, e): index_row(), but what could lead astray is an error: a chain goes back, and an id is one of an element. */
int query_row(struct index *ix, uint64_t seq, struct row *ret, struct err *e);

/** query_each_exact(q, visit, arg, e): call ${visit} for each element that one of the names means, in byte order, once.  Return 0 or what it returned. */
int query_each_exact(struct query *q, int (*visit)(void *arg, const struct element *el), void *arg, struct err *e);

#endif

/* The events of several ledgers in one order, that of their times. */
#ifndef ECL_TIMELINE_H_
#define ECL_TIMELINE_H_

#include "ask.h"

struct timeline;

/**
 * timeline_new(a), timeline_free(t):
 * Of the question ${a}, ASK_HISTORY, which must outlive it.  Return NULL where memory ran out.
 */
struct timeline *timeline_new(const struct ask *a);
void timeline_free(struct timeline *t);

/** timeline_add(t, name, path): a root more, or a layer alone; ${name} is how answers and warnings call it, and lives as long as ${t}.  Return 0, or -1 where memory ran out. */
int timeline_add(struct timeline *t, const char *name, const char *path);

/**
 * timeline_answer(t, ret_lost, e):
 * The events that pass to the presenter, by time, then in the order in which the roots were added, then by seq; all the other way round with
 * a->reverse.  A root that cannot be read, or no further, gets a warning, and the others are answered: ${*ret_lost} is the number of such
 * roots.  Few roots stay open; of many each is opened again for a portion of its events, so that neither memory nor descriptors
 * grow with their number, nor memory with that of the events.  Return 0, or -1 where memory ran out.  O(log roots) an event.
 */
int timeline_answer(struct timeline *t, size_t *ret_lost, struct err *e);

#endif

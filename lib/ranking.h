/* The events with the best scores in several ledgers, in one order. */
#ifndef ECL_RANKING_H_
#define ECL_RANKING_H_

#include "ask.h"

struct ranking;

/** ranking_new(a), ranking_free(r): of the question ${a}, ASK_SIMILAR or ASK_UNUSUAL, which must outlive it.  NULL: memory ran out. */
struct ranking *ranking_new(const struct ask *a);
void ranking_free(struct ranking *r);

/**
 * ranking_add(r, name, path, e):
 * Ask the root at ${path}, which answers and warnings call ${name}: it lives as long as ${r}.  Return 0; 1 where it cannot be asked, with ${e}; or -1
 * where memory ran out.
 */
int ranking_add(struct ranking *r, const char *name, const char *path, struct err *e);

/**
 * ranking_answer(r, e):
 * Give the best of all roots to the presenter, the best first; of equal scores the newest first, then by root.  One root is open at a time; the lines of up to
 * 64 MiB are kept meanwhile, and others read again.  Return 0, or -1: a root that was asked cannot be opened again, or memory ran out.
 */
int ranking_answer(struct ranking *r, struct err *e);

#endif

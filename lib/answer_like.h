/* The answers of ecl-query --like: blocks with a score, and what differs, of one ledger or of several. */
#ifndef ECL_ANSWER_LIKE_H_
#define ECL_ANSWER_LIKE_H_

#include "blocks.h"
#include "err.h"
#include "present.h"
#include "query.h"

struct answer_like;

/** answer_like_new(k), answer_like_free(a): for the ${k} best.  NULL: memory ran out. */
struct answer_like *answer_like_new(size_t k);
void answer_like_free(struct answer_like *a);

/**
 * answer_like_add(a, q, blocks, found, snapshots, root, e):
 * Take in what query_like() found in one ledger, with what differs between their moments and q->size, and keep the best of all so far.  ${snapshots} is the path of the directory of its blocks, ${root} its name as a JSON token (p == NULL: there is one only).  Return 0, or -1: then nothing of it was.
 */
int answer_like_add(struct answer_like *a, struct query *q, const struct blocks *blocks, const struct nearest *found, const char *snapshots,
    struct span root, struct err *e);

/** answer_like_give(a, p, e): all of them to the presenter: the best first; of equal scores, to three decimals, those with the fewest differences, then the newest.  Return 0 or -1. */
int answer_like_give(struct answer_like *a, struct present *p, struct err *e);

#endif

/* The answers of ecl-query: what a question finds, cell by cell, to a presenter. */
#ifndef ECL_ANSWER_H_
#define ECL_ANSWER_H_

#include "blocks.h"
#include "err.h"
#include "lexical.h"
#include "present.h"
#include "query.h"

/*
 * All return 0, also where the presenter wants no more or there is nothing to say (p->count tells), or -1 with ${e}.
 */

/** answer_states(q, p, e): element, state, seq, time of what lives. */
int answer_states(struct query *q, struct present *p, struct err *e);

/** answer_history(q, p, e): the events as stored. */
int answer_history(struct query *q, struct present *p, struct err *e);

/**
 * answer_before(ix, ev, scratch, ret, e), answer_line(p, line, before, e):
 * The parts of a history, for who has the events from elsewhere: the state that the element had before ${ev}, in ${scratch}
 * (ret->p NULL: none), which tables show; one event as stored.  The first returns 0 or -1, the second also 1 where no more are wanted.
 */
int answer_before(struct index *ix, const struct event *ev, struct buf *scratch, struct span *ret, struct err *e);
int answer_line(struct present *p, struct span line, struct span before, struct err *e);

/**
 * answer_similar(q, t, k, p, e), answer_scored(p, line, score, words, e):
 * The events that resemble ${t}, each with its score; one event with a score, for who has it from elsewhere: in tables the words that it shares with ${words}
 * (NULL: none) are highlighted.  The second returns 0, 1 where no more are wanted, or -1.
 */
int answer_similar(struct query *q, const struct similar_target *t, size_t k, struct present *p, struct err *e);
int answer_scored(struct present *p, struct span line, double score, const struct lexical *words, struct err *e);

/** answer_event(q, what, p, e): one event by seq or hash. */
int answer_event(struct query *q, const char *what, struct present *p, struct err *e);

/** answer_elements(q, p, e): element, first, last, events. */
int answer_elements(struct query *q, struct present *p, struct err *e);

/** answer_diff(q, from, p, e): element, change, before, after, seq of what is not as it was after the first ${from} events. */
int answer_diff(struct query *q, uint64_t from, struct present *p, struct err *e);

/** answer_counts(q, key, p, e): the value, in the member named after ${key}, and count.  answer_keys: the names, by enum query_key; ends with NULL. */
int answer_counts(struct query *q, enum query_key key, struct present *p, struct err *e);
extern const char *const answer_keys[];

/** answer_layer(q, p, e): seq, time, state hash and Merkle root as of q->size.  Needs INDEX_TREE. */
int answer_layer(struct query *q, struct present *p, struct err *e);

/** answer_stat(q, blocks, p, e): the ledger in figures. */
int answer_stat(struct query *q, const struct blocks *blocks, struct present *p, struct err *e);

/** answer_element_names(q, prefix, p, e), answer_block_names(snap_fd, prefix, p, e): names alone, those that begin with ${prefix}; ${snap_fd} may be -1. */
int answer_element_names(struct query *q, const char *prefix, struct present *p, struct err *e);
int answer_block_names(int snap_fd, const char *prefix, struct present *p, struct err *e);

/** answer_unusual(q, t, k, p, e), answer_unusual_line(p, line, hit, e): the ${k} events least like any before them, with score and nearest; one of them, as answer_scored(). */
int answer_unusual(struct query *q, const struct similar_target *t, size_t k, struct present *p, struct err *e);
int answer_unusual_line(struct present *p, struct span line, const struct unusual_hit *hit, struct err *e);

#endif

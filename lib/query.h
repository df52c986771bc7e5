/* Questions to a ledger: states and elements, each answer given to a visitor; events, one at a time. */
#ifndef ECL_QUERY_H_
#define ECL_QUERY_H_

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "event.h"
#include "filter.h"
#include "ledger.h"
#include "block.h"
#include "nearest.h"
#include "similar.h"
#include "unusual.h"

/* What is asked for. */
struct query {
	struct ledger *ledger;
	struct filter filter; /* settled */
	uint64_t size;	      /* as of the first so many events */
	uint64_t since;	      /* only events from this seq on: of a state, the event that set it */
	uint64_t until;	      /* only events below this seq */
	bool reverse;	      /* of events: the newest first */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* told now and then how far a long scan is; NULL: nobody asks */
	void *step_arg;
};

struct query_state {
	struct span name;
	struct span state; /* canonical JSON, as stored */
	uint64_t seq;	   /* of the event that set it */
	int64_t time_us;
};

struct query_element {
	struct span name;
	uint64_t first, last; /* seqs */
	uint64_t events;
};

struct query_change {
	struct span name;
	struct span before, after; /* states; p == NULL: it did not live then */
	uint64_t seq;		   /* of the event that made it what it is after; EVENT_NONE: none did */
};

/* What events are counted by.  The kind is the name up to its first colon, or all of it. */
enum query_key { QUERY_ELEMENT, QUERY_KIND, QUERY_ACTION, QUERY_ACTOR, QUERY_HOUR, QUERY_DAY };

struct query_count {
	struct span value; /* hours and days as `2026-11-21T10:00:00Z` and `2026-11-21`; p == NULL: no actor */
	uint64_t n;
};

/*
 * A visitor returns 0 to go on, 1 to stop, -1 on an error.  What it is given lives until it returns.  The questions
 * return 0 at the end, 1 where the visitor stopped them, -1 on an error.
 */

/** query_states(q, visit, arg, e): the states of the living elements that pass, in byte order.  O(log n) for names at the present, O(elements) for patterns. */
int query_states(struct query *q, int (*visit)(void *arg, const struct query_state *s), void *arg, struct err *e);

/**
 * query_events_open(q, ret, e), query_events_next(it, ret_line, ret_ev, e), query_events_free(it):
 * The events that pass, from since to until, in the order of seq or the other way, one at a time: its line, without its LF, and what
 * it says; both are valid until the next call.  For names along their chains of parents, else by one scan of the rows.  ${q} outlives ${it},
 * to be released with query_events_free().  open returns 0 or -1; next 1, 0 at the end, or -1.
 */
struct query_events;
int query_events_open(struct query *q, struct query_events **ret, struct err *e);
int query_events_next(struct query_events *it, struct span *ret_line, const struct event **ret_ev, struct err *e);
void query_events_free(struct query_events *it);

/** query_elements(q, visit, arg, e): the elements that ever were and pass by name, in byte order.  O(events), along the chain for names. */
int query_elements(struct query *q, int (*visit)(void *arg, const struct query_element *el), void *arg, struct err *e);

/**
 * query_diff(q, from, visit, arg, e):
 * The elements whose states after the first ${from} events and after the first q->size are not the same text, in byte order; either may
 * be the larger.  What passes by since, until, action and actor is the event that made it what it is after.  For names O(log n); else
 * O(events between the two), and two lines for each element that changed meanwhile.
 */
int query_diff(struct query *q, uint64_t from, int (*visit)(void *arg, const struct query_change *c), void *arg, struct err *e);

/**
 * query_count(q, key, local, visit, arg, e):
 * How many of the events that pass have which value: the most frequent first, of equal ones by bytes; hours and days in their order, with
 * ${local} those of local time, as `2026-11-21 10:00` and `2026-11-21`.  Values that none has are left out.  O(events from since to until), of
 * which only the rows are read unless it is about actors, or about actions that are not create, modify or delete.
 */
int query_count(struct query *q, enum query_key key, bool local, int (*visit)(void *arg, const struct query_count *c), void *arg, struct err *e);

/**
 * query_event(q, what, out, ev, e):
 * The event with the seq (digits only) or the hash, or its beginning of at least 8 hex digits, that ${what} names: its line in ${out}, parsed
 * in ${ev}.  Return 1, 0 where there is none, -1 on an error: also where several hashes begin so.  O(1) for a seq, O(bytes of the log) for a hash.
 */
int query_event(struct query *q, const char *what, struct buf *out, struct event *ev, struct err *e);

/**
 * query_similar(q, t, k, ret, e):
 * The ${k} events that pass and resemble ${t} most, in the order of their scores, the best first; of equal ones the newest first.  Names, actions and the range
 * are looked at inside the search: there are ${k} where so many pass.  The score of an event, or a vector, is the cosine; the event itself is left out.
 * Of a text it is the mean of the cosine (0 at least) and lexical_score(), of those with the greatest cosines; where the text has identifiers (lexical.h), a
 * quarter of that, and a quarter more for the newest events in which one stands, or half of it and a half more for those of elements whose names hold one: these
 * are found, though not near. Return 0 or -1;
 * release with nearest_release().
 */
int query_similar(struct query *q, const struct similar_target *t, size_t k, struct nearest *ret, struct err *e);

/**
 * query_unusual(q, t, k, ret, ret_n, e):
 * The ${k} events that pass and are least like any event before them, the best first: ${*ret}, to be freed, has ${*ret_n} of them.  What is before an event are all
 * events but ecl's own, whether they pass or not.  An event without words is not judged.  Of ${t} only the flags and the warnings count.  Return 0 or
 * -1: also where the ledger has no embedder, or another one than made its vectors.  O(events that pass * events) at worst, in practice O(events).
 */
int query_unusual(struct query *q, const struct similar_target *t, size_t k, struct unusual_hit **ret, size_t *ret_n, struct err *e);

/* Blocks that query_like() could not compare. */
struct query_like_left {
	size_t without; /* a vector */
	size_t other;	/* with one of another embedder */
	bool nothing;	/* the moment itself has none: nothing lived that has words */
};

/**
 * query_like(q, flags, list, but, k, ret, left, e):
 * The ${k} blocks of ${list} whose vectors are nearest to that of the layer after the first q->size events, the best first, of equal ones the newest: the seq of a
 * hit is its place in ${list}.  Blocks of size ${but} are left out (UINT64_MAX: none).  ${flags}: of embedder_open().  Return 0 or -1, as made_open(); release with
 * nearest_release().  O(blocks), and what layer_vector() costs.
 */
int query_like(struct query *q, unsigned flags, const struct block_list *list, uint64_t but, size_t k, struct nearest *ret, struct query_like_left *left,
    struct err *e);

#endif

/* The inside of the search for similar events: what its files share. */
#ifndef ECL_QUERY_SIMILAR_IMPL_H_
#define ECL_QUERY_SIMILAR_IMPL_H_

#include "lexical.h"
#include "nearest.h"
#include "query.h"
#include "similar.h"

/* An event that may be an answer. */
struct candidate {
	uint64_t seq; /* the first member: by_seq() */
	double cosine, lexical;
	bool held;    /* its element's name holds an identifier of the query */
	bool written; /* one stands elsewhere in it */
};

struct hunt {
	struct query *q;
	const struct similar_target *target;
	struct similar *similar;
	bool is_text;
	struct lexical words; /* of a text */
	uint64_t from, to;
	uint8_t *wanted; /* bits.h, by seq; NULL: all */
	bool settled;	 /* nothing but ${wanted} says which events pass */
	bool open;	 /* some of them have rows that cannot say whether they do, and may be many that do not */
	struct candidate *cand;
	size_t n, cap;
	size_t most;	 /* candidates that are wanted */
	const struct nearest_hit *hit; /* those that are looked at now, one after the other */
	struct err *e;
};

/** hunt_add(h, ev, cosine): a candidate more.  Return 0 or -1. */
int hunt_add(struct hunt *h, const struct event *ev, double cosine);

/** hunt_passes(h, ev): whether it may be an answer, but for the range. */
bool hunt_passes(const struct hunt *h, const struct event *ev);

/* query_similar_ids.c: what the identifiers of a text lead to, beside what is near */

/** hunt_named(h): the newest events of elements whose names hold one, h->most at most.  Return 0 or -1.  O(names). */
int hunt_named(struct hunt *h);

/** hunt_written(h): the newest events in which one stands as it was typed, h->most at most.  Return 0 or -1.  O(bytes of the newest 262,144 events). */
int hunt_written(struct hunt *h);

#endif

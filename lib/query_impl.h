/* The inside of the questions: what their files share. */
#ifndef ECL_QUERY_IMPL_H_
#define ECL_QUERY_IMPL_H_

#include "query.h"

/** query_each_exact(q, visit, arg, e): call ${visit} for each element that one of the names means, in byte order, once.  Return 0 or what it returned.  The names that it is given live as long as the filter. */
int query_each_exact(struct query *q, int (*visit)(void *arg, const struct element *el), void *arg, struct err *e);

/**
 * query_rows(q, from, to, visit, arg, e):
 * Call ${visit} for the rows from event ${from} up to, not including, ${to}, ${n} at a time, the first of them that of ${seq}.  It returns 0 to
 * go on; anything else stops and is returned.  Return 0 or -1.
 */
int query_rows(struct query *q, uint64_t from, uint64_t to, int (*visit)(void *arg, uint64_t seq, const struct row *row, size_t n), void *arg,
    struct err *e);

/** query_step(q, done, total): so far is the scan. */
static inline void
query_step(const struct query *q, uint64_t done, uint64_t total)
{
	if (q->step != NULL)
		q->step(q->step_arg, done, total);
}

/** query_action_flag(action): the flag of the rows whose events have this action, 0 where no flag says so. */
unsigned query_action_flag(struct span action);

/* What rows tell of a filter. */
struct row_filter {
	uint8_t *elements; /* a bit for each, by id, that passes by its name; NULL without GLOBs: all but those of ecl */
	uint32_t mask, value; /* of the flags */
	bool says; /* only a row with ROW_SAYS can tell all that ${mask} asks; and it, too, may be of another actor or action that looks the same */
};

/** query_row_filter(q, ret, e): that of q->filter.  Return 0 or -1.  ${ret->elements} is to be freed. */
int query_row_filter(struct query *q, struct row_filter *ret, struct err *e);

/** query_row_passes(f, row): whether its event may be wanted. */
static inline bool
query_row_passes(const struct row_filter *f, const struct row *row)
{
	uint32_t mask = (row->flags & ROW_SAYS) != 0 ? f->mask : f->mask & ROW_PLAIN;

	if (f->elements == NULL ? (row->flags & ROW_OWN) != 0 : (f->elements[row->id / 8] >> row->id % 8 & 1) == 0)
		return (false);
	return (((row->flags ^ f->value) & mask) == 0);
}

/**
 * query_rows_narrow(q, ret, e):
 * Whether rows leave so few events of those that may be wanted, by their actors and actions, that these are read one by one sooner than the log
 * is.  Looks at some of the rows.  Return 0 or -1.
 */
int query_rows_narrow(struct query *q, bool *ret, struct err *e);

/* query_past.c: the last event of each of some elements before a moment */

/* One that was there by then, and has changed since. */
struct past_element {
	uint32_t id;
	bool done;
	uint64_t before; /* the seq of that event; EVENT_NONE: it was not found, and the index is wrong */
	uint64_t behind; /* the event after it: its line must say that ${before} is the parent; EVENT_NONE: a checksum said it */
};

struct past {
	struct index *index;
	uint64_t size; /* the moment */
	struct past_element *el;
	size_t n, cap;
	uint32_t *place; /* by id: in el, plus one; NULL: look at them all */
	size_t places;
	struct row *rows;
};

/** past_add(p, el, e): ${el}, which must have begun before p->size and have its last event not before it.  Return 0 or -1. */
int past_add(struct past *p, const struct element *el, struct err *e);

/**
 * past_find(p, e):
 * Find the event of each.  What costs less is done: the rows are scanned backwards from the moment, for all elements at once, or the
 * chain of each is walked back from the present; by turns, each time further.  Return 0 or -1.
 */
int past_find(struct past *p, struct err *e);

/** past_get(p, id): what was found for that element; NULL: it was not added. */
const struct past_element *past_get(const struct past *p, uint32_t id);

/** past_confirm(p, el, name, line, ev, e): whether the lines say that it is so.  Uses ${line} and ${ev}.  Return 1, 0 with ${e} saying what is wrong, or -1. */
int past_confirm(const struct past *p, const struct past_element *el, struct span name, struct buf *line, struct event *ev, struct err *e);
void past_release(struct past *p);

/** past_last(ix, name, size, line, ev, ret, e): the last event of the element of that name among the first ${size} (EVENT_NONE: none), confirmed.  Uses ${line} and ${ev}. */
int past_last(struct index *ix, struct span name, uint64_t size, struct buf *line, struct event *ev, uint64_t *ret, struct err *e);

/* query_names.c: the events of elements known by name */

struct chains;

/** chains_open(q, ret, e), chains_next(c, line, ev, e), chains_free(c): their events, as query_events_next() gives them, in ${line} and ${ev}. */
int chains_open(struct query *q, struct chains **ret, struct err *e);
int chains_next(struct chains *c, struct buf *line, struct event *ev, struct err *e);
void chains_free(struct chains *c);

#endif

/* Questions to a ledger: the events of elements known by name, along their chains of parents. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "query_impl.h"

#include "banned.h"

/*
 * The oldest first: a chain is walked from its end by unchecked rows, and each event's line must then say what its row said.
 * The newest first: each line says which comes next.
 */
struct link {
	uint64_t seq;
	uint64_t parent;
	uint32_t offset, length;
	struct span name;
};

struct chains {
	struct query *q;
	uint64_t since; /* those before were given */
	struct link *link;
	size_t n, cap;
	size_t at; /* the next one to give, of the oldest first; of the newest first they are a heap */
	uint64_t generation; /* of the index when they were collected */
	struct buf line;
	struct event ev;
	struct err *e;
};

static int
add_link(struct chains *c, uint64_t seq, const struct row *row, struct span name)
{
	struct link *more;

	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 64 : c->cap * 2;
		if ((more = realloc(c->link, c->cap * sizeof(*more))) == NULL)
			return (err_mem(c->e));
		c->link = more;
	}
	c->link[c->n++] = (struct link){seq, row->parent, row->offset, row->length, name};
	return (0);
}

static int
by_seq(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->seq < y->seq ? -1 : x->seq > y->seq);
}

/* The links of one element, or its last one alone. */
static int
add_chain(void *arg, const struct element *el)
{
	struct chains *c = arg;
	struct index *ix = c->q->ledger->index;
	struct row row = {0};
	uint64_t seq;

	if (past_last(ix, el->name, c->q->until, &c->line, &c->ev, &seq, c->e) != 0)
		return (-1);
	if (c->q->reverse)
		return (seq == EVENT_NONE || seq < c->since ? 0 : add_link(c, seq, &row, el->name));
	for (; seq != EVENT_NONE && seq >= c->since; seq = row.parent) {
		if (index_peek(ix, seq, &row, c->e) != 0 || add_link(c, seq, &row, el->name) != 0)
			return (-1);
	}
	return (0);
}

static int
collect(struct chains *c)
{
	c->n = c->at = 0;
	c->generation = index_generation(c->q->ledger->index);
	if (query_each_exact(c->q, add_chain, c, c->e) != 0)
		return (-1);
	if (c->n > 1)
		qsort(c->link, c->n, sizeof(*c->link), by_seq);
	return (0);
}

/* The oldest first. */
static int
next_up(struct chains *c, struct buf *line, struct event *ev)
{
	struct index *ix = c->q->ledger->index;
	struct link *l;
	struct row row;
	struct err why;

	while (c->at < c->n) {
		l = &c->link[c->at++];
		row.offset = l->offset;
		row.length = l->length;
		if (index_event_at(ix, l->seq, &row, line, ev, c->e) != 0)
			return (-1);
		if (ev->parent == l->parent && span_eq(ev->element, l->name)) {
			c->since = l->seq + 1;
			if (filter_event(&c->q->filter, ev))
				return (1);
			continue;
		}
		err_set(&why, "the rows have event %" PRIu64 " in the chain of '%.*s'", l->seq,
		    (int)l->name.len, l->name.p);
		if (index_wrong(ix, c->generation, &why, c->e) != 0 || collect(c) != 0)
			return (-1);
	}
	return (0);
}

/* The newest is the last of the sorted links; one that got smaller goes to its place, mostly near. */
static void
sink(struct chains *c)
{
	struct link moved = c->link[c->n - 1];
	size_t lo = 0, hi = c->n - 1, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (c->link[mid].seq < moved.seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(&c->link[lo + 1], &c->link[lo], (c->n - 1 - lo) * sizeof(moved));
	c->link[lo] = moved;
}

/* The newest first. */
static int
next_down(struct chains *c, struct buf *line, struct event *ev)
{
	struct link *l;

	while (c->n > 0) {
		l = &c->link[c->n - 1];
		if (index_event(c->q->ledger->index, l->seq, line, ev, c->e) != 0)
			return (-1);
		if (!span_eq(ev->element, l->name))
			return (err_set(c->e,
			    "event %" PRIu64 " is not of the element '%.*s'; run 'ecl-verify'",
			    l->seq, (int)l->name.len, l->name.p));
		if (ev->parent == EVENT_NONE || ev->parent < c->since) {
			c->n--;
		} else {
			l->seq = ev->parent;
			sink(c);
		}
		if (filter_event(&c->q->filter, ev))
			return (1);
	}
	return (0);
}

int
chains_open(struct query *q, struct chains **ret, struct err *e)
{
	struct chains *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (err_mem(e));
	c->q = q;
	c->since = q->since;
	c->e = e;
	if (collect(c) != 0) {
		chains_free(c);
		return (-1);
	}
	*ret = c;
	return (0);
}

int
chains_next(struct chains *c, struct buf *line, struct event *ev, struct err *e)
{
	c->e = e;
	return (c->q->reverse ? next_down(c, line, ev) : next_up(c, line, ev));
}

void
chains_free(struct chains *c)
{
	if (c == NULL)
		return;
	free(c->link);
	buf_release(&c->line);
	free(c);
}

/* Questions to a ledger: what differs between two moments. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fetch.h"
#include "query_impl.h"

#include "banned.h"

#define SORT_MAX 1000 /* elements whose names are read and sorted: with more of them all names are gone through in their order */

/* Of an element, each plus one, 0: there is none. */
struct changed {
	uint64_t before; /* its last event before the two moments */
	uint64_t last;	 /* the last between them that has a state */
};

/* One of a few. */
struct named {
	uint32_t id;
	size_t at; /* of its name, in d->names */
	struct span name;
};

/* An element's state at a moment, and the event that set it. */
struct side {
	struct buf line;
	struct event ev;
	uint64_t seq;	   /* EVENT_NONE: it never had one by then */
	struct span state; /* p == NULL: it does not live */
};

struct diff {
	struct query *q;
	int (*visit)(void *arg, const struct query_change *c);
	void *arg;
	struct err *e;
	uint64_t low, high; /* sizes: the earlier moment and the later one */
	bool back;	    /* from the later to the earlier */
	struct side early, late;
	struct changed *changed; /* by id: memory is touched only for those that are */
	uint64_t elements;
	uint64_t n; /* of them that have a last one */
	struct named few[SORT_MAX]; /* the first of these */
	struct buf names;
	struct fetch fetch; /* of each element its event before them, if there is one, and then the last of them */
	int rc; /* of a visitor that may only say stop to what calls it */
};

/* The state as of event ${seq} of that element. */
static int
find_side(struct diff *d, struct span name, uint64_t seq, struct side *ret)
{
	ret->seq = EVENT_NONE;
	ret->state = (struct span){NULL, 0};
	for (; seq != EVENT_NONE; seq = ret->ev.parent) {
		if (index_event(d->q->ledger->index, seq, &ret->line, &ret->ev, d->e) != 0)
			return (-1);
		if (!span_eq(ret->ev.element, name))
			return (err_set(d->e,
			    "the index has event %" PRIu64 " for one of '%.*s': run 'ecl-index --rebuild'",
			    seq, (int)name.len, name.p));
		if (ret->ev.state.p == NULL)
			continue;
		ret->seq = seq;
		if (!event_is_gone(ret->ev.state))
			ret->state = ret->ev.state;
		return (0);
	}
	return (0);
}

static bool
same(struct span a, struct span b)
{
	return (a.p == NULL || b.p == NULL ? a.p == b.p : span_eq(a, b));
}

/* Whether the event that made it what it is passes. */
static bool
passes(const struct query *q, const struct side *after)
{
	if (after->seq != EVENT_NONE)
		return (after->seq >= q->since && after->seq < q->until &&
		    filter_event(&q->filter, &after->ev));
	return (q->since == 0 && q->until >= index_size(q->ledger->index) &&
	    q->filter.action.p == NULL && q->filter.actor.p == NULL);
}

/* What became of one element, whose sides are known. */
static int
give_sides(struct diff *d, struct span name)
{
	const struct side *before = d->back ? &d->late : &d->early, *after = d->back ? &d->early : &d->late;
	struct query_change c;

	if (same(before->state, after->state) || !passes(d->q, after))
		return (0);
	c = (struct query_change){name, before->state, after->state, after->seq};
	return (d->visit(d->arg, &c));
}

/* The same: ${early} and ${late} are its last events by then. */
static int
give(struct diff *d, struct span name, uint64_t early, uint64_t late)
{
	if (find_side(d, name, early, &d->early) != 0 || find_side(d, name, late, &d->late) != 0)
		return (-1);
	return (give_sides(d, name));
}

/* Names. */

static int
exact(void *arg, const struct element *el)
{
	struct diff *d = arg;
	struct index *ix = d->q->ledger->index;
	uint64_t early, late;

	if (past_last(ix, el->name, d->low, &d->early.line, &d->early.ev, &early, d->e) != 0 ||
	    past_last(ix, el->name, d->high, &d->late.line, &d->late.ev, &late, d->e) != 0)
		return (-1);
	return (early == late ? 0 : give(d, el->name, early, late));
}

/* All others: by the rows between the two. */

static int
collect(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct diff *d = arg;
	struct changed *c;
	size_t i;

	for (i = 0; i < n; i++) {
		if (d->q->filter.globs == 0 && (row[i].flags & ROW_OWN) != 0)
			continue;
		if (row[i].id >= d->elements)
			return (err_set(d->e, "an element's number is too large"));
		c = &d->changed[row[i].id];
		if (row[i].parent < d->low)
			c->before = row[i].parent + 1;
		if ((row[i].flags & ROW_STATE) == 0)
			continue;
		if (c->last == 0 && d->n++ < SORT_MAX)
			d->few[d->n - 1].id = row[i].id;
		c->last = seq + i + 1;
	}
	return (0);
}

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (span_cmp(x->name, y->name));
}

/* A few: their names are those in their lines. */
static int
give_sorted(struct diff *d)
{
	const struct changed *c;
	struct named *f = d->few;
	size_t i, kept = 0;
	int rc = 0;

	for (i = 0; i < d->n; i++) {
		if (index_event(d->q->ledger->index, d->changed[f[i].id].last - 1, &d->late.line, &d->late.ev, d->e) != 0)
			return (-1);
		if (!filter_name(&d->q->filter, d->late.ev.element))
			continue;
		f[kept++] = (struct named){f[i].id, d->names.len, {NULL, d->late.ev.element.len}};
		buf_addspan(&d->names, d->late.ev.element);
	}
	if (d->names.failed)
		return (err_mem(d->e));
	for (i = 0; i < kept; i++)
		f[i].name.p = d->names.data + f[i].at;
	if (kept > 0)
		qsort(f, kept, sizeof(*f), by_name);
	for (i = 0; i < kept && rc == 0; i++) {
		c = &d->changed[f[i].id];
		rc = give(d, f[i].name, c->before - 1, c->last - 1);
	}
	return (rc);
}

/* As find_side(), of an event that was read, and stays as long as ${ret} does. */
static int
take_side(struct diff *d, struct span name, const struct event *ev, struct side *ret)
{
	if (ev->state.p == NULL)
		return (find_side(d, name, ev->parent, ret));
	ret->ev = *ev;
	ret->seq = ev->seq;
	ret->state = event_is_gone(ev->state) ? (struct span){NULL, 0} : ev->state;
	return (0);
}

/* Until the later one comes. */
static int
keep_early(struct diff *d, struct span name)
{
	struct side *early = &d->early;
	struct json_fault f;

	buf_reset(&early->line);
	buf_addspan(&early->line, d->fetch.line);
	if (early->line.failed)
		return (err_mem(d->e));
	if (event_parse((struct span){early->line.data, early->line.len}, &early->ev, &f) != 0)
		return (err_set(d->e, "the log is corrupt: %s; run 'ecl-verify'", f.what));
	return (take_side(d, name, &early->ev, early));
}

static int
give_fetched(void *arg, struct span name, const struct event *ev)
{
	struct diff *d = arg;
	int rc;

	if (ev->seq < d->low)
		return (keep_early(d, name));
	if (take_side(d, name, ev, &d->late) != 0)
		return (-1);
	rc = give_sides(d, name);
	find_side(d, name, EVENT_NONE, &d->early);
	return (rc);
}

static int
give_listed(void *arg, const struct element *el)
{
	struct diff *d = arg;
	const struct changed *c;

	if (el->id >= d->elements || d->changed[el->id].last == 0 || !filter_name(&d->q->filter, el->name))
		return (0);
	c = &d->changed[el->id];
	/* index_each() takes only positive values for stop. */
	if (c->before != 0)
		d->rc = fetch_add(&d->fetch, el->name, c->before - 1, d->e);
	if (d->rc == 0)
		d->rc = fetch_add(&d->fetch, el->name, c->last - 1, d->e);
	return (d->rc != 0);
}

/* Many: in the order of their names, but read in that of the log. */
static int
give_all(struct diff *d)
{
	struct index *ix = d->q->ledger->index;
	int rc;

	find_side(d, SPAN(""), EVENT_NONE, &d->early);
	fetch_init(&d->fetch, ix, give_fetched, d);
	rc = index_each(ix, filter_common(&d->q->filter), give_listed, d, d->e);
	rc = rc > 0 ? d->rc : rc;
	if (rc == 0)
		rc = fetch_flush(&d->fetch, d->e);
	fetch_release(&d->fetch);
	return (rc);
}

static int
between(struct diff *d)
{
	d->elements = index_elements(d->q->ledger->index);
	if ((d->changed = calloc(d->elements + 1, sizeof(*d->changed))) == NULL)
		return (err_mem(d->e));
	if (query_rows(d->q, d->low, d->high, collect, d, d->e) != 0)
		return (-1);
	return (d->n <= SORT_MAX ? give_sorted(d) : give_all(d));
}

int
query_diff(struct query *q, uint64_t from, int (*visit)(void *arg, const struct query_change *c),
    void *arg, struct err *e)
{
	struct diff d = {.q = q, .visit = visit, .arg = arg, .e = e};
	int rc;

	d.back = from > q->size;
	d.low = d.back ? q->size : from;
	d.high = d.back ? from : q->size;
	rc = filter_all_exact(&q->filter) ? query_each_exact(q, exact, &d, e) : between(&d);
	buf_release(&d.early.line);
	buf_release(&d.late.line);
	buf_release(&d.names);
	free(d.changed);
	return (rc);
}

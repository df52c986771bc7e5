/* Questions to a ledger: states. */
#include "config.h"

#include <inttypes.h>

#include "query_impl.h"

#include "banned.h"

#define SCAN_ROWS \
	131072 /* rows searched for a state in the past, before its chain is followed from the end */

struct states {
	struct query *q;
	int (*visit)(void *arg, const struct query_state *s);
	void *arg;
	struct err *e;
	struct buf line;
	int rc; /* of a visitor that may only say stop to what calls it */
};

/* The state that the event ${seq} set, where that event passes. */
static int
give_state(struct states *s, struct span name, uint64_t seq)
{
	struct query_state state;
	struct event ev;

	if (seq < s->q->since || seq >= s->q->until)
		return (0);
	if (index_event(s->q->ledger->index, seq, &s->line, &ev, s->e) != 0)
		return (-1);
	if (ev.state.p == NULL)
		return (err_set(s->e,
		    "the index is wrong about event %" PRIu64 ": run 'ecl-index --rebuild'", seq));
	if (!filter_event(&s->q->filter, &ev))
		return (0);
	state = (struct query_state){name, ev.state, seq, ev.time_us};
	return (s->visit(s->arg, &state));
}

static int
state_now(void *arg, const struct element *el)
{
	struct states *s = arg;

	if (!el->alive || el->last_state == EVENT_NONE || !filter_name(&s->q->filter, el->name))
		return (0);
	/* index_each() takes only positive values for stop. */
	s->rc = give_state(s, el->name, el->last_state);
	return (s->rc != 0);
}

/* From event ${seq} of an element back to one with a state. */
static int
state_back(struct index *ix, uint64_t seq, uint64_t *ret, struct err *e)
{
	struct row row;

	for (*ret = EVENT_NONE; seq != EVENT_NONE; seq = row.parent) {
		if (query_row(ix, seq, &row, e) != 0)
			return (-1);
		if ((row.flags & ROW_STATE) != 0) {
			if ((row.flags & ROW_GONE) == 0)
				*ret = seq;
			return (0);
		}
	}
	return (0);
}

/*
 * The event that set the element's state as of the first ${size} events, EVENT_NONE where it did not live then.  One that
 * changes often is found near by; one that does not has a short chain.
 */
static int
state_before(
    struct index *ix, const struct element *el, uint64_t size, uint64_t *ret, struct err *e)
{
	uint64_t seq, stop = size > SCAN_ROWS ? size - SCAN_ROWS : 0;
	struct row row;

	*ret = EVENT_NONE;
	if (el->first >= size)
		return (0);
	if (el->last < size)
		return (state_back(ix, el->last, ret, e));
	for (seq = size; seq > stop; seq--) {
		if (query_row(ix, seq - 1, &row, e) != 0)
			return (-1);
		if (row.id == el->id)
			return (state_back(ix, seq - 1, ret, e));
	}
	for (seq = el->last; seq != EVENT_NONE && seq >= size; seq = row.parent) {
		if (query_row(ix, seq, &row, e) != 0)
			return (-1);
	}
	return (state_back(ix, seq, ret, e));
}

static int
exact_then(void *arg, const struct element *el)
{
	struct states *s = arg;
	uint64_t seq;

	if (state_before(s->q->ledger->index, el, s->q->size, &seq, s->e) != 0)
		return (-1);
	return (seq == EVENT_NONE ? 0 : give_state(s, el->name, seq));
}

static int
state_then(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	struct states *s = arg;
	struct query_state found = {name, state, seq, time_us};

	if (!filter_name(&s->q->filter, name) || seq < s->q->since || seq >= s->q->until)
		return (0);
	if (s->q->filter.action.p != NULL || s->q->filter.actor.p != NULL)
		s->rc = give_state(s, name, seq);
	else
		s->rc = s->visit(s->arg, &found);
	return (s->rc != 0);
}

int
query_states(
    struct query *q, int (*visit)(void *arg, const struct query_state *s), void *arg, struct err *e)
{
	struct states s = {.q = q, .visit = visit, .arg = arg, .e = e};
	struct index *ix = q->ledger->index;
	int rc;

	if (filter_all_exact(&q->filter))
		rc = query_each_exact(q, exact_then, &s, e);
	else if (q->size == index_size(ix))
		rc = index_each(ix, filter_common(&q->filter), state_now, &s, e);
	else
		rc = ledger_states_at(q->ledger, q->size, state_then, &s, e);
	buf_release(&s.line);
	return (rc > 0 && s.rc != 0 ? s.rc : rc);
}

/* Questions to a ledger: states. */
#include "config.h"

#include <inttypes.h>

#include "fetch.h"
#include "query_impl.h"

#include "banned.h"

struct states {
	struct query *q;
	int (*visit)(void *arg, const struct query_state *s);
	void *arg;
	struct err *e;
	struct buf line;
	struct event ev; /* on that line */
	struct fetch fetch; /* of the present */
	struct past past;
	uint64_t generation; /* of the index when that was begun */
	uint64_t met; /* elements so far */
	int rc; /* of a visitor that may only say stop to what calls it */
};

/* The state that ${ev} set, where that event passes. */
static int
give(struct states *s, struct span name, const struct event *ev)
{
	struct query_state state = {name, ev->state, ev->seq, ev->time_us};

	if (state.seq < s->q->since || state.seq >= s->q->until ||
	    !filter_event(&s->q->filter, ev))
		return (0);
	return (s->visit(s->arg, &state));
}

/* The state that the event ${seq} set, where that event passes. */
static int
give_state(struct states *s, struct span name, uint64_t seq)
{
	if (seq < s->q->since || seq >= s->q->until)
		return (0);
	if (index_event(s->q->ledger->index, seq, &s->line, &s->ev, s->e) != 0)
		return (-1);
	if (s->ev.state.p == NULL || !span_eq(s->ev.element, name))
		return (err_set(s->e,
		    "the index is wrong about event %" PRIu64 ": run 'ecl-index --rebuild'", seq));
	return (give(s, name, &s->ev));
}

static int
give_fetched(void *arg, struct span name, const struct event *ev)
{
	struct states *s = arg;

	if (ev->state.p == NULL)
		return (err_set(s->e,
		    "the index is wrong about event %" PRIu64 ": run 'ecl-index --rebuild'", ev->seq));
	return (give(s, name, ev));
}

static int
fetch_now(void *arg, const struct element *el)
{
	struct states *s = arg;

	if (!el->alive || el->last_state == EVENT_NONE || !filter_name(&s->q->filter, el->name) ||
	    el->last_state < s->q->since || el->last_state >= s->q->until)
		return (0);
	s->rc = fetch_add(&s->fetch, el->name, el->last_state, s->e);
	return (s->rc != 0);
}

static int
state_now(void *arg, const struct element *el)
{
	struct states *s = arg;

	if (++s->met % INDEX_ROWS == 0)
		query_step(s->q, s->met, index_elements(s->q->ledger->index));
	if (!el->alive || el->last_state == EVENT_NONE || !filter_name(&s->q->filter, el->name))
		return (0);
	/* index_each() takes only positive values for stop. */
	s->rc = give_state(s, el->name, el->last_state);
	return (s->rc != 0);
}

/* The moment ---- for some elements: first what is to be found of which of them, then their lines. */

/* Whether what is known of the present says it all. */
static bool
as_at_present(const struct states *s, const struct element *el)
{
	return (el->last < s->q->size ||
	    (el->last_state != EVENT_NONE && el->last_state < s->q->size));
}

static int
collect(void *arg, const struct element *el)
{
	struct states *s = arg;

	if (el->first >= s->q->size || as_at_present(s, el) ||
	    !filter_name(&s->q->filter, el->name))
		return (0);
	s->rc = past_add(&s->past, el, s->e);
	return (s->rc != 0);
}

/* From the event in s->ev, of element ${name}, back to one with a state. */
static int
give_back_from(struct states *s, struct span name)
{
	while (s->ev.state.p == NULL) {
		if (s->ev.parent == EVENT_NONE)
			return (0);
		if (index_event(s->q->ledger->index, s->ev.parent, &s->line, &s->ev, s->e) != 0)
			return (-1);
	}
	return (event_is_gone(s->ev.state) ? 0 : give(s, name, &s->ev));
}

static int
give_past(struct states *s, struct span name, const struct past_element *past)
{
	struct index *ix = s->q->ledger->index;
	struct err why;
	uint64_t seq;
	int rc;

	if (past == NULL) {
		err_set(&why, "the element '%.*s' has changed its number", (int)name.len, name.p);
		rc = 0;
	} else
		rc = past_confirm(&s->past, past, name, &s->line, &s->ev, &why);
	if (rc == -1) {
		*s->e = why;
		return (-1);
	}
	if (rc == 0) {
		if (index_wrong(ix, s->generation, &why, s->e) != 0 ||
		    past_last(ix, name, s->q->size, &s->line, &s->ev, &seq, s->e) != 0)
			return (-1);
		if (seq == EVENT_NONE)
			return (0);
		if (index_event(ix, seq, &s->line, &s->ev, s->e) != 0)
			return (-1);
	}
	return (give_back_from(s, name));
}

static int
state_then(void *arg, const struct element *el)
{
	struct states *s = arg;

	if (el->first >= s->q->size)
		return (0);
	if (as_at_present(s, el))
		return (state_now(arg, el));
	if (!filter_name(&s->q->filter, el->name))
		return (0);
	s->rc = give_past(s, el->name, past_get(&s->past, el->id));
	return (s->rc != 0);
}

static int
each(struct states *s, int (*visit)(void *arg, const struct element *el))
{
	struct filter *f = &s->q->filter;
	int rc;

	s->rc = 0;
	if (filter_all_exact(f))
		rc = query_each_exact(s->q, visit, s, s->e);
	else
		rc = index_each(s->q->ledger->index, filter_common(f), visit, s, s->e);
	return (rc > 0 ? s->rc : rc);
}

static int
states_then(struct states *s)
{
	int rc;

	s->past.index = s->q->ledger->index;
	s->past.size = s->q->size;
	s->generation = index_generation(s->past.index);
	if ((rc = each(s, collect)) == 0 && (rc = past_find(&s->past, s->e)) == 0)
		rc = each(s, state_then);
	past_release(&s->past);
	return (rc);
}

/* The same for all elements. */
static int
any_then(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
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
	int rc;

	if (q->size == index_size(q->ledger->index) && filter_all_exact(&q->filter))
		rc = each(&s, state_now);
	else if (q->size == index_size(q->ledger->index)) {
		fetch_init(&s.fetch, q->ledger->index, give_fetched, &s);
		if ((rc = each(&s, fetch_now)) == 0)
			rc = fetch_flush(&s.fetch, e);
		fetch_release(&s.fetch);
	} else if (q->filter.globs > 0)
		rc = states_then(&s);
	else {
		rc = ledger_states_at(q->ledger, q->size, any_then, &s, e);
		rc = rc > 0 ? s.rc : rc;
	}
	buf_release(&s.line);
	return (rc);
}

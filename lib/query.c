/* Questions to a ledger. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"

#include "banned.h"

#define SCAN_ROWS \
	131072 /* rows searched for a state in the past, before its chain is followed from the end */
#define HASH_MIN 8
#define HASH_HEX (2 * SHA256_SIZE)

/* As index_row(), but what a damaged file could lead astray is an error: a chain goes back, and an id is one of an element. */
static int
get_row(struct index *ix, uint64_t seq, struct row *ret, struct err *e)
{
	if (index_row(ix, seq, ret, e) != 0)
		return (-1);
	if ((ret->parent != EVENT_NONE && ret->parent >= seq) || ret->id >= index_elements(ix))
		return (err_set(e,
		    "the index is wrong about event %" PRIu64 ": run 'ecl-index --rebuild'", seq));
	return (0);
}

static int
by_name(const void *a, const void *b)
{
	const struct filter_glob *x = a, *y = b;

	return (span_cmp(x->text, y->text));
}

/* Call ${visit} for each element that one of the names means, in byte order, once. */
static int
each_exact(
    struct query *q, int (*visit)(void *arg, const struct element *el), void *arg, struct err *e)
{
	struct filter *f = &q->filter;
	struct element el;
	size_t i;
	int rc;

	qsort(f->glob, f->globs, sizeof(*f->glob), by_name);
	for (i = 0; i < f->globs; i++) {
		if (i > 0 && span_eq(f->glob[i].text, f->glob[i - 1].text))
			continue;
		if ((rc = index_lookup(q->ledger->index, f->glob[i].text, &el, e)) < 0)
			return (-1);
		if (rc > 0 && (rc = visit(arg, &el)) != 0)
			return (rc);
	}
	return (0);
}

/* States. */

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
		if (get_row(ix, seq, &row, e) != 0)
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
		if (get_row(ix, seq - 1, &row, e) != 0)
			return (-1);
		if (row.id == el->id)
			return (state_back(ix, seq - 1, ret, e));
	}
	for (seq = el->last; seq != EVENT_NONE && seq >= size; seq = row.parent) {
		if (get_row(ix, seq, &row, e) != 0)
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
		rc = each_exact(q, exact_then, &s, e);
	else if (q->size == index_size(ix))
		rc = index_each(ix, filter_common(&q->filter), state_now, &s, e);
	else
		rc = ledger_states_at(q->ledger, q->size, state_then, &s, e);
	buf_release(&s.line);
	return (rc > 0 && s.rc != 0 ? s.rc : rc);
}

/* Events. */

struct events {
	struct query *q;
	int (*visit)(void *arg, struct span line, const struct event *ev);
	void *arg;
	struct err *e;
	struct buf line;
	uint64_t *seq; /* for names: their events */
	size_t n, cap;
	uint8_t *wanted; /* for patterns: a bit an element */
};

static int
give_event(struct events *v, uint64_t seq)
{
	struct event ev;

	if (index_event(v->q->ledger->index, seq, &v->line, &ev, v->e) != 0)
		return (-1);
	if (!filter_event(&v->q->filter, &ev))
		return (0);
	return (v->visit(v->arg, (struct span){v->line.data, v->line.len}, &ev));
}

static int
by_seq(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

static int
add_chain(void *arg, const struct element *el)
{
	struct events *v = arg;
	uint64_t seq, *more;
	struct row row;

	for (seq = el->last; seq != EVENT_NONE && seq >= v->q->since; seq = row.parent) {
		if (get_row(v->q->ledger->index, seq, &row, v->e) != 0)
			return (-1);
		if (seq >= v->q->until)
			continue;
		if (v->n == v->cap) {
			v->cap = v->cap == 0 ? 64 : v->cap * 2;
			if ((more = realloc(v->seq, v->cap * sizeof(*more))) == NULL)
				return (err_mem(v->e));
			v->seq = more;
		}
		v->seq[v->n++] = seq;
	}
	return (0);
}

static int
events_of_names(struct events *v)
{
	size_t i;
	int rc;

	if ((rc = each_exact(v->q, add_chain, v, v->e)) != 0)
		return (rc);
	if (v->n > 0)
		qsort(v->seq, v->n, sizeof(*v->seq), by_seq);
	for (i = 0; i < v->n; i++) {
		if ((rc = give_event(v, v->seq[v->q->reverse ? v->n - 1 - i : i])) != 0)
			return (rc);
	}
	return (0);
}

static int
want(void *arg, const struct element *el)
{
	struct events *v = arg;

	if (filter_name(&v->q->filter, el->name))
		v->wanted[el->id / 8] |= (uint8_t)(1u << el->id % 8);
	return (0);
}

/* The flag of the rows whose events have this action, 0 where no flag says so. */
static unsigned
action_flag(struct span action)
{
	if (action.p == NULL)
		return (0);
	if (span_is(action, "create"))
		return (ROW_CREATE);
	if (span_is(action, "modify"))
		return (ROW_MODIFY);
	return (span_is(action, "delete") ? ROW_DELETE : 0);
}

/* Line by line, where most of them pass, or their rows do not say that they do not. */
static int
events_of_log(struct events *v)
{
	struct query *q = v->q;
	struct log_reader r;
	struct log_line line;
	struct json_fault f;
	struct event ev;
	uint64_t seq;
	int rc;

	if (q->since >= q->until)
		return (0);
	if (log_seek(q->ledger->log, q->since, &r, v->e) != 0)
		return (-1);
	for (seq = q->since, rc = 0; rc == 0 && seq < q->until; seq++) {
		if ((rc = log_reader_next(&r, &line, v->e)) <= 0)
			break;
		if ((rc = filter_line(&q->filter, line.text, v->e)) <= 0)
			continue;
		if (event_parse(line.text, &ev, &f) != 0)
			rc = err_set(v->e,
			    "the log is corrupt: event %" PRIu64 ": %s; run 'ecl-verify'", seq,
			    f.what);
		else
			rc = event_reserved(ev.element) ? 0 : v->visit(v->arg, line.text, &ev);
	}
	log_reader_release(&r);
	return (rc);
}

static int
events_of_rows(struct events *v)
{
	struct query *q = v->q;
	struct index *ix = q->ledger->index;
	unsigned flag = action_flag(q->filter.action);
	uint64_t n = q->until > q->since ? q->until - q->since : 0, i, seq;
	struct row row;
	int rc;

	if (q->filter.globs > 0) {
		if ((v->wanted = calloc(index_elements(ix) / 8 + 1, 1)) == NULL)
			return (err_mem(v->e));
		if ((rc = index_each(ix, filter_common(&q->filter), want, v, v->e)) != 0)
			return (rc);
	}
	for (i = 0; i < n; i++) {
		seq = q->reverse ? q->until - 1 - i : q->since + i;
		if (get_row(ix, seq, &row, v->e) != 0)
			return (-1);
		if (v->wanted == NULL ? (row.flags & ROW_OWN) != 0
				      : (v->wanted[row.id / 8] >> row.id % 8 & 1) == 0)
			continue;
		if ((flag == 0 || (row.flags & flag) != 0) && (rc = give_event(v, seq)) != 0)
			return (rc);
	}
	return (0);
}

int
query_events(struct query *q, int (*visit)(void *arg, struct span line, const struct event *ev),
    void *arg, struct err *e)
{
	struct events v = {.q = q, .visit = visit, .arg = arg, .e = e};
	int rc;

	if (filter_all_exact(&q->filter))
		rc = events_of_names(&v);
	else if (!q->reverse && q->filter.globs == 0 && action_flag(q->filter.action) == 0)
		rc = events_of_log(&v);
	else
		rc = events_of_rows(&v);
	buf_release(&v.line);
	free(v.seq);
	free(v.wanted);
	return (rc);
}

/* Elements. */

struct elements {
	struct query *q;
	int (*visit)(void *arg, const struct query_element *el);
	void *arg;
	struct err *e;
	uint64_t *counts; /* by id; NULL: to be counted along the chain */
	int rc;
};

static int
give_element(void *arg, const struct element *el)
{
	struct elements *s = arg;
	struct query_element found = {el->name, el->first, el->last, 0};
	struct row row;
	uint64_t seq;

	if (!filter_name(&s->q->filter, el->name))
		return (0);
	if (s->counts != NULL)
		found.events = s->counts[el->id];
	for (seq = s->counts != NULL ? EVENT_NONE : el->last; seq != EVENT_NONE; seq = row.parent) {
		found.events++;
		if (get_row(s->q->ledger->index, seq, &row, s->e) != 0) {
			s->rc = -1;
			return (1);
		}
	}
	s->rc = s->visit(s->arg, &found);
	return (s->rc != 0);
}

static int
count_events(struct elements *s)
{
	struct index *ix = s->q->ledger->index;
	uint64_t seq, size = index_size(ix), n = index_elements(ix);
	struct row row;

	if ((s->counts = calloc(n + 1, sizeof(*s->counts))) == NULL)
		return (err_mem(s->e));
	for (seq = 0; seq < size; seq++) {
		if (get_row(ix, seq, &row, s->e) != 0)
			return (-1);
		s->counts[row.id]++;
	}
	return (0);
}

int
query_elements(struct query *q, int (*visit)(void *arg, const struct query_element *el), void *arg,
    struct err *e)
{
	struct elements s = {.q = q, .visit = visit, .arg = arg, .e = e};
	int rc;

	if (filter_all_exact(&q->filter))
		rc = each_exact(q, give_element, &s, e);
	else if ((rc = count_events(&s)) == 0)
		rc = index_each(q->ledger->index, filter_common(&q->filter), give_element, &s, e);
	free(s.counts);
	return (rc > 0 && s.rc != 0 ? s.rc : rc);
}

/* One event. */

/* The line whose hash begins with ${hex}. */
static int
find_hash(struct log *log, const char *hex, size_t len, struct buf *out, struct err *e)
{
	struct log_reader r;
	struct log_line line;
	int rc, found = 0;

	log_reader_init(&r, log, 0, 0);
	while ((rc = log_reader_next(&r, &line, e)) > 0) {
		if (line.text.len < EVENT_TAIL ||
		    memcmp(line.text.p + line.text.len - HASH_HEX - 2, hex, len) != 0)
			continue;
		if (found++ == 1) {
			rc = err_set(e, "the hashes of several events begin with '%s'", hex);
			break;
		}
		buf_reset(out);
		buf_addspan(out, line.text);
		if (len == HASH_HEX)
			break;
	}
	log_reader_release(&r);
	if (rc >= 0 && out->failed)
		return (err_mem(e));
	return (rc < 0 ? -1 : found);
}

int
query_event(struct query *q, const char *what, struct buf *out, struct event *ev, struct err *e)
{
	struct index *ix = q->ledger->index;
	struct json_fault f;
	size_t len = strlen(what), digits = strspn(what, "0123456789");
	uint64_t seq;
	int rc;

	if (len > 0 && digits == len) {
		if (decimal_parse(what, len, &seq) != 0 || seq >= index_size(ix))
			return (0);
		return (index_event(ix, seq, out, ev, e) == 0 ? 1 : -1);
	}
	if (strncmp(what, "hash:", 5) == 0) {
		what += 5;
		len -= 5;
	}
	if (len < HASH_MIN || len > HASH_HEX || strspn(what, "0123456789abcdef") != len)
		return (err_set(e,
		    "'%s' is neither a seq nor the beginning of a hash (%d or more of 0-9 and a-f)",
		    what, HASH_MIN));
	if ((rc = find_hash(q->ledger->log, what, len, out, e)) <= 0)
		return (rc);
	if (event_parse((struct span){out->data, out->len}, ev, &f) != 0)
		return (
		    err_set(e, "the log is corrupt: the event with hash '%s': %s; run 'ecl-verify'",
			what, f.what));
	return (1);
}

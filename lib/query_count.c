/* Questions to a ledger: how many events. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "glance.h"
#include "query_impl.h"
#include "tally.h"

#include "banned.h"

#define SECOND INT64_C(1000000)
#define HOUR 3600
#define DAY 86400
#define LINES_SHARE 16	/* where more than one of so many rows needs its line, the log is read line by line */
#define BY_LINES 2

struct counting {
	struct query *q;
	enum query_key key;
	bool local;
	struct err *e;
	struct tally tally;
	uint64_t *by_id;    /* of elements and kinds: events of each element */
	struct row_filter rows;
	uint64_t plain[3];  /* creates, modifies, deletes that rows told of */
	uint64_t lines;	    /* read one by one, because rows did not tell */
	int64_t from_us, to_us; /* the hour or the day that was met last */
	char when[64];	    /* its name */
	uint64_t n;	    /* events in it */
	struct buf line, scratch;
	struct event ev;
};

static int
add(struct counting *c, struct span value, uint64_t n)
{
	return (n == 0 || tally_add(&c->tally, value, n) == 0 ? 0 : err_mem(c->e));
}

/* Hours and days. */

static int
end_period(struct counting *c)
{
	uint64_t n = c->n;

	c->n = 0;
	return (add(c, (struct span){c->when, strlen(c->when)}, n));
}

static void
local_period(struct counting *c, int64_t us)
{
	time_t t = (time_t)(us / SECOND - (us % SECOND < 0)), from, to;
	struct tm tm = {0};

	localtime_r(&t, &tm);
	if (c->key == QUERY_HOUR) {
		snprintf(c->when, sizeof(c->when), "%04d-%02d-%02d %02d:00", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour);
		from = t - tm.tm_min * 60 - tm.tm_sec;
		to = from + HOUR;
	} else {
		snprintf(c->when, sizeof(c->when), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		from = mktime(&tm);
		tm.tm_mday++;
		tm.tm_isdst = -1;
		to = mktime(&tm);
	}
	/* Whatever the zone does, this moment is in it. */
	c->from_us = (from > t ? t : from) * SECOND;
	c->to_us = (to <= t ? t + 1 : to) * SECOND;
}

static void
utc_period(struct counting *c, int64_t us)
{
	int64_t unit = (c->key == QUERY_HOUR ? HOUR : DAY) * SECOND, in = us % unit;
	char time[TIME_SIZE];

	c->from_us = us - (in < 0 ? in + unit : in);
	c->to_us = c->from_us + unit;
	event_time_format(c->from_us, time);
	if (c->key == QUERY_HOUR)
		snprintf(c->when, sizeof(c->when), "%.19sZ", time);
	else
		snprintf(c->when, sizeof(c->when), "%.10s", time);
}

static int
add_time(struct counting *c, int64_t us)
{
	if (us < c->from_us || us >= c->to_us) {
		if (end_period(c) != 0)
			return (-1);
		if (c->local)
			local_period(c, us);
		else
			utc_period(c, us);
	}
	c->n++;
	return (0);
}

/* What is known of one event. */

static struct span
kind_of(struct span name)
{
	const char *colon = memchr(name.p, ':', name.len);

	return ((struct span){name.p, colon == NULL ? name.len : (size_t)(colon - name.p)});
}

static int
add_event(struct counting *c, const struct event *ev)
{
	struct span actor = ev->actor;

	switch (c->key) {
	case QUERY_ELEMENT:
		return (add(c, ev->element, 1));
	case QUERY_KIND:
		return (add(c, kind_of(ev->element), 1));
	case QUERY_ACTION:
		return (add(c, ev->action, 1));
	case QUERY_ACTOR:
		if (actor.p != NULL)
			actor = glance_text(actor, &c->scratch);
		return (c->scratch.failed ? err_mem(c->e) : add(c, actor, 1));
	default:
		return (add_time(c, ev->time_us));
	}
}

/* By rows. */

static int
add_row(struct counting *c, uint64_t seq, const struct row *row)
{
	switch (c->key) {
	case QUERY_ELEMENT:
	case QUERY_KIND:
		c->by_id[row->id]++;
		return (0);
	case QUERY_ACTION:
		c->plain[0] += (row->flags & ROW_CREATE) != 0;
		c->plain[1] += (row->flags & ROW_MODIFY) != 0;
		c->plain[2] += (row->flags & ROW_DELETE) != 0;
		if ((row->flags & (ROW_CREATE | ROW_MODIFY | ROW_DELETE)) != 0)
			return (0);
		if (c->q->filter.globs == 0 && ++c->lines > INDEX_ROWS + (seq - c->q->since) / LINES_SHARE)
			return (BY_LINES);
		if (index_event_at(c->q->ledger->index, seq, row, &c->line, &c->ev, c->e) != 0)
			return (-1);
		return (add(c, c->ev.action, 1));
	default:
		return (add_time(c, row->time_us));
	}
}

static int
add_rows(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct counting *c = arg;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		if (query_row_passes(&c->rows, &row[i]) && (rc = add_row(c, seq + i, &row[i])) != 0)
			return (rc);
	}
	return (0);
}

static int
name_count(void *arg, const struct element *el)
{
	struct counting *c = arg;

	/* index_each() takes only positive values for stop. */
	return (add(c, c->key == QUERY_KIND ? kind_of(el->name) : el->name, c->by_id[el->id]) != 0);
}

static int
count_rows(struct counting *c)
{
	struct query *q = c->q;
	struct index *ix = q->ledger->index;
	int rc;

	if (query_row_filter(q, &c->rows, c->e) != 0)
		return (-1);
	if ((c->key == QUERY_ELEMENT || c->key == QUERY_KIND) &&
	    (c->by_id = calloc(index_elements(ix) + 1, sizeof(*c->by_id))) == NULL)
		return (err_mem(c->e));
	if ((rc = query_rows(q, q->since, q->until, add_rows, c, c->e)) != 0)
		return (rc);
	if (c->by_id != NULL)
		return (index_each(ix, SPAN(""), name_count, c, c->e) == 0 ? 0 : -1);
	if (add(c, SPAN("create"), c->plain[0]) != 0 || add(c, SPAN("modify"), c->plain[1]) != 0)
		return (-1);
	return (add(c, SPAN("delete"), c->plain[2]));
}

/* By lines: all of them, of which no more is looked at than it needs. */

static int
add_line(struct counting *c, struct span line)
{
	struct event *ev = &c->ev;
	struct glance g;
	bool timed = c->key == QUERY_HOUR || c->key == QUERY_DAY;
	int rc;

	if (!filter_empty(&c->q->filter) && (rc = filter_line(&c->q->filter, line, c->e)) <= 0)
		return (rc);
	if (glance_line(line, &g) != 0 || (c->key == QUERY_ACTOR && glance_actor(line, &g, &ev->actor) != 0) ||
	    (timed && event_time_parse(g.time.p, g.time.len, &ev->time_us) != 0))
		return (err_set(c->e, "the log is corrupt: a line is no event; run 'ecl-verify'"));
	ev->element = glance_text(g.element, &c->scratch);
	ev->action = g.action;
	if (c->scratch.failed)
		return (err_mem(c->e));
	return (event_reserved(ev->element) ? 0 : add_event(c, ev));
}

static int
count_lines(struct counting *c)
{
	struct query *q = c->q;
	struct log_reader r;
	struct log_line line;
	uint64_t seq;
	int rc = 1;

	if (q->since >= q->until)
		return (0);
	if (log_seek(q->ledger->log, q->since, &r, c->e) != 0)
		return (-1);
	for (seq = q->since; seq < q->until && (rc = log_reader_next(&r, &line, c->e)) == 1; seq++) {
		if ((rc = add_line(c, line.text)) != 0)
			break;
		if (seq % INDEX_ROWS == 0)
			query_step(q, seq - q->since, q->until - q->since);
	}
	log_reader_release(&r);
	return (rc < 0 ? -1 : 0);
}

static int
count_events(struct counting *c)
{
	struct query_events *it;
	const struct event *ev;
	struct span line;
	int rc;

	if (query_events_open(c->q, &it, c->e) != 0)
		return (-1);
	while ((rc = query_events_next(it, &line, &ev, c->e)) == 1) {
		if ((rc = add_event(c, ev)) != 0)
			break;
	}
	query_events_free(it);
	return (rc);
}

/* Whether rows tell what is asked, or nearly always do. */
static bool
rows_tell(const struct counting *c)
{
	const struct filter *f = &c->q->filter;

	return (c->key != QUERY_ACTOR && f->actor.p == NULL &&
	    (f->action.p == NULL || query_action_flag(f->action) != 0));
}

static void
release(struct counting *c)
{
	tally_release(&c->tally);
	buf_release(&c->line);
	buf_release(&c->scratch);
	free(c->by_id);
	free(c->rows.elements);
}

int
query_count(struct query *q, enum query_key key, bool local,
    int (*visit)(void *arg, const struct query_count *c), void *arg, struct err *e)
{
	struct counting c = {.q = q, .key = key, .local = local, .e = e};
	struct query_count found;
	bool narrow = false;
	size_t i;
	int rc = 0;

	if (!rows_tell(&c) && q->filter.globs == 0)
		rc = query_rows_narrow(q, &narrow, e);
	if (rc == 0)
		rc = rows_tell(&c) ? count_rows(&c) : q->filter.globs == 0 && !narrow ? count_lines(&c) : count_events(&c);
	if (rc == BY_LINES) {
		release(&c);
		c = (struct counting){.q = q, .key = key, .local = local, .e = e};
		rc = count_lines(&c);
	}
	if (rc == 0)
		rc = end_period(&c);
	if (key == QUERY_HOUR || key == QUERY_DAY)
		tally_list(&c.tally);
	else
		tally_sort(&c.tally);
	for (i = 0; rc == 0 && i < c.tally.n; i++) {
		found = (struct query_count){c.tally.value[i].text, c.tally.value[i].n};
		rc = visit(arg, &found);
	}
	release(&c);
	return (rc);
}

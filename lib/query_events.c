/* Questions to a ledger: events, one at a time. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "query_impl.h"

#include "banned.h"

struct query_events {
	struct query *q;
	/* How the next one is found: its line in ${text}, parsed in ${ev}.  Return 1, 0 at the end, or -1. */
	int (*next)(struct query_events *it, struct err *e);
	struct span text;
	struct event ev;
	struct buf line;
	uint64_t at; /* of rows: how many were looked at; of the log: the next one */

	struct chains *chains; /* of names */

	struct row *rows; /* those of ${rows_at} and behind, where there are any */
	uint64_t rows_at;
	uint64_t rows_n;
	struct row_filter filter;

	struct log_reader reader;
	bool reading; /* it is to be released */
};

/* Names. */

static int
next_of_names(struct query_events *it, struct err *e)
{
	int rc;

	if ((rc = chains_next(it->chains, &it->line, &it->ev, e)) == 1)
		it->text = (struct span){it->line.data, it->line.len};
	return (rc);
}

static int
open_names(struct query_events *it, struct err *e)
{
	it->next = next_of_names;
	return (chains_open(it->q, &it->chains, e));
}

/* Line by line, where most of them pass, or their rows do not say that they do not. */

static int
next_of_log(struct query_events *it, struct err *e)
{
	struct query *q = it->q;
	struct log_line line;
	struct json_fault f;
	int rc;

	while (it->at < q->until) {
		if ((rc = log_reader_next(&it->reader, &line, e)) <= 0)
			return (rc);
		it->at++;
		if (it->at % INDEX_ROWS == 0)
			query_step(q, it->at - q->since, q->until - q->since);
		if ((rc = filter_line(&q->filter, line.text, e)) < 0)
			return (-1);
		if (rc == 0)
			continue;
		if (event_parse(line.text, &it->ev, &f) != 0)
			return (err_set(e,
			    "the log is corrupt: event %" PRIu64 ": %s; run 'ecl-verify'",
			    it->at - 1, f.what));
		if (event_reserved(it->ev.element))
			continue;
		it->text = line.text;
		return (1);
	}
	return (0);
}

static int
open_log(struct query_events *it, struct err *e)
{
	struct query *q = it->q;

	it->next = next_of_log;
	it->at = q->since;
	if (q->since >= q->until)
		return (0);
	if (log_seek(q->ledger->log, q->since, &it->reader, e) != 0)
		return (-1);
	it->reading = true;
	return (0);
}

/* Row by row. */

/* The row of event ${seq}, from a stretch that is read at once. */
static int
row_of(struct query_events *it, uint64_t seq, const struct row **ret, struct err *e)
{
	struct query *q = it->q;
	uint64_t end;

	if (seq - it->rows_at >= it->rows_n) {
		it->rows_at = seq / INDEX_ROWS * INDEX_ROWS;
		end = it->rows_at + INDEX_ROWS < q->until ? it->rows_at + INDEX_ROWS : q->until;
		it->rows_at = it->rows_at < q->since ? q->since : it->rows_at;
		it->rows_n = 0;
		if (index_rows(q->ledger->index, it->rows_at, (size_t)(end - it->rows_at), it->rows,
			e) != 0)
			return (-1);
		it->rows_n = end - it->rows_at;
		query_step(q, it->at, q->until - q->since);
	}
	*ret = &it->rows[seq - it->rows_at];
	return (0);
}

static int
next_of_rows(struct query_events *it, struct err *e)
{
	struct query *q = it->q;
	uint64_t n = q->until > q->since ? q->until - q->since : 0, seq;
	const struct row *row;

	while (it->at < n) {
		seq = q->reverse ? q->until - 1 - it->at : q->since + it->at;
		it->at++;
		if (row_of(it, seq, &row, e) != 0)
			return (-1);
		if (!query_row_passes(&it->filter, row))
			continue;
		if (index_event_at(q->ledger->index, seq, row, &it->line, &it->ev, e) != 0)
			return (-1);
		if (!filter_event(&q->filter, &it->ev))
			continue;
		it->text = (struct span){it->line.data, it->line.len};
		return (1);
	}
	return (0);
}

static int
open_rows(struct query_events *it, struct err *e)
{
	struct query *q = it->q;

	it->next = next_of_rows;
	if ((it->rows = malloc(INDEX_ROWS * sizeof(*it->rows))) == NULL)
		return (err_mem(e));
	return (query_row_filter(q, &it->filter, e));
}

int
query_events_open(struct query *q, struct query_events **ret, struct err *e)
{
	struct query_events *it;
	bool narrow = false;
	int rc = 0;

	if ((it = calloc(1, sizeof(*it))) == NULL)
		return (err_mem(e));
	it->q = q;
	if (!filter_all_exact(&q->filter) && !q->reverse && q->filter.globs == 0 && query_action_flag(q->filter.action) == 0)
		rc = query_rows_narrow(q, &narrow, e);
	else
		narrow = true;
	if (rc == 0)
		rc = filter_all_exact(&q->filter) ? open_names(it, e) : narrow ? open_rows(it, e) : open_log(it, e);
	if (rc != 0) {
		query_events_free(it);
		return (-1);
	}
	*ret = it;
	return (0);
}

int
query_events_next(struct query_events *it, struct span *ret_line, const struct event **ret_ev,
    struct err *e)
{
	int rc;

	if ((rc = it->next(it, e)) == 1) {
		*ret_line = it->text;
		*ret_ev = &it->ev;
	}
	return (rc);
}

void
query_events_free(struct query_events *it)
{
	if (it == NULL)
		return;
	if (it->reading)
		log_reader_release(&it->reader);
	buf_release(&it->line);
	chains_free(it->chains);
	free(it->rows);
	free(it->filter.elements);
	free(it);
}

/* Questions to a ledger: elements. */
#include "config.h"

#include <stdlib.h>

#include "query_impl.h"

#include "banned.h"

#define LINES 6 /* are read in the time of a chunk of rows */
#define LINES_LEAST 1000

struct elements {
	struct query *q;
	int (*visit)(void *arg, const struct query_element *el);
	void *arg;
	struct err *e;
	uint64_t *counts; /* by id; NULL: to be counted along the chain */
	uint64_t lines;	  /* that may be read for that */
	struct buf line;
	struct event ev; /* on that line */
	uint64_t met; /* elements so far */
	int rc;
};

static int
count_rows(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct elements *s = arg;
	size_t i;

	(void)seq;
	for (i = 0; i < n; i++)
		s->counts[row[i].id]++;
	return (0);
}

static int
count_all(struct elements *s)
{
	struct index *ix = s->q->ledger->index;

	if ((s->counts = calloc(index_elements(ix) + 1, sizeof(*s->counts))) == NULL)
		return (err_mem(s->e));
	return (query_rows(s->q, 0, index_size(ix), count_rows, s, s->e));
}

/* The events of one element, by their lines.  Return 1, 0 where there are too many of them to do it so, or -1. */
static int
count_chain(struct elements *s, const struct element *el, uint64_t *ret)
{
	uint64_t seq;

	for (seq = el->last, *ret = 0; seq != EVENT_NONE; seq = s->ev.parent, ++*ret) {
		if (s->lines-- == 0)
			return (0);
		if (index_event(s->q->ledger->index, seq, &s->line, &s->ev, s->e) != 0)
			return (-1);
	}
	return (1);
}

static int
give_element(void *arg, const struct element *el)
{
	struct elements *s = arg;
	struct query_element found = {el->name, el->first, el->last, 0};
	int rc = 0;

	if (++s->met % INDEX_ROWS == 0)
		query_step(s->q, s->met, index_elements(s->q->ledger->index));
	if (!filter_name(&s->q->filter, el->name))
		return (0);
	if (s->counts == NULL && ((rc = count_chain(s, el, &found.events)) < 0 ||
				     (rc == 0 && count_all(s) != 0))) {
		s->rc = -1;
		return (1);
	}
	if (rc == 0)
		found.events = s->counts[el->id];
	s->rc = s->visit(s->arg, &found);
	return (s->rc != 0);
}

int
query_elements(struct query *q, int (*visit)(void *arg, const struct query_element *el), void *arg,
    struct err *e)
{
	struct elements s = {.q = q, .visit = visit, .arg = arg, .e = e};
	int rc;

	s.lines = index_size(q->ledger->index) / INDEX_ROWS * LINES + LINES_LEAST;
	if (filter_all_exact(&q->filter))
		rc = query_each_exact(q, give_element, &s, e);
	else if ((rc = count_all(&s)) == 0)
		rc = index_each(q->ledger->index, filter_common(&q->filter), give_element, &s, e);
	free(s.counts);
	buf_release(&s.line);
	return (rc > 0 && s.rc != 0 ? s.rc : rc);
}

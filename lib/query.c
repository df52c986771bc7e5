/* Questions to a ledger: what they share. */
#include "config.h"

#include <stdlib.h>

#include "query_impl.h"

#include "banned.h"

#define SAMPLES 16u /* stretches of rows that stand for all */
#define NARROW 16u  /* one event of so many costs as much alone as all of them in a row */

int
query_rows(struct query *q, uint64_t from, uint64_t to,
    int (*visit)(void *arg, uint64_t seq, const struct row *row, size_t n), void *arg,
    struct err *e)
{
	struct row *rows;
	uint64_t seq, end;
	int rc = 0;

	if (from >= to)
		return (0);
	if ((rows = malloc(INDEX_ROWS * sizeof(*rows))) == NULL)
		return (err_mem(e));
	for (seq = from; rc == 0 && seq < to; seq = end) {
		end = (seq / INDEX_ROWS + 1) * INDEX_ROWS;
		end = end < to ? end : to;
		if ((rc = index_rows(q->ledger->index, seq, (size_t)(end - seq), rows, e)) == 0)
			rc = visit(arg, seq, rows, (size_t)(end - seq));
		query_step(q, end - from, to - from);
	}
	free(rows);
	return (rc);
}

unsigned
query_action_flag(struct span action)
{
	return (action.p == NULL ? 0 : index_action_flags(action) & ROW_PLAIN);
}

struct wanted {
	const struct filter *filter;
	uint8_t *bits;
};

static int
want(void *arg, const struct element *el)
{
	struct wanted *w = arg;

	if (filter_name(w->filter, el->name))
		w->bits[el->id / 8] |= (uint8_t)(1u << el->id % 8);
	return (0);
}

static int
wanted_elements(struct query *q, uint8_t **ret, struct err *e)
{
	struct index *ix = q->ledger->index;
	struct wanted w = {&q->filter, NULL};
	int rc;

	*ret = NULL;
	if (q->filter.globs == 0)
		return (0);
	if ((w.bits = calloc(index_elements(ix) / 8 + 1, 1)) == NULL)
		return (err_mem(e));
	rc = filter_all_exact(&q->filter) ? query_each_exact(q, want, &w, e)
					  : index_each(ix, filter_common(&q->filter), want, &w, e);
	if (rc == 0)
		*ret = w.bits;
	else
		free(w.bits);
	return (rc);
}

int
query_row_filter(struct query *q, struct row_filter *ret, struct err *e)
{
	const struct filter *f = &q->filter;
	uint32_t action = f->action.p != NULL ? index_action_flags(f->action) : 0;

	*ret = (struct row_filter){0};
	if (action != 0) {
		ret->value = action;
		ret->mask = (action & ROW_ACTION) != 0 ? ROW_ACTION : action;
	}
	if (f->actor.p != NULL) {
		ret->value |= index_actor_flags(f->actor);
		ret->mask |= ROW_ACTOR;
	}
	ret->says = (ret->mask & ~ROW_PLAIN) != 0;
	return (wanted_elements(q, &ret->elements, e));
}

/* How many of some rows pass, of all, or of those that are too old to tell. */
struct sample {
	struct row_filter filter;
	size_t rows, passed, silent;
};

static int
take_sample(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct sample *s = arg;
	size_t i;

	(void)seq;
	for (i = 0; i < n; i++) {
		s->passed += query_row_passes(&s->filter, &row[i]);
		s->silent += (row[i].flags & ROW_SAYS) == 0;
	}
	s->rows += n;
	return (0);
}

int
query_rows_narrow(struct query *q, bool *ret, struct err *e)
{
	uint64_t until = q->until < q->size ? q->until : q->size, n = until > q->since ? until - q->since : 0, step = n / SAMPLES, at;
	struct query quiet = *q;
	struct sample s = {.rows = 0};
	int rc;

	*ret = false;
	quiet.step = NULL;
	if ((rc = query_row_filter(q, &s.filter, e)) != 0 || !s.filter.says)
		goto out;
	step = step < INDEX_ROWS ? INDEX_ROWS : step;
	for (at = q->since; rc == 0 && at < until; at += step)
		rc = query_rows(&quiet, at, at + INDEX_ROWS < until ? at + INDEX_ROWS : until, take_sample, &s, e);
	*ret = rc == 0 && s.silent == 0 && s.passed * NARROW <= s.rows;
out:	free(s.filter.elements);
	return (rc);
}

static int
by_name(const void *a, const void *b)
{
	const struct filter_glob *x = a, *y = b;

	return (span_cmp(x->text, y->text));
}

int
query_each_exact(
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
		el.name = f->glob[i].text; /* lives longer */
		if (rc > 0 && (rc = visit(arg, &el)) != 0)
			return (rc);
	}
	return (0);
}

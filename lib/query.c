/* Questions to a ledger: what they share. */
#include "config.h"

#include <stdlib.h>

#include "query_impl.h"

#include "banned.h"

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
	if (action.p == NULL)
		return (0);
	if (span_is(action, "create"))
		return (ROW_CREATE);
	if (span_is(action, "modify"))
		return (ROW_MODIFY);
	return (span_is(action, "delete") ? ROW_DELETE : 0);
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

int
query_wanted(struct query *q, uint8_t **ret, struct err *e)
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

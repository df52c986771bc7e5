/* Questions to a ledger: elements. */
#include "config.h"

#include <stdlib.h>

#include "query_impl.h"

#include "banned.h"

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
		if (query_row(s->q->ledger->index, seq, &row, s->e) != 0) {
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
		if (query_row(ix, seq, &row, s->e) != 0)
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
		rc = query_each_exact(q, give_element, &s, e);
	else if ((rc = count_events(&s)) == 0)
		rc = index_each(q->ledger->index, filter_common(&q->filter), give_element, &s, e);
	free(s.counts);
	return (rc > 0 && s.rc != 0 ? s.rc : rc);
}

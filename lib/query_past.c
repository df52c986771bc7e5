/* Questions to a ledger: the last events of elements before a moment. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "query_impl.h"

#include "banned.h"

#define HOPS 32 /* steps along a chain cost about as much as a chunk of rows */
#define FIRST_CHUNKS 2
#define MOST_CHUNKS 1024 /* in one turn */

int
past_add(struct past *p, const struct element *el, struct err *e)
{
	struct past_element *more;

	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 16 : p->cap * 2;
		if ((more = realloc(p->el, p->cap * sizeof(*more))) == NULL)
			return (err_mem(e));
		p->el = more;
	}
	/* Until it is found, ${behind} is how far its chain was walked. */
	p->el[p->n++] = (struct past_element){el->id, false, EVENT_NONE, el->last};
	return (0);
}

void
past_release(struct past *p)
{
	free(p->el);
	free(p->place);
	free(p->rows);
	memset(p, 0, sizeof(*p));
}

/* So that an id leads to its element. */
static int
make_places(struct past *p, struct err *e)
{
	size_t i;

	if (p->place != NULL || p->n <= 1)
		return (0);
	p->places = index_elements(p->index);
	if ((p->place = calloc(p->places + 1, sizeof(*p->place))) == NULL)
		return (err_mem(e));
	for (i = 0; i < p->n; i++) {
		if (p->el[i].id < p->places)
			p->place[p->el[i].id] = (uint32_t)i + 1;
	}
	return (0);
}

static struct past_element *
find_id(const struct past *p, uint32_t id)
{
	if (p->place == NULL)
		return (p->n == 1 && p->el[0].id == id ? &p->el[0] : NULL);
	return (id < p->places && p->place[id] != 0 ? &p->el[p->place[id] - 1] : NULL);
}

const struct past_element *
past_get(const struct past *p, uint32_t id)
{
	return (find_id(p, id));
}

/* Walk at most ${hops} along a chain.  Return the number of steps, or -1. */
static int64_t
walk(struct past *p, struct past_element *el, int64_t hops, struct err *e)
{
	struct row row;
	int64_t n;

	for (n = 0; n < hops && !el->done; n++) {
		if (index_peek(p->index, el->behind, &row, e) != 0)
			return (-1);
		el->done = row.parent == EVENT_NONE || row.parent < p->size;
		if (el->done)
			el->before = row.parent;
		else
			el->behind = row.parent;
	}
	return (n);
}

/* All that are left go on by the same number of steps, which are ${hops} in all; ${left} loses those that are found. */
static int
walk_all(struct past *p, uint32_t *left, size_t *n, int64_t hops, struct err *e)
{
	int64_t each = hops / (int64_t)*n > 0 ? hops / (int64_t)*n : 1, took;
	size_t i;

	for (i = *n; i-- > 0 && hops > 0;) {
		if ((took = walk(p, &p->el[left[i]], each, e)) < 0)
			return (-1);
		hops -= took + 1;
		if (p->el[left[i]].done)
			left[i] = left[--*n];
	}
	return (0);
}

/* Scan ${chunks} chunks of rows before ${*end}.  Return the number of elements found, or -1. */
static int64_t
scan(struct past *p, uint64_t *end, unsigned chunks, struct err *e)
{
	struct past_element *el;
	int64_t found = 0;
	uint64_t first;
	size_t i;

	if (make_places(p, e) != 0)
		return (-1);
	if (p->rows == NULL && (p->rows = malloc(INDEX_ROWS * sizeof(*p->rows))) == NULL)
		return (err_mem(e));
	for (; chunks > 0 && *end > 0; chunks--, *end = first) {
		first = (*end - 1) / INDEX_ROWS * INDEX_ROWS;
		if (index_rows(p->index, first, (size_t)(*end - first), p->rows, e) != 0)
			return (-1);
		for (i = (size_t)(*end - first); i-- > 0;) {
			el = find_id(p, p->rows[i].id);
			if (el == NULL || el->done)
				continue;
			el->done = true;
			el->before = first + i;
			el->behind = EVENT_NONE;
			found++;
		}
	}
	return (found);
}

int
past_find(struct past *p, struct err *e)
{
	unsigned chunks = FIRST_CHUNKS;
	uint64_t end = p->size;
	size_t i, n = p->n, kept;
	uint32_t *left;
	int64_t found;
	int rc = -1;

	if (n == 0)
		return (0);
	if ((left = malloc(n * sizeof(*left))) == NULL)
		return (err_mem(e));
	for (i = 0; i < n; i++)
		left[i] = (uint32_t)i;
	for (; n > 0 && end > 0; chunks = chunks < MOST_CHUNKS ? chunks * 2 : chunks) {
		if (walk_all(p, left, &n, (int64_t)chunks * HOPS, e) != 0)
			goto done;
		if (n == 0)
			break;
		if ((found = scan(p, &end, chunks, e)) < 0)
			goto done;
		for (i = 0, kept = 0; found > 0 && i < n; i++) {
			if (!p->el[left[i]].done)
				left[kept++] = left[i];
		}
		n = found > 0 ? kept : n;
	}
	rc = make_places(p, e);
done:	free(left);
	return (rc);
}

int
past_confirm(const struct past *p, const struct past_element *el, struct span name,
    struct buf *line, struct event *ev, struct err *e)
{
	if (el->done && el->before != EVENT_NONE && el->behind != EVENT_NONE) {
		if (index_event(p->index, el->behind, line, ev, e) != 0)
			return (-1);
		if (!span_eq(ev->element, name) || ev->parent != el->before)
			goto wrong;
	}
	if (!el->done || el->before == EVENT_NONE)
		goto wrong;
	if (index_event(p->index, el->before, line, ev, e) != 0)
		return (-1);
	if (span_eq(ev->element, name))
		return (1);
wrong:	err_set(e, "the rows are wrong about what '%.*s' was before event %" PRIu64, (int)name.len,
	    name.p, p->size);
	return (0);
}

int
past_last(struct index *ix, struct span name, uint64_t size, struct buf *line, struct event *ev,
    uint64_t *ret, struct err *e)
{
	struct past p = {.index = ix, .size = size};
	struct element el;
	uint64_t generation;
	struct err why;
	int rc;

	for (;;) {
		*ret = EVENT_NONE;
		generation = index_generation(ix);
		if ((rc = index_lookup(ix, name, &el, e)) <= 0)
			return (rc);
		if (el.first >= size)
			return (0);
		if (el.last < size) {
			*ret = el.last;
			return (0);
		}
		if (past_add(&p, &el, e) != 0 || past_find(&p, e) != 0)
			rc = -1;
		else if ((rc = past_confirm(&p, &p.el[0], name, line, ev, &why)) == 1)
			*ret = p.el[0].before;
		else if (rc == -1 && e != NULL)
			*e = why;
		past_release(&p);
		p = (struct past){.index = ix, .size = size};
		if (rc != 0)
			return (rc == 1 ? 0 : -1);
		if (index_wrong(ix, generation, &why, e) != 0)
			return (-1);
	}
}

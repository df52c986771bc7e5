/* The index: all elements, now and as they were. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"
#include "le.h"

#include "banned.h"

/* Elements are looked at one by one only where that is less than the rows to be read. */
#define ROWS_AN_ELEMENT 8

static bool
has_prefix(struct span name, struct span prefix)
{
	return (name.len >= prefix.len && (prefix.len == 0 || memcmp(name.p, prefix.p, prefix.len) == 0));
}

/* From behind ${after} to the end, or until the files turn out to be damaged. */
static int
each_behind(struct index *ix, struct span prefix, struct buf *after, int (*visit)(void *arg, const struct element *el), void *arg,
    struct err *e)
{
	struct span behind = after->len > 0 ? (struct span){after->data, after->len} : (struct span){NULL, 0};
	struct run_record rec;
	struct element el;
	struct merge m;
	struct err why;
	uint64_t generation;
	int rc;

	/* Elements in between are on their way. */
	if (ix->going != NULL)
		return (err_set(e, "no list of elements while the index is being published"));
	if (index_resolve_all(ix, e) != 0)
		return (-1);
	generation = ix->generation;
	if ((rc = merge_begin(&m, ix->table, ix->run, ix->runs, prefix, behind, &why)) != 0)
		goto done;
	/* A visitor may meet damage: then all that is merged here is another. */
	while (ix->generation == generation && (rc = merge_next(&m, &rec, &why)) == 1) {
		if (!has_prefix(rec.name, prefix)) {
			rc = 0;
			break;
		}
		if (ix->ahead && m.of_run && (rc = index_as_of(ix, &rec, &why)) != 1) {
			if (rc == 0)
				continue;
			rc = INDEX_DAMAGED;
			break;
		}
		buf_reset(after);
		buf_addspan(after, rec.name);
		if (after->failed) {
			rc = err_mem(&why);
			break;
		}
		el = (struct element){{after->data, after->len}, rec.id, rec.first, rec.last, rec.last_state, rec.alive};
		if ((rc = visit(arg, &el)) != 0) {
			/* A visitor's 2 is no sign of ours. */
			merge_end(&m);
			return (rc == INDEX_AGAIN ? INT_MIN : rc);
		}
	}
done:	merge_end(&m);
	if (ix->generation != generation)
		return (INDEX_AGAIN);
	if (rc == INDEX_DAMAGED)
		return (index_lost(ix, &why, e));
	if (rc == -1 && e != NULL)
		*e = why;
	return (rc);
}

int
index_each(struct index *ix, struct span prefix, int (*visit)(void *arg, const struct element *el), void *arg, struct err *e)
{
	struct buf after = BUF_INIT;
	int rc;

	do
		rc = each_behind(ix, prefix, &after, visit, arg, e);
	while (rc == INDEX_AGAIN);
	buf_release(&after);
	return (rc == INT_MIN ? INDEX_AGAIN : rc);
}

/* ---- index_at ---- */

#define OPEN_LAST 1u
#define OPEN_STATE 2u

/* The elements at some size, being found. */
struct moment {
	uint64_t size, n;
	uint64_t *last, *state; /* by id */
	uint8_t *open;		/* what is still to be found of each */
	uint64_t missing;	/* elements of which something is */
};

/* One row of an element that is not found out about yet, met on the way back. */
static void
meet(struct moment *at, uint64_t seq, uint32_t id, uint64_t parent, uint32_t flags)
{
	uint8_t open = at->open[id];

	if ((open & OPEN_LAST) != 0)
		at->last[id] = seq;
	open &= (uint8_t)~OPEN_LAST;
	if ((open & OPEN_STATE) != 0 && ((flags & ROW_STATE) != 0 || parent == EVENT_NONE)) {
		at->state[id] = (flags & ROW_STATE) != 0 ? seq : EVENT_NONE;
		open = 0;
	}
	at->missing -= open == 0;
	at->open[id] = open;
}

static int
back_through_tail(struct index *ix, struct moment *at, struct err *e)
{
	const uint8_t *p;
	uint64_t seq;
	struct row row;

	for (seq = at->size; seq > ix->published && at->missing > 0;) {
		p = index_tail_row(ix, --seq);
		index_row_decode(p, &row);
		row.id = ix->table->entry[row.id].id;
		if (row.id >= at->n)
			return (err_set(e, "an element's number is too large"));
		if (at->open[row.id] != 0)
			meet(at, seq, row.id, row.parent, row.flags);
	}
	return (0);
}

/* Return 0, -1 or INDEX_AGAIN. */
static int
back_through_files(struct index *ix, struct moment *at, struct err *e)
{
	uint64_t end = at->size < ix->published ? at->size : ix->published, first, n;
	const uint8_t *chunk, *p;
	struct err why;
	uint32_t id;

	for (; end > 0 && at->missing > 0; end = first) {
		if (column_run(&ix->rows, end - 1, &chunk, &n, &why) != 0)
			return (index_lost(ix, &why, e));
		first = (end - 1) / (COLUMN_CHUNK / ROW_SIZE) * (COLUMN_CHUNK / ROW_SIZE);
		for (p = chunk + (end - first) * ROW_SIZE; p > chunk;) {
			p -= ROW_SIZE;
			if ((id = le32_get(p + ROW_ID)) >= at->n)
				goto wrong;
			/* Nearly all rows end here. */
			if (at->open[id] == 0)
				continue;
			meet(at, first + (uint64_t)(p - chunk) / ROW_SIZE, id, le64_get(p + 8), le32_get(p + 28));
			if (at->missing == 0)
				return (0);
		}
	}
	if (at->missing == 0)
		return (0);
wrong:	err_set(&why, "the column 'rows' does not fit the column 'births'");
	return (index_lost(ix, &why, e));
}

/* What the present says of the moment: elements that did not change since. */
static int
since_then(void *arg, const struct element *el)
{
	struct moment *at = arg;

	if (el->id >= at->n || at->open[el->id] == 0)
		return (0);
	if (el->last < at->size) {
		at->last[el->id] = el->last;
		at->open[el->id] &= (uint8_t)~OPEN_LAST;
	}
	if (el->last_state == EVENT_NONE || el->last_state < at->size) {
		at->state[el->id] = el->last_state;
		at->open[el->id] &= (uint8_t)~OPEN_STATE;
	}
	at->missing -= at->open[el->id] == 0;
	return (0);
}

static void
release_moment(struct moment *at)
{
	free(at->last);
	free(at->state);
	free(at->open);
	at->last = at->state = NULL;
	at->open = NULL;
}

static int
find_moment(struct index *ix, struct moment *at, struct err *e)
{
	uint64_t generation;

	if (index_resolve_all(ix, e) != 0 || index_born(ix, at->size, &at->n, e) != 0)
		return (-1);
	at->last = malloc((at->n + 1) * sizeof(*at->last));
	at->state = malloc((at->n + 1) * sizeof(*at->state));
	at->open = malloc(at->n + 1);
	if (at->last == NULL || at->state == NULL || at->open == NULL)
		return (err_mem(e));
	memset(at->open, OPEN_LAST | OPEN_STATE, at->n);
	at->missing = at->n;
	generation = ix->generation;
	if (ix->elements < at->size / ROWS_AN_ELEMENT && index_each(ix, (struct span){"", 0}, since_then, at, e) != 0)
		return (-1);
	if (ix->generation != generation)
		return (INDEX_AGAIN);
	if (back_through_tail(ix, at, e) != 0)
		return (-1);
	return (back_through_files(ix, at, e));
}

int
index_at(struct index *ix, uint64_t size, uint64_t **ret_last, uint64_t **ret_state, uint64_t *ret_n, struct err *e)
{
	struct moment at = {.size = size};
	int rc;

	if (size > ix->size)
		return (err_set(e, "the log has %" PRIu64 " events, not %" PRIu64, ix->size, size));
	while ((rc = find_moment(ix, &at, e)) == INDEX_AGAIN)
		release_moment(&at);
	if (rc != 0) {
		release_moment(&at);
		return (-1);
	}
	free(at.open);
	*ret_last = at.last;
	*ret_state = at.state;
	*ret_n = at.n;
	return (0);
}

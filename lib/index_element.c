/* The index: questions about one element. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"
#include "le.h"

#include "banned.h"

#define MEET_MAX 4096
#define MEET_BYTES (8u << 20) /* of lines that are held at a time */
#define STATE_CACHED_MAX (64u << 10) /* a larger state is read again each time, where the log has it */

static void
element_from_entry(struct element *ret, const struct entry *en)
{
	*ret = (struct element){entry_name(en), en->id, en->first, en->last, en->last_state, en->alive};
}

/* Whether the log has what a record says: the event that is the element's last, whose row has ${id}, names it. */
static bool
is_confirmed(const struct run_record *rec, uint32_t id, struct span line, struct event *ev)
{
	struct json_fault f;

	return (id == rec->id && event_parse(line, ev, &f) == 0 && ev->seq == rec->last && span_eq(ev->element, rec->name) &&
	    (rec->last_state == rec->last) == (ev->state.p != NULL) && (ev->state.p == NULL || rec->alive != event_is_gone(ev->state)));
}

/* The same, by reading that.  Keeps the state, which is mostly there too, in ${*ret_state}.  Return 0, -1, or INDEX_AGAIN. */
static int
confirm_record(struct index *ix, const struct run_record *rec, struct span *ret_state, struct err *e)
{
	uint64_t generation = ix->generation;
	struct event ev;
	struct err why;
	struct row row;

	ix->line_seq = EVENT_NONE;
	if (!index_peek_line(ix, rec->last, &row, &ix->line) &&
	    (index_row(ix, rec->last, &row, e) != 0 || index_line(ix, rec->last, &ix->line, e) != 0))
		return (-1);
	if (ix->generation != generation)
		return (INDEX_AGAIN);
	if (!is_confirmed(rec, row.id, (struct span){ix->line.data, ix->line.len}, &ev)) {
		err_set(&why, "the runs have event %" PRIu64 " as the last of '%.*s'", rec->last, (int)rec->name.len, rec->name.p);
		return (index_lost(ix, &why, e));
	}
	*ret_state = ix->line_state = ev.state;
	ix->line_seq = rec->last;
	return (0);
}

/* Into the table.  Return the entry's number, or NO_ENTRY where there is no room. */
static uint32_t
keep_record(struct index *ix, const struct run_record *rec, uint32_t tag, struct span state)
{
	struct entry *en;
	uint32_t n;

	if (ix->table->n >= TABLE_MAX || (n = etable_add(ix->table, rec->name, tag)) == NO_ENTRY)
		return (NO_ENTRY);
	en = &ix->table->entry[n];
	en->id = rec->id;
	en->first = rec->first;
	en->last = rec->last;
	en->last_state = rec->last_state;
	en->alive = rec->alive;
	if (state.p != NULL && state.len <= STATE_CACHED_MAX && ix->table->state_bytes < STATES_MAX)
		(void)etable_keep_state(ix->table, n, rec->last, state);
	return (n);
}

/* An element that the table lacks.  Return 1, 0, -1 or INDEX_AGAIN. */
static int
lookup_runs(struct index *ix, struct span name, uint32_t tag, struct element *ret, struct err *e)
{
	struct run_record rec;
	struct span state;
	uint32_t n;
	int rc;

	if ((rc = index_run_find(ix, name, &rec, e)) != 1)
		return (rc);
	if ((rc = confirm_record(ix, &rec, &state, e)) != 0)
		return (rc);
	rec.name = name;
	*ret = (struct element){name, rec.id, rec.first, rec.last, rec.last_state, rec.alive};
	if ((n = keep_record(ix, &rec, tag, state)) == NO_ENTRY) {
		buf_reset(&ix->found);
		buf_addspan(&ix->found, name);
		ret->name = (struct span){ix->found.data, ix->found.len};
		return (ix->found.failed ? err_mem(e) : 1);
	}
	ret->name = entry_name(&ix->table->entry[n]);
	ix->memo = n;
	return (1);
}

int
index_lookup(struct index *ix, struct span name, struct element *ret, struct err *e)
{
	uint32_t n, tag = 0;
	int rc;

	do {
		if (ix->memo != NO_ENTRY && span_eq(entry_name(&ix->table->entry[ix->memo]), name))
			n = ix->memo;
		else
			n = etable_find(ix->table, name, &tag);
		if (n == NO_ENTRY) {
			rc = lookup_runs(ix, name, tag, ret, e);
			continue;
		}
		if ((rc = index_resolve(ix, n, e)) == 0) {
			ix->memo = n;
			element_from_entry(ret, &ix->table->entry[n]);
			return (1);
		}
	} while (rc == INDEX_AGAIN);
	if (rc == 0) {
		buf_reset(&ix->missed);
		buf_addspan(&ix->missed, name);
		ix->missed_size = ix->missed.failed ? EVENT_NONE : ix->size;
	}
	return (rc);
}

/* Elements whose last events are read together. */
struct meeting {
	struct run_record rec[MEET_MAX];
	struct index_place place[MEET_MAX];
	size_t n;
	struct buf lines;
};

static int
by_seq(const void *a, const void *b)
{
	const struct index_place *x = a, *y = b;

	return (x->seq < y->seq ? -1 : x->seq > y->seq);
}

/* Those of ${n} names that the table lacks.  Return 0 or -1. */
static int
find_records(struct index *ix, struct meeting *m, const struct span *name, size_t n)
{
	struct run_record *rec;
	struct err why;
	uint32_t tag;
	size_t i;
	int rc;

	for (i = m->n = 0; i < n; i++) {
		if (etable_find(ix->table, name[i], &tag) != NO_ENTRY)
			continue;
		rec = &m->rec[m->n];
		if ((rc = index_run_find(ix, name[i], rec, &why)) != 1 && rc != 0)
			return (-1);
		if (rc == 0 || rec->last >= ix->published || rec->last >= ix->log->end.size)
			continue;
		rec->name = name[i];
		m->place[m->n] = (struct index_place){.seq = rec->last, .tag = m->n};
		m->n++;
	}
	qsort(m->place, m->n, sizeof(*m->place), by_seq);
	return (0);
}

/* Return 0, or -1 where it is of no use to go on. */
static int
meet(struct index *ix, struct meeting *m, const struct span *name, size_t n)
{
	uint64_t generation = ix->generation, bytes = 0;
	const struct index_place *p;
	struct event ev;
	struct err why;
	uint32_t tag;
	size_t i;

	if (find_records(ix, m, name, n) != 0 || index_places(ix, m->place, m->n, &why) != 0)
		return (-1);
	for (i = 0; i < m->n && (bytes += m->place[i].length) <= MEET_BYTES; i++)
		;
	m->n = i; /* the others are read one by one */
	buf_reset(&m->lines);
	if (index_lines(ix, m->place, m->n, &m->lines, &why) != 0 || ix->generation != generation)
		return (-1);
	for (p = m->place; p < m->place + m->n; p++) {
		if (is_confirmed(&m->rec[p->tag], p->id, (struct span){m->lines.data + p->at, p->length}, &ev) &&
		    etable_find(ix->table, m->rec[p->tag].name, &tag) == NO_ENTRY)
			(void)keep_record(ix, &m->rec[p->tag], tag, ev.state);
	}
	return (0);
}

void
index_meet(struct index *ix, const struct span *name, size_t n)
{
	struct meeting *m;
	size_t i, some;

	if (n < 2 || (m = malloc(sizeof(*m))) == NULL)
		return;
	m->lines = (struct buf)BUF_INIT;
	for (i = 0; i < n && ix->table->n < TABLE_MAX; i += some) {
		some = n - i < MEET_MAX ? n - i : MEET_MAX;
		if (meet(ix, m, name + i, some) != 0)
			break;
	}
	buf_release(&m->lines);
	free(m);
}

uint32_t
index_hint(const struct index *ix, struct span name)
{
	return (etable_hint(ix->table, name));
}

void
index_expect(const struct index *ix, uint32_t hint)
{
	etable_expect(ix->table, hint);
}

int
index_state(struct index *ix, const struct element *el, struct buf *scratch, struct span *ret, struct err *e)
{
	struct entry *en;
	struct event ev;
	uint32_t n, tag;

	*ret = (struct span){NULL, 0};
	if (el->last_state == EVENT_NONE)
		return (0);
	if (ix->memo != NO_ENTRY && span_eq(entry_name(&ix->table->entry[ix->memo]), el->name))
		n = ix->memo;
	else
		n = etable_find(ix->table, el->name, &tag);
	if (n != NO_ENTRY && ix->table->entry[n].state_seq == el->last_state) {
		en = &ix->table->entry[n];
		*ret = (struct span){en->state, en->state_len};
		return (0);
	}
	if (el->last_state == ix->line_seq) {
		*ret = ix->line_state;
		return (0);
	}
	if (index_event(ix, el->last_state, scratch, &ev, e) != 0)
		return (-1);
	if (ev.state.p == NULL)
		return (err_set(e, "event %" PRIu64 " has no state: the index is wrong; run 'ecl-index --rebuild'", el->last_state));
	*ret = ev.state;
	/* Reading it may have thrown the table away. */
	n = etable_find(ix->table, el->name, &tag);
	if (n != NO_ENTRY && ix->table->entry[n].last_state == el->last_state && ev.state.len <= STATE_CACHED_MAX &&
	    ix->table->state_bytes < STATES_MAX)
		(void)etable_keep_state(ix->table, n, el->last_state, ev.state);
	return (0);
}

/* ---- births ---- */

static int
birth(struct index *ix, uint64_t id, uint64_t *ret, struct err *e)
{
	const uint8_t *p;
	struct err why;

	while (id < ix->published_elements) {
		if (column_get(&ix->births, id, &p, &why) == 0) {
			*ret = le64_get(p);
			return (0);
		}
		if (index_lost(ix, &why, e) == -1)
			return (-1);
	}
	if (id < ix->base_elements)
		*ret = le64_get(ix->going->tail.births.data + (id - ix->published_elements) * 8);
	else
		*ret = le64_get(ix->tail.births.data + (id - ix->base_elements) * 8);
	return (0);
}

int
index_born(struct index *ix, uint64_t size, uint64_t *ret, struct err *e)
{
	uint64_t lo = 0, hi = ix->elements, mid, seq;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (birth(ix, mid, &seq, e) != 0)
			return (-1);
		if (seq < size)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = lo;
	return (0);
}

int
index_name(struct index *ix, uint32_t id, struct buf *out, struct err *e)
{
	struct event ev;
	uint64_t seq;

	if (id >= ix->elements)
		return (err_set(e, "there is no element %" PRIu32 ": the log has %" PRIu64, id, ix->elements));
	ix->line_seq = EVENT_NONE;
	if (birth(ix, id, &seq, e) != 0 || index_event(ix, seq, &ix->line, &ev, e) != 0)
		return (-1);
	buf_reset(out);
	buf_addspan(out, ev.element);
	return (out->failed ? err_mem(e) : 0);
}

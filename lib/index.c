/* The index: opening, and questions about one event or one element. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define STATE_CACHED_MAX (64u << 10) /* a larger state is read again each time, where the log has it */

void
index_row_encode(uint8_t out[ROW_SIZE], const struct row *row)
{
	le64_put(out, (uint64_t)row->time_us);
	le64_put(out + 8, row->parent);
	le32_put(out + 16, row->offset);
	le32_put(out + 20, row->length);
	le32_put(out + 24, row->id);
	le32_put(out + 28, row->flags);
}

int
index_open(int ecl_fd, struct log *log, unsigned flags, struct index **ret, struct err *e)
{
	struct index *ix;

	if ((ix = calloc(1, sizeof(*ix))) == NULL) {
		err_mem(e);
		goto err0;
	}
	ix->dir_fd = -1;
	ix->line_seq = EVENT_NONE;
	ix->log = log;
	ix->flags = flags;
	if ((ix->ecl_fd = fcntl(ecl_fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		err_sys(e, "cannot duplicate a descriptor");
		goto err1;
	}
	if (index_load(ix, e) != 0)
		goto err2;
	if ((flags & INDEX_LAZY) == 0 && index_scan(ix, log->end.size, e) != 0)
		goto err2;
	*ret = ix;
	return (0);

err2:	index_free(ix);
	return (-1);
err1:	free(ix);
err0:	return (-1);
}

void
index_free_aside(struct index *ix)
{
	struct etable *t;

	while ((t = ix->aside) != NULL) {
		ix->aside = t->next;
		etable_free(t);
	}
}

void
index_free(struct index *ix)
{
	if (ix == NULL)
		return;
	index_free_aside(ix);
	etable_free(ix->table);
	index_tail_release(&ix->tail);
	index_close_files(ix);
	buf_release(&ix->head);
	buf_release(&ix->missed);
	buf_release(&ix->found);
	buf_release(&ix->line);
	if (ix->dir_fd != -1)
		close(ix->dir_fd);
	close(ix->ecl_fd);
	free(ix);
}

/* Whether there is a manifest that was not looked at yet, perhaps in a directory that is another one by now. */
static bool
new_head(const struct index *ix)
{
	struct buf text = BUF_INIT;
	uint32_t crc;
	bool yes;
	int fd;

	if ((fd = io_open_dir(ix->ecl_fd, index_dir_name(ix), NULL)) == -1)
		return (false);
	yes = index_head_read(fd, &text, &crc, NULL) == 0 && crc != 0 && crc != ix->head_tried;
	close(fd);
	buf_release(&text);
	return (yes);
}

int
index_catch_up(struct index *ix, struct err *e)
{
	uint64_t end = ix->log->end.size;

	index_free_aside(ix);
	/* A long tail, as of one who follows for days: perhaps the files have it by now.  Those that are ahead do. */
	if (end > ix->published + (ix->ahead ? 0 : RELOAD_LAG) && ix->going == NULL && ix->size <= end && (ix->flags & INDEX_IGNORE) == 0 &&
	    (ix->ahead || new_head(ix)) && index_load(ix, e) != 0)
		return (-1);
	return (index_scan(ix, ix->log->end.size, e));
}

int
index_advance(struct index *ix, uint64_t max, struct err *e)
{
	uint64_t end = ix->log->end.size, limit = end;

	index_free_aside(ix);
	if (end > ix->size && end - ix->size > max)
		limit = ix->size + max;
	if (index_scan(ix, limit, e) != 0)
		return (-1);
	return (limit < end);
}

uint64_t
index_size(const struct index *ix)
{
	return (ix->size);
}

uint64_t
index_published(const struct index *ix)
{
	return (ix->published);
}

const char *
index_damage(const struct index *ix)
{
	return (ix->damaged ? ix->damage : NULL);
}

uint64_t
index_elements(const struct index *ix)
{
	return (ix->elements);
}

uint64_t
index_lag(const struct index *ix)
{
	return (ix->size - ix->base);
}

/* ---- one event ---- */

int
index_row(struct index *ix, uint64_t seq, struct row *ret, struct err *e)
{
	const uint8_t *p;
	struct err why;
	int rc;

	if (seq >= ix->size)
		return (err_set(e, "there is no event %" PRIu64 ": the log has %" PRIu64, seq, ix->size));
	do {
		if (seq < ix->published) {
			if (column_get(&ix->rows, seq, &p, &why) == 0) {
				index_row_decode(p, ret);
				return (0);
			}
			rc = index_lost(ix, &why, e);
			continue;
		}
		index_row_decode(index_tail_row(ix, seq), ret);
		if ((rc = index_resolve(ix, ret->id, e)) == 0)
			ret->id = ix->table->entry[ret->id].id;
	} while (rc == INDEX_AGAIN);
	return (rc);
}

bool
index_is_line(struct span line, char behind, uint64_t seq)
{
	static const char before[] = "{\"seq\":", after[] = ",\"time\":\"";
	const char *p, *digits, *end;
	uint64_t n;

	if (behind != '\n' || line.len <= sizeof(before) + sizeof(after) + EVENT_TAIL ||
	    memcmp(line.p, before, sizeof(before) - 1) != 0 || memcmp(line.p + line.len - 2, "\"}", 2) != 0)
		return (false);
	digits = line.p + sizeof(before) - 1;
	end = line.p + line.len - EVENT_TAIL;
	for (p = digits; p < end && *p >= '0' && *p <= '9'; p++)
		;
	return (decimal_parse(digits, (size_t)(p - digits), &n) == 0 && n == seq &&
	    (size_t)(end - p) >= sizeof(after) - 1 && memcmp(p, after, sizeof(after) - 1) == 0);
}

/* The line where ${row} says it is.  Return 0, or -1 where it is not there. */
static int
read_line(struct index *ix, uint64_t seq, const struct row *row, struct buf *out, struct err *e)
{
	size_t segment = log_segment_of(ix->log, seq);
	char name[LOG_NAME_SIZE];

	buf_reset(out);
	if (row->length > EVENT_LINE_MAX)
		return (err_set(e, "no line has %" PRIu32 " bytes", row->length));
	if (buf_reserve(out, (size_t)row->length + 1) != 0)
		return (err_mem(e));
	if (log_pread(ix->log, segment, out->data, (size_t)row->length + 1, row->offset, e) != 0)
		return (-1);
	if (index_is_line((struct span){out->data, row->length}, out->data[row->length], seq)) {
		out->len = row->length;
		return (0);
	}
	log_segment_name(ix->log->segment[segment].first, name);
	return (err_set(e, "event %" PRIu64 " is not at offset %" PRIu32 " of segment '%s'; run 'ecl-verify'", seq, row->offset, name));
}

int
index_line(struct index *ix, uint64_t seq, struct buf *out, struct err *e)
{
	struct err why;
	struct row row;

	for (;;) {
		if (index_row(ix, seq, &row, e) != 0)
			return (-1);
		if (seq >= ix->log->end.size)
			return (err_set(e, "event %" PRIu64 " is not in the log yet", seq));
		if (read_line(ix, seq, &row, out, &why) == 0)
			return (0);
		if (seq >= ix->published) {
			if (e != NULL)
				*e = why;
			return (-1);
		}
		if (index_lost(ix, &why, e) == -1)
			return (-1);
	}
}

static int
parse_line(uint64_t seq, const struct buf *line, struct event *ev, struct err *e)
{
	struct json_fault f;
	const char *why = f.what;

	if (event_parse((struct span){line->data, line->len}, ev, &f) == 0) {
		/* Who walks along a chain of parents comes to its end. */
		if (ev->seq == seq && (ev->parent == EVENT_NONE || ev->parent < seq))
			return (0);
		why = ev->seq != seq ? "it is another event" : "its parent is not an event before it";
	}
	return (err_set(e, "the log is corrupt at seq %" PRIu64 ": %s; run 'ecl-verify'", seq, why));
}

/* The line of a published event, where its row is right: no checksum says so, but the line does, and it costs no chunk. */
static bool
peek_line(struct index *ix, uint64_t seq, struct row *ret, struct buf *out)
{
	uint8_t row[ROW_SIZE];

	if (seq >= ix->published || seq >= ix->log->end.size || column_peek(&ix->rows, seq, row, NULL) != 0)
		return (false);
	index_row_decode(row, ret);
	return (read_line(ix, seq, ret, out, NULL) == 0);
}

int
index_event(struct index *ix, uint64_t seq, struct buf *out, struct event *ev, struct err *e)
{
	struct row row;

	if (peek_line(ix, seq, &row, out) && parse_line(seq, out, ev, NULL) == 0)
		return (0);
	if (index_line(ix, seq, out, e) != 0)
		return (-1);
	return (parse_line(seq, out, ev, e));
}

int
index_event_at(struct index *ix, uint64_t seq, const struct row *row, struct buf *out, struct event *ev, struct err *e)
{
	if (seq < ix->log->end.size && read_line(ix, seq, row, out, NULL) == 0 && parse_line(seq, out, ev, NULL) == 0)
		return (0);
	return (index_event(ix, seq, out, ev, e));
}

/* ---- one element ---- */

static void
element_from_entry(struct element *ret, const struct entry *en)
{
	*ret = (struct element){entry_name(en), en->id, en->first, en->last, en->last_state, en->alive};
}

/*
 * Whether the log has what a record says: the event that is the element's last names it.  Keeps the state, which is
 * mostly there too, in ${*ret_state}.  Return 0, -1, or INDEX_AGAIN.
 */
static int
confirm_record(struct index *ix, const struct run_record *rec, struct span *ret_state, struct err *e)
{
	uint64_t generation = ix->generation;
	struct json_fault f;
	struct event ev;
	struct err why;
	struct row row;

	ix->line_seq = EVENT_NONE;
	if (!peek_line(ix, rec->last, &row, &ix->line) &&
	    (index_row(ix, rec->last, &row, e) != 0 || index_line(ix, rec->last, &ix->line, e) != 0))
		return (-1);
	if (ix->generation != generation)
		return (INDEX_AGAIN);
	if (row.id != rec->id || event_parse((struct span){ix->line.data, ix->line.len}, &ev, &f) != 0 ||
	    !span_eq(ev.element, rec->name) ||
	    (rec->last_state == rec->last) != (ev.state.p != NULL) ||
	    (ev.state.p != NULL && rec->alive == event_is_gone(ev.state))) {
		err_set(&why, "the runs have event %" PRIu64 " as the last of '%.*s'", rec->last, (int)rec->name.len, rec->name.p);
		return (index_lost(ix, &why, e));
	}
	*ret_state = ix->line_state = ev.state;
	ix->line_seq = rec->last;
	return (0);
}

/* An element that the table lacks.  Return 1, 0, -1 or INDEX_AGAIN. */
static int
lookup_runs(struct index *ix, struct span name, uint32_t tag, struct element *ret, struct err *e)
{
	struct run_record rec;
	struct entry *en;
	struct span state;
	uint32_t n;
	int rc;

	if ((rc = index_run_find(ix, name, &rec, e)) != 1)
		return (rc);
	if ((rc = confirm_record(ix, &rec, &state, e)) != 0)
		return (rc);
	*ret = (struct element){name, rec.id, rec.first, rec.last, rec.last_state, rec.alive};
	if (ix->table->n >= TABLE_MAX || (n = etable_add(ix->table, name, tag)) == NO_ENTRY) {
		buf_reset(&ix->found);
		buf_addspan(&ix->found, name);
		ret->name = (struct span){ix->found.data, ix->found.len};
		return (ix->found.failed ? err_mem(e) : 1);
	}
	en = &ix->table->entry[n];
	en->id = rec.id;
	en->first = rec.first;
	en->last = rec.last;
	en->last_state = rec.last_state;
	en->alive = rec.alive;
	if (state.p != NULL && state.len <= STATE_CACHED_MAX && ix->table->state_bytes < STATES_MAX)
		(void)etable_keep_state(ix->table, n, rec.last, state);
	ret->name = entry_name(en);
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

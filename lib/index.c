/* The index: opening, and questions about one event. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"
#include "le.h"

#include "banned.h"

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

bool
index_peek_line(struct index *ix, uint64_t seq, struct row *ret, struct buf *out)
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

	if (index_peek_line(ix, seq, &row, out) && parse_line(seq, out, ev, NULL) == 0)
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

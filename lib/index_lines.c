/* The index: the lines of many events, read in the order of the log. */
#include "config.h"

#include <string.h>

#include "index_impl.h"

#include "banned.h"

#define CHUNK_ROWS (COLUMN_CHUNK / ROW_SIZE)
#define PEEK_MAX 24	      /* so many rows cost as much as their chunk and its checksum */
#define GAP_MAX 4096	      /* to read that much in vain costs less than to read twice */
#define SPAN_MAX (256u << 10) /* of what is read at once */
#define AHEAD_MIN 8	      /* places for which it is worth a look whether they must be waited for */
#define AHEAD_MAX 4096
#define AHEAD_GAP 65536 /* bytes that are read from a disk as soon as those before and behind alone */

/* How many of ${n} places stand in one chunk of the rows as the first. */
static size_t
in_one_chunk(const struct index *ix, const struct index_place *place, size_t n)
{
	uint64_t end = (place[0].seq / CHUNK_ROWS + 1) * CHUNK_ROWS;
	size_t i;

	if (end > ix->published)
		end = ix->published;
	for (i = 1; i < n && place[i].seq < end; i++)
		;
	return (i);
}

/* How many of ${n} places have their rows so near to that of the place before that they are read with it. */
static size_t
rows_together(const struct index *ix, const struct index_place *place, size_t n)
{
	size_t i;

	for (i = 1; i < n && place[i].seq < ix->published && place[i].seq - place[i - 1].seq <= AHEAD_GAP / ROW_SIZE; i++)
		;
	return (i);
}

/* From a disk all of them come sooner when all are asked for at once. */
static void
rows_ahead(struct index *ix, const struct index_place *place, size_t n)
{
	size_t i, some;

	n = n < AHEAD_MAX ? n : AHEAD_MAX;
	if (n < AHEAD_MIN || place[0].seq >= ix->published || column_is_cached(&ix->rows, place[n / 2].seq < ix->published ? place[n / 2].seq : place[0].seq))
		return;
	for (i = 0; i < n && place[i].seq < ix->published; i += some) {
		some = rows_together(ix, place + i, n - i);
		column_read_ahead(&ix->rows, place[i].seq, place[i + some - 1].seq - place[i].seq + 1);
	}
}

int
index_places(struct index *ix, struct index_place *place, size_t n, struct err *e)
{
	size_t i, some, end;
	struct row row;

	rows_ahead(ix, place, n);
	for (i = 0; i < n;) {
		some = in_one_chunk(ix, place + i, n - i);
		for (end = i + some; i < end; i++) {
			if ((some > PEEK_MAX ? index_row : index_peek)(ix, place[i].seq, &row, e) !=
			    0)
				return (-1);
			place[i].offset = row.offset;
			place[i].length = row.length;
			place[i].id = row.id;
		}
	}
	return (0);
}

/*
 * The lines of ${n} places, which stand closely in one segment.  Those that are not where they should
 * be get no length.
 */
static int
read_span(struct index *ix, size_t segment, struct index_place *place, size_t n, struct buf *window,
    struct buf *out, struct err *e)
{
	uint64_t from = place[0].offset,
		 to = (uint64_t)place[n - 1].offset + place[n - 1].length + 1;
	const char *p;
	size_t i;

	buf_reset(window);
	if (buf_reserve(window, (size_t)(to - from)) != 0)
		return (err_mem(e));
	/* What cannot be read is asked for again, one by one. */
	if (log_pread(ix->log, segment, window->data, (size_t)(to - from), from, NULL) != 0) {
		for (i = 0; i < n; i++)
			place[i].length = 0;
		return (0);
	}
	for (i = 0; i < n; i++) {
		p = window->data + (place[i].offset - from);
		place[i].at = out->len;
		if (!index_is_line(
			(struct span){p, place[i].length}, p[place[i].length], place[i].seq))
			place[i].length = 0;
		else
			buf_add(out, p, place[i].length);
	}
	return (out->failed ? err_mem(e) : 0);
}

/* How many of ${n} places, in one segment that ends before event ${end}, are read at once. */
static size_t
in_one_span(const struct index_place *place, size_t n, uint64_t end)
{
	uint64_t behind;
	size_t i;

	for (i = 1; i < n && place[i].seq < end; i++) {
		behind = (uint64_t)place[i - 1].offset + place[i - 1].length + 1;
		if (place[i].offset < behind || place[i].offset - behind > GAP_MAX ||
		    (uint64_t)place[i].offset + place[i].length - place[0].offset > SPAN_MAX)
			break;
	}
	return (i);
}

/* The same of lines. */
static void
lines_ahead(struct index *ix, const struct index_place *place, size_t n)
{
	struct log *log = ix->log;
	const struct index_place *last;
	size_t i, some, segment;
	uint64_t end;

	n = n < AHEAD_MAX ? n : AHEAD_MAX;
	if (n < AHEAD_MIN || log_is_cached(log, log_segment_of(log, place[n / 2].seq), place[n / 2].offset))
		return;
	for (i = 0; i < n; i += some) {
		segment = log_segment_of(log, place[i].seq);
		end = segment + 1 < log->segments ? log->segment[segment + 1].first : log->end.size;
		some = in_one_span(place + i, n - i, end);
		last = &place[i + some - 1];
		if (last->length <= EVENT_LINE_MAX)
			log_read_ahead(log, segment, place[i].offset, (uint64_t)last->offset + last->length + 1 - place[i].offset);
	}
}

/* One that is not where its row said. */
static int
read_alone(
    struct index *ix, struct index_place *place, struct buf *window, struct buf *out, struct err *e)
{
	if (index_line(ix, place->seq, window, e) != 0)
		return (-1);
	place->at = out->len;
	place->length = (uint32_t)window->len;
	buf_add(out, window->data, window->len);
	return (out->failed ? err_mem(e) : 0);
}

int
index_lines(struct index *ix, struct index_place *place, size_t n, struct buf *out, struct err *e)
{
	struct log *log = ix->log;
	struct buf window = BUF_INIT;
	size_t i, some, segment;
	uint64_t end;
	int rc = 0;

	lines_ahead(ix, place, n);
	for (i = 0; i < n && rc == 0; i += some) {
		segment = log_segment_of(log, place[i].seq);
		end = segment + 1 < log->segments ? log->segment[segment + 1].first : log->end.size;
		some = in_one_span(place + i, n - i, end);
		if (place[i].seq >= end || place[i].length > EVENT_LINE_MAX)
			place[i].length = 0;
		else
			rc = read_span(ix, segment, place + i, some, &window, out, e);
	}
	for (i = 0; i < n && rc == 0; i++)
		if (place[i].length == 0)
			rc = read_alone(ix, &place[i], &window, out, e);
	buf_release(&window);
	return (rc);
}

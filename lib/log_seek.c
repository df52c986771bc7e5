/* The log, searched: an event by its seq, a moment by its time, by bisection over the bytes.  No index is needed. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "log.h"

#include "banned.h"

#define PEEK 72 /* enough for {"seq":<20 digits>,"time":"<27>" */

/* Read seq and time of the line that begins at ${offset}. */
static int
peek(struct log *log, size_t segment, uint64_t offset, uint64_t *ret_seq, int64_t *ret_us, struct err *e)
{
	char head[PEEK], name[LOG_NAME_SIZE], *comma;
	uint64_t limit;
	size_t n;

	if (log_segment_limit(log, segment, &limit, e) != 0)
		return (-1);
	n = limit - offset < sizeof(head) ? (size_t)(limit - offset) : sizeof(head);
	if (log_pread(log, segment, head, n, offset, e) != 0)
		return (-1);
	if (n < 44 || memcmp(head, "{\"seq\":", 7) != 0 || (comma = memchr(head + 7, ',', 21)) == NULL ||
	    decimal_parse(head + 7, (size_t)(comma - head) - 7, ret_seq) != 0 || comma + 37 > head + n ||
	    memcmp(comma, ",\"time\":\"", 9) != 0 || event_time_parse(comma + 9, TIME_SIZE - 1, ret_us) != 0) {
		log_segment_name(log->segment[segment].first, name);
		return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": no event begins here; run 'ecl-verify'",
		    name, offset));
	}
	return (0);
}

int
log_next_line(struct log *log, size_t segment, uint64_t offset, uint64_t limit, uint64_t *ret, struct err *e)
{
	char chunk[2048], *lf;
	size_t n;

	for (; offset < limit; offset += n) {
		n = limit - offset < sizeof(chunk) ? (size_t)(limit - offset) : sizeof(chunk);
		if (log_pread(log, segment, chunk, n, offset, e) != 0)
			return (-1);
		if ((lf = memchr(chunk, '\n', n)) != NULL) {
			*ret = offset + (uint64_t)(lf + 1 - chunk);
			return (0);
		}
	}
	*ret = limit;
	return (0);
}

struct target {
	bool by_time;
	uint64_t seq; /* lines below it are before the target */
	int64_t us;   /* lines at or below it are before the target */
};

/* Find in a segment the first line that is not before the target: its offset, and its seq where it is not the end. */
static int
bisect(struct log *log, size_t segment, struct target t, uint64_t *ret_offset, uint64_t *ret_seq, struct err *e)
{
	uint64_t lo = 0, hi, mid, at, seq, limit;
	int64_t us;

	if (log_segment_limit(log, segment, &limit, e) != 0)
		return (-1);
	/* Lines that begin below lo are before the target; the one that begins at hi, if any, is not. */
	hi = limit;
	*ret_seq = segment == log->segments - 1 ? log->end.size : log->segment[segment + 1].first;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		at = lo;
		/* From the middle, else (no line begins behind it) from the beginning. */
		if (mid > lo && log_next_line(log, segment, mid - 1, hi, &at, e) != 0)
			return (-1);
		if (at >= hi)
			at = lo;
		if (peek(log, segment, at, &seq, &us, e) != 0)
			return (-1);
		if (t.by_time ? us <= t.us : seq < t.seq) {
			if (log_next_line(log, segment, at, limit, &lo, e) != 0)
				return (-1);
		} else {
			hi = at;
			*ret_seq = seq;
		}
	}
	*ret_offset = hi;
	return (0);
}

int
log_seek(struct log *log, uint64_t seq, struct log_reader *r, struct err *e)
{
	struct target t = {false, seq, 0};
	uint64_t offset, at;
	size_t segment;

	if (log->segments == 0) {
		log_reader_init(r, log, 0, 0);
		return (0);
	}
	segment = seq >= log->end.size ? log->segments - 1 : log_segment_of(log, seq);
	if (seq >= log->end.size)
		offset = log->end.offset;
	else if (seq == log->segment[segment].first)
		offset = 0;
	else if (bisect(log, segment, t, &offset, &at, e) != 0)
		return (-1);
	log_reader_init(r, log, segment, offset);
	return (0);
}

int
log_size_at(struct log *log, int64_t us, uint64_t *ret, struct err *e)
{
	struct target t = {true, 0, us};
	size_t lo = 0, hi = log->segments, mid;
	uint64_t seq, offset;
	int64_t first_us;

	if (log->segments == 0 || log->end.time_us <= us) {
		*ret = log->end.size;
		return (0);
	}
	/* The last segment whose first event is not later. */
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (peek(log, mid, 0, &seq, &first_us, e) != 0)
			return (-1);
		if (first_us <= us)
			lo = mid;
		else
			hi = mid;
	}
	return (bisect(log, lo, t, &offset, ret, e));
}

int
log_line(struct log *log, uint64_t seq, struct buf *out, struct err *e)
{
	struct log_reader r;
	struct log_line line;
	int n;

	if (seq >= log->end.size)
		return (err_no(e, "no event %" PRIu64 ": the log has %" PRIu64, seq, log->end.size));
	if (log_seek(log, seq, &r, e) != 0)
		return (-1);
	if ((n = log_reader_next(&r, &line, e)) == 1)
		buf_addspan(out, line.text);
	else if (n == 0)
		err_set(e, "the log is corrupt: event %" PRIu64 " is missing; run 'ecl-verify'", seq);
	log_reader_release(&r);
	if (n == 1 && out->failed)
		return (err_mem(e));
	return (n == 1 ? 0 : -1);
}

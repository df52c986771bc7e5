/* The log as it is, from one place to another. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "glance.h"
#include "replay.h"

#include "banned.h"

#define SLICE (4u << 20)    /* bytes that replay_some() takes on */
#define WINDOW (256u << 10) /* bytes looked through at once: they stay in the processor's cache */
#define RUN_MIN (32u << 10) /* lines side by side that are worth a splice of their own */

void
replay_init(
    struct replay *r, struct log *log, struct outlet *out, struct filter *filter, uint64_t count)
{
	memset(r, 0, sizeof(*r));
	r->log = log;
	r->out = out;
	r->filter = filter;
	r->left = count;
	r->firm_segment = UINT64_MAX;
}

void
replay_firm(struct replay *r, uint64_t segment, uint64_t offset)
{
	r->firm_segment = segment;
	r->firm_offset = offset;
}

void
replay_release(struct replay *r)
{
	buf_release(&r->window);
	free(r->part);
	r->part = NULL;
}

static int
go_to(struct replay *r, uint64_t seq, struct err *e)
{
	struct log_reader at;

	if (log_seek(r->log, seq, &at, e) != 0)
		return (-1);
	r->segment = at.segment;
	r->offset = at.offset;
	log_reader_release(&at);
	return (0);
}

int
replay_seek(struct replay *r, uint64_t seq, struct err *e)
{
	/* Where every line counts, the last one is known, and nobody has to count. */
	r->stop = filter_empty(r->filter) && r->left < UINT64_MAX - seq ? seq + r->left
									: UINT64_MAX;
	return (go_to(r, seq, e));
}

static int
corrupt(const struct replay *r, const char *what, struct err *e)
{
	char name[LOG_NAME_SIZE];

	log_segment_name(r->log->segment[r->segment].first, name);
	return (
	    err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": %s; run 'ecl-verify'",
		name, r->offset, what));
}

/* ---- all bytes ---- */

/* Whether nobody cuts off the bytes of the present segment up to ${end}. */
static bool
is_firm(const struct replay *r, uint64_t end)
{
	uint64_t first = r->log->segment[r->segment].first;

	return (first < r->firm_segment || (first == r->firm_segment && end <= r->firm_offset));
}

/* ${len} bytes of the present segment, which end behind a line.  Return 0, 1 where nobody reads them, or -1. */
static int
send_bytes(struct replay *r, uint64_t offset, uint64_t len, struct err *e)
{
	int fd, rc;

	if ((fd = log_segment_fd(r->log, r->segment, e)) == -1)
		return (-1);
	rc = is_firm(r, offset + len) ? outlet_file(r->out, fd, offset, len, e)
				      : outlet_copy(r->out, fd, offset, len, e);
	if (rc == 2)
		return (corrupt(r, "the segment became shorter", e));
	return (rc);
}

static int
copy_slice(struct replay *r, uint64_t limit, struct err *e)
{
	uint64_t to;
	int rc;

	if (!is_firm(r, limit) && is_firm(r, r->offset + 1))
		limit = r->firm_offset;
	to = limit;
	/* A file takes a segment at once. */
	if (limit - r->offset > SLICE && r->out->way != OUTLET_RANGE &&
	    log_next_line(r->log, r->segment, r->offset + SLICE, limit, &to, e) != 0)
		return (-1);
	if ((rc = send_bytes(r, r->offset, to - r->offset, e)) != 0)
		return (rc == 1 ? 2 : -1);
	r->bytes += to - r->offset;
	r->offset = to;
	return (0);
}

/* ---- lines that pass ---- */

/* The next lines of the segment into the window, whole ones only.  Return 0 or -1. */
static int
fill(struct replay *r, uint64_t limit, struct err *e)
{
	size_t want;
	char *lf;

	for (want = WINDOW;; want = EVENT_LINE_MAX + 1) {
		if (want > limit - r->offset)
			want = (size_t)(limit - r->offset);
		buf_reset(&r->window);
		if (buf_reserve(&r->window, want) != 0)
			return (err_mem(e));
		if (log_pread(r->log, r->segment, r->window.data, want, r->offset, e) != 0)
			return (-1);
		if ((lf = memrchr(r->window.data, '\n', want)) != NULL)
			break;
		if (want == limit - r->offset || want > EVENT_LINE_MAX)
			return (corrupt(r, "a line without an end", e));
	}
	r->window.len = (size_t)(lf + 1 - r->window.data);
	return (0);
}

/* One line more to be written; lines side by side are one part. */
static int
add_part(struct replay *r, const char *p, size_t len, struct err *e)
{
	struct iovec *last = r->parts > 0 ? &r->part[r->parts - 1] : NULL, *more;

	if (last != NULL && (const char *)last->iov_base + last->iov_len == p) {
		last->iov_len += len;
		return (0);
	}
	if (r->parts == r->cap_parts) {
		r->cap_parts = r->cap_parts == 0 ? 256 : r->cap_parts * 2;
		if ((more = realloc(r->part, r->cap_parts * sizeof(*more))) == NULL) {
			r->cap_parts = r->parts;
			return (err_mem(e));
		}
		r->part = more;
	}
	r->part[r->parts++] = (struct iovec){(void *)(uintptr_t)p, len};
	return (0);
}

/* Write the parts: long ones from the file itself.  Return 0, 1 where nobody reads them, or -1. */
static int
flush_parts(struct replay *r, struct err *e)
{
	size_t i, from = 0;
	struct iovec *p;
	int rc = 0;

	if (r->parts == 0)
		return (0);
	for (i = 0; rc == 0 && i < r->parts; i++) {
		p = &r->part[i];
		if (p->iov_len < RUN_MIN || r->out->way != OUTLET_SPLICE)
			continue;
		if ((rc = outlet_parts(r->out, r->part + from, i - from, e)) == 0)
			rc = send_bytes(r,
			    r->offset + (uint64_t)((char *)p->iov_base - r->window.data),
			    p->iov_len, e);
		from = i + 1;
	}
	if (rc == 0)
		rc = outlet_parts(r->out, r->part + from, r->parts - from, e);
	r->parts = 0;
	return (rc);
}

static int
filter_slice(struct replay *r, uint64_t limit, struct err *e)
{
	const char *p, *lf, *end;
	uint64_t left = r->left;
	struct glance g;
	int rc;

	if (fill(r, limit, e) != 0)
		return (-1);
	end = r->window.data + r->window.len;
	r->parts = 0;
	for (p = r->window.data; p < end && left > 0; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if ((rc = filter_line(r->filter, (struct span){p, (size_t)(lf - p)}, e)) < 0) {
			r->offset += (uint64_t)(p - r->window.data);
			return (glance_line((struct span){p, (size_t)(lf - p)}, &g) != 0 ? corrupt(r, "no event begins here", e) : -1);
		}
		if (rc == 0)
			continue;
		if (add_part(r, p, (size_t)(lf + 1 - p), e) != 0)
			return (-1);
		left--;
	}
	if ((rc = flush_parts(r, e)) != 0)
		return (rc == 1 ? 2 : -1);
	r->left = left;
	r->bytes += (uint64_t)(p - r->window.data);
	r->offset += (uint64_t)(p - r->window.data);
	return (left == 0 ? 2 : 0);
}

/* ---- both ---- */

int
replay_some(struct replay *r, uint64_t to, struct err *e)
{
	uint64_t limit, begin = r->bytes;
	bool enough = to >= r->stop;
	struct log_reader last;
	int rc = 0;

	if (r->left == 0)
		return (2);
	if (log_seek(r->log, enough ? r->stop : to, &last, e) != 0)
		return (-1);
	log_reader_release(&last);
	while (rc == 0 && r->bytes - begin < SLICE) {
		limit = last.offset;
		if (r->segment > last.segment || (r->segment == last.segment && r->offset >= limit))
			return (enough ? 2 : 0);
		if (r->segment < last.segment &&
		    log_segment_size(r->log, r->segment, &limit, e) != 0)
			return (-1);
		if (r->offset >= limit) {
			r->segment++;
			r->offset = 0;
			continue;
		}
		rc = filter_empty(r->filter) ? copy_slice(r, limit, e) : filter_slice(r, limit, e);
	}
	return (rc == 0 ? 1 : rc);
}

int
replay_bytes(struct replay *r, uint64_t to, uint64_t *ret, struct err *e)
{
	struct log_reader last;
	uint64_t size, bytes = 0;
	size_t i;

	if (log_seek(r->log, to < r->stop ? to : r->stop, &last, e) != 0)
		return (-1);
	log_reader_release(&last);
	*ret = 0;
	if (last.segment < r->segment || (last.segment == r->segment && last.offset <= r->offset))
		return (0);
	for (i = r->segment; i < last.segment; i++, bytes += size)
		if (log_segment_size(r->log, i, &size, e) != 0)
			return (-1);
	*ret = bytes + last.offset - r->offset;
	return (0);
}

int
replay_mark(struct replay *r, struct err *e)
{
	struct buf line = BUF_INIT;
	struct glance g;
	size_t segment = r->segment;
	uint64_t offset = r->offset, at;
	int rc = 0;

	r->seq = 0;
	if (offset == 0 && segment == 0)
		return (0);
	if (offset == 0 && log_segment_size(r->log, --segment, &offset, e) != 0)
		return (-1);
	if (log_line_before(r->log, segment, offset, &line, &at, e) != 0)
		rc = -1;
	else if (line.len < EVENT_TAIL ||
	    glance_line((struct span){line.data, line.len}, &g) != 0 ||
	    hex_decode(line.data + line.len - 2 - (size_t)2 * SHA256_SIZE, SHA256_SIZE, r->hash) !=
		0)
		rc = corrupt(r, "no event ends here", e);
	else
		r->seq = g.seq + 1;
	buf_release(&line);
	return (rc);
}

int
replay_log(struct replay *r, struct log *log, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	uint64_t seq = r->seq;

	memcpy(hash, r->hash, SHA256_SIZE);
	r->log = log;
	if (seq > log->end.size)
		return (err_no(e,
		    "the log ends before event %" PRIu64 ", which was printed: run 'ecl-verify'",
		    seq - 1));
	if (go_to(r, seq, e) != 0 || replay_mark(r, e) != 0)
		return (-1);
	if (r->seq != seq || (seq > 0 && memcmp(hash, r->hash, SHA256_SIZE) != 0))
		return (err_no(e,
		    "event %" PRIu64
		    " is not the one that was printed: the log is another; run 'ecl-verify'",
		    seq - 1));
	return (0);
}

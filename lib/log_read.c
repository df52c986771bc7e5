/* The log, read: lines one after the other, or the one before. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "io.h"
#include "log.h"

#include "banned.h"

#define WINDOW (64u << 10) /* what is read at once: stays in the cache, and a short tail needs no fresh pages for more */

int
log_check_line(struct span line, struct event *ret, uint64_t segment, uint64_t offset, struct err *e)
{
	char name[LOG_NAME_SIZE];
	struct json_fault f;

	log_segment_name(segment, name);
	if (event_parse(line, ret, &f) != 0)
		return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": %s; run 'ecl-verify'", name,
		    offset + f.at, f.what));
	if (!event_hash_ok(line))
		return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": the hash of event %" PRIu64
		    " is wrong; run 'ecl-verify'", name, offset, ret->seq));
	return (0);
}

int
log_line_before(struct log *log, size_t segment, uint64_t offset, struct buf *out, uint64_t *ret_at, struct err *e)
{
	char name[LOG_NAME_SIZE];
	size_t want = 4096;
	char *lf;

	for (;; want *= 4) {
		if (want > offset)
			want = (size_t)offset;
		buf_reset(out);
		if (buf_reserve(out, want) != 0)
			return (err_mem(e));
		if (log_pread(log, segment, out->data, want, offset - want, e) != 0)
			return (-1);
		lf = want < 2 ? NULL : memrchr(out->data, '\n', want - 1);
		if (lf != NULL || want == offset)
			break;
		if (want > EVENT_LINE_MAX) {
			log_segment_name(log->segment[segment].first, name);
			return (err_set(e, "the log is corrupt: segment '%s' has a line that is too long before offset %" PRIu64
			    "; run 'ecl-verify'", name, offset));
		}
	}
	if (lf != NULL) {
		want -= (size_t)(lf + 1 - out->data);
		memmove(out->data, lf + 1, want);
	}
	out->len = want - 1; /* without its LF */
	*ret_at = offset - want;
	return (0);
}

void
log_reader_init(struct log_reader *r, struct log *log, size_t segment, uint64_t offset)
{
	memset(r, 0, sizeof(*r));
	r->log = log;
	r->segment = segment;
	r->offset = offset;
	r->window_at = offset;
}

void
log_reader_release(struct log_reader *r)
{
	buf_release(&r->window);
}

/* More of the present segment into the window, which then begins at the reader's offset. */
static int
fill_window(struct log_reader *r, uint64_t limit, struct err *e)
{
	size_t skip = (size_t)(r->offset - r->window_at), want = WINDOW;
	uint64_t at;

	if (skip > 0) {
		r->window.len -= skip;
		memmove(r->window.data, r->window.data + skip, r->window.len);
		r->window_at = r->offset;
	}
	at = r->window_at + r->window.len;
	if (want > limit - at)
		want = (size_t)(limit - at);
	if (buf_reserve(&r->window, want) != 0)
		return (err_mem(e));
	if (log_pread(r->log, r->segment, r->window.data + r->window.len, want, at, e) != 0)
		return (-1);
	r->window.len += want;
	return (0);
}

int
log_reader_next(struct log_reader *r, struct log_line *ret, struct err *e)
{
	struct log *log = r->log;
	char name[LOG_NAME_SIZE];
	uint64_t limit;
	size_t left;
	char *p, *lf;

	for (;;) {
		if (r->segment >= log->segments)
			return (0);
		if (log_segment_limit(log, r->segment, &limit, e) != 0)
			return (-1);
		if (r->offset < limit)
			break;
		if (r->segment == log->segments - 1)
			return (0);
		r->segment++;
		r->offset = r->window_at = 0;
		r->window.len = 0;
	}
	for (;;) {
		left = r->window.len - (size_t)(r->offset - r->window_at);
		p = left == 0 ? NULL : r->window.data + (r->offset - r->window_at);
		lf = left == 0 ? NULL : memchr(p, '\n', left);
		if (lf != NULL && (uint64_t)(lf - r->window.data) + r->window_at < limit)
			break;
		if (left > EVENT_LINE_MAX || r->window_at + r->window.len >= limit) {
			log_segment_name(log->segment[r->segment].first, name);
			return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": a line without an end; run 'ecl-verify'",
			    name, r->offset));
		}
		if (fill_window(r, limit, e) != 0)
			return (-1);
	}
	ret->text = (struct span){p, (size_t)(lf - p)};
	ret->segment = log->segment[r->segment].first;
	ret->offset = r->offset;
	r->offset += ret->text.len + 1;
	return (1);
}

bool
log_is_cached(struct log *log, size_t segment, uint64_t offset)
{
	int fd = log_segment_fd(log, segment, NULL);

	return (fd == -1 || io_is_cached(fd, offset));
}

void
log_read_ahead(struct log *log, size_t segment, uint64_t offset, uint64_t len)
{
	int fd = log_segment_fd(log, segment, NULL);

	if (fd != -1)
		io_read_ahead(fd, offset, len);
}

/* The log, written: a batch by one write and one fdatasync, and what a crash or a failed sync leaves. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "log.h"

#include "banned.h"

#define NEW_SEGMENT ".new-segment"
#define STEP (2u << 20) /* bytes of a long batch that the disk is told of at a time */

bool
log_rotates(uint64_t offset, const struct event *ev)
{
	if (offset >= LOG_SEGMENT_SIZE)
		return (true);
	return (offset >= LOG_BLOCK_SIZE && span_is(ev->element, "ecl:block") && span_is(ev->action, "snap"));
}

/* Open the last segment for appending, and see that it ends where the log does. */
static int
open_append(struct log_writer *w, struct err *e)
{
	char name[LOG_NAME_SIZE];
	struct stat st;

	log_segment_name(w->end.segment, name);
	if (w->fd == -1 && (w->fd = io_open_file(w->dirfd, name, O_WRONLY | O_APPEND, 0, e)) == -1)
		return (-1);
	if (fstat(w->fd, &st) != 0)
		return (err_sys(e, "cannot stat segment '%s'", name));
	if ((uint64_t)st.st_size != w->end.offset)
		return (err_set(e, "segment '%s' has %jd bytes where the log ends at %" PRIu64 ": somebody else writes to it", name,
		    (intmax_t)st.st_size, w->end.offset));
	return (0);
}

/*
 * Cut a segment to ${size} bytes.  Where that is within a block, the file system writes the block anew; a btrfs whose
 * quota has no room for it fails only after it has cleared the block's rest in memory: NULs before lines that stay.
 * So the whole blocks behind it go first, which does no such thing, and the rest where that worked.
 */
static int
cut_to(int fd, uint64_t size)
{
	uint64_t block = (uint64_t)sysconf(_SC_PAGESIZE), whole;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return (-1);
	if ((uint64_t)st.st_blksize > block)
		block = (uint64_t)st.st_blksize;
	whole = (size + block - 1) / block * block;
	if (whole < (uint64_t)st.st_size && ftruncate(fd, (off_t)whole) != 0)
		return (-1);
	return (ftruncate(fd, (off_t)size));
}

/*
 * Write bytes at the end of a segment, at ${offset}.  Of many, the disk begins with the first ones while the others are
 * copied: a quarter faster than to wait for fdatasync() to begin with all of them.  What fails there, fdatasync() tells.
 */
static int
write_bytes(int fd, uint64_t offset, const char *p, size_t len, bool sync)
{
	size_t step;

	for (; len > 0; offset += step, p += step, len -= step) {
		/* Whole steps of the file, so that no block is written twice. */
		step = STEP - (size_t)(offset % STEP);
		if (step > len)
			step = len;
		if (io_write(fd, p, step) != 0)
			return (-1);
		if (sync && step < len)
			(void)sync_file_range(fd, (off_t)offset, (off_t)step, SYNC_FILE_RANGE_WRITE);
	}
	return (0);
}

/*
 * Append to the last segment.  A short write or a failed sync leaves a page cache that may differ from the disk:
 * the file is cut to its good end, synced, and the bytes are written once more; after a second failure it stays cut.
 */
static int
append_piece(struct log_writer *w, const char *p, size_t len, bool sync, enum log_outcome *outcome, struct err *e)
{
	char name[LOG_NAME_SIZE];
	bool synced_badly = false;
	int fd = w->fd, sys;

	log_segment_name(w->end.segment, name);
	if (write_bytes(fd, w->end.offset, p, len, sync) == 0) {
		if (!sync || io_fdatasync(fd) == 0)
			return (0);
		synced_badly = true;
		if (cut_to(fd, w->end.offset) == 0 && io_fsync(fd) == 0 && io_write(fd, p, len) == 0 && io_fsync(fd) == 0)
			return (0);
	}
	sys = errno;
	if (cut_to(fd, w->end.offset) != 0 || io_fsync(fd) != 0 || synced_badly)
		*outcome = LOG_IN_DOUBT;
	else
		*outcome = LOG_NOT_RECORDED;
	errno = sys;
	return (err_sys(e, "cannot %s segment '%s'", synced_badly ? "sync" : "write to", name));
}

/* A new segment: it appears under its name with its lines in it, or not at all. */
static int
create_segment(struct log_writer *w, uint64_t first, const char *p, size_t len, enum log_outcome *outcome, struct err *e)
{
	char name[LOG_NAME_SIZE];
	int fd;

	log_segment_name(first, name);
	*outcome = LOG_NOT_RECORDED;
	if (unlinkat(w->dirfd, NEW_SEGMENT, 0) != 0 && errno != ENOENT) {
		err_sys(e, "cannot remove what was left of a new segment");
		goto err0;
	}
	if ((fd = io_open_file(w->dirfd, NEW_SEGMENT, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0640, e)) == -1)
		goto err0;
	if (write_bytes(fd, 0, p, len, true) != 0 || io_fsync(fd) != 0) {
		err_sys(e, "cannot write segment '%s'", name);
		goto err1;
	}
	if (io_rename_new(w->dirfd, NEW_SEGMENT, name) != 0) {
		err_sys(e, "cannot rename a new segment to '%s'", name);
		goto err1;
	}
	if (io_fsync(w->dirfd) != 0) {
		*outcome = LOG_IN_DOUBT;
		err_sys(e, "cannot sync the log's directory");
		goto err2;
	}
	if (w->fd != -1)
		close(w->fd);
	w->fd = fd;
	return (0);

err2:	unlinkat(w->dirfd, name, 0);
err1:	close(fd);
	unlinkat(w->dirfd, NEW_SEGMENT, 0);
err0:	return (-1);
}

/* Take back the pieces of a batch that were written before one failed. */
static int
undo_pieces(struct log_writer *w, const struct log_piece *pieces, size_t n)
{
	char name[LOG_NAME_SIZE];
	int bad = 0;

	while (n-- > 0) {
		log_segment_name(pieces[n].segment, name);
		if (pieces[n].segment != w->end.segment || w->end.size == 0) {
			if (unlinkat(w->dirfd, name, 0) != 0 || io_fsync(w->dirfd) != 0)
				bad = -1;
			continue;
		}
		if (w->fd != -1)
			close(w->fd);
		if ((w->fd = io_open_file(w->dirfd, name, O_WRONLY | O_APPEND, 0, NULL)) == -1 ||
		    cut_to(w->fd, w->end.offset) != 0 || io_fsync(w->fd) != 0)
			bad = -1;
	}
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
	return (bad);
}

int
log_write_begin(struct log *log, size_t n, struct err *e)
{
	struct log_segment *more;
	size_t need = log->segments + n;

	log->writer.dirfd = log->dirfd;
	log->writer.end = log->end;
	if (need <= log->cap)
		return (0);
	if ((more = realloc(log->segment, need * sizeof(*more))) == NULL)
		return (err_mem(e));
	log->segment = more;
	log->cap = need;
	return (0);
}

int
log_write(struct log_writer *w, const char *data, const struct log_piece *pieces, size_t n, bool sync, const struct log_end *end,
    enum log_outcome *ret_outcome, struct err *e)
{
	enum log_outcome outcome = LOG_NOT_RECORDED;
	size_t i;

	for (i = 0; i < n; i++) {
		if (w->end.size > 0 && pieces[i].segment == w->end.segment) {
			if (open_append(w, e) != 0)
				goto err1;
			if (append_piece(w, data + pieces[i].at, pieces[i].len, sync || n > 1, &outcome, e) != 0)
				goto err1;
		} else if (create_segment(w, pieces[i].segment, data + pieces[i].at, pieces[i].len, &outcome, e) != 0)
			goto err1;
	}
	w->end = *end;
	*ret_outcome = LOG_RECORDED;
	return (0);

err1:	if (i > 0 && undo_pieces(w, pieces, i) != 0)
		outcome = LOG_IN_DOUBT;
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
	*ret_outcome = outcome;
	return (-1);
}

void
log_wrote(struct log *log, const struct log_piece *pieces, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (log->segments == 0 || log->segment[log->segments - 1].first != pieces[i].segment)
			log->segment[log->segments++] = (struct log_segment){pieces[i].segment, pieces[i].len, -1};
		else
			log->segment[log->segments - 1].size += pieces[i].len;
	log->end = log->writer.end;
	log->torn = 0;
}

/* ---- recovery ---- */

/* Sync what is in the page cache, then drop it, so that what is read next comes from the disk. */
static int
reread_segments(struct log *log, size_t from, struct err *e)
{
	char name[LOG_NAME_SIZE];
	size_t i;
	int fd;

	for (i = from; i < log->segments; i++) {
		log_segment_name(log->segment[i].first, name);
		if ((fd = io_open_file(log->dirfd, name, O_RDWR, 0, e)) == -1)
			return (-1);
		if (io_fdatasync(fd) != 0) {
			err_sys(e, "cannot sync segment '%s'", name);
			close(fd);
			return (-1);
		}
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	if (io_fsync(log->dirfd) != 0)
		return (err_sys(e, "cannot sync the log's directory"));
	return (0);
}

/* Whether ${from} still describes the end of a line of this log; then put its segment's number into ${*ret}. */
static bool
still_there(struct log *log, const struct log_end *from, size_t *ret)
{
	struct buf line = BUF_INIT;
	struct event ev;
	uint64_t at;
	size_t i;
	bool yes = false;

	if (from->size == 0)
		return (false);
	for (i = 0; i < log->segments && log->segment[i].first != from->segment; i++)
		;
	if (i < log->segments && from->offset <= log->segment[i].size &&
	    log_line_before(log, i, from->offset, &line, &at, NULL) == 0 &&
	    log_check_line((struct span){line.data, line.len}, &ev, from->segment, at, NULL) == 0)
		yes = ev.seq + 1 == from->size && memcmp(ev.hash, from->hash, SHA256_SIZE) == 0;
	buf_release(&line);
	*ret = i;
	return (yes);
}

/* The end of the log as it stands before the last segment begins. */
static int
end_before(struct log *log, size_t segment, struct log_end *ret, struct err *e)
{
	struct buf line = BUF_INIT;
	struct event ev;
	uint64_t at;
	int bad;

	memset(ret, 0, sizeof(*ret));
	if (segment == 0)
		return (0);
	bad = log_line_before(log, segment - 1, log->segment[segment - 1].size, &line, &at, e) != 0 ||
	    log_check_line((struct span){line.data, line.len}, &ev, log->segment[segment - 1].first, at, e) != 0;
	if (!bad) {
		ret->segment = log->segment[segment - 1].first;
		ret->offset = log->segment[segment - 1].size;
		ret->size = ev.seq + 1;
		ret->time_us = ev.time_us;
		memcpy(ret->hash, ev.hash, SHA256_SIZE);
	}
	buf_release(&line);
	return (bad ? -1 : 0);
}

/* Follow the chain through ${bytes}, the rest of a segment behind ${*end}, as far as it is right. */
static int
follow(struct span bytes, uint64_t segment, struct log_end *end, size_t *ret_good, struct err *e)
{
	struct event ev;
	size_t at = 0;
	char *lf;

	while (at < bytes.len && (lf = memchr(bytes.p + at, '\n', bytes.len - at)) != NULL) {
		struct span line = {bytes.p + at, (size_t)(lf - bytes.p) - at};
		char name[LOG_NAME_SIZE];

		*ret_good = at;
		if (log_check_line(line, &ev, segment, end->offset, e) != 0)
			return (-1);
		if (ev.seq != end->size || memcmp(ev.prev, end->hash, SHA256_SIZE) != 0) {
			log_segment_name(segment, name);
			return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": event %" PRIu64
			    " does not follow the one before; run 'ecl-verify'", name, end->offset, ev.seq));
		}
		at += line.len + 1;
		end->segment = segment;
		end->offset += line.len + 1;
		end->size = ev.seq + 1;
		end->time_us = ev.time_us;
		memcpy(end->hash, ev.hash, SHA256_SIZE);
	}
	*ret_good = at;
	return (0);
}

/* Keep the torn tail of the last segment in `.ecl/torn-<seq>`, then cut it off. */
static int
cut_torn(struct log *log, int ecl_fd, uint64_t segment, uint64_t offset, uint64_t seq, struct span torn, struct err *e)
{
	char name[64], seg[LOG_NAME_SIZE];
	unsigned n;
	int fd = -1;

	for (n = 0; fd == -1; n++) {
		snprintf(name, sizeof(name), n == 0 ? "torn-%" PRIu64 : "torn-%" PRIu64 ".%u", seq, n);
		if ((fd = io_open_file(ecl_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600, e)) == -1 && (errno != EEXIST || n > 999))
			return (-1);
	}
	if (io_write(fd, torn.p, torn.len) != 0 || io_fsync(fd) != 0 || io_fsync(ecl_fd) != 0) {
		err_sys(e, "cannot save a torn tail as '%s'", name);
		close(fd);
		unlinkat(ecl_fd, name, 0);
		return (-1);
	}
	close(fd);
	log_segment_name(segment, seg);
	if (offset == 0) {
		if (unlinkat(log->dirfd, seg, 0) != 0 || io_fsync(log->dirfd) != 0)
			return (err_sys(e, "cannot remove the torn segment '%s'", seg));
		return (0);
	}
	if ((fd = io_open_file(log->dirfd, seg, O_WRONLY, 0, e)) == -1)
		return (-1);
	if (cut_to(fd, offset) != 0 || io_fsync(fd) != 0) {
		err_sys(e, "cannot cut the torn tail off segment '%s'", seg);
		close(fd);
		return (-1);
	}
	close(fd);
	return (0);
}

/* Read one segment from ${*end} on.  Return 1 where it ends in a torn tail (which is then in ${rest} behind ${*ret_good}). */
static int
recover_segment(struct log *log, size_t i, struct log_end *end, struct buf *rest, size_t *ret_good, struct err *e)
{
	uint64_t first = log->segment[i].first, size = log->segment[i].size;
	bool here = end->size > 0 && end->segment == first;
	int chained;

	if (!here) {
		if (first != end->size)
			return (err_set(e, "the log is corrupt: a segment begins with event %" PRIu64 " where %" PRIu64
			    " is next; run 'ecl-verify'", first, end->size));
		end->segment = first;
		end->offset = 0;
	}
	buf_reset(rest);
	if (buf_reserve(rest, (size_t)(size - end->offset) + 1) != 0)
		return (err_mem(e));
	if (log_pread(log, i, rest->data, (size_t)(size - end->offset), end->offset, e) != 0)
		return (-1);
	rest->len = (size_t)(size - end->offset);
	chained = follow((struct span){rest->data, rest->len}, first, end, ret_good, e);
	if (chained == 0 && *ret_good == rest->len)
		return (0);
	if (i == log->segments - 1 && (memchr(rest->data + *ret_good, '\n', rest->len - *ret_good) == NULL ||
					  memchr(rest->data + *ret_good, '\0', rest->len - *ret_good) != NULL))
		return (1);
	if (chained == 0)
		err_set(e, "the log is corrupt: a closed segment ends in the middle of event %" PRIu64 "; run 'ecl-verify'", end->size);
	return (-1);
}

int
log_recover(struct log *log, int ecl_fd, const struct log_end *from, uint64_t *ret_torn, struct err *e)
{
	struct buf rest = BUF_INIT;
	struct log_end end;
	struct err saved;
	size_t i, good = 0;
	int torn = 0;

	*ret_torn = 0;
	if (log_list(log, e) != 0)
		goto err0;
	if (log->segments == 0) {
		if (from->size > 0)
			return (err_set(e, "the log is gone, though it had %" PRIu64 " events; run 'ecl-verify'", from->size));
		memset(&log->end, 0, sizeof(log->end));
		log->torn = 0;
		return (0);
	}
	if (still_there(log, from, &i))
		end = *from;
	else {
		i = log->segments - 1;
		if (end_before(log, i, &end, e) != 0)
			goto err0;
	}
	if (reread_segments(log, i, e) != 0)
		goto err0;
	for (; i < log->segments && torn == 0; i++)
		if ((torn = recover_segment(log, i, &end, &rest, &good, e)) == -1)
			goto err1;
	if (torn == 1) {
		if (cut_torn(log, ecl_fd, end.segment, end.offset, end.size, (struct span){rest.data + good, rest.len - good}, e) != 0)
			goto err1;
		*ret_torn = rest.len - good;
		if (end.offset == 0 && end_before(log, log->segments - 1, &end, e) != 0)
			goto err1;
		if (log_list(log, &saved) != 0) {
			if (e != NULL)
				*e = saved;
			goto err1;
		}
	}
	log->end = end;
	log->torn = 0;
	if (log->segments > 0)
		log->segment[log->segments - 1].size = end.offset;
	buf_release(&rest);
	return (0);

err1:	buf_release(&rest);
err0:	return (-1);
}

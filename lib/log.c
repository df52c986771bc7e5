/* The log: its segments, and where it ends. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "log_impl.h"

#include "banned.h"

#define OPEN_FDS_MAX 64
#define UNKNOWN UINT64_MAX /* a size that nobody asked for yet */

void
log_segment_name(uint64_t first, char out[LOG_NAME_SIZE])
{
	decimal_pad(first, 20, out);
	memcpy(out + 20, ".ndjson", LOG_NAME_SIZE - 20);
}

static int
segment_number(const char *name, uint64_t *ret)
{
	size_t i;

	if (strlen(name) != LOG_NAME_SIZE - 1 || strcmp(name + 20, ".ndjson") != 0)
		return (-1);
	for (i = 0; i < 19 && name[i] == '0'; i++)
		;
	return (decimal_parse(name + i, 20 - i, ret));
}

static int
by_first(const void *a, const void *b)
{
	const struct log_segment *x = a, *y = b;

	return (x->first < y->first ? -1 : x->first > y->first);
}

static int
add_segment(struct log *log, uint64_t first, uint64_t size, struct err *e)
{
	struct log_segment *more;

	if (log->segments == log->cap) {
		log->cap = log->cap == 0 ? 8 : log->cap * 2;
		if ((more = realloc(log->segment, log->cap * sizeof(*more))) == NULL) {
			log->cap = log->segments;
			return (err_mem(e));
		}
		log->segment = more;
	}
	log->segment[log->segments++] = (struct log_segment){first, size, -1};
	return (0);
}

void
log_close_segments(struct log *log)
{
	size_t i;

	for (i = 0; i < log->segments; i++)
		if (log->segment[i].fd != -1)
			close(log->segment[i].fd);
	if (log->writer.fd != -1)
		close(log->writer.fd);
	log->writer.fd = -1;
	log->open_fds = 0;
	log->segments = 0;
}

/* In a directory of btrfs they mostly come in order: then qsort() need not begin. */
static void
sort_segments(struct log *log)
{
	size_t i;

	for (i = 1; i < log->segments; i++)
		if (log->segment[i].first < log->segment[i - 1].first) {
			qsort(log->segment, log->segments, sizeof(*log->segment), by_first);
			return;
		}
}

int
log_list_names(struct log *log, struct err *e)
{
	struct dirent *d;
	uint64_t first;
	DIR *dir;
	int fd;

	log_close_segments(log);
	/* A directory stream moves its descriptor's offset: it gets one of its own. */
	if ((fd = openat(log->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the log's directory");
		goto err1;
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (segment_number(d->d_name, &first) != 0)
			continue;
		if (add_segment(log, first, UNKNOWN, e) != 0)
			goto err2;
	}
	/* A directory that cannot be read is not an empty log. */
	if (errno != 0) {
		err_sys(e, "cannot read the log's directory");
		goto err2;
	}
	closedir(dir);
	sort_segments(log);
	if (log->segments > 0 && log->segment[0].first != 0)
		return (err_set(e, "the log is corrupt: its first segment '%020d.ndjson' is missing; run 'ecl-verify'", 0));
	return (0);

err2:	closedir(dir);
	log_close_segments(log);
	return (-1);
err1:	if (fd != -1)
		close(fd);
	return (-1);
}

int
log_segment_size(struct log *log, size_t segment, uint64_t *ret, struct err *e)
{
	struct log_segment *s = &log->segment[segment];
	char name[LOG_NAME_SIZE];
	struct stat st;
	int rc;

	if (s->size == UNKNOWN) {
		log_segment_name(s->first, name);
		while (fstatat(log->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			rc = err_sys(e, "cannot stat segment '%s'", name);
			if (errno != ENOENT || (rc = log_moved(log, e)) != 1)
				return (-1);
		}
		s->size = (uint64_t)st.st_size;
	}
	*ret = s->size;
	return (0);
}

int
log_segment_limit(struct log *log, size_t segment, uint64_t *ret, struct err *e)
{
	if (segment != log->segments - 1)
		return (log_segment_size(log, segment, ret, e));
	*ret = log->end.offset;
	return (0);
}

int
log_list(struct log *log, struct err *e)
{
	uint64_t size;
	size_t i;

	if (log_list_names(log, e) != 0)
		return (-1);
	for (i = 0; i < log->segments; i++)
		if (log_segment_size(log, i, &size, e) != 0)
			return (-1);
	return (0);
}

int
log_segment_fd(struct log *log, size_t i, struct err *e)
{
	char name[LOG_NAME_SIZE];
	size_t k;
	int fd;

	if (log->segment[i].fd != -1)
		return (log->segment[i].fd);
	if (log->open_fds >= OPEN_FDS_MAX) {
		for (k = 0; k < log->segments; k++)
			if (log->segment[k].fd != -1) {
				close(log->segment[k].fd);
				log->segment[k].fd = -1;
			}
		log->open_fds = 0;
	}
	log_segment_name(log->segment[i].first, name);
	while ((fd = io_open_file(log->dirfd, name, O_RDONLY, 0, e)) == -1)
		if (errno != ENOENT || log_moved(log, e) != 1)
			return (-1);
	log->segment[i].fd = fd;
	log->open_fds++;
	return (fd);
}

/* Read what there is of ${len} bytes. */
static ssize_t
read_some(struct log *log, size_t segment, void *p, size_t len, uint64_t offset, struct err *e)
{
	char name[LOG_NAME_SIZE];
	ssize_t n;
	int fd;

	if ((fd = log_segment_fd(log, segment, e)) == -1)
		return (-1);
	if ((n = io_pread(fd, p, len, offset)) == -1) {
		log_segment_name(log->segment[segment].first, name);
		err_sys(e, "cannot read segment '%s' at offset %" PRIu64, name, offset);
	}
	return (n);
}

int
log_pread(struct log *log, size_t segment, void *p, size_t len, uint64_t offset, struct err *e)
{
	char name[LOG_NAME_SIZE];
	ssize_t n;

	if ((n = read_some(log, segment, p, len, offset, e)) == -1)
		return (-1);
	if ((size_t)n != len) {
		log_segment_name(log->segment[segment].first, name);
		return (err_set(e, "segment '%s' ends before offset %" PRIu64 "; run 'ecl-verify'", name, offset + len));
	}
	return (0);
}

/* The offset behind the last LF before ${offset}, 0 where there is none. */
static int
last_lf(struct log *log, size_t segment, uint64_t offset, uint64_t *ret, struct err *e)
{
	char chunk[4096], *lf;
	size_t n;

	while (offset > 0) {
		n = offset < sizeof(chunk) ? (size_t)offset : sizeof(chunk);
		if (log_pread(log, segment, chunk, n, offset - n, e) != 0)
			return (-1);
		if ((lf = memrchr(chunk, '\n', n)) != NULL) {
			*ret = offset - n + (uint64_t)(lf + 1 - chunk);
			return (0);
		}
		offset -= n;
	}
	*ret = 0;
	return (0);
}

/* Find the end of the last segment, whose file has ${size} bytes: behind the last line that is whole and right. */
static int
find_end(struct log *log, uint64_t size, struct err *e)
{
	size_t last = log->segments - 1;
	struct log_segment *s = &log->segment[last];
	struct buf line = BUF_INIT;
	char name[LOG_NAME_SIZE];
	struct event ev;
	uint64_t end, at;

	log_segment_name(s->first, name);
	if (last_lf(log, last, size, &end, e) != 0)
		return (-1);
	for (;; end = at) {
		if (end == 0) {
			/* Segments appear with their first lines in them: this one was damaged. */
			err_set(e, "the log is corrupt: segment '%s' has no whole event; run 'ecl-verify'", name);
			goto err1;
		}
		if (log_line_before(log, last, end, &line, &at, e) != 0)
			goto err1;
		if (log_check_line((struct span){line.data, line.len}, &ev, s->first, at, e) == 0)
			break;
		/* NULs are what a crash leaves; anything else was changed. */
		if (line.len > 0 && memchr(line.data, '\0', line.len) == NULL)
			goto err1;
	}
	s->size = end;
	log->torn = size - end;
	log->end.segment = s->first;
	log->end.offset = end;
	log->end.size = ev.seq + 1;
	log->end.time_us = ev.time_us;
	memcpy(log->end.hash, ev.hash, SHA256_SIZE);
	buf_release(&line);
	return (0);

err1:	buf_release(&line);
	return (-1);
}

/* List the segments, and find the end of the last one. */
static int
look(struct log *log, struct err *e)
{
	uint64_t size;

	/* Sizes only behind the names: a segment is final once there is one behind it. */
	if (log_list_names(log, e) != 0)
		return (-1);
	if (log->segments == 0)
		return (0);
	if (log_segment_size(log, log->segments - 1, &size, e) != 0)
		return (-1);
	return (find_end(log, size, e));
}

int
log_open(int ecl_fd, int root_fd, struct log **ret_log, struct err *e)
{
	struct log *log;
	int fd, rc;

	if ((log = calloc(1, sizeof(*log))) == NULL)
		return (err_mem(e));
	log->writer.fd = -1;
	log->root_fd = -1;
	log->dirfd = io_open_dir(ecl_fd, "log", e);
	rc = log->dirfd == -1 ? -1 : look(log, e);
	/* Perhaps it was exchanged meanwhile, and half removed when it was looked at. */
	while ((fd = log_live(root_fd, LOG_LIVE, log->dirfd)) != -1) {
		if (log->dirfd != -1)
			close(log->dirfd);
		log->dirfd = fd;
		log->torn = 0;
		memset(&log->end, 0, sizeof(log->end));
		rc = look(log, e);
	}
	log->root_fd = root_fd;
	if (rc != 0) {
		log_free(log);
		return (-1);
	}
	*ret_log = log;
	return (0);
}

void
log_free(struct log *log)
{
	if (log == NULL)
		return;
	log_close_segments(log);
	free(log->segment);
	if (log->dirfd != -1)
		close(log->dirfd);
	free(log);
}

int
log_refresh(struct log *log, struct err *e)
{
	char name[LOG_NAME_SIZE];
	struct stat st;
	uint64_t size;
	int fd;

	if (log->segments == 0)
		return (look(log, e));
	for (;;) {
		if ((fd = log_segment_fd(log, log->segments - 1, e)) == -1)
			return (-1);
		if (fstat(fd, &st) != 0)
			return (err_sys(e, "cannot stat the log's last segment"));
		size = (uint64_t)st.st_size;
		if (size < log->end.offset)
			return (err_set(e, "the log is shorter than it was: run 'ecl-verify'"));
		if (size != log->end.offset + log->torn && find_end(log, size, e) != 0)
			return (-1);
		/* The next segment is named by the next seq. */
		log_segment_name(log->end.size, name);
		if (fstatat(log->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno == ENOENT)
				return (0);
			return (err_sys(e, "cannot stat segment '%s'", name));
		}
		if (add_segment(log, log->end.size, (uint64_t)st.st_size, e) != 0)
			return (-1);
		if (log->writer.fd != -1)
			close(log->writer.fd);
		log->writer.fd = -1;
		if (find_end(log, (uint64_t)st.st_size, e) != 0)
			return (-1);
	}
}

size_t
log_segment_of(const struct log *log, uint64_t seq)
{
	size_t lo = 0, hi = log->segments, mid;

	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (log->segment[mid].first <= seq)
			lo = mid;
		else
			hi = mid;
	}
	return (lo);
}

/* Forget the segments behind ${last}. */
static void
drop_behind(struct log *log, size_t last)
{
	for (; log->segments > last + 1; log->segments--)
		if (log->segment[log->segments - 1].fd != -1) {
			close(log->segment[log->segments - 1].fd);
			log->open_fds--;
		}
}

size_t
log_segment_at(const struct log *log, uint64_t first)
{
	size_t i = log->segments == 0 ? 0 : log_segment_of(log, first);

	return (i < log->segments && log->segment[i].first == first ? i : log->segments);
}

int
log_ends_at(struct log *log, size_t segment, uint64_t offset, const uint8_t hash[SHA256_SIZE],
    struct err *e)
{
	char tail[2 * SHA256_SIZE + 3]; /* the hash, "} and LF */
	uint8_t found[SHA256_SIZE];
	ssize_t n;

	if (offset < EVENT_TAIL)
		return (0);
	if ((n = read_some(log, segment, tail, sizeof(tail), offset - sizeof(tail), e)) == -1)
		return (-1);
	return ((size_t)n == sizeof(tail) && tail[sizeof(tail) - 1] == '\n' && hex_decode(tail, SHA256_SIZE, found) == 0 &&
	    memcmp(found, hash, SHA256_SIZE) == 0);
}

/* The segments that there are by now, of what is live when they are listed. */
static int
list_live(struct log *log, struct err *e)
{
	int rc, moved;

	do
		rc = log_list_names(log, e);
	while ((moved = log_moved(log, e)) == 1);
	return (moved == -1 ? -1 : rc);
}

int
log_reach(struct log *log, const struct log_end *end, struct err *e)
{
	size_t i = log_segment_at(log, end->segment), last;
	int rc;

	if (end->size == 0)
		return (log->end.size == 0 ? 0 : 1);
	if (i == log->segments) {
		if (list_live(log, e) != 0)
			return (-1);
		i = log_segment_at(log, end->segment);
	}
	last = log_segment_at(log, log->end.segment);
	rc = i < log->segments ? log_ends_at(log, i, end->offset, end->hash, e) : 0;
	if (rc != 1) {
		/* As before. */
		if (last < log->segments)
			drop_behind(log, last);
		return (rc == 0 ? 1 : -1);
	}
	/* It may have grown since it was the last one. */
	if (last < log->segments)
		log->segment[last].size = UNKNOWN;
	drop_behind(log, i);
	log->segment[i].size = end->offset;
	log->end = *end;
	log->torn = 0;
	return (0);
}

int
log_reader_some(struct log_reader *r, struct log_line *ret, size_t max, struct err *e)
{
	uint64_t limit;
	size_t left;
	char *p, *lf;
	int n;

	if ((n = log_reader_next(r, ret, e)) != 1)
		return (n);
	if (log_segment_limit(r->log, r->segment, &limit, e) != 0)
		return (-1);
	for (; (size_t)n < max; n++) {
		left = r->window.len - (size_t)(r->offset - r->window_at);
		if (left > limit - r->offset)
			left = (size_t)(limit - r->offset);
		p = r->window.data + (r->offset - r->window_at);
		if (left == 0 || (lf = memchr(p, '\n', left)) == NULL)
			break;
		ret[n] = (struct log_line){{p, (size_t)(lf - p)}, ret[0].segment, r->offset};
		r->offset += ret[n].text.len + 1;
	}
	return (n);
}

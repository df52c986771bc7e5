/* The verifier's view of a log: its segments as they are, damaged or not. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "io.h"
#include "verify_ahead.h"

#include "banned.h"

#define PAGE 4096u

/* The first seq in a segment's name: twenty digits. */
static int
parse_name(const char *name, uint64_t *ret)
{
	char again[LOG_NAME_SIZE];
	size_t zeros = strspn(name, "0");

	if (strlen(name) != LOG_NAME_SIZE - 1)
		return (-1);
	zeros = zeros > 19 ? 19 : zeros;
	if (decimal_parse(name + zeros, 20 - zeros, ret) != 0)
		return (-1);
	log_segment_name(*ret, again);
	return (strcmp(name, again) == 0 ? 0 : -1);
}

static int
cmp_segments(const void *a, const void *b)
{
	const struct verify_segment *x = a, *y = b;

	return ((x->first > y->first) - (x->first < y->first));
}

static int
list(struct verify_log *log, DIR *dir, struct err *e)
{
	struct verify_segment *more;
	const struct dirent *d;
	struct stat st;
	uint64_t first;
	size_t cap = 0;

	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (parse_name(d->d_name, &first) != 0)
			continue;
		if (fstatat(log->dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			if (errno == ENOENT)
				continue;
			return (err_sys(e, "cannot stat segment '%s'", d->d_name));
		}
		if (log->n == cap) {
			cap = cap == 0 ? 16 : cap * 2;
			if ((more = realloc(log->segment, cap * sizeof(*more))) == NULL)
				return (err_mem(e));
			log->segment = more;
		}
		log->segment[log->n++] = (struct verify_segment){first, (uint64_t)st.st_size};
	}
	if (errno != 0)
		return (err_sys(e, "cannot read the log's directory"));
	if (log->n > 0)
		qsort(log->segment, log->n, sizeof(*log->segment), cmp_segments);
	return (0);
}

int
verify_log_open(struct verify_log *log, int ecl_fd, struct err *e)
{
	struct err absent = {0};
	DIR *dir;
	int fd, rc;

	if ((log->dirfd = io_open_dir(ecl_fd, "log", &absent)) == -1) {
		if (absent.sys == ENOENT)
			return (0);
		*e = absent;
		return (-1);
	}
	if ((fd = openat(log->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open the log's directory"));
	if ((dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the log's directory");
		close(fd);
		return (-1);
	}
	rc = list(log, dir, e);
	closedir(dir);
	return (rc);
}

void
verify_log_release(struct verify_log *log)
{
	size_t i;

	for (i = 0; i < VERIFY_FDS; i++)
		if (log->fd[i].fd_plus_1 != 0)
			close(log->fd[i].fd_plus_1 - 1);
	if (log->dirfd != -1)
		close(log->dirfd);
	free(log->segment);
	*log = (struct verify_log)VERIFY_LOG_INIT;
}

int
verify_log_fd(struct verify_log *log, size_t i, struct err *e)
{
	struct verify_fd *cached = &log->fd[i % VERIFY_FDS];
	char name[LOG_NAME_SIZE];
	int fd, dirfd;

	if (cached->fd_plus_1 != 0 && cached->segment == i)
		return (cached->fd_plus_1 - 1);
	log_segment_name(log->segment[i].first, name);
	fd = io_open_file(log->dirfd, name, O_RDONLY, 0, e);
	if (fd == -1 && errno == ENOENT && log->layer != NULL && !log->layer->bare &&
	    (dirfd = io_open_dir(log->layer->root_fd, "live/.ecl/log", NULL)) != -1) {
		/* What was live was exchanged and deleted; its successor has the same segments. */
		if ((fd = io_open_file(dirfd, name, O_RDONLY, 0, e)) != -1) {
			close(log->dirfd);
			log->dirfd = dirfd;
		} else {
			close(dirfd);
			errno = ENOENT;
		}
	}
	if (fd == -1)
		return (-1);
	if (cached->fd_plus_1 != 0)
		close(cached->fd_plus_1 - 1);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*cached = (struct verify_fd){fd + 1, i};
	return (fd);
}

int
verify_log_open_fd(struct verify_log *log, size_t i, struct err *e)
{
	char name[LOG_NAME_SIZE];
	int fd;

	/* In any case: it knows where the segment is. */
	if ((fd = verify_log_fd(log, i, e)) == -1)
		return (-1);
	if (!log->from_disk) {
		if ((fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
			err_sys(e, "cannot open a segment again");
		return (fd);
	}
	log_segment_name(log->segment[i].first, name);
	if ((fd = io_open_file(log->dirfd, name, O_RDONLY, 0, e)) != -1)
		disk_prefer(fd);
	return (fd);
}

ssize_t
verify_log_pread(const struct verify_log *log, int fd, void *p, size_t len, uint64_t offset)
{
	return (log->from_disk ? disk_pread(fd, p, len, offset) : io_pread(fd, p, len, offset));
}

/* A read at ${at} failed: tell, and go on behind the page. */
static uint64_t
unreadable(struct verify_pass *p, uint64_t at)
{
	char what[96];

	snprintf(what, sizeof(what), "cannot be read at offset %" PRIu64 ": %s", at, strerror(errno));
	verify_pass_bad(p, p->offset, false, what);
	p->skipping = true;
	return (at - at % PAGE + PAGE);
}

/*
 * Segment p->segment from p->offset on, line by line, until the pass is at ${until} or behind it, and at a line.  ${window} keeps
 * what stands behind the last line feed.  Return 0, or -1.
 */
static int
read_lines(struct verify_pass *p, int fd, uint64_t until, struct buf *window, struct err *e)
{
	uint64_t at = p->offset, size = p->log->segment[p->segment].size;
	size_t step = VERIFY_CHUNK, want, used;
	ssize_t n;

	buf_reset(window);
	while (at < size && (p->offset < until || p->skipping) && !p->broken) {
		want = step - (size_t)(at % step);
		want = size - at < want ? (size_t)(size - at) : want;
		if (at < until && until - at < want)
			want = (size_t)(until - at);
		if (buf_reserve(window, want) != 0)
			return (err_mem(e));
		n = verify_log_pread(p->log, fd, window->data + window->len, want, at);
		if (n == -1 && step > PAGE) {
			step = PAGE; /* to name the place */
			continue;
		}
		if (n == -1) {
			at = unreadable(p, at);
			buf_reset(window);
			p->offset = at;
			continue;
		}
		window->len += (size_t)n;
		at += (uint64_t)n;
		used = verify_pass_feed(p, window->data, window->len);
		memmove(window->data, window->data + used, window->len - used);
		window->len -= used;
		if ((size_t)n < want) {
			verify_pass_bad(p, p->offset, false, "the segment became shorter while it was read");
			return (1);
		}
		if (at % VERIFY_CHUNK == 0)
			step = VERIFY_CHUNK;
	}
	return (p->broken ? -1 : 0);
}

/* Segment p->segment from p->offset to its end. */
static int
read_segment(struct verify_pass *p, int fd, struct verify_ahead *ahead, struct buf *window, struct err *e)
{
	uint64_t size = p->log->segment[p->segment].size, until = size;
	int rc = 0;

	buf_reset(window);
	while (rc == 0 && p->offset + window->len < size) {
		buf_reset(window);
		if (ahead == NULL || !verify_ahead_take(ahead, &until))
			rc = read_lines(p, fd, until, window, e);
		if (p->broken)
			return (-1);
		if (p->v->opt->progress != NULL && (p->checks & PASS_SILENT) == 0)
			p->v->opt->progress(p->v->opt->arg, p->bytes, p->v->total);
	}
	if (rc == -1)
		return (-1);
	verify_pass_rest(p, window->len, p->segment + 1 == p->log->n);
	return (p->broken ? -1 : 0);
}

/* Whether a file that cannot be opened says something of the ledger, and not of us. */
static bool
is_damage(int sys)
{
	return (sys == ENOENT || sys == ELOOP || sys == EINVAL || sys == EIO || sys == ENXIO || sys == EXDEV);
}

int
verify_pass_log(struct verify_pass *p, struct err *e)
{
	struct verify_ahead *ahead = verify_ahead_new(p);
	struct buf window = BUF_INIT;
	int fd, rc = 0;

	while (p->segment < p->log->n) {
		if (!p->inside)
			verify_pass_begin_segment(p);
		if ((fd = verify_log_open_fd(p->log, p->segment, e)) != -1) {
			rc = read_segment(p, fd, ahead, &window, e);
			close(fd);
		} else if (is_damage(errno))
			verify_pass_bad(p, 0, false, e->text);
		else
			rc = -1;
		if (rc != 0 || p->segment + 1 == p->log->n)
			break;
		p->segment++;
		p->offset = 0;
		p->inside = false;
	}
	buf_release(&window);
	verify_ahead_free(ahead);
	return (rc);
}

/* Bytes from files and pipes, taken in portions of whole lines. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "source.h"

#include "banned.h"

#define PIPE_SIZE (1 << 20)
#define DRAIN_BYTES (16u << 20)
#define DRAIN_CHUNK (64u << 10)
#define FIRST_READ (64u << 10) /* most inputs are small: their buffer is too */
#define FLOOD (32u << 10) /* that much at once comes from a program that has more to say: wait a moment for it */

int
source_open(struct source *s, const char *name, struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->name = name;
	s->stop_fd = -1;
	if (strcmp(name, "-") == 0)
		s->fd = STDIN_FILENO;
	else if ((s->fd = open(name, O_RDONLY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", name));
	/* Larger pipes make larger batches; where it is no pipe, or not allowed, nothing is lost. */
	(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_SIZE);
	return (0);
}

void
source_close(struct source *s)
{
	if (s->fd != STDIN_FILENO && s->fd != -1)
		close(s->fd);
	s->fd = -1;
	buf_release(&s->rest);
}

/* Whether there is something to read (or the end); ${*ret_stop}: whether to stop. */
static bool
readable(const struct source *s, int wait_ms, bool *ret_stop)
{
	struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};

	*ret_stop = false;
	if (poll(p, s->stop_fd == -1 ? 1 : 2, wait_ms) <= 0)
		return (false);
	*ret_stop = p[1].revents != 0;
	return (p[0].revents != 0);
}

/* One read behind what is in ${out}.  Return how many bytes, 0 at the end, or -1. */
static ssize_t
read_more(struct source *s, struct buf *out, size_t room, struct err *e)
{
	bool stop;
	ssize_t n;

	for (;;) {
		if (s->stop_fd != -1 && !readable(s, -1, &stop) && !stop)
			continue;
		if (s->stop_fd != -1 && stop)
			return (err_set(e, "stopped"));
		if ((n = io_read(s->fd, out->data + out->len, room)) >= 0)
			return (n);
		if (errno != EAGAIN)
			return (err_sys(e, "cannot read '%s'", s->name));
		(void)readable(s, -1, &stop);
	}
}

/* What stands behind the last whole line is for the next portion. */
static int
keep_rest(struct source *s, struct buf *out, struct err *e)
{
	char *lf;
	size_t len;

	if (s->eof || (lf = memrchr(out->data, '\n', out->len)) == NULL)
		return (0);
	len = (size_t)(lf + 1 - out->data);
	buf_add(&s->rest, lf + 1, out->len - len);
	if (s->rest.failed)
		return (err_mem(e));
	out->len = len;
	return (0);
}

int
source_fill(struct source *s, size_t limit, struct buf *out, struct err *e)
{
	bool whole = false, stop;
	size_t room;
	ssize_t n;

	buf_reset(out);
	buf_addspan(out, (struct span){s->rest.data, s->rest.len});
	if (out->failed)
		return (err_mem(e));
	buf_reset(&s->rest);
	while (!s->eof && out->len < SOURCE_PORTION && (out->len < limit || !whole)) {
		if (whole && !s->all && !readable(s, out->len > FLOOD ? 1 : 0, &stop))
			break;
		/* Room for what is likely to come, then for all that may. */
		room = out->len < FIRST_READ && out->cap < limit ? FIRST_READ : (out->len < limit ? limit : SOURCE_PORTION) - out->len;
		if (room > SOURCE_PORTION - out->len)
			room = SOURCE_PORTION - out->len;
		if (buf_reserve(out, room) != 0)
			return (err_mem(e));
		if ((n = read_more(s, out, room, e)) == -1) {
			if (!whole)
				return (-1);
			break; /* the lines before an error count; it will come again */
		}
		s->eof = n == 0;
		whole = whole || memchr(out->data + out->len, '\n', (size_t)n) != NULL;
		out->len += (size_t)n;
	}
	if (out->len == 0)
		return (0);
	return (keep_rest(s, out, e) == 0 ? 1 : -1);
}

void
source_drain(struct source *s)
{
	char away[DRAIN_CHUNK];
	struct timespec t;
	int64_t now, until = 0;
	size_t done = 0;
	ssize_t n;
	bool stop;

	if (s->fd == -1 || s->eof)
		return;
	s->stop_fd = -1;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
		if (until == 0)
			until = now + 1000;
		if (now >= until || done >= DRAIN_BYTES || !readable(s, (int)(until - now), &stop))
			return;
		if ((n = io_read(s->fd, away, sizeof(away))) <= 0)
			return;
		done += (size_t)n;
	}
}

/* Lines from files and pipes, taken in portions. */
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
#define FLOOD (32u << 10) /* that much at once comes from a program that has more to say: wait a moment for it */

int
source_open(struct source *s, const char *name, struct err *e)
{
	memset(s, 0, sizeof(*s));
	s->name = name;
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
	buf_release(&s->data);
}

static bool
readable(int fd, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return (poll(&p, 1, wait_ms) > 0);
}

int
source_fill(struct source *s, struct err *e)
{
	struct buf *d = &s->data;
	bool whole;
	ssize_t n;

	if (s->at > 0)
		memmove(d->data, d->data + s->at, d->len - s->at);
	d->len -= s->at;
	s->at = 0;
	if (buf_reserve(d, SOURCE_PORTION + 1 - d->len) != 0)
		return (err_mem(e));
	whole = d->len > 0 && memchr(d->data, '\n', d->len) != NULL;
	while (!s->eof && d->len < SOURCE_PORTION) {
		if (whole && !s->all && !readable(s->fd, d->len > FLOOD ? 1 : 0))
			break;
		if ((n = io_read(s->fd, d->data + d->len, SOURCE_PORTION - d->len)) == -1) {
			if (errno == EAGAIN) {
				readable(s->fd, -1);
				continue;
			}
			return (err_sys(e, "cannot read '%s'", s->name));
		}
		s->eof = n == 0;
		whole = whole || memchr(d->data + d->len, '\n', (size_t)n) != NULL;
		d->len += (size_t)n;
	}
	return (d->len > 0);
}

int
source_line(struct source *s, struct span *ret)
{
	char *p = s->data.data + s->at, *lf;
	size_t left = s->data.len - s->at;

	if (left == 0)
		return (0);
	if ((lf = memchr(p, '\n', left)) != NULL)
		*ret = (struct span){p, (size_t)(lf - p)};
	else if (s->eof || (s->at == 0 && left >= SOURCE_PORTION))
		*ret = (struct span){p, left};
	else
		return (0);
	s->at += ret->len + (lf != NULL);
	s->line += !s->partial;
	s->partial = lf == NULL && !s->eof;
	return (s->partial ? 2 : 1);
}

void
source_drain(struct source *s)
{
	struct timespec t;
	int64_t now, until = 0;
	size_t done = 0;
	ssize_t n;

	if (s->fd == -1 || s->eof)
		return;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
		if (until == 0)
			until = now + 1000;
		if (now >= until || done >= DRAIN_BYTES || !readable(s->fd, (int)(until - now)))
			return;
		if ((n = io_read(s->fd, s->data.data, s->data.cap)) <= 0)
			return;
		done += (size_t)n;
	}
}

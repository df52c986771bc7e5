/* The readers at the end of a pipe, for the drivers of t/perf. */
#ifndef DRAIN_H
#define DRAIN_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_SIZE ((size_t)1 << 20)

/* The end of every line: ,"prev":"64 digits","hash":"64 digits"} and LF. */
#define DRAIN_HEX 64
#define DRAIN_HASH (DRAIN_HEX + 3)			       /* the last hash begins so far from the end */
#define DRAIN_PREV (DRAIN_HASH + DRAIN_HEX + sizeof("\",\"hash\":\"") - 1) /* and prev so far */

static inline void
drain_die(const char *what)
{
	fprintf(stderr, "drain: %s\n", what);
	_exit(2);
}

/* drain_read(fd): read until the end, a MiB at a time into one buffer. */
static inline void
drain_read(int fd)
{
	char *buf = malloc(DRAIN_SIZE);
	ssize_t n;

	if (buf == NULL)
		drain_die("out of memory");
	while ((n = read(fd, buf, DRAIN_SIZE)) > 0)
		continue;
	if (n == -1)
		drain_die("cannot read");
}

/* drain_splice(fd): throw away what comes without looking at it. */
static inline void
drain_splice(int fd)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = splice(fd, NULL, null, NULL, DRAIN_SIZE, SPLICE_F_MOVE)) > 0)
		continue;
	if (n == -1)
		drain_die("cannot splice");
}

/* Check that ${line}, its LF included, names the line before, whose hash is in ${last}; keep its own there. */
static inline void
drain_link(const char *line, size_t len, char *last)
{
	static const char begin[] = "{\"seq\":";

	if (len < sizeof(begin) + DRAIN_PREV || memcmp(line, begin, sizeof(begin) - 1) != 0 || line[len - 2] != '}')
		drain_die("what came is no whole event line");
	if (*last != '\0' && memcmp(line + len - DRAIN_PREV, last, DRAIN_HEX) != 0)
		drain_die("a line does not follow from the one before");
	memcpy(last, line + len - DRAIN_HASH, DRAIN_HEX);
}

/* drain_chain(fd): read until the end, and see that it is whole lines, each chained to the one before. */
static inline void
drain_chain(int fd)
{
	char *buf = malloc(4 * DRAIN_SIZE), *line, *lf, last[DRAIN_HEX + 1] = "";
	size_t have = 0;
	ssize_t n;

	if (buf == NULL)
		drain_die("out of memory");
	while ((n = read(fd, buf + have, DRAIN_SIZE)) > 0) {
		have += (size_t)n;
		for (line = buf; (lf = memchr(line, '\n', have)) != NULL; line = lf + 1) {
			drain_link(line, (size_t)(lf + 1 - line), last);
			have -= (size_t)(lf + 1 - line);
		}
		if (have > 3 * DRAIN_SIZE)
			drain_die("a line does not end");
		memmove(buf, line, have);
	}
	if (n == -1)
		drain_die("cannot read");
	if (have != 0)
		drain_die("the last line is not whole");
}

/* drain_by(name): the function of that name, or NULL. */
static inline void (*drain_by(const char *name))(int)
{
	return (strcmp(name, "read") == 0 ? drain_read : strcmp(name, "splice") == 0 ? drain_splice :
	    strcmp(name, "chain") == 0						    ? drain_chain :
											      NULL);
}

#endif /* DRAIN_H */

/* Lines from files and pipes, taken in portions: whatever is there, up to a few MiB. */
#ifndef ECL_SOURCE_H_
#define ECL_SOURCE_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

#define SOURCE_PORTION (4u << 20)

struct source {
	const char *name; /* for messages: as the user named it, `-` for standard input */
	int fd;
	bool eof;
	bool partial;  /* source_line() gave a part of a line last */
	bool all;      /* do not stop at what is there: wait until the portion is full or the input ends */
	uint64_t line; /* number of the line that source_line() gave last, from 1 */
	struct buf data;
	size_t at; /* of the next line in data */
};

/** source_open(s, name, e): open a file, or standard input as `-`.  Return 0 or -1. */
int source_open(struct source *s, const char *name, struct err *e);
void source_close(struct source *s);

/**
 * source_fill(s, e):
 * Wait for at least one whole line (or the end of the input) and take what else is there, up to SOURCE_PORTION.  The
 * lines of the portion before must have been taken.  Return 1, 0 at the end of the input, or -1.
 */
int source_fill(struct source *s, struct err *e);

/**
 * source_line(s, ret):
 * The next line of the portion, without its LF.  Return 1; 0 where the portion has no further whole line; 2 where
 * the portion is full and holds no end of the line: ${ret} is then what there is of it, and the next call goes on
 * with the rest under the same number.  Spans are valid until source_fill().
 */
int source_line(struct source *s, struct span *ret);

/** source_drain(s): read on and forget for at most one second or 16 MiB, so that the writer of a pipe does not break. */
void source_drain(struct source *s);

#endif

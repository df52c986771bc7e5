/* Bytes from files and pipes, taken in portions of whole lines: whatever is there, up to a few MiB. */
#ifndef ECL_SOURCE_H_
#define ECL_SOURCE_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

#define SOURCE_PORTION (4u << 20) /* the longest portion; a line that is longer comes in pieces */

struct source {
	const char *name; /* for messages: as the user named it, `-` for standard input */
	int fd;
	int stop_fd; /* once it is readable, source_fill() waits for nothing more and fails; -1: none */
	bool eof;
	bool all;        /* do not stop at what is there: wait until the portion is full or the input ends */
	struct buf rest; /* behind the last whole line of the portion before */
};

/** source_open(s, name, e): open a file, or standard input as `-`.  Return 0 or -1. */
int source_open(struct source *s, const char *name, struct err *e);
void source_close(struct source *s);

/**
 * source_fill(s, limit, out, e):
 * Wait for at least one whole line (or the end of the input), take what else is there up to about ${limit} bytes, and
 * replace ${out} by it.  ${out} ends with an LF, but at the end of the input, and where SOURCE_PORTION bytes hold none: then
 * it is a piece of a line, and so is the beginning of the next portion.  Return 1, 0 at the end of the input, or -1.
 */
int source_fill(struct source *s, size_t limit, struct buf *out, struct err *e);

/** source_drain(s): read on and forget for at most one second or 16 MiB, so that the writer of a pipe does not break. */
void source_drain(struct source *s);

#endif

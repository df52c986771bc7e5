/* A cursor: a file that remembers how far a reader of the log has come. */
#ifndef ECL_CURSOR_H_
#define ECL_CURSOR_H_

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "sha256.h"

/*
 * One line: the event that was read last, as it calls itself:
 *   {"seq":122,"hash":"<64 hex>"} LF
 * The hash tells another log, and one that was changed, from the one that was read.  No file: nothing was read yet.
 */
struct cursor {
	char *path;
	int dir_fd;
	const char *name; /* in path: of the file in that directory */
	bool set;	  /* there is an event that was read last */
	uint64_t seq;
	uint8_t hash[SHA256_SIZE];
};

/** cursor_open(c, path, e): take what the file at ${path} says, where there is one.  To be released with cursor_release().  Return 0, or -1: also where it could not be written. */
int cursor_open(struct cursor *c, const char *path, struct err *e);
void cursor_release(struct cursor *c);

/** cursor_store(c, seq, hash, e): replace the file, atomically and durably.  Return 0, or -1 with the old one still there. */
int cursor_store(struct cursor *c, uint64_t seq, const uint8_t hash[SHA256_SIZE], struct err *e);

#endif

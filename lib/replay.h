/* The log as it is, from one place to another: all of its bytes, or the lines that pass a filter. */
#ifndef ECL_REPLAY_H_
#define ECL_REPLAY_H_

#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "filter.h"
#include "log.h"
#include "outlet.h"
#include "sha256.h"

struct replay {
	struct log *log;
	struct outlet *out;
	struct filter *filter; /* settled */
	uint64_t left;	       /* so many lines may still be written; counted where some are left out, */
	uint64_t stop;	       /* else none is written from this event on */
	size_t segment;	       /* the place of the next line; always between two */
	uint64_t offset;
	uint64_t seq;	       /* of the next line, once replay_mark() was called there */
	uint8_t hash[SHA256_SIZE]; /* of the line before; nothing where seq is 0 */
	uint64_t bytes;	       /* read so far */
	uint64_t firm_segment; /* first seq of the segment in which it lies how far bytes are shared, */
	uint64_t firm_offset;  /* and not copied */
	struct buf window;
	struct iovec *part; /* of the window, to be written */
	size_t parts, cap_parts;
};

/**
 * replay_init(r, log, out, filter, count):
 * At the beginning of ${log}; at most ${count} lines.  All of them must outlive ${r}.
 */
void replay_init(struct replay *r, struct log *log, struct outlet *out, struct filter *filter,
    uint64_t count);
void replay_release(struct replay *r);

/**
 * replay_firm(r, segment, offset):
 * What lies at or behind ${offset} of the segment whose first seq is ${segment} may be cut off again by a writer
 * whose sync fails: it is copied, since a pipe that shares it would show NULs then.  Without this, all is shared.
 */
void replay_firm(struct replay *r, uint64_t segment, uint64_t offset);

/**
 * replay_seek(r, seq, e):
 * Begin with event ${seq} <= log->end.size.  To be called before the first replay_some(), once or
 * more often.  Return 0 or -1.
 */
int replay_seek(struct replay *r, uint64_t seq, struct err *e);

/**
 * replay_some(r, to, e):
 * Write lines, a few MiB of them at most, up to and without event ${to} <= log->end.size.  Return 0
 * where that is reached, 1 where it is not yet, 2 where no more lines are wanted (the count is used
 * up, or nobody reads them), or -1.  r->segment and r->offset tell how far it came: not into what
 * nobody reads.  O(bytes).
 */
int replay_some(struct replay *r, uint64_t to, struct err *e);

/**
 * replay_bytes(r, to, ret, e):
 * The number of bytes from where it is up to event ${to}.  Return 0 or -1.  O(segments).
 */
int replay_bytes(struct replay *r, uint64_t to, uint64_t *ret, struct err *e);

/**
 * replay_mark(r, e):
 * Set seq and hash from the line before the place where it is.  Return 0 or -1.  O(1).
 */
int replay_mark(struct replay *r, struct err *e);

/**
 * replay_log(r, log, e):
 * Go on in ${log}, which replaces r->log, at the same place as was marked last: nothing may have
 * been written since.  r->log is not looked at, and may be gone.  Return 0, or -1: with EXIT_NO where
 * ${log} has another event there.
 */
int replay_log(struct replay *r, struct log *log, struct err *e);

#endif

/* Bytes of files to standard output or another descriptor, with as few copies as the kernel allows. */
#ifndef ECL_OUTLET_H_
#define ECL_OUTLET_H_

#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* How bytes of a file get there. */
enum outlet_way {
	OUTLET_SPLICE,	 /* a pipe: its pages are the page cache's, nothing is copied */
	OUTLET_RANGE,	 /* a file: shared where the file system can, else the kernel copies */
	OUTLET_SENDFILE, /* a socket, or a file on another file system: the kernel copies */
	OUTLET_COPY	 /* read and written */
};

struct outlet {
	int fd; /* not owned */
	enum outlet_way way;
	bool regular; /* a file: what is written to it needs a sync before it is safe */
	char *chunk;  /* of OUTLET_COPY */
	void (*begin)(void *arg); /* called once, before the first bytes are written; NULL: nobody asks */
	void *begin_arg;
};

/** outlet_init(o, fd): find out how; a pipe is made larger where that is allowed.  To be released with outlet_release(). */
void outlet_init(struct outlet *o, int fd);
void outlet_release(struct outlet *o);

/**
 * outlet_file(o, in_fd, offset, len, e):
 * Write ${len} bytes of the file ${in_fd} from ${offset} on, all of them.  What is in a pipe unread shares the file's
 * pages: bytes that others overwrite in place meanwhile would change there too, so only give it what nobody
 * overwrites.  Return 0, 1 where nobody reads any more, 2 where the file ends before, or -1.
 */
int outlet_file(struct outlet *o, int in_fd, uint64_t offset, uint64_t len, struct err *e);

/**
 * outlet_copy(o, in_fd, offset, len, e):
 * The same of bytes that others may overwrite or cut off: they are copied.
 */
int outlet_copy(struct outlet *o, int in_fd, uint64_t offset, uint64_t len, struct err *e);

/** outlet_parts(o, part, n, e): write these ${n} pieces of memory, which are used up.  Return 0, 1 where nobody reads any more, or -1. */
int outlet_parts(struct outlet *o, struct iovec *part, size_t n, struct err *e);

/** outlet_sync(o, e): where it is a file, make durable what was written.  Return 0 or -1. */
int outlet_sync(struct outlet *o, struct err *e);

#endif

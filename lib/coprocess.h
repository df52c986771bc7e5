/* A command that answers lines: one line in, one line out, in order, many of them under way at a time. */
#ifndef ECL_COPROCESS_H_
#define ECL_COPROCESS_H_

#include <stddef.h>

#include "buf.h"
#include "err.h"

#define COPROCESS_LINE_MAX ((size_t)4 << 20) /* bytes of an answer */

struct coprocess;

/**
 * coprocess_start(command, ret, e):
 * Start `sh -c ${command}` with pipes of ours as its standard input and output; standard error is ours, other descriptors it gets
 * none.  It leads a process group of its own, which is killed when this process ends, however that comes.  ${ret} to be released with
 * coprocess_free(), by whoever uses it: one thread at a time.  Return 0 or -1.
 */
int coprocess_start(const char *command, struct coprocess **ret, struct err *e);

/* What is asked, and who gets the answers. */
struct coprocess_talk {
	/* Append line ${i}, with its LF, to ${out}.  Called once each, in order. */
	void (*ask)(void *arg, size_t i, struct buf *out);
	/* The answer to line ${i}, without LF, valid for this call.  Return 0, or -1 with ${e}: that ends the exchange. */
	int (*answer)(void *arg, size_t i, struct span line, struct err *e);
	void *arg;
};

/**
 * coprocess_exchange(c, t, n, timeout_ms, ret_answered, e):
 * Ask ${n} lines and wait for as many answers, writing and reading as the other side lets us: neither its buffers nor ours can
 * make both sides wait.  ${ret_answered}: how many were answered, also on failure.  Return 0, or -1 with ${e}, whose text goes on where
 * "the command 'X'" ends ("exited with status 1"): EXIT_RETRY where for ${timeout_ms} not a byte went either way, EXIT_ERROR where it
 * ended or answered too much.  After -1 the two sides may be out of step: all that is left is coprocess_free().  SIGPIPE is
 * not delivered.
 */
int coprocess_exchange(
    struct coprocess *c, const struct coprocess_talk *t, size_t n, int timeout_ms, size_t *ret_answered, struct err *e);

/**
 * coprocess_free(c):
 * End its input, and wait for it to end; after two seconds, and at once where an exchange failed, its process group is
 * terminated, then killed.  NULL is fine.
 */
void coprocess_free(struct coprocess *c);

#endif

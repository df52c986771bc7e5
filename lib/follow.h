/* The durable end of a log that grows, and waiting for it to move: without polling, through segments, rollbacks and crashes. */
#ifndef ECL_FOLLOW_H_
#define ECL_FOLLOW_H_

#include <stdbool.h>
#include <stdint.h>

#include "durable.h"
#include "err.h"
#include "layer.h"
#include "log.h"

/*
 * What a reader may pass on is what cannot be lost any more: the log up to the end that ROOT/durable names (DESIGN 4).  Every
 * commit writes that file, and a rollback moves `live' beside it: one inotify watch of ROOT sees all there is to see.
 */
struct follow {
	struct layer *layer; /* the caller's; opened with LAYER_READ | LAYER_NO_INDEX | LAYER_ROOT */
	struct log *log;     /* of what is live now; log->end is durable */
	struct durable_file durable;
	int watch_fd;	     /* -1: nobody waits */
	uint64_t unsynced;   /* events behind the durable end that their writers chose not to sync */
};

/**
 * follow_open(f, layer, wait, e):
 * Find the durable end; with ${wait}, be ready for follow_wait().  To be released with follow_release(), which closes
 * f->log.  Return 0 or -1.
 */
int follow_open(struct follow *f, struct layer *layer, bool wait, struct err *e);
void follow_release(struct follow *f);

/**
 * follow_look(f, ret_moved, e):
 * Where the durable end is now.  ${*ret_moved}: live is another subvolume than before, and f->log another log: whoever has a
 * place in the former one must make sure that the new one has the same events before it.  Return 0 or -1.
 */
int follow_look(struct follow *f, bool *ret_moved, struct err *e);

/* What ended a wait. */
#define FOLLOW_CHANGED 1u /* look again */
#define FOLLOW_GONE 2u	  /* nobody reads ${out_fd} any more */
#define FOLLOW_WOKEN 4u	  /* there is something to read from ${wake_fd} */

/**
 * follow_wait(f, out_fd, wake_fd, wait_ms, ret, e):
 * Wait until one of these holds, or for ${wait_ms} milliseconds (-1: as long as it takes): then ${*ret} is 0.  ${wake_fd} may be -1.
 * Nothing that happened since the last follow_look() or follow_open() began is missed.  Return 0, or -1: also where the root is gone.
 */
int follow_wait(struct follow *f, int out_fd, int wake_fd, int wait_ms, unsigned *ret, struct err *e);

#endif

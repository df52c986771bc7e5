/* Another embedder for a ledger: the event that says so (DESIGN 3). */
#ifndef ECL_SET_EMBEDDER_H_
#define ECL_SET_EMBEDDER_H_

#include "layer.h"

/**
 * set_embedder(l, wait_ms, token, e):
 * Record that the embedder is ${token} (decoded, embedder.h) from now on: an event of `ecl:layer`, `modify`, whose state is the one before with that
 * member.  ${l} was opened with LAYER_WRITE and is not locked; events wait for it at most ${wait_ms}.  Return 1, 0 where it is the embedder
 * already and nothing was recorded, or -1.
 */
int set_embedder(struct layer *l, int wait_ms, const char *token, struct err *e);

#endif

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

/**
 * set_embedder_state(l, token, out, e):
 * Put the present state of `ecl:layer` into ${out}, which is empty, with the embedder ${token}, a token of JSON; nothing is recorded.  Return 1, 0 where it is the embedder
 * already, or -1.
 */
int set_embedder_state(struct layer *l, struct span token, struct buf *out, struct err *e);

#endif

/* Making blocks, with the locks and the events that go with them (DESIGN 6). */
#ifndef ECL_SNAP_H_
#define ECL_SNAP_H_

#include <stdbool.h>

#include "block.h"
#include "layer.h"
#include "signing.h"

#define SNAP_ELEMENT "ecl:block" /* whose events record the blocks */
#define SNAP_ACTION "snap"

struct snap_options {
	int wait_ms;
	struct signing_options sign; /* sign->signer NULL: nothing is signed */
	bool if_changed; /* none where neither the log (but for ecl:block events) nor the files changed since the last block */
};

/**
 * snap_make(l, opt, ret_header, out, e):
 * Make a block of live by the steps of DESIGN 6 and record it.  ${l} was opened with LAYER_WRITE | LAYER_TREE and is not locked.  The header line
 * (with LF) is appended to ${out}, where ${ret_header}'s spans point.  Return 1 where a block was made, 0 where ${opt}->if_changed found none
 * needed (${out} then has the last block's header), -1 on an error.
 *
 * With a signer the block gets a signed checkpoint and a signed header, and ROOT/checkpoint, once the block is recorded, one of the log with
 * that record; also where no block was needed, if it lacks events.  Where the log is not an extension of what was signed last, or the header
 * is not what its lines give, there is no block.
 */
int snap_make(struct layer *l, const struct snap_options *opt, struct block_header *ret_header, struct buf *out, struct err *e);

/**
 * snap_tidy(l, wait_ms, e):
 * With blocks.lock held: remove left-over `.tmp-*`, record blocks that have no event yet, finish a `.old-<seq>` that a
 * rollback left.  Return 0 or -1.
 */
int snap_tidy(struct layer *l, int wait_ms, struct err *e);

/** snap_sweep(l, e): with blocks.lock held: of that only the first, which writes nothing into the log.  Return 0 or -1. */
int snap_sweep(struct layer *l, struct err *e);

/**
 * snap_finish(l, source_fd, wait_ms, ret_header, out, e):
 * With blocks.lock held (and not lock): make a block of the subvolume ${source_fd}, which was live before a rollback, and record
 * it in the present log.  ${ret_header} and ${out} as for snap_make().  Return 0 or -1.
 */
int snap_finish(struct layer *l, int source_fd, int wait_ms, struct block_header *ret_header, struct buf *out, struct err *e);

/** snap_lock(l, wait_ms, e): layer_lock(), and l->torn still tells of a torn tail that an earlier lock cut off. */
int snap_lock(struct layer *l, int wait_ms, struct err *e);

/** snap_discard(dirfd, name, e): delete the subvolume or tree ${name} in one stroke as seen by snap_tidy(): first it gets a name that means garbage. */
int snap_discard(int dirfd, const char *name, struct err *e);

/** snap_last(l, text, ret, e): the last block that the log has recorded; ${ret}'s spans point into ${text}.  Return 1, 0 where there is none, or -1. */
int snap_last(struct layer *l, struct buf *text, struct block_header *ret, struct err *e);

/** snap_record(l, h, e): with lock held: append the `ecl:block` event of a block.  Return 0 or -1. */
int snap_record(struct layer *l, const struct block_header *h, struct err *e);

#endif

/* Making blocks, with the locks and the events that go with them (DESIGN 6). */
#ifndef ECL_SNAP_H_
#define ECL_SNAP_H_

#include <stdbool.h>

#include "block.h"
#include "layer.h"
#include "signing.h"

#define SNAP_ELEMENT "ecl:block" /* whose events record the blocks */
#define SNAP_ACTION "snap"
#define SNAP_PRUNE "prune" /* the action of those of blocks that may go; the state is the header again */

struct snap_options {
	int wait_ms;
	struct signing_options sign; /* sign->signer NULL: nothing is signed */
	bool full;	 /* every file is read, whatever is remembered */
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

/** snap_make_held(l, opt, ret_header, out, e): snap_make() for who holds blocks.lock and has tidied up. */
int snap_make_held(struct layer *l, const struct snap_options *opt, struct block_header *ret_header, struct buf *out, struct err *e);

/**
 * snap_unneeded(l, wait_ms, ret_header, out, e):
 * Whether snap_make() with if_changed would make no block, as far as that can be told without a snapshot, in milliseconds: on btrfs with CAP_SYS_ADMIN.
 * Return 1, with the last block's header as snap_make() gives it; 0 where it would, or it is not known; or -1.
 */
int snap_unneeded(struct layer *l, int wait_ms, struct block_header *ret_header, struct buf *out, struct err *e);

/** snap_log_changed(l, size, e): whether the log holds anything but ecl:block events behind the first ${size}.  Return 1, 0 or -1. */
int snap_log_changed(struct layer *l, uint64_t size, struct err *e);

/**
 * snap_join(l):
 * With lock held, before a snapshot of a live on btrfs: where the ends of the last segment and of the index's columns stand in many small pieces, have them joined, which
 * keeps the next blocks as cheap as the first one.  No byte changes; where it cannot be done, they stay as they are.  O(8 MiB) at most.
 */
void snap_join(const struct layer *l);

/** snap_hand_out(h, ret, out, e): append the line of a header to ${out}, and parse it there into ${ret}.  Return 0 or -1. */
int snap_hand_out(struct block_header *h, struct block_header *ret, struct buf *out, struct err *e);

/**
 * snap_tidy(l, wait_ms, e):
 * With blocks.lock held: remove left-over `.tmp-*` (in ROOT, .snapshots and live/.ecl), record blocks that have no event yet, delete those whose
 * pruning was recorded last and not finished, finish a `.old-<seq>` that a rollback left, of all of live in ROOT, of single paths in live/.ecl.  Return 0 or -1.
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

/** snap_discard_of(kept, dirfd, name, e): the same, for who keeps a list of mounts (mounts.h). */
int snap_discard_of(struct mounts *kept, int dirfd, const char *name, struct err *e);

/** snap_last(l, text, ret, e): the last block that the log has recorded; ${ret}'s spans point into ${text}.  Return 1, 0 where there is none, or -1. */
int snap_last(struct layer *l, struct buf *text, struct block_header *ret, struct err *e);

/** snap_record(l, h, e): with lock held: append the `ecl:block` event of a block.  Return 0 or -1. */
int snap_record(struct layer *l, const struct block_header *h, struct err *e);

/** snap_record_all(l, action, cause, h, n, e): with lock held: an event of this action for each of ${n} blocks, all of them or none; ${cause} is a string token, p == NULL: none.  Return 0 or -1. */
int snap_record_all(struct layer *l, struct span action, struct span cause, const struct block_header *const *h, size_t n, struct err *e);

/*
 * Deleting blocks.  What is pruned is recorded first and deleted then, both with blocks.lock held.  So the log tells of every block that is gone, or one went by
 * other hands; and one that it tells of may still be there, where that run died, or the block was in use then: it is as good as before.  Whoever
 * holds blocks.lock next goes on with those that the log told of last, behind the last block made.
 */

/**
 * snap_in_use(l, name, ret_fd, why):
 * Whether the block may not be deleted: it, or a part of it, is mounted, or being sent (who sends holds a shared flock on its `.ecl/block`).  Return 1
 * with ${why}, 0, or -1 with ${why}.  ${ret_fd} (may be NULL) becomes, with 0, a descriptor that nobody can begin to send it before it is closed.
 */
int snap_in_use(const struct layer *l, const char *name, int *ret_fd, struct err *why);

/**
 * snap_delete(l, name, why):
 * With blocks.lock held: delete the block ${name}; as seen by others in one stroke.  The caller syncs l->snap_fd.  Return 0, 1 with ${why} where it is in use (also
 * by somebody else's send) and is there as before, or -1 with ${why}.
 */
int snap_delete(struct layer *l, const char *name, struct err *why);

/** snap_finish_pruned(l, e): go on where a run that pruned died.  What cannot be deleted now stays.  Return 0 or -1. */
int snap_finish_pruned(struct layer *l, struct err *e);

#endif

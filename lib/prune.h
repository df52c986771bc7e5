/* Retention: which blocks are kept, why, and deleting the others (DESIGN 6). */
#ifndef ECL_PRUNE_H_
#define ECL_PRUNE_H_

#include <stdbool.h>

#include "block.h"
#include "layer.h"
#include "retention.h"

struct prune_item {
	const struct block *block;
	bool prune;		 /* nothing keeps it */
	bool gone;		 /* it was deleted; by prune_run() */
	struct buf reason;	 /* why it is kept, or is to go; of one that did not go, why not */
};

struct prune_plan {
	struct block_list list;
	struct prune_item *item; /* one a block, list.n of them */
	size_t prunes;		 /* so many are to go */
	bool bare; /* the disk was full, the reserve was used to record what went, and there is no room to make it again */
};

struct prune_options {
	int wait_ms;
	struct retention keep;
	struct span cause; /* of the events: a string token, p == NULL: none */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* NULL, or told as blocks are deleted */
	void *arg;
};

/**
 * prune_plan(l, keep, ret, e):
 * What would be pruned now; a reader may ask.  Kept are, whatever the rules say: the newest block; one that is mounted, or being sent (snap_in_use()); one that is
 * damaged, or that the log does not record: it is evidence.  Release with prune_plan_release().  O(n log n) in the blocks that ever were; the headers of those that are there are read.
 * Return 0 or -1.
 */
int prune_plan(struct layer *l, const struct retention *keep, struct prune_plan *ret, struct err *e);

/**
 * prune_run(l, opt, ret, e):
 * Prune.  ${l} was opened with LAYER_WRITE | LAYER_EITHER and is not locked.  All blocks that are to go are recorded in one batch, durably, then deleted one by one (snap.h: what that means to who
 * dies, or reads).  Return 0 with ${ret}, where those that could not be deleted are not `gone' and have a reason, or -1 with ${ret} untouched: nothing was pruned, or, where
 * ${e} says so, its end may not be on the disk.  Where the disk is too full to record anything, the reserve makes room for that, and is made again afterwards.  Of a replica nothing is recorded: its log is that of its original, and it need not have all blocks.
 */
int prune_run(struct layer *l, const struct prune_options *opt, struct prune_plan *ret, struct err *e);

void prune_plan_release(struct prune_plan *p);

#endif

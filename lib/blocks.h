/* The blocks of a root: those that are there, and those that only the log remembers. */
#ifndef ECL_BLOCKS_H_
#define ECL_BLOCKS_H_

#include <stdbool.h>

#include "block.h"
#include "err.h"
#include "index.h"
#include "log.h"

struct blocks {
	struct block_list list; /* by height, then name */
	bool *present;		/* of each: whether it stands under .snapshots */
};

/**
 * blocks_read(snap_fd, log, ix, ret, e):
 * The blocks under ${snap_fd} and those of the `ecl:block` events of ${log}: found by their parents where there is an
 * index, else, with ${ix} NULL, by reading the log.  A damaged one that the log remembers is as the log has it.
 * O(n log n) in the blocks that ever were.  Release with blocks_release().  Return 0 or -1.
 */
int blocks_read(int snap_fd, struct log *log, struct index *ix, struct blocks *ret, struct err *e);
void blocks_release(struct blocks *b);

#endif

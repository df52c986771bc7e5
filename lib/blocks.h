/* The blocks of a root: those that are there, and those that only the log remembers. */
#ifndef ECL_BLOCKS_H_
#define ECL_BLOCKS_H_

#include <stdbool.h>

#include "block.h"
#include "err.h"
#include "index.h"
#include "log.h"

/* What the log says of a block. */
struct block_told {
	bool made, pruned; /* events `snap` and `prune` */
	int64_t pruned_us; /* the time of the last of those */
};

struct blocks {
	struct block_list list; /* by height, then name */
	bool *present;		/* of each: whether it stands under .snapshots */
	struct block_told *told;
};

/**
 * blocks_read(snap_fd, log, ix, ret, e):
 * The blocks under ${snap_fd} and those of the `ecl:block` events of ${log}: found by their parents where there is an
 * index, else, with ${ix} NULL, by reading the log.  One that the log remembers is as the log has it: of those alone that it does not, the header
 * is read.  Where there is an index and one is gone that the log does not tell of, the log is refreshed once.  O(n log n) in the blocks that ever were.  Release with blocks_release().  Return 0 or -1.
 */
int blocks_read(int snap_fd, struct log *log, struct index *ix, struct blocks *ret, struct err *e);
void blocks_release(struct blocks *b);

#define BLOCKS_FATE_SIZE 64

/** blocks_fate(b, i, out): what became of block ${i}, which is not present, for a message: "was pruned at 2026-11-21T10:00:00.123456Z", or "is gone". */
void blocks_fate(const struct blocks *b, size_t i, char out[BLOCKS_FATE_SIZE]);

/**
 * blocks_find(b, when, log, now_us, without, ret, e):
 * The block that ${when} names, or the last one at or before it (when_block()), whose snapshot is there.  Return 0, or -1 (EXIT_NO where it is not there: the
 * message ends in ${without}, what cannot be done without it).
 */
int blocks_find(const struct blocks *b, const char *when, struct log *log, int64_t now_us, const char *without, const struct block **ret, struct err *e);

/** blocks_open(snap_fd, name, log, ix, without, e): block_open() of one that was there when blocks_find() looked; where it was pruned since, ${e} says so as that does. */
int blocks_open(int snap_fd, const char *name, struct log *log, struct index *ix, const char *without, struct err *e);

#endif

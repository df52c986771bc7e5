/* Room that is kept free on the disk of a root, so that what makes room there can be recorded first: `ROOT/reserve'. */
#ifndef ECL_RESERVE_H_
#define ECL_RESERVE_H_

#include <stdbool.h>

#include "err.h"

/*
 * A file of zeros that were never written, beside live, so that no block shares it.  btrfs deletes files and subvolumes also where nothing else can be written, as
 * it keeps metadata for that; a line of the log takes data, which it does not keep.
 */
#define RESERVE_FILE "reserve"
#define RESERVE_SIZE (4u << 20) /* the records of some 2,500 blocks */
#define RESERVE_MIN (64u << 10) /* of 40: less is no use */

/**
 * reserve_make(root_fd):
 * With blocks.lock held: see that it is there, of RESERVE_SIZE, or as much of that as there is room for.  Return whether it is: where there is no room, or the file system
 * cannot promise any, it is not.  O(1), one system call where it is whole.
 */
bool reserve_make(int root_fd);

/** reserve_make_late(root_fd): the same behind deletions, whose room comes back a while later: wait for that, a second at most. */
bool reserve_make_late(int root_fd);

/** reserve_release(root_fd): with blocks.lock held: give the room back, until reserve_make().  Return whether there was any. */
bool reserve_release(int root_fd);

#endif

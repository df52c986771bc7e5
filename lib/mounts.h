/* What is mounted where, as /proc/self/mountinfo has it. */
#ifndef ECL_MOUNTS_H_
#define ECL_MOUNTS_H_

#include "buf.h"
#include "err.h"

/** mounts_below(fd, ret_path, e): find a mount point below the directory ${fd}, the directory itself not counted.  Return 1 with ${ret_path}, 0 where there is none, or -1. */
int mounts_below(int fd, struct buf *ret_path, struct err *e);

/**
 * mounts_of(fd, ret_path, e):
 * Find where the directory ${fd} is itself mounted, or, of a btrfs subvolume, any part of it.  Mounts in other namespaces (containers) are not seen.
 * Return 1 with ${ret_path}, 0 where it is not, or -1.
 */
int mounts_of(int fd, struct buf *ret_path, struct err *e);

/** mounts_in(fd, ret_path, e): both at once: the kernel takes its time for the list.  Return MOUNTS_OF or MOUNTS_BELOW with ${ret_path}, 0 or -1. */
#define MOUNTS_OF 1
#define MOUNTS_BELOW 2
int mounts_in(int fd, struct buf *ret_path, struct err *e);

#endif

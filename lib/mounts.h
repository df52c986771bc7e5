/* What is mounted where, as /proc/self/mountinfo has it. */
#ifndef ECL_MOUNTS_H_
#define ECL_MOUNTS_H_

#include "buf.h"
#include "err.h"

/*
 * The list of them takes the kernel 0.1 ms and more.  Who asks often keeps it: before each answer the kernel is asked whether it is what it was, and tells of every
 * mount that came, went or moved.  Where the directory that is asked about, or one above it, got another name, it is read anew, too.
 */
struct mounts;

/** mounts_keep(): a list to be given to those below, which read it where it changed.  Return NULL where that cannot be had.  NULL: they read it each time. */
struct mounts *mounts_keep(void);
void mounts_free(struct mounts *kept);

/** mounts_below(kept, fd, ret_path, e): find a mount point below the directory ${fd}, the directory itself not counted.  Return 1 with ${ret_path}, 0 where there is none, or -1. */
int mounts_below(struct mounts *kept, int fd, struct buf *ret_path, struct err *e);

/**
 * mounts_of(kept, fd, ret_path, e):
 * Find where the directory ${fd} is itself mounted, or, of a btrfs subvolume, any part of it.  Mounts in other namespaces (containers) are not seen.
 * Return 1 with ${ret_path}, 0 where it is not, or -1.
 */
int mounts_of(struct mounts *kept, int fd, struct buf *ret_path, struct err *e);

/** mounts_in(kept, fd, ret_path, e): both at once: the kernel takes its time for the list.  Return MOUNTS_OF or MOUNTS_BELOW with ${ret_path}, 0 or -1. */
#define MOUNTS_OF 1
#define MOUNTS_BELOW 2
int mounts_in(struct mounts *kept, int fd, struct buf *ret_path, struct err *e);

#endif

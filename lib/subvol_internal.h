/* What the parts of subvol share: copies and removals of whole trees. */
#ifndef ECL_SUBVOL_INTERNAL_H_
#define ECL_SUBVOL_INTERNAL_H_

#include <sys/types.h>

#include "err.h"

#define SUBVOL_DEPTH_MAX 1000 /* directories in directories: each takes a descriptor */

/**
 * subvol_copy(src_fd, dirfd, name, e):
 * Copy the directory ${src_fd} with all below it to the new directory ${name} under ${dirfd}, and sync.  What
 * vanishes meanwhile is left out.  Return 0, or -1 with nothing left of it.
 */
int subvol_copy(int src_fd, int dirfd, const char *name, struct err *e);

/** subvol_remove_tree(dirfd, name, e): remove a directory with all below it; mounts are refused.  Return 0 or -1. */
int subvol_remove_tree(int dirfd, const char *name, struct err *e);

/** subvol_may_remove(dirfd, name, e): of a directory on btrfs: whether all below ${name} is ours to remove, as far as owners and modes tell.  Return 0, or -1 with the directory that is not. */
int subvol_may_remove(int dirfd, const char *name, struct err *e);

/** subvol_remove_below(dirfd, name, e): remove what is in the directory ${name}, which stays. */
int subvol_remove_below(int dirfd, const char *name, struct err *e);

#endif

/* Which inodes of a btrfs subvolume are not what they are in another one, as their trees tell. */
#ifndef ECL_SUBVOL_DIFFER_H_
#define ECL_SUBVOL_DIFFER_H_

#include "subvol_changed.h"

/** subvol_searchable(fd): whether its tree can be read: it is of btrfs, and we have CAP_SYS_ADMIN. */
bool subvol_searchable(int fd);

/**
 * subvol_differ(a, b, most, ret, e):
 * The inodes of the subvolume ${a} or of ${b}, on one file system, of which not all is the same in both: mode, owner, size, device number, names in
 * it and of it, extended attributes, and of the bytes themselves those that stand in the tree, of all others the place where they stand.  Every item of both trees is
 * compared; neither times nor numbers of transactions are asked, and no common history is needed.  Exact for what the file system was
 * synced behind.  Their modes are not told.  All processors have a share of the inode numbers, of which ${most} is about the highest.  Return 1, 0 where the trees cannot be read, or -1.  O(inodes).
 */
int subvol_differ(int a, int b, uint64_t most, struct subvol_inodes *ret, struct err *e);

#endif

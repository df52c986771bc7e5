/* Which inodes of a btrfs subvolume were changed since a transaction, as its tree tells. */
#ifndef ECL_SUBVOL_CHANGED_H_
#define ECL_SUBVOL_CHANGED_H_

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct subvol_inode {
	uint64_t ino;
	mode_t mode;
};

/* By inode number.  All zeros is a valid empty list. */
struct subvol_inodes {
	struct subvol_inode *inode;
	size_t n, cap;
};

/**
 * subvol_changed(fd, generation, ret, e):
 * The inodes of the subvolume ${fd} that a transaction behind ${generation} touched: contents, attributes, links, names (as changes
 * of their directories, too).  What is gone shows in its directory only.  Exact on a snapshot, and where the file system was synced before;
 * no clock is asked.  Needs CAP_SYS_ADMIN.  Return 1, 0 where it is not to be had, or -1.  O(changes).
 */
int subvol_changed(int fd, uint64_t generation, struct subvol_inodes *ret, struct err *e);
void subvol_inodes_release(struct subvol_inodes *l);

/** subvol_inodes_add(l, ino, mode): put an inode behind those there are.  Return 0, or -1 where memory ran out. */
int subvol_inodes_add(struct subvol_inodes *l, uint64_t ino, mode_t mode);

/** subvol_inodes_have(l, ino): whether it is one of them.  O(log n). */
bool subvol_inodes_have(const struct subvol_inodes *l, uint64_t ino);

/* What the file system says of a subvolume. */
struct subvol_identity {
	uint8_t uuid[16], parent[16]; /* its own, and of what it is a snapshot of (zeros: of nothing) */
	uint64_t made;		      /* the transaction that made it */
};

/** subvol_identify(fd, ret): Return 0, or -1 where there is nothing to be had (no btrfs, an old kernel). */
int subvol_identify(int fd, struct subvol_identity *ret);

#endif

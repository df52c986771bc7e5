/* Subvolumes and snapshots: btrfs through libbtrfsutil, or copies (reflinks where the file system can) elsewhere. */
#ifndef ECL_SUBVOL_H_
#define ECL_SUBVOL_H_

#include <stdbool.h>

#include "backend.h"
#include "err.h"
#include "mounts.h"

/** subvol_backend(fd, ret, e): what serves the directory ${fd}: btrfs where it is a subvolume, copy else. */
int subvol_backend(int fd, enum backend *ret, struct err *e);

/** subvol_can_btrfs(dirfd): whether subvolumes can be made under ${dirfd} (it is on btrfs). */
bool subvol_can_btrfs(int dirfd);

/** subvol_create(b, dirfd, name, e): an empty one, mode 0750; of the group of its directory where that is setgid. */
int subvol_create(enum backend b, int dirfd, const char *name, struct err *e);

/**
 * subvol_snapshot(b, src_fd, dirfd, name, read_only, e):
 * A snapshot of the subvolume ${src_fd} as ${name} under ${dirfd}.  btrfs: atomic and durable by itself.  copy: every
 * file with its mode, owner, times and xattrs, reflinked where it can be, else copied sparse (never a hard link to the original; what is linked there to each other is here, too); synced before it returns;
 * removed again where it fails.  O(1) on btrfs, O(files) on copy.
 */
int subvol_snapshot(enum backend b, int src_fd, int dirfd, const char *name, bool read_only, struct err *e);

/**
 * subvol_draft(src_fd, dirfd, name, ret, e), subvol_draft_renew(d, src_fd, e), subvol_draft_free(d):
 * A copy, as subvol_snapshot() makes it, of a directory that others write to.  The first copies it as they go on, and syncs; the second, while they wait, once
 * more what is another since, by inode and ctime, and does not sync: subvol_sync() does, when they go on.  What is half there after a failure of the second
 * is for the caller to remove.  The first is O(bytes), the second O(files + bytes that changed).  Return 0 or -1.
 */
struct subvol_draft;
int subvol_draft(int src_fd, int dirfd, const char *name, struct subvol_draft **ret, struct err *e);
int subvol_draft_renew(struct subvol_draft *d, int src_fd, struct err *e);
void subvol_draft_free(struct subvol_draft *d);

/** subvol_sync(dirfd, name, e): all of the copy ${name} is on the disk. */
int subvol_sync(int dirfd, const char *name, struct err *e);

/** subvol_set_read_only(b, fd, read_only, e): nothing to do on copy.  Refuses the top level of a btrfs. */
int subvol_set_read_only(enum backend b, int fd, bool read_only, struct err *e);

/** subvol_is_read_only(b, fd, ret, e): copy: always false. */
int subvol_is_read_only(enum backend b, int fd, bool *ret, struct err *e);

/** subvol_delete(b, kept, dirfd, name, e): with all below it; none that is mounted (mounts.h has ${kept}).  A read-only one is made writable first where that is needed. */
int subvol_delete(enum backend b, struct mounts *kept, int dirfd, const char *name, struct err *e);

/** subvol_check_whole(b, fd, e): refuse, by name, mounts and subvolumes below ${fd}: they are no part of a snapshot.  O(number of mounts). */
int subvol_check_whole(enum backend b, int fd, struct err *e);

/** subvol_clone_tree(src_fd, dirfd, name, e): copy a plain directory with all below it (reflink, else copy): .ecl/log and index for a rollback.  It is not synced. */
int subvol_clone_tree(int src_fd, int dirfd, const char *name, struct err *e);

/** subvol_remove_nested(dirfd, name, e): remove a plain directory with all below it, subvolumes too, where streams were unpacked. */
int subvol_remove_nested(int dirfd, const char *name, struct err *e);

/**
 * subvol_copy_path(src_dirfd, path, dirfd, e):
 * Copy ${path} (no empty components, no "." or "..") of the directory ${src_dirfd} to the same path under ${dirfd}, which has nothing of that name (but directories that lead there):
 * a file, or a directory with all below it; of the directories that lead there nothing else.  As subvol_snapshot() of a copy, but not
 * synced, and where it fails what was copied stays.  Links in the path are not followed.  Return 0 or -1.
 */
int subvol_copy_path(int src_dirfd, const char *path, int dirfd, struct err *e);

/** subvol_empty_dir(dirfd, name, e): remove all below the directory ${name}, which stays. */
int subvol_empty_dir(int dirfd, const char *name, struct err *e);

/**
 * subvol_exchange(dirfd, a, b, e):
 * renameat2(RENAME_EXCHANGE), then fsync of ${dirfd}.  Return 0, -1 where they were not exchanged, or -2 where they
 * were but that may not be durable.
 */
int subvol_exchange(int dirfd, const char *a, const char *b, struct err *e);

#endif

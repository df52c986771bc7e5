/* Subvolumes and snapshots. */
#include "config.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "mounts.h"
#include "subvol.h"
#include "subvol_internal.h"

#include "banned.h"

#define TOP_LEVEL_ID 5

int
subvol_backend(int fd, enum backend *ret, struct err *e)
{
	switch (btrfs_util_is_subvolume_fd(fd)) {
	case BTRFS_UTIL_OK:
		*ret = BACKEND_BTRFS;
		return (0);
	case BTRFS_UTIL_ERROR_NOT_BTRFS:
	case BTRFS_UTIL_ERROR_NOT_SUBVOLUME:
		*ret = BACKEND_COPY;
		return (0);
	default:
		return (err_sys(e, "cannot tell whether a directory is a subvolume"));
	}
}

bool
subvol_can_btrfs(int dirfd)
{
	struct statfs fs;

	return (fstatfs(dirfd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC);
}

int
subvol_create(enum backend b, int dirfd, const char *name, struct err *e)
{
	struct stat parent;
	mode_t mode = 0750;
	int fd;

	if (fstat(dirfd, &parent) != 0)
		return (err_sys(e, "cannot stat the directory of '%s'", name));
	if (b == BACKEND_BTRFS) {
		if (btrfs_util_create_subvolume_fd(dirfd, name, 0, NULL, NULL) != BTRFS_UTIL_OK)
			return (err_sys(e, "cannot make the subvolume '%s'", name));
	} else if (mkdirat(dirfd, name, 0750) != 0)
		return (err_sys(e, "cannot make directory '%s'", name));
	if ((fd = io_open_dir(dirfd, name, e)) == -1)
		goto err0;
	/* As mkdir(2) does, and btrfs does not. */
	if ((parent.st_mode & S_ISGID) != 0) {
		mode |= S_ISGID;
		if (fchown(fd, (uid_t)-1, parent.st_gid) != 0) {
			err_sys(e, "cannot set the group of '%s'", name);
			goto err1;
		}
	}
	if (fchmod(fd, mode) != 0) { /* whatever the umask */
		err_sys(e, "cannot set the mode of '%s'", name);
		goto err1;
	}
	close(fd);
	return (0);

err1:	close(fd);
err0:	(void)subvol_delete(b, NULL, dirfd, name, NULL);
	return (-1);
}

int
subvol_snapshot(
    enum backend b, int src_fd, int dirfd, const char *name, bool read_only, struct err *e)
{
	int flags = read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0;

	if (b == BACKEND_COPY)
		return (subvol_copy(src_fd, dirfd, name, true, e));
	if (btrfs_util_create_snapshot_fd2(src_fd, dirfd, name, flags, NULL, NULL) != BTRFS_UTIL_OK)
		return (err_sys(e, "cannot make the snapshot '%s'", name));
	return (0);
}

int
subvol_set_read_only(enum backend b, int fd, bool read_only, struct err *e)
{
	uint64_t id;

	if (b == BACKEND_COPY)
		return (0);
	if (btrfs_util_subvolume_id_fd(fd, &id) != BTRFS_UTIL_OK)
		return (err_sys(e, "cannot tell which subvolume this is"));
	if (id == TOP_LEVEL_ID)
		return (err_set(e, "this is the top level of a btrfs, not a snapshot"));
	if (btrfs_util_set_subvolume_read_only_fd(fd, read_only) != BTRFS_UTIL_OK)
		return (
		    err_sys(e, "cannot make a subvolume %s", read_only ? "read-only" : "writable"));
	return (0);
}

int
subvol_is_read_only(enum backend b, int fd, bool *ret, struct err *e)
{
	if (b == BACKEND_COPY) {
		*ret = false;
		return (0);
	}
	if (btrfs_util_get_subvolume_read_only_fd(fd, ret) != BTRFS_UTIL_OK)
		return (err_sys(e, "cannot tell whether a subvolume is read-only"));
	return (0);
}

/* The kernel deletes mounted subvolumes without a word. */
static int
refuse_mounted(struct mounts *kept, int fd, const char *name, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc;

	rc = mounts_of(kept, fd, &path, e);
	if (rc == 1)
		rc = err_set(e, "cannot delete the subvolume '%s': it is mounted on '%s'", name,
		    buf_cstr(&path));
	buf_release(&path);
	return (rc);
}

static int
delete_subvolume(struct mounts *kept, int dirfd, const char *name, int fd, struct err *e)
{
	bool read_only = false;
	struct err why = {0, 0, ""};

	if (refuse_mounted(kept, fd, name, e) != 0)
		return (-1);
	if (btrfs_util_delete_subvolume_fd(dirfd, name, 0) == BTRFS_UTIL_OK)
		return (0);
	if (errno != EPERM && errno != EACCES && errno != EROFS)
		return (err_sys(e, "cannot delete the subvolume '%s'", name));

	/*
	 * Ordinary users: only writable ones, with user_subvol_rm_allowed; without, only empty ones, by rmdir.  That is not begun
	 * where it cannot be ended.
	 */
	if (subvol_is_read_only(BACKEND_BTRFS, fd, &read_only, e) != 0)
		return (-1);
	if (read_only) {
		if (subvol_set_read_only(BACKEND_BTRFS, fd, false, e) != 0)
			return (-1);
		if (btrfs_util_delete_subvolume_fd(dirfd, name, 0) == BTRFS_UTIL_OK)
			return (0);
	}
	if (subvol_may_remove(dirfd, name, &why) != 0) {
		if (read_only)
			(void)subvol_set_read_only(BACKEND_BTRFS, fd, true, NULL);
		return (err_set(e, "cannot delete the subvolume '%s': %s; it takes CAP_SYS_ADMIN, or a mount with user_subvol_rm_allowed", name, why.text));
	}
	if (subvol_remove_below(dirfd, name, e) != 0)
		return (-1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) != 0)
		return (err_sys(e,
		    "cannot delete the subvolume '%s' without privileges: mount with user_subvol_rm_allowed, or ask root",
		    name));
	return (0);
}

int
subvol_delete(enum backend b, struct mounts *kept, int dirfd, const char *name, struct err *e)
{
	int fd, rc;

	if (b == BACKEND_COPY)
		return (subvol_remove_tree(dirfd, name, e));
	if ((fd = io_open_dir(dirfd, name, e)) == -1)
		return (-1);
	rc = delete_subvolume(kept, dirfd, name, fd, e);
	close(fd);
	return (rc);
}

/* The path of a subvolume below ${fd}.  Return 1, 0 where there is none, or -1. */
static int
nested_subvolume(int fd, char **ret_path, struct err *e)
{
	struct btrfs_util_subvolume_iterator *iter;
	enum btrfs_util_error error;
	bool none;

	if (btrfs_util_create_subvolume_iterator_fd(fd, 0, 0, &iter) != BTRFS_UTIL_OK)
		return (err_sys(e, "cannot look for subvolumes"));
	error = btrfs_util_subvolume_iterator_next(iter, ret_path, NULL);
	/* Root without CAP_SYS_ADMIN, as in a container, may not look; the walk over the snapshot, which it must make, meets their stubs. */
	none = error == BTRFS_UTIL_ERROR_STOP_ITERATION || (error != BTRFS_UTIL_OK && errno == EPERM);
	if (error != BTRFS_UTIL_OK && !none)
		err_sys(e, "cannot look for subvolumes");
	btrfs_util_destroy_subvolume_iterator(iter);
	if (none)
		return (0);
	return (error == BTRFS_UTIL_OK ? 1 : -1);
}

int
subvol_check_whole(enum backend b, int fd, struct err *e)
{
	struct buf mount = BUF_INIT;
	char *path;
	int n;

	if ((n = mounts_below(NULL, fd, &mount, e)) == 1)
		err_set(e,
		    "'%s' is mounted inside live, and can be no part of a block: mount it elsewhere",
		    buf_cstr(&mount));
	buf_release(&mount);
	if (n != 0)
		return (-1);
	if (b == BACKEND_COPY)
		return (0);
	if ((n = nested_subvolume(fd, &path, e)) == 1) {
		err_set(e,
		    "'%s' is a subvolume inside live, and can be no part of a block: make it a directory",
		    path);
		free(path);
	}
	return (n == 0 ? 0 : -1);
}

int
subvol_clone_tree(int src_fd, int dirfd, const char *name, struct err *e)
{
	return (subvol_copy(src_fd, dirfd, name, false, e));
}

int
subvol_empty_dir(int dirfd, const char *name, struct err *e)
{
	return (subvol_remove_below(dirfd, name, e));
}

int
subvol_exchange(int dirfd, const char *a, const char *b, struct err *e)
{
	if (syscall(SYS_renameat2, dirfd, a, dirfd, b, RENAME_EXCHANGE) != 0) {
		if (errno == EBUSY)
			return (err_set(e,
			    "cannot exchange '%s' and '%s': one of them is a mount point", a, b));
		if (errno == EINVAL || errno == ENOSYS)
			return (err_set(e,
			    "cannot exchange '%s' and '%s': the file system cannot do that", a, b));
		return (err_sys(e, "cannot exchange '%s' and '%s'", a, b));
	}
	if (io_fsync(dirfd) != 0) {
		err_sys(e, "'%s' and '%s' were exchanged, but that may not be on the disk", a, b);
		return (-2);
	}
	return (0);
}

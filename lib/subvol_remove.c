/* Removing whole trees, by descriptors: no link is followed, no other file system entered. */
#include "config.h"

#include <sys/stat.h>

#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "subvol.h"
#include "subvol_internal.h"

#include "banned.h"

struct removal {
	dev_t dev;
	unsigned depth;
	bool nested; /* subvolumes go, too */
	struct err *e;
};

static int remove_below(struct removal *r, int fd);

/* A directory of ours that we may not list or change is made so first. */
static int
open_dir(int dirfd, const char *name)
{
	struct stat st;
	int fd;

	if ((fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		if (errno != EACCES || fchmodat(dirfd, name, 0700, 0) != 0)
			return (-1);
		return (openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(fd, st.st_mode | 0700);
	return (fd);
}

static int
remove_nested(struct removal *r, int dirfd, const char *name)
{
	if (btrfs_util_delete_subvolume_fd(dirfd, name, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE) != BTRFS_UTIL_OK)
		return (err_sys(r->e, "cannot delete the subvolume '%s'", name));
	return (0);
}

static int
remove_dir(struct removal *r, int dirfd, const char *name)
{
	struct stat st;
	int fd, rc;

	if (r->depth == SUBVOL_DEPTH_MAX)
		return (
		    err_set(r->e, "cannot remove '%s': too many directories in each other", name));
	if ((fd = open_dir(dirfd, name)) == -1) {
		rc = errno;
		if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0) /* another user's, but empty */
			return (0);
		errno = rc;
		return (err_sys(r->e, "cannot open directory '%s'", name));
	}
	if (fstat(fd, &st) != 0) {
		rc = err_sys(r->e, "cannot stat '%s'", name);
		close(fd);
		return (rc);
	}
	if (st.st_dev != r->dev) {
		close(fd);
		if (r->nested)
			return (remove_nested(r, dirfd, name));
		return (err_set(
		    r->e, "cannot remove '%s': it is a mount or a subvolume of its own", name));
	}
	r->depth++;
	rc = remove_below(r, fd);
	r->depth--;
	if (rc != 0)
		return (-1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) != 0)
		return (err_sys(r->e, "cannot remove directory '%s'", name));
	return (0);
}

static int
remove_entry(struct removal *r, int dirfd, const struct dirent *d)
{
	struct stat st;
	int sys;

	if (d->d_type != DT_DIR) {
		if (unlinkat(dirfd, d->d_name, 0) == 0 || errno == ENOENT)
			return (0);
		sys = errno;
		if (fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(st.st_mode)) {
			errno = sys;
			return (err_sys(r->e, "cannot remove '%s'", d->d_name));
		}
	}
	return (remove_dir(r, dirfd, d->d_name));
}

/* Takes over ${fd}.  Again until nothing is left: what readdir() shows of a directory that changes is not certain. */
static int
remove_below(struct removal *r, int fd)
{
	const struct dirent *d;
	DIR *dir;
	bool again;
	int rc = 0;

	if ((dir = fdopendir(fd)) == NULL) {
		rc = err_sys(r->e, "cannot read a directory");
		close(fd);
		return (rc);
	}
	do {
		again = false;
		rewinddir(dir);
		while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL) {
			if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
				continue;
			again = true;
			rc = remove_entry(r, dirfd(dir), d);
		}
		if (rc == 0 && errno != 0)
			rc = err_sys(r->e, "cannot read a directory");
	} while (rc == 0 && again);
	closedir(dir);
	return (rc);
}

static int may_remove_below(struct removal *r, int fd);

/* Its owner can make a directory writable; another one's, with something in it, is in the way.  On btrfs an empty one has no size. */
static int
may_remove_dir(struct removal *r, int dirfd, const char *name)
{
	struct stat st;
	int fd, rc;

	if (r->depth == SUBVOL_DEPTH_MAX)
		return (err_set(r->e, "cannot remove '%s': too many directories in each other", name));
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (err_sys(r->e, "cannot stat '%s'", name));
	if (st.st_size == 0)
		return (0);
	if (st.st_uid != geteuid() && faccessat(dirfd, name, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
		return (err_sys(r->e, "the directory '%s' belongs to uid %u", name, (unsigned)st.st_uid));
	if ((fd = open_dir(dirfd, name)) == -1)
		return (err_sys(r->e, "cannot open directory '%s'", name));
	r->depth++;
	rc = may_remove_below(r, fd);
	r->depth--;
	return (rc);
}

/* Takes over ${fd}. */
static int
may_remove_below(struct removal *r, int fd)
{
	const struct dirent *d;
	struct stat st;
	DIR *dir;
	int rc = 0;

	if ((dir = fdopendir(fd)) == NULL) {
		rc = err_sys(r->e, "cannot read a directory");
		close(fd);
		return (rc);
	}
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (d->d_type == DT_DIR || (d->d_type == DT_UNKNOWN && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
			rc = may_remove_dir(r, fd, d->d_name);
	}
	if (rc == 0 && errno != 0)
		rc = err_sys(r->e, "cannot read a directory");
	closedir(dir);
	return (rc);
}

int
subvol_may_remove(int at, const char *name, struct err *e)
{
	struct removal r = {.e = e};

	return (may_remove_dir(&r, at, name));
}

static int
remove_all_below(int at, const char *name, bool nested, struct err *e)
{
	struct removal r = {.nested = nested, .e = e};
	struct stat st;
	int fd;

	if ((fd = open_dir(at, name)) == -1)
		return (err_sys(e, "cannot open directory '%s'", name));
	if (fstat(fd, &st) != 0) {
		err_sys(e, "cannot stat '%s'", name);
		close(fd);
		return (-1);
	}
	r.dev = st.st_dev;
	return (remove_below(&r, fd));
}

int
subvol_remove_below(int at, const char *name, struct err *e)
{
	return (remove_all_below(at, name, false, e));
}

int
subvol_remove_nested(int at, const char *name, struct err *e)
{
	if (remove_all_below(at, name, true, e) != 0)
		return (-1);
	if (unlinkat(at, name, AT_REMOVEDIR) != 0)
		return (err_sys(e, "cannot remove directory '%s'", name));
	return (0);
}

int
subvol_remove_tree(int at, const char *name, struct err *e)
{
	if (subvol_remove_below(at, name, e) != 0)
		return (-1);
	if (unlinkat(at, name, AT_REMOVEDIR) != 0)
		return (err_sys(e, "cannot remove directory '%s'", name));
	return (0);
}

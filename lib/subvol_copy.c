/* Copies of whole trees, by descriptors: reflinks where the file system has them, never hard links to the original. */
#include "config.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "subvol.h"
#include "subvol_internal.h"
#include "xattrs.h"

#include "banned.h"

#define WINDOW (1u << 20)

/* A file with several names, and the first of them. */
struct linked {
	ino_t ino;
	char path[]; /* below copy.top_fd */
};

static int
failed(struct copy *c, const char *what)
{
	int sys = errno;
	const char *path = buf_cstr(&c->path);

	errno = sys;
	return (err_sys(c->e, "cannot %s '%s'", what, path[0] == '\0' ? "." : path));
}

/* Bytes from ${at} to ${end} of ${in}.  Ends early, with success, where ${in} is shorter now. */
static int
copy_range(struct copy *c, int in, int out, off_t at, off_t end)
{
	off_t from = at, to = at;
	ssize_t n;

	while (c->splice && from < end) {
		n = copy_file_range(in, &from, out, &to, (size_t)(end - from), 0);
		if (n == -1 && (errno == EXDEV || errno == ENOSYS || errno == EOPNOTSUPP))
			c->splice = false;
		if (n == 0 || (n == -1 && errno != EINTR))
			break;
	}
	while (from < end) {
		n = io_pread(in, c->window, end - from < WINDOW ? (size_t)(end - from) : WINDOW,
		    (uint64_t)from);
		if (n == 0)
			break;
		if (n == -1)
			return (failed(c, "read"));
		if (io_pwrite(out, c->window, (size_t)n, (uint64_t)from) != 0)
			return (failed(c, "copy"));
		from += n;
	}
	return (0);
}

static int
copy_content(struct copy *c, int in, int out, off_t size)
{
	off_t data, hole;

	if (size == 0)
		return (0);
	if (c->reflink) {
		if (ioctl(out, FICLONE, in) == 0)
			return (0);
		if (errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY || errno == ENOSYS)
			c->reflink = false;
	}
	for (hole = 0; hole < size;) {
		if ((data = lseek(in, hole, SEEK_DATA)) == -1) {
			if (errno == ENXIO) /* a hole up to the end */
				break;
			data = hole;
			hole = size;
		} else if ((hole = lseek(in, data, SEEK_HOLE)) == -1 || hole > size)
			hole = size;
		if (data < hole && copy_range(c, in, out, data, hole) != 0)
			return (-1);
	}
	if (ftruncate(out, size) != 0)
		return (failed(c, "copy"));
	return (0);
}

static int
set_xattr(int fd, const char *path, const char *name, const struct buf *value)
{
	if (fd != -1)
		return (fsetxattr(fd, name, value->data, value->len, 0));
	return (lsetxattr(path, name, value->data, value->len, 0));
}

/* The attributes with ${user} or those without: user.* needs a mode that lets us write, the rest the final owner. */
static int
copy_xattrs(struct copy *c, int in, const char *in_path, int out, const char *out_path, bool user)
{
	struct xattrs *x = &c->xattrs;
	size_t i;

	if (xattrs_list(x, in, in_path) != 0)
		return (failed(c, "list the extended attributes of"));
	for (i = 0; i < x->n; i++) {
		if ((strncmp(x->name[i], "user.", 5) == 0) != user)
			continue;
		if (xattrs_get(x, i, in, in_path) != 0) {
			if (errno == ENODATA)
				continue;
			return (failed(c, "read the extended attributes of"));
		}
		if (set_xattr(out, out_path, x->name[i], &x->value) == 0)
			continue;
		/* As with owners: what only root may set is left out by others. */
		if (errno == EPERM && geteuid() != 0 &&
		    strcmp(x->name[i], "security.capability") == 0)
			continue;
		return (failed(c, "copy the extended attributes of"));
	}
	return (0);
}

/* Return the mode to be set: without set-id bits where the owner could not be kept. */
static int
copy_owner(struct copy *c, int dir, const char *name, const struct stat *st, mode_t *ret_mode)
{
	*ret_mode = st->st_mode & 07777;
	if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) == 0)
		return (0);
	if (errno != EPERM && errno != EINVAL)
		return (failed(c, "set the owner of the copy of"));
	(void)!fchownat(dir, name, (uid_t)-1, st->st_gid, AT_SYMLINK_NOFOLLOW);
	*ret_mode &= ~(mode_t)06000;
	return (0);
}

/* Owner, mode, xattrs and times of a file or directory, last of all. */
int
subvol_copy_attributes(
    struct copy *c, int in, int out, int to_dir, const char *name, const struct stat *st)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	mode_t mode;

	if (copy_xattrs(c, in, NULL, out, NULL, true) != 0 ||
	    copy_owner(c, to_dir, name, st, &mode) != 0)
		return (-1);
	if (fchmod(out, mode) != 0)
		return (failed(c, "set the mode of the copy of"));
	if (copy_xattrs(c, in, NULL, out, NULL, false) != 0)
		return (-1);
	if (futimens(out, times) != 0)
		return (failed(c, "set the times of the copy of"));
	return (0);
}

static int
copy_regular(struct copy *c, int from_dir, int to_dir, const char *name)
{
	struct stat st;
	int in, out, rc = -1;

	if ((in = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : failed(c, "open"));
	if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = subvol_copy_changed(c);
		goto err1;
	}
	subvol_copy_remember(c, &st);
	if ((out = openat(
		 to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) == -1) {
		failed(c, "make a copy of");
		goto err1;
	}
	if (copy_content(c, in, out, st.st_size) == 0)
		rc = subvol_copy_attributes(c, in, out, to_dir, name, &st);
	if (close(out) != 0 && rc == 0)
		rc = failed(c, "copy");
err1:	close(in);
	return (rc);
}

/* Names first, then their files: at any depth a directory takes one descriptor and no more. */
int
subvol_copy_names(struct copy *c, int fd, struct buf *names)
{
	const struct dirent *d;
	DIR *dir;
	int again, rc = 0;

	if ((again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (failed(c, "read directory"));
	if ((dir = fdopendir(again)) == NULL) {
		close(again);
		return (failed(c, "read directory"));
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			buf_add(names, d->d_name, strlen(d->d_name) + 1);
	}
	if (errno != 0)
		rc = failed(c, "read directory");
	else if (names->failed)
		rc = err_mem(c->e);
	closedir(dir);
	return (rc);
}

/* The next component of what alone is to be copied. */
static int
next_name(struct copy *c, struct buf *names)
{
	size_t len = strcspn(c->only, "/");

	buf_add(names, c->only, len);
	buf_addc(names, '\0');
	c->only = c->only[len] == '/' ? c->only + len + 1 : NULL;
	return (names->failed ? err_mem(c->e) : 0);
}

static int
copy_below(struct copy *c, int from_fd, int to_fd)
{
	struct buf names = BUF_INIT;
	const char *name = NULL;
	size_t len = c->path.len;
	int rc;

	rc = c->only != NULL ? next_name(c, &names) : subvol_copy_names(c, from_fd, &names);
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL) {
		if (len > 0)
			buf_addc(&c->path, '/');
		buf_adds(&c->path, name);
		rc = subvol_copy_entry(c, from_fd, to_fd, name);
		c->path.len = len;
	}
	buf_release(&names);
	return (rc);
}

/* The directory ${in} as ${name} under ${to_dir}. */
static int
copy_dir(struct copy *c, int in, int to_dir, const char *name)
{
	struct stat st;
	int out, rc = -1;

	if (c->depth == SUBVOL_DEPTH_MAX)
		return (
		    err_set(c->e, "'%s': too many directories in each other", buf_cstr(&c->path)));
	if (fstat(in, &st) != 0)
		return (failed(c, "stat"));
	subvol_copy_remember(c, &st);
	if (st.st_dev != c->dev)
		return (
		    err_set(c->e, "'%s' is a mount or a subvolume of its own", buf_cstr(&c->path)));
	/* A directory that only leads somewhere may be there from the path before. */
	if (mkdirat(to_dir, name, 0700) != 0 && (errno != EEXIST || c->only == NULL))
		return (failed(c, "make a copy of"));
	if ((out = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (failed(c, "make a copy of"));
	if (c->top_fd == -1)
		c->top_fd = out;
	/* What it inherited is not the original's. */
	if (c->depth == 0 && xattrs_drop_acls(out, NULL) != 0) {
		failed(c, "remove the ACL of the copy of");
		goto done;
	}
	c->depth++;
	if (copy_below(c, in, out) == 0)
		rc = subvol_copy_attributes(c, in, out, to_dir, name, &st);
	c->depth--;
done:	close(out);
	return (rc);
}

static int
copy_link(struct copy *c, int from_dir, int to_dir, const char *name)
{
	ssize_t n;

	buf_reset(&c->target);
	if (buf_reserve(&c->target, PATH_MAX) != 0)
		return (err_mem(c->e));
	if ((n = readlinkat(from_dir, name, c->target.data, PATH_MAX - 1)) == -1)
		return (errno == ENOENT ? 0 : failed(c, "read link"));
	c->target.len = (size_t)n;
	if (symlinkat(buf_cstr(&c->target), to_dir, name) != 0)
		return (failed(c, "make a copy of"));
	return (0);
}

/* Links, FIFOs, sockets, devices: what is not opened. */
static int
copy_special(struct copy *c, int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char in_path[XATTRS_PATH_SIZE], out_path[XATTRS_PATH_SIZE];
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	mode_t mode;

	subvol_copy_remember(c, st);
	if (S_ISLNK(st->st_mode)) {
		if (copy_link(c, from_dir, to_dir, name) != 0)
			return (-1);
	} else if (mknodat(to_dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) != 0)
		return (failed(c,
		    S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? "make a copy of the device"
								 : "make a copy of"));
	xattrs_path(from_dir, name, in_path);
	xattrs_path(to_dir, name, out_path);
	if (copy_owner(c, to_dir, name, st, &mode) != 0)
		return (-1);
	if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, mode, 0) != 0)
		return (failed(c, "set the mode of the copy of"));
	if (copy_xattrs(c, -1, in_path, -1, out_path, false) != 0)
		return (-1);
	if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) != 0)
		return (failed(c, "set the times of the copy of"));
	return (0);
}

static int
compare_linked(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	return (x->ino < y->ino ? -1 : x->ino > y->ino);
}

/* One file more, or one more name of the same.  Return 1 where it was linked, 0 where it is to be copied, or -1. */
static int
link_again(struct copy *c, int to_dir, const char *name, const struct stat *st)
{
	struct linked *l, **found;

	if (st->st_nlink < 2)
		return (0);
	if (c->path.failed || (l = malloc(sizeof(*l) + c->path.len + 1)) == NULL)
		return (err_mem(c->e));
	l->ino = st->st_ino;
	memcpy(l->path, buf_cstr(&c->path), c->path.len + 1);
	if ((found = tsearch(l, &c->linked, compare_linked)) == NULL) {
		free(l);
		return (err_mem(c->e));
	}
	if (*found == l)
		return (0);
	free(l);
	if (linkat(c->top_fd, (*found)->path, to_dir, name, 0) == 0)
		return (1);
	/* Too many, too deep, or the first one vanished before it was copied: then it is a file of its own. */
	return (errno == EMLINK || errno == ENAMETOOLONG || errno == ENOENT ? 0 : failed(c, "make a link that is a copy of"));
}

int
subvol_copy_entry(struct copy *c, int from_dir, int to_dir, const char *name)
{
	struct stat st;
	int in, rc;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (errno == ENOENT ? 0 : failed(c, "stat"));
	if (!S_ISDIR(st.st_mode) && (rc = link_again(c, to_dir, name, &st)) != 0)
		return (rc == 1 ? 0 : -1);
	if (S_ISREG(st.st_mode))
		return (copy_regular(c, from_dir, to_dir, name));
	if (!S_ISDIR(st.st_mode))
		return (copy_special(c, from_dir, to_dir, name, &st));
	if ((in = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (errno == ENOENT ? 0 : failed(c, "open directory"));
	rc = copy_dir(c, in, to_dir, name);
	close(in);
	return (rc);
}

int
subvol_sync(int dirfd, const char *name, struct err *e)
{
	if (syncfs(dirfd) != 0)
		return (err_sys(e, "cannot sync '%s'", name));
	return (0);
}

static int
copy_init(struct copy *c, int src_fd, struct err *e)
{
	struct stat st;

	if (fstat(src_fd, &st) != 0)
		return (err_sys(e, "cannot stat what is to be copied"));
	*c = (struct copy){.top_fd = -1, .dev = st.st_dev, .reflink = true, .splice = true, .e = e};
	return ((c->window = malloc(WINDOW)) == NULL ? err_mem(e) : 0);
}

int
subvol_copy_path(int src_dirfd, const char *path, int dirfd, struct err *e)
{
	struct copy c;
	int rc;

	if (copy_init(&c, src_dirfd, e) != 0)
		return (-1);
	c.only = path;
	c.top_fd = dirfd;
	rc = copy_below(&c, src_dirfd, dirfd);
	subvol_copy_stop(&c);
	return (rc);
}

int
subvol_copy_start(struct copy *c, int src_fd, int dirfd, const char *name, struct err *e)
{
	struct stat st;

	if (copy_init(c, src_fd, e) != 0)
		return (-1);
	return (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? err_set(e, "'%s' exists", name) : 0);
}

int
subvol_copy_all(struct copy *c, int src_fd, int dirfd, const char *name, bool sync)
{
	struct stat st;

	if (copy_dir(c, src_fd, dirfd, name) == 0 && (!sync || subvol_sync(dirfd, name, c->e) == 0))
		return (0);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)subvol_remove_tree(dirfd, name, NULL);
	return (-1);
}

void
subvol_copy_forget_links(struct copy *c)
{
	tdestroy(c->linked, free);
	c->linked = NULL;
}

void
subvol_copy_stop(struct copy *c)
{
	subvol_copy_forget_links(c);
	free(c->window);
	free(c->copied);
	xattrs_release(&c->xattrs);
	buf_release(&c->paths);
	buf_release(&c->target);
	buf_release(&c->path);
}

int
subvol_copy(int src_fd, int dirfd, const char *name, bool sync, struct err *e)
{
	struct copy c = {.window = NULL};
	int rc = -1;

	if (subvol_copy_start(&c, src_fd, dirfd, name, e) == 0)
		rc = subvol_copy_all(&c, src_fd, dirfd, name, sync);
	subvol_copy_stop(&c);
	return (rc);
}

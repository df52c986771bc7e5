/* A walk over managed files. */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "files_parts.h"
#include "files_walk.h"
#include "merkle.h"

#include "banned.h"

#define DEPTH_MAX 1000		 /* directories in directories: each takes a descriptor */
#define BTRFS_EMPTY_SUBVOL_INO 2 /* what a snapshot has where the original had a subvolume */

int
files_walk_begin(struct files_walk *w, int layer_fd)
{
	struct stat st;
	struct statfs fs;

	if (fstat(layer_fd, &st) != 0 || fstatfs(layer_fd, &fs) != 0)
		return (err_sys(w->e, "cannot stat the layer"));
	w->dev = st.st_dev;
	w->btrfs = fs.f_type == BTRFS_SUPER_MAGIC;
	w->turn = 1;
	if ((w->window = aligned_alloc(DISK_ALIGN, FILES_WINDOW)) == NULL)
		return (err_mem(w->e));
	return (0);
}

int
files_walk_like(struct files_walk *w, const struct files_walk *other, struct err *e)
{
	*w = (struct files_walk){
	    .dev = other->dev,
	    .btrfs = other->btrfs,
	    .settled_ns = other->settled_ns,
	    .seen = other->seen,
	    .from_disk = other->from_disk,
	    .live = other->live,
	    .window = aligned_alloc(DISK_ALIGN, FILES_WINDOW),
	    .e = e};
	return (w->window == NULL ? -1 : 0);
}

void
files_walk_release(struct files_walk *w)
{
	free(w->window);
	free(w->item);
	xattrs_release(&w->xattrs);
	buf_release(&w->leaf);
	buf_release(&w->paths);
	buf_release(&w->path);
}

int
files_walk_failed(struct files_walk *w, const char *what)
{
	int sys = errno;
	const char *path = buf_cstr(&w->path);

	errno = sys;
	return (err_sys(w->e, "cannot %s '%s'", what, path[0] == '\0' ? "." : path));
}

/* What cannot be opened any more.  Return 0 where it is none of the files, else -1. */
static int
vanished(struct files_walk *w, const char *what)
{
	return (w->live && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO) ? 0 : files_walk_failed(w, what));
}

int
files_walk_foreign(struct files_walk *w)
{
	return (err_set(w->e, "'%s' is a mount or a subvolume of its own, and no part of a block", buf_cstr(&w->path)));
}

/* Room for one more item. */
static int
reserve(struct files_walk *w)
{
	size_t cap = w->cap == 0 ? 256 : 2 * w->cap;
	struct files_item *more;

	if (w->n < w->cap)
		return (0);
	if ((more = realloc(w->item, cap * sizeof(*more))) == NULL)
		return (err_mem(w->e));
	w->item = more;
	w->cap = cap;
	return (0);
}

/* Add w->found as the file at w->path. */
static int
add_item(struct files_walk *w)
{
	if (reserve(w) != 0)
		return (-1);
	w->found.path = w->paths.len;
	w->found.len = w->path.len;
	w->found.order = w->n;
	buf_add(&w->paths, w->path.data, w->path.len);
	if (w->paths.failed || w->path.failed || w->leaf.failed)
		return (err_mem(w->e));
	w->item[w->n++] = w->found;
	return (0);
}

int
files_walk_take(struct files_walk *w, struct files_walk *from)
{
	size_t i, before = w->paths.len;

	if (from->n == 0)
		return (0);
	buf_add(&w->paths, from->paths.data, from->paths.len);
	if (w->paths.failed)
		return (err_mem(w->e));
	for (i = 0; i < from->n; i++) {
		if (reserve(w) != 0)
			return (-1);
		w->item[w->n] = from->item[i];
		w->item[w->n].path += before;
		w->item[w->n].order = w->n;
		w->n++;
	}
	from->n = 0;
	buf_reset(&from->paths);
	return (0);
}

static int
add_leaf(struct files_walk *w)
{
	merkle_leaf(w->leaf.data, w->leaf.len, w->found.leaf);
	return (add_item(w));
}

int
files_walk_removed(struct files_walk *w, struct span path)
{
	size_t len = w->path.len;
	int rc;

	memset(&w->found, 0, sizeof(w->found));
	w->found.removed = true;
	buf_reset(&w->path);
	buf_addspan(&w->path, path);
	rc = add_item(w);
	w->path.len = len;
	return (rc);
}

/* Whether this path was the same file before, unchanged since: then w->found is what it was. */
static bool
known_leaf(struct files_walk *w, const struct stat *st)
{
	struct files_record r;

	if (w->known == NULL || !files_view_find(w->known, (struct span){w->path.data, w->path.len}, &r) ||
	    r.ino != st->st_ino || r.ctime_ns != files_ctime_ns(st) || r.size != (uint64_t)st->st_size)
		return (false);
	w->found = (struct files_item){.ino = r.ino, .size = r.size, .ctime_ns = r.ctime_ns};
	memcpy(w->found.content, r.content, SHA256_SIZE);
	memcpy(w->found.leaf, r.leaf, SHA256_SIZE);
	return (true);
}

int
files_walk_regular(struct files_walk *w, int dir, const char *name)
{
	struct stat st;
	int fd, rc = -1;

	if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) == -1)
		return (vanished(w, "open"));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		err_set(w->e, "'%s' changed its type meanwhile", buf_cstr(&w->path));
		goto out;
	}
	if (files_leaf_begin(w, &st) == 0 && files_leaf_content(w, fd, &st) == 0 && files_leaf_xattrs(w, fd, NULL) == 0)
		rc = add_leaf(w);
out:	close(fd);
	return (rc);
}

static int
add_dir(struct files_walk *w, int dir, const char *name, struct stat *st, bool below)
{
	int fd, rc = -1;

	if (w->depth == DEPTH_MAX)
		return (
		    err_set(w->e, "'%s': too many directories in each other", buf_cstr(&w->path)));
	if ((fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (vanished(w, "open directory"));
	if (fstat(fd, st) != 0) {
		files_walk_failed(w, "stat");
		goto out;
	}
	if (st->st_dev != w->dev || (w->btrfs && st->st_ino == BTRFS_EMPTY_SUBVOL_INO)) {
		files_walk_foreign(w);
		goto out;
	}
	if (known_leaf(w, st))
		rc = add_item(w);
	else if (files_leaf_begin(w, st) == 0) {
		buf_adds(&w->leaf, " 0 -");
		if (files_leaf_xattrs(w, fd, NULL) == 0)
			rc = add_leaf(w);
	}
	if (rc != 0 || !below)
		goto out;
	w->depth++;
	rc = files_walk_dir(w, fd);
	w->depth--;
out:	close(fd);
	return (rc);
}

/* Links, FIFOs, sockets, devices: what is not opened. */
static int
add_special(struct files_walk *w, int dir, const char *name, const struct stat *st)
{
	char path[XATTRS_PATH_SIZE];

	if (files_leaf_begin(w, st) != 0)
		return (-1);
	if (S_ISLNK(st->st_mode)) {
		if (files_leaf_target(w, dir, name) != 0)
			return (-1);
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		buf_addf(&w->leaf, " %u,%u -", major(st->st_rdev), minor(st->st_rdev));
	else
		buf_adds(&w->leaf, " 0 -");
	xattrs_path(dir, name, path);
	if (files_leaf_xattrs(w, -1, path) != 0)
		return (-1);
	return (add_leaf(w));
}

int
files_walk_look(int dir, const char *name, struct stat *ret)
{
	struct statx x;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &x) != 0)
		return (-1);
	if ((x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
		errno = EXDEV;
		return (-1);
	}
	memset(ret, 0, sizeof(*ret));
	ret->st_mode = x.stx_mode;
	ret->st_uid = x.stx_uid;
	ret->st_gid = x.stx_gid;
	ret->st_ino = x.stx_ino;
	ret->st_size = (off_t)x.stx_size;
	ret->st_rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor);
	ret->st_ctim = (struct timespec){x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec};
	return (0);
}

int
files_walk_file(struct files_walk *w, int dir, const char *name, bool below)
{
	struct stat st;
	int rc = 0;

	if (files_walk_look(dir, name, &st) != 0)
		return (errno == EXDEV ? files_walk_foreign(w) : vanished(w, "stat"));
	if (S_ISDIR(st.st_mode))
		return (add_dir(w, dir, name, &st, below));
	if (known_leaf(w, &st))
		return (add_item(w));
	if (!S_ISREG(st.st_mode))
		return (add_special(w, dir, name, &st));
	if (w->parts != NULL && (rc = files_parts_add(w->parts, dir, (uint64_t)st.st_size)) != 0)
		return (rc == -1 ? -1 : 0);
	return (files_walk_regular(w, dir, name));
}

/* Names first, then their files, so that a level takes one descriptor and no more. */
static int
list_names(struct files_walk *w, int fd, struct buf *names)
{
	const struct dirent *d;
	DIR *dir;
	int again, rc = 0;

	if ((again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (files_walk_failed(w, "read directory"));
	if ((dir = fdopendir(again)) == NULL) {
		close(again);
		return (files_walk_failed(w, "read directory"));
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (w->path.len == 0 && strcmp(d->d_name, ".ecl") == 0)
			continue;
		buf_add(names, d->d_name, strlen(d->d_name) + 1);
	}
	if (errno != 0)
		rc = files_walk_failed(w, "read directory");
	else if (names->failed)
		rc = err_mem(w->e);
	closedir(dir);
	return (rc);
}

int
files_walk_dir(struct files_walk *w, int fd)
{
	struct buf names = BUF_INIT;
	const char *name = NULL;
	size_t len = w->path.len;
	int rc;

	rc = list_names(w, fd, &names);
	w->turn++;
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL) {
		if (len > 0)
			buf_addc(&w->path, '/');
		buf_adds(&w->path, name);
		rc = files_walk_file(w, fd, name, true);
		w->path.len = len;
	}
	w->turn++;
	buf_release(&names);
	return (rc);
}

static struct span
path_of(const struct files_walk *w, const struct files_item *it)
{
	return ((struct span){w->paths.data + it->path, it->len});
}

static int
compare_items(const void *a, const void *b, void *arg)
{
	const struct files_item *x = a, *y = b;
	int c = span_cmp(path_of(arg, x), path_of(arg, y));

	return (c != 0 ? c : x->order < y->order ? -1 : x->order > y->order);
}

void
files_walk_sort(struct files_walk *w)
{
	size_t i, n = 0;

	if (w->n > 1)
		qsort_r(w->item, w->n, sizeof(*w->item), compare_items, w);
	for (i = 0; i < w->n; i++) {
		if (i + 1 < w->n && span_eq(path_of(w, &w->item[i]), path_of(w, &w->item[i + 1])))
			continue;
		w->item[n++] = w->item[i];
	}
	w->n = n;
}

struct files_record
files_walk_record(const struct files_walk *w, size_t i)
{
	const struct files_item *it = &w->item[i];

	return ((struct files_record){path_of(w, it), it->ino, it->ctime_ns, it->size, it->content, it->leaf, it->removed});
}

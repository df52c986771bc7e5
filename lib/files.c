/*
 * The tree of managed files.  The leaf of a file is
 *
 *	path 0x00 type SP mode SP uid SP gid SP size SP content SP xattrs
 *
 * with all that DESIGN 6 says of each; the leaves stand in the order of their paths' bytes.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "disk.h"
#include "files.h"
#include "io.h"
#include "merkle.h"
#include "xattrs.h"

#include "banned.h"

#define WINDOW (1u << 20)
#define DEPTH_MAX 1000		 /* directories in directories: each takes a descriptor */
#define BTRFS_EMPTY_SUBVOL_INO 2 /* what a snapshot has where the original had a subvolume */

struct entry {
	size_t path, len; /* in walk.paths */
	uint8_t leaf[SHA256_SIZE];
};

struct walk {
	dev_t dev;
	bool btrfs;
	struct buf path; /* of the directory or file at hand */
	struct buf paths;
	struct entry *entry;
	size_t n, cap;
	struct xattrs xattrs;
	struct files_table *table; /* NULL: every file is read */
	struct files_seen *seen;   /* NULL: even where the same bytes were read before */
	bool from_disk;
	struct files_watch watch;
	uint64_t bytes; /* read so far */
	struct buf leaf;
	char *window;
	unsigned depth;
	struct err *e;
};

static int walk_dir(struct walk *w, int fd);

static int
failed(struct walk *w, const char *what)
{
	int sys = errno;
	const char *path = buf_cstr(&w->path);

	errno = sys;
	return (err_sys(w->e, "cannot %s '%s'", what, path[0] == '\0' ? "." : path));
}

static char
type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return ('f');
	case S_IFDIR:
		return ('d');
	case S_IFLNK:
		return ('l');
	case S_IFIFO:
		return ('p');
	case S_IFSOCK:
		return ('s');
	case S_IFCHR:
		return ('c');
	case S_IFBLK:
		return ('b');
	default:
		return ('\0');
	}
}

static void
add_hash(struct buf *out, struct sha256 *c)
{
	uint8_t hash[SHA256_SIZE];

	sha256_final(c, hash);
	buf_addhex(out, hash, sizeof(hash));
}

/* " content" of a regular file: SHA-256 of its bytes, which must be as many as it says. */
static int
add_content(struct walk *w, int fd, const struct stat *st)
{
	struct sha256 c;
	uint8_t hash[SHA256_SIZE];
	const uint8_t *known = w->table == NULL ? NULL : files_table_find(w->table, st);
	struct files_place place = {false, {0}};
	uint64_t size = 0;
	ssize_t n;

	if (known != NULL) {
		memcpy(hash, known, sizeof(hash));
		goto done;
	}
	if (w->seen != NULL && w->btrfs && files_seen_find(w->seen, fd, st, &place, hash))
		goto done;
	if (w->from_disk)
		disk_prefer(fd);
	sha256_init(&c);
	while ((n = w->from_disk ? disk_pread(fd, w->window, WINDOW, size) : io_read(fd, w->window, WINDOW)) > 0) {
		sha256_update(&c, w->window, (size_t)n);
		size += (uint64_t)n;
		w->bytes += (uint64_t)n;
		if (w->watch.step != NULL)
			w->watch.step(w->watch.arg, w->bytes);
	}
	if (n == -1)
		return (failed(w, "read"));
	if (size != (uint64_t)st->st_size)
		return (err_set(w->e, "'%s' changed while it was read", buf_cstr(&w->path)));
	sha256_final(&c, hash);
	if (w->seen != NULL)
		files_seen_add(w->seen, &place, hash);
done:	buf_addc(&w->leaf, ' ');
	buf_addhex(&w->leaf, hash, sizeof(hash));
	if (w->table != NULL)
		files_table_add(w->table, st, hash);
	return (0);
}

/* " size content" of a link: those of its target. */
static int
add_target(struct walk *w, int dir, const char *name)
{
	struct sha256 c;
	ssize_t n;

	if ((n = readlinkat(dir, name, w->window, WINDOW)) == -1)
		return (failed(w, "read link"));
	sha256_init(&c);
	sha256_update(&c, w->window, (size_t)n);
	buf_addc(&w->leaf, ' ');
	buf_addu64(&w->leaf, (uint64_t)n);
	buf_addc(&w->leaf, ' ');
	add_hash(&w->leaf, &c);
	return (0);
}

/* " xattrs" of the file ${fd}, or of ${path}. */
static int
add_xattrs(struct walk *w, int fd, const char *path)
{
	struct xattrs *x = &w->xattrs;
	struct sha256 c;
	uint8_t len[4];
	size_t i, j;

	if (xattrs_list(x, fd, path) != 0)
		return (failed(w, "list the extended attributes of"));
	buf_addc(&w->leaf, ' ');
	if (x->n == 0) {
		buf_addc(&w->leaf, '-');
		return (0);
	}
	sha256_init(&c);
	for (i = 0; i < x->n; i++) {
		if (xattrs_get(x, i, fd, path) != 0)
			return (failed(w, "read the extended attributes of"));
		for (j = 0; j < sizeof(len); j++)
			len[j] = (uint8_t)(x->value.len >> 8 * j);
		sha256_update(&c, x->name[i], strlen(x->name[i]) + 1);
		sha256_update(&c, len, sizeof(len));
		sha256_update(&c, x->value.data, x->value.len);
	}
	add_hash(&w->leaf, &c);
	return (0);
}

/* path 0x00 type mode uid gid */
static void
begin_leaf(struct walk *w, const struct stat *st)
{
	buf_reset(&w->leaf);
	buf_add(&w->leaf, w->path.data, w->path.len);
	buf_addc(&w->leaf, '\0');
	buf_addf(&w->leaf, "%c %04o %ju %ju", type_letter(st->st_mode),
	    (unsigned)(st->st_mode & 07777), (uintmax_t)st->st_uid, (uintmax_t)st->st_gid);
}

static int
add_entry(struct walk *w)
{
	size_t cap = w->cap == 0 ? 256 : 2 * w->cap;
	struct entry *more, *en;

	if (w->n == w->cap) {
		if ((more = realloc(w->entry, cap * sizeof(*more))) == NULL)
			return (err_mem(w->e));
		w->entry = more;
		w->cap = cap;
	}
	en = &w->entry[w->n];
	en->path = w->paths.len;
	en->len = w->path.len;
	buf_add(&w->paths, w->path.data, w->path.len);
	if (w->paths.failed || w->path.failed || w->leaf.failed)
		return (err_mem(w->e));
	merkle_leaf(w->leaf.data, w->leaf.len, en->leaf);
	w->n++;
	return (0);
}

static int
add_regular(struct walk *w, int dir, const char *name, struct stat *st)
{
	int fd, rc = -1;

	if ((fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) == -1)
		return (failed(w, "open"));
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
		err_set(w->e, "'%s' changed its type meanwhile", buf_cstr(&w->path));
		goto out;
	}
	begin_leaf(w, st);
	buf_addf(&w->leaf, " %ju", (uintmax_t)st->st_size);
	if (add_content(w, fd, st) == 0 && add_xattrs(w, fd, NULL) == 0)
		rc = add_entry(w);
out:	close(fd);
	return (rc);
}

static int
add_dir(struct walk *w, int dir, const char *name, struct stat *st)
{
	int fd, rc = -1;

	if (w->depth == DEPTH_MAX)
		return (
		    err_set(w->e, "'%s': too many directories in each other", buf_cstr(&w->path)));
	if ((fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (failed(w, "open directory"));
	if (fstat(fd, st) != 0) {
		failed(w, "stat");
		goto out;
	}
	if (st->st_dev != w->dev || (w->btrfs && st->st_ino == BTRFS_EMPTY_SUBVOL_INO)) {
		err_set(w->e, "'%s' is a mount or a subvolume of its own, and no part of a block",
		    buf_cstr(&w->path));
		goto out;
	}
	begin_leaf(w, st);
	buf_adds(&w->leaf, " 0 -");
	if (add_xattrs(w, fd, NULL) != 0 || add_entry(w) != 0)
		goto out;
	w->depth++;
	rc = walk_dir(w, fd);
	w->depth--;
out:	close(fd);
	return (rc);
}

/* Links, FIFOs, sockets, devices: what is not opened. */
static int
add_special(struct walk *w, int dir, const char *name, const struct stat *st)
{
	char path[XATTRS_PATH_SIZE];

	if (type_letter(st->st_mode) == '\0')
		return (err_set(w->e, "'%s' is of an unknown type", buf_cstr(&w->path)));
	begin_leaf(w, st);
	if (S_ISLNK(st->st_mode)) {
		if (add_target(w, dir, name) != 0)
			return (-1);
	} else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		buf_addf(&w->leaf, " %u,%u -", major(st->st_rdev), minor(st->st_rdev));
	else
		buf_adds(&w->leaf, " 0 -");
	xattrs_path(dir, name, path);
	if (add_xattrs(w, -1, path) != 0)
		return (-1);
	return (add_entry(w));
}

static int
add_file(struct walk *w, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (failed(w, "stat"));
	if (S_ISREG(st.st_mode))
		return (add_regular(w, dir, name, &st));
	if (S_ISDIR(st.st_mode))
		return (add_dir(w, dir, name, &st));
	return (add_special(w, dir, name, &st));
}

/* Names first, then their files, so that a level takes one descriptor and no more. */
static int
list_names(struct walk *w, int fd, struct buf *names)
{
	const struct dirent *d;
	DIR *dir;
	int again, rc = 0;

	if ((again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (failed(w, "read directory"));
	if ((dir = fdopendir(again)) == NULL) {
		close(again);
		return (failed(w, "read directory"));
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (w->depth == 0 && strcmp(d->d_name, ".ecl") == 0)
			continue;
		buf_add(names, d->d_name, strlen(d->d_name) + 1);
	}
	if (errno != 0)
		rc = failed(w, "read directory");
	else if (names->failed)
		rc = err_mem(w->e);
	closedir(dir);
	return (rc);
}

static int
walk_dir(struct walk *w, int fd)
{
	struct buf names = BUF_INIT;
	const char *name = NULL;
	size_t len = w->path.len;
	int rc;

	rc = list_names(w, fd, &names);
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL) {
		if (len > 0)
			buf_addc(&w->path, '/');
		buf_adds(&w->path, name);
		rc = add_file(w, fd, name);
		w->path.len = len;
	}
	buf_release(&names);
	return (rc);
}

static int
compare_paths(const void *a, const void *b, void *arg)
{
	const struct entry *x = a, *y = b;
	const struct walk *w = arg;

	return (span_cmp((struct span){w->paths.data + x->path, x->len},
	    (struct span){w->paths.data + y->path, y->len}));
}

static int
find_root(struct walk *w, int layer_fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE])
{
	struct merkle tree;
	struct stat st;
	struct statfs fs;
	size_t i;
	int rc = -1;

	if (fstat(layer_fd, &st) != 0 || fstatfs(layer_fd, &fs) != 0)
		return (err_sys(w->e, "cannot stat the layer"));
	w->dev = st.st_dev;
	w->btrfs = fs.f_type == BTRFS_SUPER_MAGIC;
	if ((w->window = malloc(WINDOW)) == NULL)
		return (err_mem(w->e));
	if (walk_dir(w, layer_fd) != 0)
		goto out;
	if (w->n > 1)
		qsort_r(w->entry, w->n, sizeof(*w->entry), compare_paths, w);
	merkle_init(&tree);
	for (i = 0; i < w->n; i++)
		merkle_add(&tree, w->entry[i].leaf);
	merkle_root(&tree, ret_root);
	*ret_entries = w->n;
	rc = 0;
out:	free(w->window);
	free(w->entry);
	xattrs_release(&w->xattrs);
	buf_release(&w->leaf);
	buf_release(&w->paths);
	buf_release(&w->path);
	return (rc);
}

int
files_root(int layer_fd, struct files_table *table, struct files_watch watch, uint64_t *ret_entries,
    uint8_t ret_root[SHA256_SIZE], struct err *e)
{
	struct walk w = {.e = e, .table = table, .watch = watch};

	return (find_root(&w, layer_fd, ret_entries, ret_root));
}

int
files_root_of_block(int block_fd, struct files_seen *seen, bool from_disk, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE],
    struct err *e)
{
	struct walk w = {.e = e, .seen = seen, .from_disk = from_disk};

	return (find_root(&w, block_fd, ret_entries, ret_root));
}

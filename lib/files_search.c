/* The files that changed since a block, from the inodes that did: their old paths, and the directories whose names are others. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files_parts.h"
#include "files_path.h"
#include "files_update.h"
#include "io.h"
#include "subvol_changed.h"
#include "subvol_differ.h"

#include "banned.h"

#define FEW 64 /* inodes */
#define TOP_INO 256 /* of the subvolume itself */

/* A name in a directory. */
struct name {
	size_t at, len; /* in listing.text */
	uint64_t ino;
	bool dir;
};

struct listing {
	struct buf text;
	struct name *name;
	size_t n, cap;
};

static void
listing_release(struct listing *l)
{
	buf_release(&l->text);
	free(l->name);
}

static struct span
text_of(const struct listing *l, const struct name *n)
{
	return ((struct span){l->text.data + n->at, n->len});
}

static int
by_name(const void *a, const void *b, void *arg)
{
	return (span_cmp(text_of(arg, a), text_of(arg, b)));
}

static int
listing_add(struct listing *l, const struct dirent *d)
{
	size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
	struct name *more;

	if (l->n == l->cap) {
		if ((more = realloc(l->name, cap * sizeof(*more))) == NULL)
			return (-1);
		l->name = more;
		l->cap = cap;
	}
	l->name[l->n++] = (struct name){l->text.len, strlen(d->d_name), d->d_ino, d->d_type == DT_DIR};
	buf_add(&l->text, d->d_name, strlen(d->d_name) + 1);
	return (l->text.failed ? -1 : 0);
}

/* The names in the directory ${fd}, whose path is w->path, sorted. */
static int
listing_read(struct listing *l, struct files_walk *w, int fd)
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
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    (w->path.len == 0 && strcmp(d->d_name, ".ecl") == 0))
			continue;
		if (listing_add(l, d) != 0)
			rc = err_mem(w->e);
	}
	if (rc == 0 && errno != 0)
		rc = files_walk_failed(w, "read directory");
	closedir(dir);
	if (rc == 0 && l->n > 1)
		qsort_r(l->name, l->n, sizeof(*l->name), by_name, l);
	return (rc);
}

/* The files that a directory had, in the order of their names: what is deeper is skipped. */
struct children {
	const struct files_view *v;
	struct files_cursor c;
	struct buf prefix; /* its path and a slash */
	struct buf beyond;
};

static void
children_begin(struct children *k, const struct files_view *v, struct span path)
{
	*k = (struct children){.v = v};
	buf_addspan(&k->prefix, path);
	if (path.len > 0)
		buf_addc(&k->prefix, '/');
	files_view_seek(v, &k->c, (struct span){k->prefix.data, k->prefix.len});
}

static void
children_end(struct children *k)
{
	buf_release(&k->prefix);
	buf_release(&k->beyond);
}

/* The next one, and its name.  Return false behind the last. */
static bool
children_next(struct children *k, struct files_record *ret, struct span *ret_name)
{
	const char *slash;

	while (files_view_next(k->v, &k->c, ret)) {
		if (ret->path.len <= k->prefix.len ||
		    (k->prefix.len > 0 && memcmp(ret->path.p, k->prefix.data, k->prefix.len) != 0))
			return (false);
		*ret_name = (struct span){ret->path.p + k->prefix.len, ret->path.len - k->prefix.len};
		if ((slash = memchr(ret_name->p, '/', ret_name->len)) == NULL)
			return (true);
		buf_reset(&k->beyond);
		buf_add(&k->beyond, ret->path.p, (size_t)(slash - ret->path.p));
		buf_addc(&k->beyond, '/' + 1);
		files_view_seek(k->v, &k->c, (struct span){k->beyond.data, k->beyond.len});
	}
	return (false);
}

/* A path that is gone, with all that was below it. */
static int
drop(struct files_update *u, struct span path)
{
	struct files_cursor c;
	struct files_record r;
	struct buf prefix = BUF_INIT;
	int rc;

	rc = files_walk_removed(&u->walk, path);
	buf_addspan(&prefix, path);
	buf_addc(&prefix, '/');
	if (prefix.failed)
		rc = err_mem(u->walk.e);
	files_view_seek(&u->old.view, &c, (struct span){prefix.data, prefix.len});
	while (rc == 0 && files_view_next(&u->old.view, &c, &r) && r.path.len > prefix.len &&
	    memcmp(r.path.p, prefix.data, prefix.len) == 0)
		rc = files_walk_removed(&u->walk, r.path);
	buf_release(&prefix);
	return (rc);
}

static void
enter(struct files_walk *w, struct span dir, const char *name)
{
	buf_reset(&w->path);
	buf_addspan(&w->path, dir);
	if (dir.len > 0)
		buf_addc(&w->path, '/');
	buf_adds(&w->path, name);
}

/* A directory with the number that it had may be the stub of a subvolume that has that number, too. */
static bool
is_same(int fd, const struct name *n, const char *name, uint64_t ino)
{
	struct stat st;

	if (n->ino != ino)
		return (false);
	return (!n->dir || (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ino));
}

/* What came into, and went from, the directory ${fd} that is ${path} now as it was. */
static int
compare_dir(struct files_update *u, int fd, struct span path)
{
	struct files_walk *w = &u->walk;
	struct listing l = {.n = 0};
	struct files_record old;
	struct children k;
	struct span name;
	size_t i = 0;
	bool more;
	int order, rc;

	buf_reset(&w->path);
	buf_addspan(&w->path, path);
	rc = listing_read(&l, w, fd);
	w->turn++;
	children_begin(&k, &u->old.view, path);
	more = children_next(&k, &old, &name);
	while (rc == 0 && (more || i < l.n)) {
		order = !more ? 1 : i == l.n ? -1 : span_cmp(name, text_of(&l, &l.name[i]));
		if (order < 0 || (order == 0 && !is_same(fd, &l.name[i], l.text.data + l.name[i].at, old.ino))) {
			rc = drop(u, old.path);
			more = children_next(&k, &old, &name);
			if (order < 0)
				continue;
			order = 1;
		} else if (order == 0)
			more = children_next(&k, &old, &name);
		if (rc == 0 && order > 0) {
			enter(w, path, l.text.data + l.name[i].at);
			rc = files_walk_file(w, fd, l.text.data + l.name[i].at, true);
		}
		i++;
	}
	if (rc == 0 && (k.prefix.failed || k.beyond.failed))
		rc = err_mem(w->e);
	children_end(&k);
	listing_release(&l);
	return (rc);
}

/* A directory that is where it was, ${name} of ${parent}: its names. */
static int
look_into(struct files_update *u, int parent, const char *name, struct span path)
{
	int fd, rc;

	if ((fd = io_open_dir(parent, name, u->walk.e)) == -1)
		return (-1);
	rc = compare_dir(u, fd, path);
	close(fd);
	return (rc);
}

/*
 * An inode that changed, by a path that it had.  Where that is another file's now, or nobody's, a directory on the way has
 * changed, too, and tells.
 */
static int
look_at(struct files_update *u, int top, const struct subvol_inode *inode, struct span path)
{
	struct files_walk *w = &u->walk;
	struct buf name = BUF_INIT;
	struct stat st;
	int parent, rc = 0;

	buf_reset(&w->path);
	buf_addspan(&w->path, path);
	if ((parent = files_open_parent(top, path, &name)) == -1) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
			rc = files_walk_failed(w, "open the directory of");
		goto out;
	}
	w->turn++;
	if (files_walk_look(parent, buf_cstr(&name), &st) != 0) {
		if (errno == EXDEV)
			rc = files_walk_foreign(w);
	} else if (st.st_ino == inode->ino) {
		rc = files_walk_file(w, parent, buf_cstr(&name), false);
		if (rc == 0 && S_ISDIR(st.st_mode))
			rc = look_into(u, parent, buf_cstr(&name), path);
	}
	close(parent);
out:	buf_release(&name);
	return (rc);
}

/* About the highest inode number. */
static uint64_t
highest(const struct files_view *v)
{
	struct files_record r;

	if (v->base == NULL || v->base->n == 0)
		return (0);
	files_base_get(v->base, files_base_by_ino(v->base, v->base->n - 1), &r);
	return (r.ino);
}

/* Inodes that changed, at the paths that they had. */
struct search {
	struct files_update *u;
	int fd;
	struct subvol_inodes changed;
};

static int
look_at_all(void *arg)
{
	struct search *s = arg;
	struct files_update *u = s->u;
	struct files_links links;
	struct files_record r;
	size_t i;
	int rc = 1;

	for (i = 0; rc == 1 && i < s->changed.n; i++) {
		if (s->changed.inode[i].ino == TOP_INO) {
			rc = compare_dir(u, s->fd, (struct span){"", 0}) == 0 ? 1 : -1;
			continue;
		}
		files_view_links(&u->old.view, &links, s->changed.inode[i].ino);
		while (rc == 1 && files_view_link(&u->old.view, &links, &r))
			rc = look_at(u, s->fd, &s->changed.inode[i], r.path) == 0 ? 1 : -1;
	}
	return (rc);
}

/* Against a block, by all processors; where much differs they would rather have it as a whole. */
static int
search_before(struct search *s, struct err *e)
{
	struct files_update *u = s->u;
	uint64_t n = u->old.view.base == NULL ? 0 : u->old.view.base->n;
	int rc;

	if ((rc = subvol_differ(u->before_fd, s->fd, highest(&u->old.view), &s->changed, e)) == 1)
		rc = s->changed.n <= FEW + n / 8 ? files_walk_parts(&u->walk, look_at_all, s) : 0;
	return (rc);
}

int
files_update_search(struct files_update *u, int snapshot_fd, struct err *e)
{
	struct search s = {.u = u, .fd = snapshot_fd};
	int rc;

	if (u->before_fd != -1)
		rc = search_before(&s, e);
	else if ((rc = subvol_changed(snapshot_fd, u->old.bound.generation, &s.changed, e)) == 1)
		rc = look_at_all(&s);
	subvol_inodes_release(&s.changed);
	return (rc);
}

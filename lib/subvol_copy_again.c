/*
 * Copies of whole trees that others write to: once at leisure, then what changed meanwhile, while they wait.  A file that has the inode
 * number and the ctime that it had is as it was, if that ctime was no news then: clocks are coarse.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "subvol.h"
#include "subvol_internal.h"

#include "banned.h"

#define SECOND_NS INT64_C(1000000000)

struct subvol_draft {
	struct copy c;
	int dirfd;
	char name[64];
};

static int
failed(struct copy *c, const char *what)
{
	int sys = errno;
	const char *path = buf_cstr(&c->path);

	errno = sys;
	return (err_sys(c->e, "cannot %s '%s'", what, path[0] == '\0' ? "." : path));
}

static int64_t
to_ns(struct timespec t)
{
	return ((int64_t)t.tv_sec * SECOND_NS + t.tv_nsec);
}

void
subvol_copy_remember(struct copy *c, const struct stat *st)
{
	size_t cap = c->cap == 0 ? 256 : 2 * c->cap;
	struct copied_file *more;
	struct timespec now;

	if (!c->again || c->forgot)
		return;
	if (c->n == c->cap) {
		if ((more = realloc(c->copied, cap * sizeof(*more))) == NULL) {
			c->forgot = true;
			return;
		}
		c->copied = more;
		c->cap = cap;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	c->copied[c->n++] = (struct copied_file){c->paths.len, c->path.len, st->st_ino,
	    to_ns(st->st_ctim) < to_ns(now) - SECOND_NS ? to_ns(st->st_ctim) : INT64_MIN};
	buf_add(&c->paths, c->path.data, c->path.len);
	c->forgot = c->paths.failed;
}

int
subvol_copy_changed(struct copy *c)
{
	return (c->again ? 0 : err_set(c->e, "'%s' changed its type meanwhile", buf_cstr(&c->path)));
}

static int
by_path(const void *a, const void *b, void *arg)
{
	const struct copied_file *x = a, *y = b;
	const struct copy *c = arg;

	return (span_cmp((struct span){c->paths.data + x->path, x->len}, (struct span){c->paths.data + y->path, y->len}));
}

/* What was copied as the path at hand; or NULL. */
static const struct copied_file *
copied(const struct copy *c)
{
	struct span path = {c->path.data, c->path.len};
	size_t low = 0, high = c->forgot ? 0 : c->n, mid;
	const struct copied_file *x;
	int order;

	while (low < high) {
		mid = low + (high - low) / 2;
		x = &c->copied[mid];
		if ((order = span_cmp((struct span){c->paths.data + x->path, x->len}, path)) == 0)
			return (x);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (NULL);
}

/* A directory of which a copy is there. */
struct pair {
	int in, out;
	bool touched; /* something in it was changed, so its times are not right any more */
};

static int renew_below(struct copy *c, struct pair *p);

/* Make the copy of a directory what it was when it was new: of a mode that lets us write, and without ACLs that what is made in it would inherit. */
static int
touch(struct copy *c, struct pair *p)
{
	struct xattrs *x = &c->xattrs;
	size_t i;

	if (p->touched)
		return (0);
	if (xattrs_list(x, p->out, NULL) != 0)
		return (failed(c, "list the extended attributes of the copy of"));
	for (i = 0; i < x->n; i++)
		if (fremovexattr(p->out, x->name[i]) != 0)
			return (failed(c, "remove the extended attributes of the copy of"));
	if (fchmod(p->out, 0700) != 0)
		return (failed(c, "change the copy of the directory of"));
	p->touched = true;
	return (0);
}

static int
discard(struct copy *c, struct pair *p, const char *name)
{
	if (touch(c, p) != 0)
		return (-1);
	if (unlinkat(p->out, name, 0) == 0 || errno == ENOENT)
		return (0);
	if (errno != EISDIR && errno != EPERM)
		return (failed(c, "remove the copy of"));
	return (subvol_remove_tree(p->out, name, c->e));
}

/* A directory that is the one that was copied: what is in it, and then itself. */
static int
renew_dir(struct copy *c, const struct pair *parent, const char *name, const struct copied_file *was)
{
	struct pair p = {-1, -1, false};
	struct stat st;
	int rc = -1;

	if ((p.in = openat(parent->in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1 || fstat(p.in, &st) != 0 ||
	    (p.out = openat(parent->out, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		failed(c, "open directory");
		goto out;
	}
	rc = to_ns(st.st_ctim) != was->ctime_ns ? touch(c, &p) : 0;
	c->depth++;
	if (rc == 0)
		rc = renew_below(c, &p);
	c->depth--;
	if (rc == 0 && p.touched)
		rc = subvol_copy_attributes(c, p.in, p.out, parent->out, name, &st);
out:	if (p.in != -1)
		close(p.in);
	if (p.out != -1)
		close(p.out);
	return (rc);
}

static int
renew_entry(struct copy *c, struct pair *p, const char *name)
{
	const struct copied_file *was = copied(c);
	struct stat st, copy;

	if (fstatat(p->in, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return (errno == ENOENT ? discard(c, p, name) : failed(c, "stat"));
	if (was != NULL && was->ino == st.st_ino && fstatat(p->out, name, &copy, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (copy.st_mode & S_IFMT) == (st.st_mode & S_IFMT)) {
		if (S_ISDIR(st.st_mode))
			return (renew_dir(c, p, name, was));
		if (was->ctime_ns == to_ns(st.st_ctim))
			return (0);
	}
	if (discard(c, p, name) != 0)
		return (-1);
	return (subvol_copy_entry(c, p->in, p->out, name));
}

static int
compare_names(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

/* The names of a list, sorted; the caller frees the array. */
static char **
sorted(const struct buf *names, size_t *ret_n)
{
	char *name = NULL, **list;
	size_t n = 0;

	while ((name = buf_next_string(names, name)) != NULL)
		n++;
	if ((list = calloc(n + 1, sizeof(*list))) == NULL)
		return (NULL);
	for (n = 0; (name = buf_next_string(names, name)) != NULL; n++)
		list[n] = name;
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_names);
	*ret_n = n;
	return (list);
}

/* What the copy has and the original has not any more. */
static int
discard_vanished(struct copy *c, struct pair *p, const struct buf *now)
{
	struct buf then = BUF_INIT;
	const char *name = NULL;
	char **list = NULL;
	size_t n = 0, len = c->path.len;
	int rc;

	rc = subvol_copy_names(c, p->out, &then);
	if (rc == 0 && (list = sorted(now, &n)) == NULL)
		rc = err_mem(c->e);
	while (rc == 0 && (name = buf_next_string(&then, name)) != NULL) {
		if (bsearch(&name, list, n, sizeof(*list), compare_names) != NULL)
			continue;
		buf_addf(&c->path, "/%s", name);
		rc = discard(c, p, name);
		c->path.len = len;
	}
	free(list);
	buf_release(&then);
	return (rc);
}

static int
renew_below(struct copy *c, struct pair *p)
{
	struct buf names = BUF_INIT;
	const char *name = NULL;
	size_t len = c->path.len;
	int rc;

	if (c->depth == SUBVOL_DEPTH_MAX)
		return (err_set(c->e, "'%s': too many directories in each other", buf_cstr(&c->path)));
	rc = subvol_copy_names(c, p->in, &names);
	if (rc == 0)
		rc = discard_vanished(c, p, &names);
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL) {
		if (len > 0)
			buf_addc(&c->path, '/');
		buf_adds(&c->path, name);
		rc = renew_entry(c, p, name);
		c->path.len = len;
	}
	buf_release(&names);
	return (rc);
}

int
subvol_draft(int src_fd, int dirfd, const char *name, struct subvol_draft **ret, struct err *e)
{
	struct subvol_draft *d;

	/* What is written through a map from now on changes the ctime: pages that are dirty already would not. */
	if (syncfs(src_fd) != 0)
		return (err_sys(e, "cannot sync what is to be copied to '%s'", name));
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return (err_mem(e));
	d->dirfd = dirfd;
	if (strlen(name) >= sizeof(d->name) || subvol_copy_start(&d->c, src_fd, dirfd, name, e) != 0)
		goto err1;
	memcpy(d->name, name, strlen(name) + 1);
	d->c.again = true;
	if (subvol_copy_all(&d->c, src_fd, dirfd, name, true) != 0)
		goto err1;
	if (d->c.n > 1)
		qsort_r(d->c.copied, d->c.n, sizeof(*d->c.copied), by_path, &d->c);
	*ret = d;
	return (0);

err1:	subvol_draft_free(d);
	return (-1);
}

int
subvol_draft_renew(struct subvol_draft *d, int src_fd, struct err *e)
{
	struct pair p = {src_fd, -1, false};
	struct stat st;
	int rc = -1;

	d->c.e = e;
	d->c.again = false;
	if (fstat(src_fd, &st) != 0)
		return (err_sys(e, "cannot stat what is copied to '%s'", d->name));
	if ((p.out = openat(d->dirfd, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", d->name));
	/* All names of a file that changed are copied anew: what they were linked to before is what it was before. */
	subvol_copy_forget_links(&d->c);
	d->c.top_fd = p.out;
	if (touch(&d->c, &p) == 0 && renew_below(&d->c, &p) == 0)
		rc = subvol_copy_attributes(&d->c, src_fd, p.out, d->dirfd, d->name, &st);
	close(p.out);
	return (rc);
}

void
subvol_draft_free(struct subvol_draft *d)
{
	if (d == NULL)
		return;
	subvol_copy_stop(&d->c);
	free(d);
}

/* How many files a rollback would change, for who is asked: two trees side by side, without their contents. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "rollback_impl.h"

#include "banned.h"

#define DEPTH_MAX 1000 /* directories in directories: each takes two descriptors */

struct count {
	uint64_t n;
	unsigned depth;
	struct err *e;
};

/* The names in a directory, sorted. */
struct names {
	struct dirent **entry;
	int n;
};

static int count_names(struct count *c, int a, int b, bool top);

static int
is_name(const struct dirent *d)
{
	return (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0);
}

static int
is_managed(const struct dirent *d)
{
	return (is_name(d) && strcmp(d->d_name, ".ecl") != 0);
}

static int
names_read(struct names *l, int dir, bool top, struct err *e)
{
	*l = (struct names){NULL, 0};
	if (dir != -1 && (l->n = scandirat(dir, ".", &l->entry, top ? is_managed : is_name, alphasort)) == -1) {
		l->n = 0;
		return (err_sys(e, "cannot read a directory"));
	}
	return (0);
}

static void
names_release(struct names *l)
{
	int i;

	for (i = 0; i < l->n; i++)
		free(l->entry[i]);
	free(l->entry);
}

/* A file of a snapshot that was not touched is the very same; a copy has at least its time. */
static bool
differ(const struct stat *a, const struct stat *b)
{
	const struct timespec *x = a->st_ino == b->st_ino ? &a->st_ctim : &a->st_mtim;
	const struct timespec *y = a->st_ino == b->st_ino ? &b->st_ctim : &b->st_mtim;

	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid || a->st_rdev != b->st_rdev)
		return (true);
	if (S_ISDIR(a->st_mode))
		return (false);
	return (a->st_size != b->st_size || x->tv_sec != y->tv_sec || x->tv_nsec != y->tv_nsec);
}

/* Below the directory ${name} of each that has one. */
static int
count_below(struct count *c, int a, int b, const char *name)
{
	int in_a = -1, in_b = -1, rc = -1;

	if (c->depth == DEPTH_MAX)
		return (err_set(c->e, "'%s': too many directories in each other", name));
	if ((a != -1 && (in_a = io_open_dir(a, name, c->e)) == -1) || (b != -1 && (in_b = io_open_dir(b, name, c->e)) == -1))
		goto out;
	c->depth++;
	rc = count_names(c, in_a, in_b, false);
	c->depth--;
out:	if (in_a != -1)
		close(in_a);
	if (in_b != -1)
		close(in_b);
	return (rc);
}

/* ${name} as ${a} has it and ${b}; -1: has it not. */
static int
count_entry(struct count *c, int a, int b, const char *name)
{
	struct stat x = {0}, y = {0};

	if (a != -1 && fstatat(a, name, &x, AT_SYMLINK_NOFOLLOW) != 0)
		a = -1;
	if (b != -1 && fstatat(b, name, &y, AT_SYMLINK_NOFOLLOW) != 0)
		b = -1;
	if (a == -1 && b == -1)
		return (0); /* it went meanwhile */
	c->n += a == -1 || b == -1 || differ(&x, &y);
	a = S_ISDIR(x.st_mode) ? a : -1;
	b = S_ISDIR(y.st_mode) ? b : -1;
	return (a != -1 || b != -1 ? count_below(c, a, b, name) : 0);
}

static int
count_names(struct count *c, int a, int b, bool top)
{
	struct names x, y = {NULL, 0};
	int i = 0, j = 0, order, rc = -1;

	if (names_read(&x, a, top, c->e) != 0 || names_read(&y, b, top, c->e) != 0)
		goto out;
	for (rc = 0; rc == 0 && (i < x.n || j < y.n); i += order <= 0, j += order >= 0) {
		order = i == x.n ? 1 : j == y.n ? -1 : strcmp(x.entry[i]->d_name, y.entry[j]->d_name);
		rc = count_entry(c, order > 0 ? -1 : a, order < 0 ? -1 : b, order > 0 ? y.entry[j]->d_name : x.entry[i]->d_name);
	}
out:	names_release(&x);
	names_release(&y);
	return (rc);
}

/* One path; the directories that lead there are not counted. */
static int
count_path(struct count *c, const struct rollback_path *p, int block_fd)
{
	const char *slash = strrchr(p->path, '/'), *name = slash == NULL ? p->path : slash + 1;
	char dir[PATH_MAX] = ".";
	int b, rc;

	if (slash != NULL)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - p->path), p->path);
	b = p->wanted ? io_open_dir(block_fd, dir, c->e) : -1;
	if (p->wanted && b == -1)
		return (-1);
	rc = count_entry(c, p->there ? p->dir_fd : -1, b, name);
	if (b != -1)
		close(b);
	return (rc);
}

int
rollback_files_count(struct rollback *r, uint64_t *ret_n, struct err *e)
{
	struct count c = {.e = e};
	size_t i;
	int rc = 0;

	if (!rollback_is_part(r->opt))
		rc = count_names(&c, r->l->live_fd, r->block_fd, true);
	for (i = 0; rc == 0 && i < r->paths.n; i++)
		rc = count_path(&c, &r->paths.path[i], r->block_fd);
	*ret_n = c.n;
	return (rc);
}

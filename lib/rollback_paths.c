/*
 * Single files and directories go back.  What the block has of each is copied into a directory of its own below live/.ecl (rollback_stage.c), and
 * then exchanged with what live has, in one step; so nothing but the old or the new is ever at its place.
 */
#include "config.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "rollback_impl.h"

#include "banned.h"

/* The path without what means nothing, appended with its NUL; ${live} is where an absolute one must lead. */
static int
add_plain(struct buf *out, const char *path, const char *live, struct err *e)
{
	size_t len, start = out->len, live_len = strlen(live);
	const char *p = path;

	if (p[0] == '/') {
		if (live_len == 0 || strncmp(p, live, live_len) != 0 || p[live_len] != '/')
			return (err_set(e, "'%s' is not in live: paths are relative to it", path));
		p += live_len;
	}
	for (; *p != '\0'; p += len) {
		if ((len = strcspn(p, "/")) == 0) {
			len = 1;
			continue;
		}
		if (len == 1 && p[0] == '.')
			continue;
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return (err_set(e, "'%s': name a path without '..'", path));
		if (out->len > start)
			buf_addc(out, '/');
		buf_add(out, p, len);
	}
	if (out->len == start)
		return (err_set(e, "'%s' is all of live: leave --path away", path));
	if (out->len - start >= PATH_MAX)
		return (err_set(e, "'%.60s...': a path of %zu bytes is too long: name a directory above it", path, out->len - start));
	buf_addc(out, '\0');
	if (!out->failed && strncmp(out->data + start, ".ecl", 4) == 0 &&
	    (out->data[start + 4] == '\0' || out->data[start + 4] == '/'))
		return (err_set(e, "'%s' belongs to the ledger, which does not go back", path));
	return (0);
}

static int
compare_names(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

/* Whether ${path} is ${top}, or below it. */
static bool
is_within(const char *path, const char *top)
{
	size_t len = strlen(top);

	return (strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

/* The path of live, to be compared with absolute ones; "" where that cannot be told. */
static void
live_path(const struct rollback *r, char *out, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", r->l->live_fd);
	n = readlink(link, out, size - 1);
	out[n == -1 ? 0 : n] = '\0';
}

/* Sort them, and drop what another one brings back anyway: O(n^2) only in what the user typed. */
static void
drop_nested(struct rollback_paths *p)
{
	size_t i, j, n = 0;

	qsort(p->name, p->n, sizeof(*p->name), compare_names);
	for (i = 0; i < p->n; i++) {
		for (j = 0; j < n && !is_within(p->name[i], p->name[j]); j++)
			;
		if (j == n)
			p->name[n++] = p->name[i];
	}
	p->n = n;
}

int
rollback_paths_parse(struct rollback *r, struct err *e)
{
	struct rollback_paths *p = &r->paths;
	const struct rollback_options *opt = r->opt;
	const char *name = NULL;
	char live[PATH_MAX];
	size_t i;

	p->stage_fd = -1;
	if (opt->paths == 0)
		return (0);
	live_path(r, live, sizeof(live));
	for (i = 0; i < opt->paths; i++) {
		if (add_plain(&p->text, opt->path[i], live, e) != 0)
			return (-1);
	}
	if (p->text.failed || (p->name = calloc(opt->paths, sizeof(*p->name))) == NULL ||
	    (p->path = calloc(opt->paths, sizeof(*p->path))) == NULL)
		return (err_mem(e));
	while ((name = buf_next_string(&p->text, name)) != NULL)
		p->name[p->n++] = name;
	drop_nested(p);
	for (i = 0; i < p->n; i++)
		p->path[i] = (struct rollback_path){.path = p->name[i], .dir_fd = -1, .stage_fd = -1};
	return (0);
}

void
rollback_paths_release(struct rollback_paths *p)
{
	size_t i;

	for (i = 0; p->path != NULL && i < p->n; i++) {
		if (p->path[i].dir_fd != -1)
			close(p->path[i].dir_fd);
		if (p->path[i].stage_fd != -1)
			close(p->path[i].stage_fd);
	}
	if (p->stage_fd != -1)
		close(p->stage_fd);
	free(p->path);
	free(p->name);
	buf_release(&p->text);
	memset(p, 0, sizeof(*p));
	p->stage_fd = -1;
}

/* The name of what is exchanged: one component. */
static const char *
component(const struct rollback_path *p, char name[NAME_MAX + 1])
{
	snprintf(name, NAME_MAX + 1, "%.*s", (int)strcspn(p->path + p->at, "/"), p->path + p->at);
	return (name);
}

/* A directory on the way to ${p}, in live or in the block.  Return a descriptor, or -1 with errno: what stands in the way is ENOTDIR. */
static int
open_step(const struct rollback_path *p, int dir, const char *name, const char *where, struct err *e)
{
	struct stat st;
	int fd, sys;

	if ((fd = io_open_dir(dir, name, e)) != -1)
		return (fd);
	sys = errno;
	if ((sys == ELOOP || sys == ENOTDIR) && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		err_set(e, "'%s' leads through '%s', which is %s in %s", p->path, name,
		    S_ISLNK(st.st_mode) ? "a link" : "no directory", where);
	else if (sys == EXDEV)
		err_set(e, "'%s' leads through '%s', which is a mount or a subvolume of its own in %s", p->path, name, where);
	errno = sys;
	return (-1);
}

static int
look(const struct rollback_path *p, int dir, const char *name, bool *ret_there, struct err *e)
{
	struct stat st;

	*ret_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	return (*ret_there || errno == ENOENT ? 0 : err_sys(e, "cannot look for '%s'", p->path));
}

/* How far live has it: its directory that does, and the component behind that. */
static int
find_in_live(struct rollback_path *p, const struct rollback *r, struct err *e)
{
	char name[NAME_MAX + 1];
	size_t len;
	int next;

	if ((p->dir_fd = io_open_dir(r->l->live_fd, ".", e)) == -1)
		return (-1);
	for (;;) {
		if ((len = strcspn(p->path + p->at, "/")) > NAME_MAX)
			return (err_set(e, "'%s': a name in it is too long", p->path));
		component(p, name);
		if (p->path[p->at + len] == '\0')
			return (look(p, p->dir_fd, name, &p->there, e));
		if ((next = open_step(p, p->dir_fd, name, "live", e)) == -1)
			return (errno == ENOENT ? 0 : -1);
		close(p->dir_fd);
		p->dir_fd = next;
		p->at += len + 1;
	}
}

/* Whether the block has it. */
static int
find_in_block(struct rollback_path *p, const struct rollback *r, struct err *e)
{
	const char *at = p->path;
	char name[NAME_MAX + 1];
	int dir, next, rc;

	if ((dir = io_open_dir(r->block_fd, ".", e)) == -1)
		return (-1);
	for (;;) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "/"), at);
		p->block_at = (size_t)(at - p->path);
		at += strlen(name);
		if (*at++ == '\0') {
			rc = look(p, dir, name, &p->wanted, e);
			break;
		}
		next = open_step(p, dir, name, r->block->name, e);
		rc = next != -1 ? 0 : errno == ENOENT || errno == ENOTDIR ? 1 : -1;
		if (rc != 0)
			break;
		close(dir);
		dir = next;
	}
	close(dir);
	return (rc == -1 ? -1 : 0);
}

/* Two paths below one directory that live lacks bring it together; one that the block lacks brings nothing. */
static void
share(struct rollback_paths *all, size_t i)
{
	struct rollback_path *p = &all->path[i];
	size_t len = p->at + strcspn(p->path + p->at, "/");

	for (p->with = 0; p->with < i; p->with++) {
		if (p->wanted && all->path[p->with].wanted && all->path[p->with].at == p->at && strncmp(all->path[p->with].path, p->path, len) == 0 &&
		    all->path[p->with].path[len] == '/')
			return;
	}
}

int
rollback_paths_find(struct rollback *r, struct err *e)
{
	struct rollback_path *p;
	size_t i;

	for (i = 0; i < r->paths.n; i++) {
		p = &r->paths.path[i];
		if (p->dir_fd != -1)
			close(p->dir_fd);
		*p = (struct rollback_path){.path = p->path, .dir_fd = -1, .stage_fd = -1};
		if (find_in_live(p, r, e) != 0 || find_in_block(p, r, e) != 0)
			return (-1);
		share(&r->paths, i);
	}
	return (0);
}

static int
move(int from, int to, const char *name, unsigned flags)
{
	if (syscall(SYS_renameat2, from, name, to, name, flags) == 0)
		return (0);
	if (flags != RENAME_NOREPLACE || (errno != EINVAL && errno != ENOSYS))
		return (-1);
	/* The file system has no such rename. */
	if (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return (-1);
	}
	return (renameat(from, name, to, name));
}

/* There and back: the same again undoes it. */
static int
exchange_one(struct rollback_path *p, bool back)
{
	char name[NAME_MAX + 1];

	component(p, name);
	if (p->wanted && p->there)
		return (move(p->stage_fd, p->dir_fd, name, RENAME_EXCHANGE));
	if (p->wanted != back)
		return (move(p->stage_fd, p->dir_fd, name, RENAME_NOREPLACE));
	return (move(p->dir_fd, p->stage_fd, name, RENAME_NOREPLACE));
}

static int
cannot_exchange(const struct rollback_path *p, struct err *e)
{
	switch (errno) {
	case EEXIST:
	case ENOENT:
		return (err_retry(e, "'%s' came or went meanwhile: try again", p->path));
	case EBUSY:
		return (err_set(e, "'%s' is a mount point: unmount it", p->path));
	case EINVAL:
	case ENOSYS:
		return (err_set(e, "cannot exchange '%s': the file system cannot do that", p->path));
	default:
		return (err_sys(e, "cannot exchange '%s'", p->path));
	}
}

int
rollback_paths_exchange(struct rollback *r, struct err *e)
{
	struct rollback_path *p;

	for (p = r->paths.path; p < r->paths.path + r->paths.n; p++) {
		if (p->stage_fd == -1 || (!p->wanted && !p->there))
			continue; /* another one brings it, or there is nothing */
		if (exchange_one(p, false) != 0) {
			cannot_exchange(p, e);
			goto err1;
		}
		p->done = true;
	}
	if (syncfs(r->l->live_fd) == 0)
		return (0);
	err_sys(e, "cannot sync what went back");

err1:	rollback_paths_restore(r, e);
	return (-1);
}

/* As it was.  Somebody else may have been at it meanwhile: what was removed is not missed, and nothing of theirs is overwritten. */
static int
put_back(struct rollback_path *p)
{
	char name[NAME_MAX + 1];

	if (exchange_one(p, true) == 0)
		return (0);
	if (errno != ENOENT || !p->wanted)
		return (-1);
	return (p->there ? move(p->stage_fd, p->dir_fd, component(p, name), RENAME_NOREPLACE) : 0);
}

/* Whether the stage has what is neither of the block nor of live as it was: somebody put it in the place of what went back. */
static bool
is_theirs(const struct rollback_path *p)
{
	char name[NAME_MAX + 1];
	struct stat st;

	return (fstatat(p->stage_fd, component(p, name), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino != p->inode);
}

/* What is in the stage and belongs in live is put beside its place; or the stage is kept, and deleted by nobody.  ${ret} says where it is. */
static void
save(struct rollback_paths *p, const struct rollback_path *path, int ecl_fd, char *ret, size_t size)
{
	char name[NAME_MAX + 1], beside[NAME_MAX + 1], kept[sizeof(p->stage)];

	snprintf(beside, sizeof(beside), "%.200s.kept-%ld", component(path, name), (long)getpid());
	if (renameat(path->stage_fd, name, path->dir_fd, beside) == 0) {
		snprintf(ret, size, " '%s', beside it", beside);
		return;
	}
	snprintf(kept, sizeof(kept), ".kept%.24s", p->stage + strcspn(p->stage, "-"));
	if (!p->kept && renameat(ecl_fd, p->stage, ecl_fd, kept) == 0)
		memcpy(p->stage, kept, sizeof(kept));
	p->kept = true;
	snprintf(ret, size, " below '.ecl/%s'", p->stage);
}

void
rollback_paths_restore(struct rollback *r, struct err *e)
{
	struct rollback_path *p;
	const char *theirs = NULL, *stays = NULL;
	char why[sizeof(e->text)], where[NAME_MAX + 40] = "";
	size_t i;

	for (i = r->paths.n; i-- > 0;) {
		p = &r->paths.path[i];
		if (!p->done)
			continue;
		p->done = put_back(p) != 0;
		if (!p->done && !is_theirs(p))
			continue;
		*(p->done ? &stays : &theirs) = p->path;
		where[0] = '\0';
		if (!p->done || p->there)
			save(&r->paths, p, r->l->ecl_fd, where, sizeof(where));
	}
	if ((stays == NULL && theirs == NULL) || e == NULL)
		return;
	memcpy(why, e->text, sizeof(why));
	if (stays != NULL)
		snprintf(e->text, sizeof(e->text), "%.300s; and '%.120s' could not be put back as it was%s%.280s", why, stays, where[0] != '\0' ? ": that is" : "", where);
	else
		snprintf(e->text, sizeof(e->text), "%.300s; and what somebody put at '%.120s' meanwhile is%.280s", why, theirs, where);
}

static int
remove_empty(int live_fd, const char *path)
{
	const char *name = strrchr(path, '/');
	char above[PATH_MAX] = ".";
	int dir, rc;

	if (name != NULL)
		snprintf(above, sizeof(above), "%.*s", (int)(name - path), path);
	if ((dir = io_open_dir(live_fd, above, NULL)) == -1)
		return (-1);
	rc = unlinkat(dir, name == NULL ? path : name + 1, AT_REMOVEDIR);
	close(dir);
	return (rc);
}

void
rollback_paths_prune(struct rollback *r)
{
	const struct rollback_path *p;
	char dir[PATH_MAX];
	char *slash;
	size_t i;

	for (i = 0; i < r->paths.n; i++) {
		p = &r->paths.path[i];
		if (p->wanted || !p->there || snprintf(dir, sizeof(dir), "%s", p->path) >= (int)sizeof(dir))
			continue;
		while ((slash = strrchr(dir, '/')) != NULL && (size_t)(slash - dir) > p->block_at) {
			*slash = '\0';
			if (remove_empty(r->l->live_fd, dir) != 0)
				break;
		}
	}
}

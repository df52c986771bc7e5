/* The files of a block in the making. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files_parts.h"
#include "files_update.h"
#include "io.h"
#include "received.h"
#include "subvol_changed.h"

#include "banned.h"

#define SECOND_NS INT64_C(1000000000)

/* Changes that are kept beside a base of ${n} files: more of them, and it is made anew. */
static uint64_t
changes_max(uint64_t n)
{
	return (n / 64 < 512 ? 512 : n / 64);
}

void
files_update_init(struct files_update *u, struct files_watch watch)
{
	struct timespec now;

	memset(u, 0, sizeof(*u));
	u->before_fd = -1;
	/* Clocks are coarse: a file may change twice and have one ctime. */
	clock_gettime(CLOCK_REALTIME, &now);
	u->walk.settled_ns = (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec - SECOND_NS;
	u->walk.watch = watch;
}

void
files_update_release(struct files_update *u)
{
	files_table_release(&u->old);
	files_walk_release(&u->walk);
	free(u->left.view.change);
	buf_release(&u->left.base);
}

/*
 * Whether what block ${name} remembers is of that very block; and what that is.  Of a block that came as a stream it is anybody's word: no header commits
 * to it, and what such a block is a snapshot of, often nothing, is no secret.
 */
static bool
is_of(const struct files_binding *b, int snap_fd, const char *name, const struct block_header *h, struct subvol_identity *block)
{
	int fd, rc;

	if ((fd = io_open_dir(snap_fd, name, NULL)) == -1)
		return (false);
	rc = received_is(fd) ? -1 : subvol_identify(fd, block);
	close(fd);
	return (rc == 0 && memcmp(b->hashed, block->parent, sizeof(block->parent)) == 0 && b->generation <= block->made && b->entries == h->entries && memcmp(b->root, h->files, SHA256_SIZE) == 0);
}

bool
files_update_recall(struct files_update *u, int snap_fd, const struct block_header *h)
{
	char name[BLOCK_NAME_SIZE];

	block_name(h, name);
	u->has_old = files_table_open(snap_fd, name, &u->old) == 0 && is_of(&u->old.bound, snap_fd, name, h, &u->block);
	if (!u->has_old)
		files_table_release(&u->old);
	return (u->has_old);
}

bool
files_update_load(struct files_update *u, int snap_fd, const struct block_header *h, const struct subvol_identity *live)
{
	const struct files_binding *b = &u->old.bound;

	if (!files_update_recall(u, snap_fd, h))
		return (false);
	if (memcmp(b->live, live->uuid, sizeof(live->uuid)) == 0 || memcmp(u->block.uuid, live->parent, sizeof(live->parent)) == 0)
		return (true);
	files_table_release(&u->old);
	u->has_old = false;
	return (false);
}

/* Forget what was found, to begin anew. */
static void
start_over(struct files_update *u)
{
	u->walk.n = 0;
	u->walk.path.len = 0;
	buf_reset(&u->walk.paths);
	u->walk.known = NULL;
}

/* All files of the walk as records; the caller frees them. */
static struct files_record *
records_of(const struct files_update *u, size_t *ret_n)
{
	struct files_record *r = calloc(u->walk.n + 1, sizeof(*r));
	size_t i;

	for (i = 0; r != NULL && i < u->walk.n; i++)
		r[i] = files_walk_record(&u->walk, i);
	*ret_n = u->walk.n;
	return (r);
}

static bool
same(const struct files_record *a, const struct files_record *b)
{
	return (a->ino == b->ino && a->ctime_ns == b->ctime_ns && memcmp(a->leaf, b->leaf, SHA256_SIZE) == 0);
}

/* The walk met every file: what of them is not as it was, and what is gone.  The caller frees it. */
static struct files_record *
compare(const struct files_update *u, size_t *ret_n)
{
	const struct files_view *v = &u->old.view;
	struct files_cursor c = {0, 0};
	struct files_record *r, old, now;
	uint64_t most = u->walk.n + (v->base == NULL ? 0 : v->base->n) + v->n;
	size_t i = 0, n = 0;
	bool more;
	int order;

	if ((r = calloc(most + 1, sizeof(*r))) == NULL)
		return (NULL);
	more = files_view_next(v, &c, &old);
	while (more || i < u->walk.n) {
		if (i < u->walk.n)
			now = files_walk_record(&u->walk, i);
		order = !more ? 1 : i == u->walk.n ? -1 : span_cmp(old.path, now.path);
		if (order < 0)
			r[n++] = (struct files_record){.path = old.path, .removed = true};
		else if (order > 0 || !same(&old, &now))
			r[n++] = now;
		i += order >= 0;
		if (order <= 0)
			more = files_view_next(v, &c, &old);
	}
	*ret_n = n;
	return (r);
}

/* A change that is none any more: a file that came and went since the base. */
static bool
is_moot(const struct files_view *v, const struct files_record *r)
{
	uint64_t at;

	return (r->removed && (v->base == NULL || !files_base_find(v->base, r->path, &at)));
}

/* The changes that there were, and ${more} over them. */
static int
merge(struct files_update *u, const struct files_record *more, size_t n, struct err *e)
{
	const struct files_view *old = &u->old.view;
	struct files_view *v = &u->left.view;
	struct files_record r;
	size_t i = 0, k = 0;
	int order;

	v->base = u->has_old ? old->base : NULL;
	if ((v->change = calloc(old->n + n + 1, sizeof(*v->change))) == NULL)
		return (err_mem(e));
	while (i < old->n || k < n) {
		order = i == old->n ? 1 : k == n ? -1 : span_cmp(old->change[i].path, more[k].path);
		r = order < 0 ? old->change[i] : more[k];
		i += order <= 0;
		k += order >= 0;
		if (!is_moot(v, &r))
			v->change[v->n++] = r;
	}
	return (0);
}

/* A base of all files as they are now. */
static int
rebase(struct files_update *u, struct err *e)
{
	struct files_builder w = {.n = 0};
	struct files_cursor c = {0, 0};
	struct files_record r;
	int rc;

	while (files_view_next(&u->left.view, &c, &r))
		files_builder_add(&w, &r);
	if ((rc = files_builder_end(&w, u->left.bound.root, u->left.base_id, &u->left.base, e)) == 0) {
		u->left.bound.entries = w.n;
		u->left.view.n = 0;
	}
	files_builder_release(&w);
	return (rc);
}

/* What was found, over what was known: the root. */
static int
conclude(struct files_update *u, bool all, struct err *e)
{
	struct files_record *r;
	size_t n;
	int rc;

	files_walk_sort(&u->walk);
	if ((r = u->has_old && all ? compare(u, &n) : records_of(u, &n)) == NULL)
		return (err_mem(e));
	rc = merge(u, r, n, e);
	free(r);
	if (rc != 0)
		return (-1);
	if (u->left.view.base == NULL || u->left.view.n > changes_max(u->left.view.base->n))
		return (rebase(u, e));
	memcpy(u->left.base_id, u->left.view.base->id, FILES_ID_SIZE);
	return (files_view_root(&u->left.view, &u->left.bound.entries, u->left.bound.root, e));
}

/* With what is remembered.  Return 1, 0 where it is damaged, or -1. */
static int
run_known(struct files_update *u, int fd, struct err *e)
{
	int rc;

	u->walk.known = u->strict ? NULL : &u->old.view;
	if ((rc = files_update_search(u, fd, e)) == -1)
		return (-1);
	if (rc == 0 && u->strict)
		return (0);
	if (rc == 0) {
		start_over(u);
		u->walk.known = &u->old.view;
		if (files_walk_dir(&u->walk, fd) != 0)
			return (-1);
	}
	if (conclude(u, rc == 0, e) != 0)
		return (-1);
	return (!u->old.view.base->bad);
}

int
files_update_run(struct files_update *u, int snapshot_fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e)
{
	struct subvol_identity id;
	int n = 0;

	u->walk.e = e;
	if (files_walk_begin(&u->walk, snapshot_fd) != 0)
		return (-1);
	if (subvol_identify(snapshot_fd, &id) == 0) {
		u->remembers = true;
		memcpy(u->left.bound.live, id.parent, sizeof(id.parent));
		u->left.bound.generation = id.made;
	}
	if (u->has_old && (n = run_known(u, snapshot_fd, e)) == -1)
		return (-1);
	if (n == 0) {
		free(u->left.view.change);
		u->left.view = (struct files_view){.base = NULL};
		buf_reset(&u->left.base);
		files_table_release(&u->old);
		u->has_old = false;
		start_over(u);
		if (files_walk_all(&u->walk, snapshot_fd) != 0 || conclude(u, true, e) != 0)
			return (-1);
	}
	*ret_entries = u->left.bound.entries;
	memcpy(ret_root, u->left.bound.root, SHA256_SIZE);
	return (0);
}

int
files_update_store(struct files_update *u, int hashed_fd, int into_fd, const char *name, struct err *e)
{
	struct subvol_identity id;

	if (!u->remembers || subvol_identify(hashed_fd, &id) != 0)
		return (0);
	memcpy(u->left.bound.hashed, id.uuid, sizeof(id.uuid));
	snprintf(u->left.origin, sizeof(u->left.origin), "%s", u->left.base.len > 0 ? name : u->old.origin);
	return (files_table_store(into_fd, &u->left, e));
}

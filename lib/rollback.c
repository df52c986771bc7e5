/* Rollback: what is checked before anything happens, and the one kind or the other. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "mounts.h"
#include "rollback_impl.h"
#include "snap.h"
#include "subvol.h"

#include "banned.h"

static int
check_block(struct rollback *r, struct err *e)
{
	enum backend b;
	bool read_only;

	if (!r->block->good)
		return (err_no(e, "'%s' is damaged: %s", r->block->name, r->block->fault));
	if ((r->block_fd = io_open_dir(r->l->snap_fd, r->block->name, e)) == -1)
		return (errno == ENOENT ? err_no(e, "the snapshot of '%s' is gone: there is nothing to go back to", r->block->name) : -1);
	if (subvol_backend(r->l->live_fd, &r->backend, e) != 0 ||
	    subvol_backend(r->block_fd, &b, e) != 0 ||
	    subvol_is_read_only(b, r->block_fd, &read_only, e) != 0)
		return (-1);
	if (b != r->backend)
		return (err_set(e, "'%s' and live are not both subvolumes", r->block->name));
	if (b == BACKEND_BTRFS && !read_only)
		return (err_no(e, "'%s' is writable: it may not be what it was", r->block->name));
	return (rollback_read_block(r, e));
}

/* Whether live can be exchanged, or snapshot. */
static int
check_live(const struct rollback *r, struct err *e)
{
	struct buf mount = BUF_INIT;
	int n = 0;

	if (r->opt->paths == 0 && r->opt->elements > 0 && r->opt->no_snap)
		return (0); /* events alone */
	if (subvol_check_whole(r->backend, r->l->live_fd, e) != 0)
		return (-1);
	if (r->backend == BACKEND_BTRFS && !rollback_is_part(r->opt) &&
	    (n = mounts_of(NULL, r->l->live_fd, &mount, e)) == 1)
		err_set(e, "live is mounted on '%s', which would go on showing what was live: unmount it, and mount it again afterwards",
		    buf_cstr(&mount));
	buf_release(&mount);
	return (n == 0 ? 0 : -1);
}

/* Each path must be somewhere: else it is a slip of the pen, and nothing is done of the others either. */
static int
check_paths(const struct rollback *r, struct err *e)
{
	size_t i;

	for (i = 0; i < r->paths.n; i++) {
		if (!r->paths.path[i].wanted && !r->paths.path[i].there)
			return (err_no(e, "'%s' is neither in '%s' nor in live", r->paths.path[i].path, r->block->name));
	}
	return (0);
}

/* All that can be said before anything happens. */
static int
check(struct rollback *r, struct err *e)
{
	if (check_block(r, e) != 0 || check_live(r, e) != 0 || rollback_paths_find(r, e) != 0 || check_paths(r, e) != 0)
		return (-1);
	if (!rollback_is_part(r->opt))
		return (0);
	return (rollback_plan(r, r->l->ledger, e) == 0 ? batch_abandon(&r->batch, e) : -1);
}

/* After the fact: what was done stays done. */
static void
was_done(const struct rollback *r, struct err *e)
{
	char why[sizeof(e->text)];

	if (e == NULL)
		return;
	memcpy(why, e->text, sizeof(why));
	e->exit = EXIT_ERROR; /* whatever it was: to try again would roll back again */
	snprintf(e->text, sizeof(e->text), "live was rolled back to '%s', but then: %.600s", r->block->name, why);
}

static int
roll_back(struct rollback *r, struct buf *out, struct err *e)
{
	size_t before = out->len;
	int rc;

	if (check(r, e) != 0 || snap_tidy(r->l, r->opt->wait_ms, e) != 0)
		return (-1);
	rc = rollback_is_part(r->opt) ? rollback_parts(r, out, e) : rollback_live(r, out, e);
	if (rc != 0 && out->len > before)
		was_done(r, e);
	return (rc);
}

static int
dry_run(struct rollback *r, struct buf *out, struct err *e)
{
	if (check(r, e) != 0 || (r->opt->count && rollback_files_count(r, &r->result->files, e) != 0) ||
	    rollback_plan(r, r->l->ledger, e) != 0)
		return (-1);
	batch_seal(&r->batch);
	buf_add(out, r->batch.lines.data, r->batch.lines.len);
	return (batch_abandon(&r->batch, e));
}

static void
release(struct rollback *r)
{
	rollback_plan_release(r);
	rollback_paths_release(&r->paths);
	if (r->block_fd != -1)
		close(r->block_fd);
}

int
rollback_to(struct layer *l, const struct block *block, const struct rollback_options *opt, struct rollback_result *ret,
    struct buf *out, struct err *e)
{
	struct rollback r = {.l = l, .block = block, .opt = opt, .result = ret, .block_fd = -1};
	int rc = -1;

	if (rollback_paths_parse(&r, e) != 0 || rollback_plan_init(&r, e) != 0)
		goto out;
	if (opt->dry_run)
		rc = dry_run(&r, out, e);
	else if (layer_lock_blocks(l, opt->wait_ms, e) == 0) {
		rc = roll_back(&r, out, e);
		layer_unlock_blocks(l);
	}
	if (rc == 0 && out->failed)
		rc = err_mem(e);
out:	release(&r);
	return (rc);
}

void
rollback_result_release(struct rollback_result *r)
{
	holders_release(&r->holders);
}

/* All of live goes back: a tree with the files of the block and the present log is exchanged with it. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "durable.h"
#include "io.h"
#include "rollback_impl.h"
#include "snap.h"
#include "subvol.h"

#include "banned.h"

struct exchange {
	struct rollback *r;
	struct layer *l;
	char tmp[32]; /* the tree that is built, under ROOT */
	int tree_fd;
	char old[32]; /* what it is called from when it is complete; then, what was live */
};

/* What must be undone where live was not exchanged. */
static void
give_up(struct exchange *x, const char *name)
{
	int sys = errno;

	(void)snap_discard(x->l->root_fd, name, NULL);
	errno = sys;
}

/* The files of the block, without its ledger. */
static int
build_tree(struct exchange *x, struct err *e)
{
	if (subvol_snapshot(x->r->backend, x->r->block_fd, x->l->root_fd, x->tmp, false, e) != 0)
		return (-1);
	if ((x->tree_fd = io_open_dir(x->l->root_fd, x->tmp, e)) == -1 ||
	    subvol_empty_dir(x->tree_fd, ".ecl", e) != 0)
		goto err1;
	if (unlinkat(x->tree_fd, ".ecl", AT_REMOVEDIR) != 0) {
		err_sys(e, "cannot remove '%s/.ecl'", x->tmp);
		goto err1;
	}
	return (0);

err1:	give_up(x, x->tmp);
	return (-1);
}

/* With lock held: the present ledger into the tree, so that it is byte for byte that of live. */
static int
graft_ledger(struct exchange *x, struct err *e)
{
	bool held;
	int rc;

	/* The clone is synced, with what is recorded in it; what it is cloned from becomes a block. */
	(void)layer_publish(x->l, x->r->backend != BACKEND_BTRFS, NULL);
	held = x->l->index_fd != -1 && io_lock(x->l->index_fd, true, 1000) == 0;
	rc = subvol_clone_tree(x->l->ecl_fd, x->tree_fd, ".ecl", e);
	if (held)
		flock(x->l->index_fd, LOCK_UN);
	return (rc);
}

/* All of it at once.  Of data that could not be written an old kernel tells only who asks for that file. */
static int
sync_tree(const struct exchange *x, struct log *log, struct err *e)
{
	int fd;

	if (syncfs(x->tree_fd) != 0)
		return (err_sys(e, "cannot sync '%s'", x->tmp));
	if ((fd = log_segment_fd(log, log->segments - 1, e)) == -1)
		return (-1);
	return (io_fdatasync(fd) == 0 ? 0 : err_sys(e, "cannot sync the log of '%s'", x->tmp));
}

/* Record in the tree what happens to it; it is on the disk then, and has the name that says so. */
static int
record(struct exchange *x, struct ledger *ledger, struct err *e)
{
	enum log_outcome outcome;
	uint64_t seq = ledger->log->end.size;

	if (rollback_plan(x->r, ledger, e) != 0)
		return (-1);
	if (batch_commit(&x->r->batch, NULL, false, &outcome, e) != 0 || sync_tree(x, ledger->log, e) != 0)
		return (-1);
	snprintf(x->old, sizeof(x->old), ".old-%ju", (uintmax_t)seq);
	if (renameat(x->l->root_fd, x->tmp, x->l->root_fd, x->old) != 0) {
		err_sys(e, "cannot rename '%s' to '%s'", x->tmp, x->old);
		x->old[0] = '\0';
		return (-1);
	}
	/* Of a subvolume, btrfs never has the exchange on the disk without this name: both are parts of transactions, which come in order. */
	if (x->r->backend != BACKEND_BTRFS && io_fsync(x->l->root_fd) != 0)
		return (err_sys(e, "cannot sync '%s'", x->l->path));
	return (0);
}

/* The exchange.  Return as subvol_exchange(). */
static int
exchange(struct exchange *x, struct ledger *ledger, struct err *e)
{
	const struct log_end *before = &x->l->ledger->log->end;
	int rc;

	if (durable_write(x->l->root_fd, before, DURABLE_DIRTY, e) != 0)
		return (-1);
	rc = subvol_exchange(x->l->root_fd, x->old, "live", e);
	/* A mark that cannot be cleared costs the next writer a second look. */
	if (rc != -2)
		durable_write(x->l->root_fd, rc == 0 ? &ledger->log->end : before, DURABLE_CLEAN, NULL);
	return (rc);
}

/* With lock held: from the files of the block to a new live.  Return as subvol_exchange(). */
static int
switch_live(struct exchange *x, struct err *e)
{
	struct ledger *ledger;
	int rc = -1;

	if (graft_ledger(x, e) != 0)
		goto err1;
	if (ledger_open(x->tree_fd, -1, INDEX_TREE, &ledger, e) != 0)
		goto err1;
	if (record(x, ledger, e) == 0)
		rc = exchange(x, ledger, e);
	ledger_free(ledger);
	if (rc == 0)
		rc = layer_reopen_live(x->l, e) == 0 ? 0 : -2;
	if (rc != -1)
		return (rc);
err1:	give_up(x, x->old[0] != '\0' ? x->old : x->tmp);
	return (-1);
}

/* What was live becomes a block, or goes. */
static int
finish(struct exchange *x, struct err *e)
{
	struct rollback_result *result = x->r->result;
	struct block_header h;
	struct buf line = BUF_INIT;
	int fd, rc = 0;

	if ((fd = io_open_dir(x->l->root_fd, x->old, e)) == -1)
		return (-1);
	holders_find(fd, x->r->backend == BACKEND_BTRFS, ".ecl", &result->holders);
	result->asked = true;
	if (!x->r->opt->no_snap && (rc = snap_finish(x->l, fd, x->r->opt->wait_ms, &h, &line, e)) == 0)
		block_name(&h, result->undo);
	buf_release(&line);
	close(fd);
	return (rc == 0 ? snap_discard(x->l->root_fd, x->old, e) : -1);
}

static int
roll_back(struct exchange *x, struct buf *out, struct err *e)
{
	const struct rollback *r = x->r;
	int rc;

	if (build_tree(x, e) != 0)
		return (-1);
	if (snap_lock(x->l, r->opt->wait_ms, e) != 0) {
		give_up(x, x->tmp);
		return (-1);
	}
	rc = switch_live(x, e);
	layer_unlock(x->l);
	if (rc == -1)
		return (-1);
	buf_add(out, r->batch.lines.data, r->batch.lines.len);
	return (rc == 0 ? finish(x, e) : -1);
}

int
rollback_live(struct rollback *r, struct buf *out, struct err *e)
{
	struct exchange x = {.r = r, .l = r->l, .tree_fd = -1};
	int rc;

	snprintf(x.tmp, sizeof(x.tmp), ".tmp-%ld", (long)getpid());
	rc = roll_back(&x, out, e);
	if (x.tree_fd != -1)
		close(x.tree_fd);
	return (rc);
}

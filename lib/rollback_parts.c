/* Parts go back: the states of some elements by events, some files by exchange; the rest of live is not touched. */
#include "config.h"

#include <stdlib.h>

#include "io.h"
#include "rollback_impl.h"
#include "snap.h"

#include "banned.h"

/* What is there now is to be had back: a block of it, unless the last one is. */
static int
keep_present(struct rollback *r, struct err *e)
{
	struct snap_options opt = {.wait_ms = r->opt->wait_ms, .if_changed = true};
	struct block_header h;
	struct buf line = BUF_INIT;
	int rc;

	if ((rc = snap_make_held(r->l, &opt, &h, &line, e)) != -1)
		block_name(&h, r->result->undo);
	buf_release(&line);
	return (rc == -1 ? -1 : 0);
}

/* With lock held: first the files, that can be put back where the log takes no event. */
static int
commit(struct rollback *r, struct err *e)
{
	enum log_outcome outcome;

	if (rollback_plan(r, r->l->ledger, e) != 0)
		return (-1);
	if (rollback_paths_exchange(r, e) != 0) {
		batch_abandon(&r->batch, NULL);
		return (-1);
	}
	if (batch_commit(&r->batch, &r->l->durable, true, &outcome, e) == 0)
		return (0);
	rollback_paths_restore(r, e);
	return (-1);
}

static int
record(struct rollback *r, struct buf *out, struct err *e)
{
	int rc;

	if (snap_lock(r->l, r->opt->wait_ms, e) != 0)
		return (-1);
	if ((rc = commit(r, e)) == 0)
		buf_add(out, r->batch.lines.data, r->batch.lines.len);
	layer_unlock(r->l);
	return (rc);
}

/* Who has open what is in the stage now, under the paths that it had. */
static void
find_holders(struct rollback *r)
{
	struct holders *h = &r->result->holders;
	const struct rollback_path *p;
	struct buf paths = BUF_INIT;
	size_t i, at;
	char *rest;

	holders_find(r->paths.stage_fd, false, NULL, h);
	r->result->asked = true;
	for (i = 0; i < h->n; i++) {
		at = strtoul(h->paths.data + h->holder[i].path, &rest, 10);
		h->holder[i].path = paths.len;
		if (at >= r->paths.n)
			at = 0; /* nothing of ours has such a name */
		p = &r->paths.path[at];
		buf_add(&paths, p->path, p->at);
		buf_adds(&paths, *rest == '/' ? rest + 1 : rest);
		buf_addc(&paths, '\0');
	}
	if (paths.failed) {
		h->unnamed += h->n;
		h->n = 0;
	}
	buf_release(&h->paths);
	h->paths = paths;
}

int
rollback_parts(struct rollback *r, struct buf *out, struct err *e)
{
	int rc;

	if (!r->opt->no_snap && keep_present(r, e) != 0)
		return (-1);
	if (r->paths.n == 0)
		return (record(r, out, e));
	/* The block may have taken its time. */
	if (rollback_paths_find(r, e) != 0 || rollback_paths_stage(r, e) != 0)
		return (-1);
	if ((rc = record(r, out, e)) == 0) {
		rollback_paths_prune(r);
		find_holders(r);
	}
	return (rollback_paths_sweep(r, rc == 0 ? e : NULL) == 0 ? rc : -1);
}

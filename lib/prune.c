/* Retention. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "io.h"
#include "prune.h"
#include "reserve.h"
#include "snap.h"

#include "banned.h"

/* Whether the log records this very block; that of a replica does so later. */
static bool
is_recorded(const struct layer *l, const struct blocks *all, size_t *at, const struct block *b)
{
	if (l->replica)
		return (true);
	while (*at > 0 && (all->list.block[*at - 1].height > b->height ||
	    (all->list.block[*at - 1].height == b->height && strcmp(all->list.block[*at - 1].name, b->name) > 0)))
		(*at)--;
	return (*at > 0 && all->told[*at - 1].made && strcmp(all->list.block[*at - 1].name, b->name) == 0 &&
	    memcmp(all->list.block[*at - 1].header.hash, b->header.hash, SHA256_SIZE) == 0);
}

/* One that no rule keeps. */
static int
consider(struct layer *l, struct prune_item *item, struct err *e)
{
	struct err why = {0, 0, ""};
	int rc;

	if ((rc = snap_in_use(l, item->block->name, NULL, &why)) == -1) {
		if (e != NULL)
			*e = why;
		return (-1);
	}
	item->prune = rc == 0;
	buf_adds(&item->reason, rc == 1 ? why.text : "no rule keeps it");
	return (0);
}

static int
decide(struct layer *l, const struct retention *keep, const struct blocks *all, struct prune_plan *p, struct err *e)
{
	struct retention_walk walk;
	struct prune_item *item;
	const struct block *b;
	size_t i, at = all->list.n;
	bool newest = true;

	retention_begin(&walk, keep);
	for (i = p->list.n; i-- > 0;) {
		item = &p->item[i];
		b = item->block = &p->list.block[i];
		if (!b->good)
			buf_addf(&item->reason, "damaged: %s", b->fault);
		else if (!is_recorded(l, all, &at, b))
			buf_adds(&item->reason, "the log does not record it");
		else {
			if (newest)
				buf_adds(&item->reason, "newest");
			if (!retention_next(&walk, b->header.time_us, &item->reason) && !newest && consider(l, item, e) != 0)
				return (-1);
			newest = false;
		}
		p->prunes += item->prune;
		if (item->reason.failed)
			return (err_mem(e));
	}
	return (0);
}

void
prune_plan_release(struct prune_plan *p)
{
	size_t i;

	for (i = 0; p->item != NULL && i < p->list.n; i++)
		buf_release(&p->item[i].reason);
	free(p->item);
	block_list_release(&p->list);
	memset(p, 0, sizeof(*p));
}

int
prune_plan(struct layer *l, const struct retention *keep, struct prune_plan *ret, struct err *e)
{
	struct prune_plan p = {.item = NULL};
	struct blocks all;
	int rc = -1;

	if (block_list_read(l->snap_fd, &p.list, e) != 0)
		return (-1);
	if (blocks_read(l->snap_fd, l->ledger->log, l->ledger->index, &all, e) != 0)
		goto out;
	if ((p.item = calloc(p.list.n + 1, sizeof(*p.item))) == NULL)
		err_mem(e);
	else
		rc = decide(l, keep, &all, &p, e);
	blocks_release(&all);
out:	if (rc == 0)
		*ret = p;
	else
		prune_plan_release(&p);
	return (rc);
}

/* One event for each block that is to go. */
static int
record(struct layer *l, const struct prune_options *opt, const struct prune_plan *p, struct err *e)
{
	const struct block_header **h;
	size_t i, n = 0;
	int rc = -1;

	if (l->replica)
		return (0);
	if ((h = calloc(p->prunes, sizeof(*h))) == NULL)
		return (err_mem(e));
	for (i = 0; i < p->list.n; i++)
		if (p->item[i].prune)
			h[n++] = &p->item[i].block->header;
	if (snap_lock(l, opt->wait_ms, e) == 0) {
		rc = snap_record_all(l, SPAN(SNAP_PRUNE), opt->cause, h, n, e);
		layer_unlock(l);
	}
	free(h);
	return (rc);
}

/* Delete what is recorded.  One that cannot be deleted does not hold up the others. */
static int
delete(struct layer *l, const struct prune_options *opt, struct prune_plan *p, struct err *e)
{
	struct err why;
	size_t i, done = 0;

	for (i = 0; i < p->list.n; i++) {
		struct prune_item *item = &p->item[i];

		if (!item->prune)
			continue;
		why = (struct err){0, 0, ""};
		item->gone = snap_delete(l, item->block->name, &why) == 0;
		if (!item->gone) {
			buf_reset(&item->reason);
			buf_adds(&item->reason, why.text);
		}
		if (item->reason.failed)
			return (err_mem(e));
		if (opt->step != NULL)
			opt->step(opt->arg, ++done, p->prunes);
	}
	if (io_fsync(l->snap_fd) != 0)
		return (err_sys(e, "blocks were pruned, but that may not be on the disk"));
	return (0);
}

/* What runs before left, the plan, its record. */
static int
begin(struct layer *l, const struct prune_options *opt, struct prune_plan *ret, struct err *e)
{
	struct prune_plan p;

	if ((l->replica ? snap_sweep(l, e) : snap_tidy(l, opt->wait_ms, e)) != 0 || prune_plan(l, &opt->keep, &p, e) != 0)
		return (-1);
	if (p.prunes > 0 && record(l, opt, &p, e) != 0) {
		prune_plan_release(&p);
		return (-1);
	}
	*ret = p;
	return (0);
}

/* The same on a disk that may be full: what is to make room must not fail for want of it. */
static int
begin_anyway(struct layer *l, const struct prune_options *opt, struct prune_plan *ret, bool *ret_used, struct err *e)
{
	struct err why = {0, 0, ""};

	*ret_used = false;
	if (begin(l, opt, ret, &why) == 0)
		return (0);
	if (err_is_full(&why) && (*ret_used = reserve_release(l->root_fd)) && begin(l, opt, ret, &why) == 0)
		return (0);
	if (e != NULL)
		*e = why;
	if (err_is_full(&why))
		err_set(e, "no room to record what would be pruned, and no reserve is left: make some by hand, where no block has it: %.500s", why.text);
	return (-1);
}

int
prune_run(struct layer *l, const struct prune_options *opt, struct prune_plan *ret, struct err *e)
{
	struct prune_plan p;
	bool used;
	int rc = -1;

	if (layer_lock_blocks(l, opt->wait_ms, e) != 0)
		return (-1);
	l->mounts = mounts_keep();
	if (begin_anyway(l, opt, &p, &used, e) == 0) {
		rc = p.prunes == 0 ? 0 : delete(l, opt, &p, e);
		if (used)
			p.bare = !reserve_make_late(l->root_fd);
		if (rc == 0)
			*ret = p;
		else
			prune_plan_release(&p);
	} else if (used)
		(void)reserve_make(l->root_fd);
	mounts_free(l->mounts);
	l->mounts = NULL;
	layer_unlock_blocks(l);
	return (rc);
}

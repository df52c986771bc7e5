/* Rollback: live becomes what a block was. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "batch.h"
#include "durable.h"
#include "io.h"
#include "rollback.h"
#include "snap.h"
#include "subvol.h"

#include "banned.h"

/* Living elements and their states, in the order of bytes. */
struct item {
	size_t name, name_len, state, state_len; /* in states.text */
};

struct states {
	struct item *item;
	size_t n, cap;
	struct buf text;
	struct sha256 hash; /* of them all, as DESIGN 6 has it */
};

struct rollback {
	struct layer *l;
	const struct block *block;
	const struct rollback_options *opt;
	enum backend backend;
	int block_fd;
	char tmp[32]; /* the tree that is built, under ROOT */
	int tree_fd;
	char old[32];	    /* what it is called from when it is complete; then, what was live */
	struct states want; /* of the block */
	struct batch_rules rules;
	struct batch batch;
	struct buf cause, meta;
};

static void
states_release(struct states *s)
{
	free(s->item);
	buf_release(&s->text);
}

static int
collect(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	struct states *s = arg;
	struct item *more;
	size_t cap = s->cap == 0 ? 256 : 2 * s->cap;

	(void)seq;
	(void)time_us;
	if (event_reserved(name))
		return (0);
	if (s->n == s->cap) {
		if ((more = realloc(s->item, cap * sizeof(*more))) == NULL)
			return (1);
		s->item = more;
		s->cap = cap;
	}
	s->item[s->n++] = (struct item){s->text.len, name.len, s->text.len + name.len, state.len};
	buf_addspan(&s->text, name);
	buf_addspan(&s->text, state);
	sha256_update(&s->hash, name.p, name.len);
	sha256_update(&s->hash, "\t", 1);
	sha256_update(&s->hash, state.p, state.len);
	sha256_update(&s->hash, "\n", 1);
	return (s->text.failed ? 1 : 0);
}

static int
states_read(struct states *s, struct ledger *ledger, struct err *e)
{
	int rc;

	sha256_init(&s->hash);
	if ((rc = ledger_states_at(ledger, ledger->log->end.size, collect, s, e)) == 1)
		return (err_mem(e));
	return (rc);
}

static struct span
item_name(const struct states *s, size_t i)
{
	return ((struct span){s->text.data + s->item[i].name, s->item[i].name_len});
}

static struct span
item_state(const struct states *s, size_t i)
{
	return ((struct span){s->text.data + s->item[i].state, s->item[i].state_len});
}

/* The states of the block, from its own ledger, which must be what its header says. */
static int
read_block(struct rollback *r, struct err *e)
{
	const struct block_header *h = &r->block->header;
	struct ledger *ledger;
	uint8_t state[SHA256_SIZE];
	int rc = -1;

	if (ledger_open(r->block_fd, -1, 0, &ledger, e) != 0)
		return (-1);
	if (states_read(&r->want, ledger, e) != 0)
		goto out;
	sha256_final(&r->want.hash, state);
	if (ledger->log->end.size != h->size ||
	    memcmp(ledger->log->end.hash, h->head, SHA256_SIZE) != 0 ||
	    memcmp(state, h->state, SHA256_SIZE) != 0)
		err_no(e, "'%s' does not hold what its header says: 'ecl-verify' tells more",
		    r->block->name);
	else
		rc = 0;
out:	ledger_free(ledger);
	return (rc);
}

static int
check_block(struct rollback *r, struct err *e)
{
	enum backend b;
	bool read_only;

	if (!r->block->good)
		return (err_no(e, "'%s' is damaged: %s", r->block->name, r->block->fault));
	if ((r->block_fd = io_open_dir(r->l->snap_fd, r->block->name, e)) == -1)
		return (-1);
	if (subvol_backend(r->l->live_fd, &r->backend, e) != 0 ||
	    subvol_backend(r->block_fd, &b, e) != 0 ||
	    subvol_is_read_only(b, r->block_fd, &read_only, e) != 0)
		return (-1);
	if (b != r->backend)
		return (err_set(e, "'%s' and live are not both subvolumes", r->block->name));
	if (b == BACKEND_BTRFS && !read_only)
		return (err_no(e, "'%s' is writable: it may not be what it was", r->block->name));
	return (read_block(r, e));
}

/* The block must be of this very history. */
static int
check_history(struct rollback *r, struct ledger *ledger, struct err *e)
{
	const struct block_header *h = &r->block->header;
	struct buf line = BUF_INIT;
	struct event ev;
	int rc = -1;

	if (h->size == 0 || h->size > ledger->log->end.size)
		return (err_no(e, "'%s' is not a block of this ledger: it has %ju events",
		    r->block->name, (uintmax_t)h->size));
	if (index_event(ledger->index, h->size - 1, &line, &ev, e) == 0)
		rc = memcmp(ev.hash, h->head, SHA256_SIZE) == 0
		    ? 0
		    : err_no(e,
			  "'%s' is not a block of this ledger: event %ju is another one there",
			  r->block->name, (uintmax_t)h->size - 1);
	buf_release(&line);
	return (rc);
}

static int
add_rollback(struct rollback *r, struct err *e)
{
	struct event ev = {0};

	ev.element = SPAN("ecl:layer");
	ev.action = SPAN("rollback");
	ev.meta = (struct span){r->meta.data, r->meta.len};
	ev.cause = r->rules.cause;
	return (batch_add(&r->batch, &ev, e));
}

static int
add_element(
    struct rollback *r, struct span name, struct span action, struct span state, struct err *e)
{
	struct event ev = {0};

	ev.element = name;
	ev.action = action;
	ev.state = state;
	ev.cause = r->rules.cause;
	return (batch_add(&r->batch, &ev, e));
}

/* One event for every element that differs: two sorted lists, side by side. */
static int
add_differences(struct rollback *r, const struct states *have, struct err *e)
{
	const struct states *want = &r->want;
	size_t w = 0, h = 0;
	int c, rc = 0;

	while (rc == 0 && (w < want->n || h < have->n)) {
		if (w == want->n || h == have->n)
			c = w == want->n ? 1 : -1;
		else
			c = span_cmp(item_name(want, w), item_name(have, h));
		if (c < 0)
			rc = add_element(
			    r, item_name(want, w), SPAN("create"), item_state(want, w), e);
		else if (c > 0)
			rc = add_element(r, item_name(have, h), SPAN("delete"), SPAN("null"), e);
		else if (!span_eq(item_state(want, w), item_state(have, h)))
			rc = add_element(
			    r, item_name(want, w), SPAN("modify"), item_state(want, w), e);
		w += c <= 0;
		h += c >= 0;
	}
	return (rc);
}

/* Put into the batch what ${ledger} must be told.  On failure the batch is empty again. */
static int
plan(struct rollback *r, struct ledger *ledger, struct err *e)
{
	struct states have = {0};
	int rc = -1;

	batch_begin(&r->batch, ledger, &r->rules);
	if (check_history(r, ledger, e) == 0 && states_read(&have, ledger, e) == 0 &&
	    add_rollback(r, e) == 0)
		rc = add_differences(r, &have, e);
	if (rc == 0 && r->batch.lines.failed)
		rc = err_mem(e);
	if (rc != 0)
		batch_abandon(&r->batch, NULL);
	states_release(&have);
	return (rc);
}

static int
prepare(struct rollback *r, struct layer *l, const struct block *block,
    const struct rollback_options *opt, struct err *e)
{
	const struct block_header *h = &block->header;

	memset(r, 0, sizeof(*r));
	r->l = l;
	r->block = block;
	r->opt = opt;
	r->block_fd = r->tree_fd = -1;
	snprintf(r->tmp, sizeof(r->tmp), ".tmp-%ld", (long)getpid());
	batch_rules_init(&r->rules);
	buf_addf(&r->cause, "\"rollback to %s\"", block->name);
	buf_adds(&r->meta, "{\"block\":\"");
	buf_addhex(&r->meta, h->hash, SHA256_SIZE);
	buf_addf(
	    &r->meta, "\",\"height\":%ju,\"size\":%ju}", (uintmax_t)h->height, (uintmax_t)h->size);
	if (r->cause.failed || r->meta.failed)
		return (err_mem(e));
	r->rules.cause = opt->cause.p != NULL ? opt->cause
					      : (struct span){r->cause.data, r->cause.len};
	return (0);
}

static void
release(struct rollback *r)
{
	batch_release(&r->batch);
	states_release(&r->want);
	buf_release(&r->cause);
	buf_release(&r->meta);
	if (r->tree_fd != -1)
		close(r->tree_fd);
	if (r->block_fd != -1)
		close(r->block_fd);
}

/* What must be undone where live was not exchanged. */
static void
give_up(struct rollback *r, const char *name)
{
	int sys = errno;

	(void)snap_discard(r->l->root_fd, name, NULL);
	errno = sys;
}

/* The files of the block, without its ledger. */
static int
build_tree(struct rollback *r, struct err *e)
{
	if (subvol_check_whole(r->backend, r->l->live_fd, e) != 0 ||
	    subvol_snapshot(r->backend, r->block_fd, r->l->root_fd, r->tmp, false, e) != 0)
		return (-1);
	if ((r->tree_fd = io_open_dir(r->l->root_fd, r->tmp, e)) == -1 ||
	    subvol_empty_dir(r->tree_fd, ".ecl", e) != 0)
		goto err1;
	if (unlinkat(r->tree_fd, ".ecl", AT_REMOVEDIR) != 0) {
		err_sys(e, "cannot remove '%s/.ecl'", r->tmp);
		goto err1;
	}
	return (0);

err1:	give_up(r, r->tmp);
	return (-1);
}

/* With lock held: the present ledger into the tree, so that it is byte for byte that of live. */
static int
graft_ledger(struct rollback *r, struct err *e)
{
	bool held;
	int rc;

	(void)layer_publish(r->l, NULL);
	held = r->l->index_fd != -1 && io_lock(r->l->index_fd, true, 1000) == 0;
	rc = subvol_clone_tree(r->l->ecl_fd, r->tree_fd, ".ecl", e);
	if (held)
		flock(r->l->index_fd, LOCK_UN);
	return (rc);
}

/* Record in the tree what happens to it; it is on the disk then, under the name that says so. */
static int
record(struct rollback *r, struct ledger *ledger, struct err *e)
{
	enum log_outcome outcome;
	uint64_t seq = ledger->log->end.size;

	if (plan(r, ledger, e) != 0)
		return (-1);
	if (batch_commit(&r->batch, NULL, true, &outcome, e) != 0)
		return (-1);
	if (syncfs(r->tree_fd) != 0)
		return (err_sys(e, "cannot sync '%s'", r->tmp));
	snprintf(r->old, sizeof(r->old), ".old-%ju", (uintmax_t)seq);
	if (renameat(r->l->root_fd, r->tmp, r->l->root_fd, r->old) != 0) {
		err_sys(e, "cannot rename '%s' to '%s'", r->tmp, r->old);
		r->old[0] = '\0';
		return (-1);
	}
	if (io_fsync(r->l->root_fd) != 0)
		return (err_sys(e, "cannot sync '%s'", r->l->path));
	return (0);
}

/* The exchange.  Return as subvol_exchange(). */
static int
exchange(struct rollback *r, struct ledger *ledger, struct err *e)
{
	const struct log_end *before = &r->l->ledger->log->end;
	int rc;

	if (durable_write(r->l->root_fd, before, DURABLE_DIRTY, e) != 0)
		return (-1);
	rc = subvol_exchange(r->l->root_fd, r->old, "live", e);
	/* A mark that cannot be cleared costs the next writer a second look. */
	if (rc != -2)
		durable_write(r->l->root_fd, rc == 0 ? &ledger->log->end : before, DURABLE_CLEAN, NULL);
	return (rc);
}

/* With lock held: from the files of the block to a new live.  Return as subvol_exchange(). */
static int
switch_live(struct rollback *r, struct err *e)
{
	struct ledger *ledger;
	int rc = -1;

	if (graft_ledger(r, e) != 0)
		goto err1;
	if (ledger_open(r->tree_fd, -1, INDEX_TREE, &ledger, e) != 0)
		goto err1;
	if (record(r, ledger, e) == 0)
		rc = exchange(r, ledger, e);
	ledger_free(ledger);
	if (rc == 0)
		rc = layer_reopen_live(r->l, e) == 0 ? 0 : -2;
	if (rc != -1)
		return (rc);
err1:	give_up(r, r->old[0] != '\0' ? r->old : r->tmp);
	return (-1);
}

/* What was live becomes a block, or goes. */
static int
finish(struct rollback *r, struct err *e)
{
	struct block_header h;
	struct buf line = BUF_INIT;
	int fd, rc;

	if (!r->opt->no_snap) {
		if ((fd = io_open_dir(r->l->root_fd, r->old, e)) == -1)
			return (-1);
		rc = snap_finish(r->l, fd, r->opt->wait_ms, &h, &line, e);
		close(fd);
		buf_release(&line);
		if (rc != 0)
			return (-1);
	}
	return (snap_discard(r->l->root_fd, r->old, e));
}

static int
roll_back(struct rollback *r, struct buf *out, struct err *e)
{
	char why[sizeof(e->text)];
	int rc;

	if (snap_tidy(r->l, r->opt->wait_ms, e) != 0 || check_block(r, e) != 0 ||
	    build_tree(r, e) != 0)
		return (-1);
	if (snap_lock(r->l, r->opt->wait_ms, e) != 0) {
		give_up(r, r->tmp);
		return (-1);
	}
	rc = switch_live(r, e);
	layer_unlock(r->l);
	if (rc == -1)
		return (-1);
	buf_add(out, r->batch.lines.data, r->batch.lines.len);
	if (rc == 0)
		rc = finish(r, e);
	if (rc != 0 && e != NULL) {
		memcpy(why, e->text, sizeof(why));
		e->exit = EXIT_ERROR; /* whatever it was: to try again would roll back again */
		snprintf(e->text, sizeof(e->text), "live was rolled back to '%s', but then: %.600s",
		    r->block->name, why);
	}
	return (rc == 0 ? 0 : -1);
}

static int
dry_run(struct rollback *r, struct buf *out, struct err *e)
{
	if (check_block(r, e) != 0 || plan(r, r->l->ledger, e) != 0)
		return (-1);
	batch_seal(&r->batch);
	buf_add(out, r->batch.lines.data, r->batch.lines.len);
	return (batch_abandon(&r->batch, e));
}

int
rollback_to(struct layer *l, const struct block *block, const struct rollback_options *opt,
    struct buf *out, struct err *e)
{
	struct rollback r;
	int rc = -1;

	if (prepare(&r, l, block, opt, e) != 0)
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

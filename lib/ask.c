/* One question, and the ledger that it is asked of. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "answer_blocks.h"
#include "ask.h"
#include "catch_up.h"
#include "received.h"
#include "when.h"

#include "banned.h"

static unsigned
layer_flags(const struct ask *a)
{
	return (LAYER_READ | LAYER_LAZY | (a->cli->force ? LAYER_FORCE : 0) | (a->what == ASK_LAYER ? LAYER_TREE : 0));
}

static int
open_block(const struct ask *a, const char *path, const char *block, struct place *ret,
    struct err *e)
{
	struct layer *root;
	int rc;

	if (layer_open(path, LAYER_READ | LAYER_NO_INDEX | LAYER_ROOT | (a->cli->force ? LAYER_FORCE : 0), &root, e) != 0)
		return (-1);
	snprintf(ret->block, sizeof(ret->block), "%s", block);
	ret->may_command = layer_may_command(root);
	if ((rc = layer_open_block(root, block, layer_flags(a), &ret->layer, e)) == 0 && received_is(ret->layer->ecl_fd))
		ret->may_command = false;
	layer_free(root);
	return (rc);
}

static void
on_step(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, done);
}

/* Whose ledger is the one that is open. */
static int
set_query(const struct ask *a, struct place *p, struct err *e)
{
	struct query *q = &p->query;

	p->ask = a;
	p->may_command = p->may_command || layer_may_command(p->layer);
	q->ledger = p->layer->ledger;
	q->size = q->until = index_size(q->ledger->index);
	q->reverse = a->reverse && a->what == ASK_HISTORY;
	q->step = q->ledger->step = on_step;
	q->step_arg = q->ledger->step_arg = a->progress;
	if (a->cli->verbose && index_damage(q->ledger->index) != NULL)
		cli_info(a->cli, "the index of '%s' is not used: %s; 'ecl-index' makes a new one",
		    p->layer->path, index_damage(q->ledger->index));
	if (filter_copy(&a->filter, &q->filter) != 0)
		return (err_mem(e));
	return (filter_settle(&q->filter, q->ledger->index, e));
}

int
ask_open(
    const struct ask *a, const char *path, const char *block, struct place *ret, struct err *e)
{
	struct place p = {0};

	if ((block != NULL ? open_block(a, path, block, &p, e)
			   : layer_open(path, layer_flags(a), &p.layer, e)) != 0 ||
	    catch_up(a->cli, p.layer, e) != 0 || set_query(a, &p, e) != 0) {
		ask_close(&p);
		return (-1);
	}
	*ret = p;
	return (0);
}

void
ask_close(struct place *p)
{
	if (p->has_blocks)
		blocks_release(&p->blocks);
	filter_release(&p->query.filter);
	layer_free(p->layer);
	memset(p, 0, sizeof(*p));
}

int
ask_blocks(struct place *p, struct err *e)
{
	struct layer *l = p->layer;

	if (!p->has_blocks &&
	    blocks_read(l->snap_fd, l->ledger->log, l->ledger->index, &p->blocks, e) != 0)
		return (-1);
	p->has_blocks = true;
	return (0);
}

/* The name of the block that a->block means in the root at ${path}. */
static int
find_block(const struct ask *a, const char *path, char ret[BLOCK_NAME_SIZE], struct err *e)
{
	struct layer *root;
	struct blocks blocks;
	const struct block *b;
	char fate[BLOCKS_FATE_SIZE];
	int rc;

	if (layer_open(path, LAYER_ROOT, &root, e) != 0)
		return (-1);
	if ((rc = blocks_read(root->snap_fd, root->ledger->log, root->ledger->index, &blocks, e)) ==
	    0) {
		rc = when_block(a->block, root->ledger->log, &blocks.list, a->now_us, &b, e);
		if (rc == 0 && !blocks.present[b - blocks.list.block]) {
			blocks_fate(&blocks, (size_t)(b - blocks.list.block), fate);
			rc = err_no(e,
			    "the snapshot of block '%s' %s: '--at %s' answers from the log",
			    b->name, fate, b->name);
		}
		if (rc == 0)
			memcpy(ret, b->name, BLOCK_NAME_SIZE);
		blocks_release(&blocks);
	}
	layer_free(root);
	return (rc);
}

/* A WHEN as a seq; one not given leaves ${*ret} as it is. */
static int
point(struct place *p, const char *text, bool from, uint64_t *ret, struct err *e)
{
	if (text == NULL)
		return (0);
	if (when_is_block(text) && ask_blocks(p, e) != 0)
		return (-1);
	return ((from ? when_from : when_size)(
	    text, p->query.ledger->log, &p->blocks.list, p->ask->now_us, ret, e));
}

/* What failed: where the block was pruned meanwhile, that is why. */
static int
explain(const struct ask *a, const char *path, struct err *e)
{
	char block[BLOCK_NAME_SIZE];
	struct err why = {0};

	if (a->block != NULL && e != NULL && find_block(a, path, block, &why) != 0 && why.exit == EXIT_NO)
		*e = why;
	return (-1);
}

int
ask_points(const struct ask *a, const char *path, struct place *ret, struct err *e)
{
	char block[BLOCK_NAME_SIZE];
	struct place p;
	struct query *q = &p.query;

	if (a->block != NULL && find_block(a, path, block, e) != 0)
		return (-1);
	if (ask_open(a, path, a->block != NULL ? block : NULL, &p, e) != 0)
		return (explain(a, path, e));
	if ((a->what == ASK_DIFF && (point(&p, a->value, false, &p.from, e) != 0 ||
					point(&p, a->second, false, &q->size, e) != 0)) ||
	    (a->what == ASK_LIKE && point(&p, a->value, false, &q->size, e) != 0) ||
	    point(&p, a->at, false, &q->size, e) != 0 ||
	    point(&p, a->since, true, &q->since, e) != 0 ||
	    point(&p, a->until, false, &q->until, e) != 0) {
		ask_close(&p);
		return (-1);
	}
	*ret = p;
	return (0);
}

int
ask_snapshots(const struct place *p, char *out, struct err *e)
{
	char root[PATH_MAX];

	if (realpath(p->layer->path, root) == NULL)
		return (err_sys(e, "cannot find the path of '%s'", p->layer->path));
	snprintf(out, ASK_PATH, "%s/.snapshots", root);
	return (0);
}

static int
answer_all_blocks(struct place *p, struct err *e)
{
	const struct block_list *list = &p->blocks.list;
	char snapshots[ASK_PATH];
	size_t i;

	if (ask_blocks(p, e) != 0 || ask_snapshots(p, snapshots, e) != 0)
		return (-1);
	for (i = 0; i < list->n; i++) {
		if (!list->block[i].good)
			cli_warn(p->ask->cli, "block '%s' is damaged: %s; run 'ecl-verify'",
			    list->block[i].name, list->block[i].fault);
	}
	return (answer_blocks(&p->blocks, p->layer->snap_fd, snapshots, p->ask->present, e));
}

static void
say(void *arg, bool damage, const char *text)
{
	const struct ask_target *t = arg;
	const char *root = t->root == NULL ? "" : t->root;

	(damage ? cli_warn : cli_info)(t->ask->cli, "%s%s%s%s", *root != '\0' ? "root '" : "", root, *root != '\0' ? "': " : "", text);
}

bool
ask_is_seq(const char *text)
{
	uint64_t seq;

	return (decimal_parse(text, strlen(text), &seq) == 0);
}

void
ask_target(const struct place *p, const char *root, struct ask_target *ret)
{
	const struct ask *a = p->ask;

	*ret = (struct ask_target){.ask = a, .root = root};
	ret->target = (struct similar_target){.text = a->value, .space = a->space, .say = say, .arg = ret};
	if (a->value != NULL && ask_is_seq(a->value)) {
		ret->target.text = NULL;
		decimal_parse(a->value, strlen(a->value), &ret->target.seq);
	}
	if (a->exact)
		ret->target.flags |= SIMILAR_EXACT;
	if (a->cli->verbose)
		ret->target.flags |= SIMILAR_SAY_HOW;
	if (!p->may_command)
		ret->target.flags |= SIMILAR_NO_COMMAND;
}

static int
answer_like(struct place *p, struct err *e)
{
	struct answer_like *answers;
	int rc;

	if ((answers = answer_like_new(p->ask->k)) == NULL)
		return (err_mem(e));
	if ((rc = ask_like(p, NULL, answers, e)) == 0)
		rc = answer_like_give(answers, p->ask->present, e);
	answer_like_free(answers);
	return (rc);
}

/* Answer what was asked, to the presenter. */
static int
answer_place(struct place *p, struct err *e)
{
	const struct ask *a = p->ask;
	struct present *out = a->present;
	struct query *q = &p->query;
	struct ask_target target;

	switch (a->what) {
	case ASK_STATES:
		return (answer_states(q, out, e));
	case ASK_HISTORY:
		return (answer_history(q, out, e));
	case ASK_DIFF:
		return (answer_diff(q, p->from, out, e));
	case ASK_COUNTS:
		return (answer_counts(q, a->key, out, e));
	case ASK_EVENT:
		return (answer_event(q, a->value, out, e));
	case ASK_ELEMENTS:
		return (answer_elements(q, out, e));
	case ASK_BLOCKS:
		return (answer_all_blocks(p, e));
	case ASK_LAYER:
		return (answer_layer(q, out, e));
	case ASK_SIMILAR:
		ask_target(p, NULL, &target);
		return (answer_similar(q, &target.target, a->k, out, e));
	case ASK_STAT:
		return (ask_blocks(p, e) != 0 ? -1 : answer_stat(q, &p->blocks, out, e));
	case ASK_LIKE:
		return (answer_like(p, e));
	case ASK_UNUSUAL:
		ask_target(p, NULL, &target);
		return (answer_unusual(q, &target.target, a->k, out, e));
	case ASK_NAMES:
		if (strcmp(a->value, "blocks") == 0)
			return (answer_block_names(p->layer->snap_fd, a->prefix, out, e));
		return (answer_element_names(q, a->prefix, out, e));
	}
	return (0);
}

int
ask_root(const struct ask *a, const char *path, struct err *e)
{
	struct place p;
	int rc;

	if (ask_points(a, path, &p, e) != 0)
		return (-1);
	rc = answer_place(&p, e);
	ask_close(&p);
	return (rc == 0 ? 0 : explain(a, path, e));
}

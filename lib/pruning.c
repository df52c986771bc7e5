/* Pruning, as users meet it. */
#include "config.h"

#include <string.h>

#include "json.h"
#include "prune.h"
#include "pruning.h"

#include "banned.h"

int
pruning_keep(struct pruning *p, struct cli *cli)
{
	struct err e = {0, 0, ""};

	if (retention_add(&p->keep, cli->value, &e) != 0)
		return (cli_usage(cli, "--keep '%s': %s", cli->value, e.text));
	buf_addf(&p->rules, "%s%s", p->rules.len == 0 ? "--keep " : ",", cli->value);
	return (0);
}

int
pruning_check(const struct pruning *p, const struct cli *cli)
{
	if (!p->wanted && (p->keep.given != 0 || p->keep.local || p->dry_run))
		return (cli_usage(cli, "--keep, --local and --dry-run go with --prune"));
	if (p->wanted && p->keep.given == 0)
		return (cli_usage(cli, "--prune needs --keep: which blocks are to be kept, as in '--keep last=10,daily=31'"));
	if (p->wanted && !retention_keeps(&p->keep))
		return (cli_usage(cli, "--keep keeps nothing: 'last=1' keeps but the newest block"));
	return (0);
}

static int
give(struct present *out, const struct prune_item *item)
{
	const struct block *b = item->block;
	struct cell cells[] = {
	    {.name = "block", .kind = CELL_NAME, .text = {b->name, strlen(b->name)}},
	    {.name = "height", .kind = CELL_NUMBER, .n = b->height},
	    {.name = "time", .kind = CELL_TIME, .n = b->good ? (uint64_t)b->header.time_us : PRESENT_NONE},
	    {.name = "action", .kind = CELL_NAME, .text = item->prune ? SPAN("prune") : SPAN("keep")},
	    {.name = "reason", .kind = CELL_NAME, .text = {item->reason.data, item->reason.len}},
	};
	/* On 80 columns the reason needs the room, and the name has the height. */
	struct cell shown[] = {cells[0], cells[2], cells[3], cells[4]};

	if (out->format == PRESENT_TABLE)
		return (present_answer(out, NULL, shown, sizeof(shown) / sizeof(shown[0])));
	return (present_answer(out, NULL, cells, sizeof(cells) / sizeof(cells[0])));
}

/* What was done, and what could not be.  Return 0 or EXIT_ERROR. */
static int
report(const struct cli *cli, const struct prune_plan *plan, bool replica)
{
	const struct prune_item *item;
	size_t i, gone = 0;

	for (i = 0; i < plan->list.n; i++) {
		item = &plan->item[i];
		gone += item->gone;
		if (item->prune && !item->gone)
			cli_warn(cli, "'%s' %s: %.*s; the next run tries again", item->block->name,
			    replica ? "was not deleted" : "is recorded as pruned, but not deleted", (int)item->reason.len, item->reason.data);
	}
	if (plan->bare)
		cli_warn(cli, "the disk is still full: the next --prune has no reserve to record anything with, unless something makes room");
	if (cli->verbose || cli_want_table(cli))
		cli_info(cli, "blocks pruned: %zu, kept: %zu", gone, plan->list.n - gone);
	return (gone == plan->prunes ? 0 : EXIT_ERROR);
}

static int
show(const struct cli *cli, const struct prune_plan *plan, bool all, struct present *out, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && !cli->quiet && i < plan->list.n; i++)
		if (all || plan->item[i].gone)
			rc = give(out, &plan->item[i]);
	return (rc == -1 ? err_mem(e) : 0);
}

static void
on_deleted(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, done);
}

static int
prune(struct pruning *p, struct cli *cli, struct layer *l, struct prune_plan *ret, struct err *e)
{
	struct prune_options opt = {.wait_ms = cli->wait_ms, .keep = p->keep, .step = on_deleted};
	struct progress progress;
	struct buf cause = BUF_INIT;
	int rc;

	if (p->keep.local)
		buf_adds(&p->rules, " --local");
	json_escape(&cause, (struct span){p->rules.data, p->rules.len});
	if (p->rules.failed || cause.failed)
		rc = err_mem(e);
	else {
		opt.cause = (struct span){cause.data, cause.len};
		opt.arg = &progress;
		progress_init(&progress, cli, "deleting", "blocks", 0);
		rc = prune_run(l, &opt, ret, e);
		progress_end(&progress);
	}
	buf_release(&cause);
	return (rc);
}

int
pruning_run(struct pruning *p, struct cli *cli, struct layer *l, struct present *out, struct err *e)
{
	struct prune_plan plan;
	int rc;

	rc = p->dry_run ? prune_plan(l, &p->keep, &plan, e) : prune(p, cli, l, &plan, e);
	if (rc != 0)
		return (-1);
	rc = show(cli, &plan, p->dry_run, out, e);
	if (rc == 0 && !p->dry_run)
		rc = report(cli, &plan, l->replica);
	prune_plan_release(&plan);
	return (rc);
}

void
pruning_release(struct pruning *p)
{
	buf_release(&p->rules);
}

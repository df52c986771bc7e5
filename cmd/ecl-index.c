/* ecl-index: bring the index up to date, make it anew, or check it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "durable.h"
#include "io.h"
#include "layer.h"

#include "banned.h"

#define STEP 65536	/* events between two looks at the clock */
#define PUBLISH 262144	/* events held in memory at most */

enum { OPT_CHECK = CLI_LONG, OPT_REBUILD };

static const struct cli_option options[] = {
	{OPT_CHECK, "check", false},
	{OPT_REBUILD, "rebuild", false},
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-index [OPTION...]\n"
    "\n"
    "  ecl-index             bring the index up to date; for cron\n"
    "  ecl-index --check     compare it with the log\n"
    "  ecl-index --rebuild   make it anew\n"
    "\n"
    "The index is derived from the log: it makes the other programs fast, and none of\n"
    "them believes it.  Prints {\"events\":N,\"published\":N,\"elements\":N}.\n"
    "\n"
    "      --check           exit 1, naming the file, where it differs from the log\n"
    "      --rebuild         make it anew, beside the present one\n" CLI_HELP_WRITER;

struct run {
	struct cli cli;
	bool check, rebuild;
	struct layer *layer;
	struct log *log;
	struct index *ix;
	int lock_fd;
	struct progress progress;
};

static int
parse_options(struct run *r, char **argv)
{
	int key;

	cli_init(&r->cli, "ecl-index", help, argv);
	while ((key = cli_next(&r->cli, options)) > 0)
		switch (key) {
		case OPT_CHECK:
			r->check = true;
			break;
		case OPT_REBUILD:
			r->rebuild = true;
			break;
		}
	if (key == -1)
		return (-1);
	if (r->cli.noperands > 0)
		r->cli.exit = cli_usage(&r->cli, "unexpected operand '%s'", r->cli.operands[0]);
	else if (r->check && r->rebuild)
		r->cli.exit = cli_usage(&r->cli, "--check and --rebuild do not go together");
	else
		return (0);
	return (-1);
}

/* A replica has an index like any other ledger: the root is opened as what it is. */
static int
open_root(struct run *r, struct err *e)
{
	unsigned flags = LAYER_NO_INDEX | (r->cli.force ? LAYER_FORCE : 0);
	bool replica;

	if (layer_open(r->cli.root, flags, &r->layer, e) != 0)
		return (-1);
	if (!r->check) {
		replica = r->layer->replica;
		layer_free(r->layer);
		r->layer = NULL;
		flags |= LAYER_WRITE | (replica ? LAYER_REPLICA : 0);
		if (layer_open(r->cli.root, flags, &r->layer, e) != 0)
			return (-1);
	}
	return (log_open(r->layer->ecl_fd, layer_reader_root(r->layer), &r->log, e));
}

static void
step(void *arg, uint64_t done)
{
	progress_step(arg, done);
}

/* How much of the log is known to be on the disk: what a writer has not synced yet may be taken back. */
static int
durable_size(struct run *r, uint64_t *ret, struct err *e)
{
	struct durable d;

	if (durable_read(r->layer->root_fd, &d, e) != 0)
		return (-1);
	*ret = r->log->end.size;
	if (d.known && d.end.size < *ret)
		*ret = d.end.size;
	return (0);
}

static int
update(struct run *r, struct err *e)
{
	unsigned flags = INDEX_TREE | INDEX_LAZY | (r->rebuild ? INDEX_IGNORE : 0);
	uint64_t size, left;

	if (durable_size(r, &size, e) != 0 || index_open(r->layer->ecl_fd, r->log, flags, &r->ix, e) != 0)
		return (-1);
	/* The lock is held all the time: others would publish into what is going to be replaced. */
	if (r->rebuild && index_anew(r->ix, e) != 0)
		return (-1);
	if (index_damage(r->ix) != NULL)
		cli_warn(&r->cli, "the index is made anew: %s", index_damage(r->ix));
	progress_init(&r->progress, &r->cli, "indexing", "events", size);
	while (index_size(r->ix) < size) {
		left = size - index_size(r->ix);
		if (index_advance(r->ix, left < STEP ? left : STEP, e) == -1)
			return (-1);
		if (index_lag(r->ix) >= PUBLISH && index_publish(r->ix, -1, e) != 0)
			return (-1);
		progress_step(&r->progress, index_size(r->ix));
	}
	if (index_compact(r->ix, -1, e) != 0)
		return (-1);
	return (r->rebuild ? index_replace(r->ix, e) : 0);
}

/* Return 0, 1 where the index is wrong (with ${e}), or -1. */
static int
check(struct run *r, struct err *e)
{
	struct buf fault = BUF_INIT;
	int rc;

	progress_init(&r->progress, &r->cli, "checking", "events", r->log->end.size);
	rc = index_check(r->layer->ecl_fd, r->log, step, &r->progress, &fault, e);
	if (rc == 1)
		err_no(e, "%s; 'ecl-index --rebuild' makes it anew", buf_cstr(&fault));
	buf_release(&fault);
	if (rc == 0)
		rc = index_open(r->layer->ecl_fd, r->log, INDEX_LAZY, &r->ix, e);
	return (rc);
}

static int
lock(struct run *r, bool exclusive, struct err *e)
{
	if (io_lock(r->lock_fd, exclusive, r->cli.wait_ms) == 0)
		return (0);
	if (errno == EWOULDBLOCK)
		return (err_retry(e, "'%s' is locked by another program ('index.lock'); try again later", r->cli.root));
	return (err_sys(e, "cannot lock 'index.lock'"));
}

/* What is live now, in place of what was. */
static int
reopen(struct run *r, struct err *e)
{
	if (r->progress.cli != NULL)
		progress_end(&r->progress);
	index_free(r->ix);
	log_free(r->log);
	r->ix = NULL;
	r->log = NULL;
	if (layer_reopen_live(r->layer, e) != 0)
		return (-1);
	return (log_open(r->layer->ecl_fd, layer_reader_root(r->layer), &r->log, e));
}

/* A rollback exchanges live, and removes what was: whatever came of it, it is not about the index that counts. */
static int
until_settled(struct run *r, struct err *e)
{
	int rc;

	while (rc = r->check ? check(r, e) : update(r, e), layer_exchanged(r->layer))
		if (reopen(r, e) != 0)
			return (-1);
	return (rc);
}

static int
run(struct run *r, struct err *e)
{
	if (open_root(r, e) != 0)
		return (-1);
	if (!r->check) {
		if ((r->lock_fd = io_open_file(r->layer->root_fd, "index.lock", O_RDWR | O_CREAT, 0600, e)) == -1 || lock(r, true, e) != 0)
			return (-1);
		return (until_settled(r, e));
	}
	/* Nobody publishes meanwhile, where we may say so; without it the worst is a false alarm during a rebuild. */
	if (!r->layer->bare)
		r->lock_fd = io_open_file(r->layer->root_fd, "index.lock", O_RDONLY, 0, NULL);
	if (r->lock_fd != -1 && lock(r, false, e) != 0)
		return (-1);
	return (until_settled(r, e));
}

static void
print(const struct run *r)
{
	uint64_t events = r->log->end.size, published = index_published(r->ix), elements = index_elements(r->ix);

	if (r->cli.quiet)
		return;
	if (cli_want_table(&r->cli))
		printf("%" PRIu64 " of %" PRIu64 " events are in the index, %" PRIu64 " elements\n", published, events, elements);
	else
		printf("{\"events\":%" PRIu64 ",\"published\":%" PRIu64 ",\"elements\":%" PRIu64 "}\n", events, published, elements);
}

int
main(int argc, char **argv)
{
	struct run r = {.lock_fd = -1};
	struct err e = {0, 0, ""};
	int code = 0;

	(void)argc;
	if (parse_options(&r, argv) == -1)
		return (r.cli.exit);
	if (run(&r, &e) == 0) {
		progress_end(&r.progress);
		print(&r);
	} else {
		if (r.progress.cli != NULL)
			progress_end(&r.progress);
		code = cli_error(&r.cli, &e);
	}
	index_free(r.ix);
	log_free(r.log);
	layer_free(r.layer);
	if (r.lock_fd != -1)
		close(r.lock_fd);
	return (cli_close_stdout(&r.cli, code));
}

/* ecl-replay: the log as it is, byte for byte. */
#include "config.h"

#include <sys/eventfd.h>

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "cli.h"
#include "cursor.h"
#include "durable.h"
#include "event.h"
#include "filter.h"
#include "follow.h"
#include "index.h"
#include "layer.h"
#include "log.h"
#include "outlet.h"
#include "replay.h"
#include "when.h"

#include "banned.h"

#define CURSOR_BUSY_MS 1000 /* how long a cursor may lag behind the output in a long run, */
#define CURSOR_IDLE_MS 200  /* and while events trickle in */

enum { OPT_ACTION = CLI_LONG, OPT_COUNT, OPT_CURSOR, OPT_ELEMENT, OPT_FOLLOW, OPT_FROM, OPT_TO };

static const struct cli_option options[] = {
	{OPT_ACTION, "action", true},
	{OPT_COUNT, "count", true},
	{OPT_CURSOR, "cursor", true},
	{OPT_ELEMENT, "element", true},
	{OPT_FOLLOW, "follow", false},
	{OPT_FROM, "from", true},
	{OPT_TO, "to", true},
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-replay [OPTION...]\n"
    "\n"
    "  ecl-replay | ecl-verify -                   check a log from a pipe\n"
    "  ecl-replay | ssh host ecl-append --replica  copy a ledger to another host\n"
    "  ecl-replay --from yesterday --to today      what happened yesterday\n"
    "  ecl-replay --element 'service:*' --action restart\n"
    "  ecl-replay --from block-7 --count 100       100 events behind block 7\n"
    "  ecl-replay --follow --from now | jq .       events as they are recorded\n"
    "  ecl-replay --cursor /var/tmp/seen           those since the last time\n"
    "\n"
    "Prints the log byte for byte, one event a line.\n"
    "\n"
    "      --from WHEN       begin with the first event that is not before WHEN\n"
    "      --to WHEN         end with the last event that is not behind WHEN\n"
    "      --element GLOB    only events of these elements (may be repeated)\n"
    "      --action NAME     only events with this action\n"
    "      --count N         at most N events\n"
    "      --follow          then go on with new events as they are committed\n"
    "      --cursor FILE     go on where the last run with this FILE stopped\n" CLI_HELP_ROOT
    "      --json            errors as a line of JSON, too\n" CLI_HELP_REST
    "\n"
    "WHEN: 42 (a seq), block-7, 2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00,\n"
    "yesterday, 15m (ago).  GLOB: a name, or a pattern of * ? [...].\n";

struct job {
	struct cli cli;
	const char *from, *to; /* NULL: from the beginning, to the end */
	const char *cursor_path;
	bool follow;
	uint64_t count;
	struct filter filter;
	struct layer *layer;
	struct follow end; /* where only what is durable counts: --follow, --cursor */
	struct log *plain; /* else: the log as far as it can be read */
	struct cursor cursor;
	int64_t stored_ms; /* when the cursor was, of a monotonic clock */
	struct outlet out;
	struct replay replay;
	struct progress progress;
};

static int
parse(struct job *j, char **argv)
{
	struct cli *cli = &j->cli;
	int key;

	cli_init(cli, "ecl-replay", help, argv);
	j->count = UINT64_MAX;
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case OPT_FROM:
			j->from = cli->value;
			break;
		case OPT_TO:
			j->to = cli->value;
			break;
		case OPT_FOLLOW:
			j->follow = true;
			break;
		case OPT_CURSOR:
			j->cursor_path = cli->value;
			break;
		case OPT_ELEMENT:
			if (filter_add(&j->filter, cli->value) != 0)
				return (cli_usage(cli, "out of memory"));
			break;
		case OPT_ACTION:
			j->filter.action = (struct span){cli->value, strlen(cli->value)};
			if (event_action_fault(j->filter.action) != NULL)
				return (cli_usage(cli, "'%s' is no action: %s", cli->value,
				    event_action_fault(j->filter.action)));
			break;
		case OPT_COUNT:
			if (decimal_parse(cli->value, strlen(cli->value), &j->count) != 0)
				return (cli_usage(
				    cli, "option '--count' takes a number, not '%s'", cli->value));
			break;
		}
	}
	if (key == 0 && cli->noperands > 0)
		return (cli_usage(cli, "an operand is not expected: '%s'", cli->operands[0]));
	if (key == 0 && cli->table)
		return (cli_usage(cli, "the log has no table: see 'ecl-query --history --table'"));
	if (key == 0 && j->follow && j->to != NULL)
		return (cli_usage(cli, "'--to' does not go with '--follow'"));
	return (key == 0 ? 0 : -1);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* The range. */

static int
find_range(struct job *j, const struct block_list *blocks, uint64_t *ret_from, uint64_t *ret_to,
    struct err *e)
{
	struct log *log = j->replay.log;
	int64_t now_us = cli_now_us();

	*ret_from = 0;
	*ret_to = log->end.size;
	if (j->from != NULL && when_from(j->from, log, blocks, now_us, ret_from, e) != 0)
		return (-1);
	return (j->to == NULL ? 0 : when_size(j->to, log, blocks, now_us, ret_to, e));
}

/* Blocks are looked for in their directory; one that is not there may have been pruned, and the whole log tells. */
static int
range(struct job *j, uint64_t *ret_from, uint64_t *ret_to, struct err *e)
{
	struct block_list list;
	struct blocks all;
	int rc;

	if ((j->from == NULL || !when_is_block(j->from)) &&
	    (j->to == NULL || !when_is_block(j->to)))
		return (find_range(j, NULL, ret_from, ret_to, e));
	if (block_list_read(j->layer->snap_fd, &list, e) != 0)
		return (-1);
	rc = find_range(j, &list, ret_from, ret_to, e);
	block_list_release(&list);
	if (rc == 0)
		return (0);
	if (blocks_read(j->layer->snap_fd, j->replay.log, NULL, &all, e) != 0)
		return (-1);
	rc = find_range(j, &all.list, ret_from, ret_to, e);
	blocks_release(&all);
	return (rc);
}

/* Where the cursor says, if it is of this log. */
static int
check_cursor(struct job *j, uint64_t *ret_from, struct err *e)
{
	const struct cursor *c = &j->cursor;
	struct replay *r = &j->replay;

	if (c->seq >= r->log->end.size)
		return (err_no(e,
		    "the cursor '%s' is at event %" PRIu64 ", but the log ends before it: "
		    "it is another ledger's, or the log was cut; see 'ecl-verify'",
		    c->path, c->seq));
	*ret_from = c->seq + 1;
	if (replay_seek(r, *ret_from, e) != 0 || replay_mark(r, e) != 0)
		return (-1);
	if (memcmp(r->hash, c->hash, SHA256_SIZE) != 0)
		return (err_no(e,
		    "the cursor '%s' has another event %" PRIu64 " than the log: "
		    "it is another ledger's, or the log was changed; see 'ecl-verify'",
		    c->path, c->seq));
	return (0);
}

/* A GLOB that is the name of an element means that element: the index knows, and of what it lacks the log. */
static int
settle(struct job *j, uint64_t to, struct err *e)
{
	struct index *ix = NULL;
	struct log *log;
	uint64_t known = 0;
	int rc;

	if (filter_settled(&j->filter))
		return (0);
	if (log_open(j->layer->ecl_fd, layer_reader_root(j->layer), &log, e) != 0)
		return (-1);
	if ((rc = index_open(j->layer->ecl_fd, log, INDEX_LAZY, &ix, e)) == 0 &&
	    (rc = filter_settle(&j->filter, ix, e)) == 0)
		known = index_size(ix);
	index_free(ix);
	log_free(log);
	return (rc == 0 ? filter_settle_by_log(&j->filter, j->replay.log, known, to, e) : -1);
}

/* What no sync covers yet is not shared with the reader's pipe. */
static void
find_firm(struct job *j)
{
	const struct log_end *end = &j->replay.log->end;
	struct durable d;

	if (j->layer->bare || durable_read(j->layer->root_fd, &d, NULL) != 0 || d.damaged)
		replay_firm(&j->replay, end->segment, 0);
	else if (d.known)
		replay_firm(&j->replay, d.end.segment, d.end.offset);
	/* Else nobody had written in this boot when the log was opened. */
}

static int
begin(struct job *j, uint64_t *ret_to, struct err *e)
{
	bool durable = j->follow || j->cursor_path != NULL;
	unsigned flags = LAYER_READ | LAYER_NO_INDEX | (durable ? LAYER_ROOT : 0);
	struct log *log;
	uint64_t from;

	if (j->cursor_path != NULL && cursor_open(&j->cursor, j->cursor_path, e) != 0)
		return (-1);
	if (layer_open(j->cli.root, flags, &j->layer, e) != 0)
		return (-1);
	if ((durable ? follow_open(&j->end, j->layer, j->follow, e)
		     : log_open(j->layer->ecl_fd, layer_reader_root(j->layer), &j->plain, e)) != 0)
		return (err_within(e, j->cli.root));
	log = durable ? j->end.log : j->plain;
	if (log->end.size == 0 && !j->layer->replica && !(durable && j->end.unsynced > 0))
		return (layer_no_events(j->layer, e));
	outlet_init(&j->out, STDOUT_FILENO);
	replay_init(&j->replay, log, &j->out, &j->filter, j->count);
	if (!durable)
		find_firm(j);
	if (range(j, &from, ret_to, e) != 0 || (j->cursor.set && check_cursor(j, &from, e) != 0) ||
	    settle(j, *ret_to, e) != 0)
		return (-1);
	return (replay_seek(&j->replay, from, e));
}

/* What is to be done before the end of a program that was asked to end: only the cursor. */

static volatile sig_atomic_t stopped;
static int wake_fd = -1;

static void
stop(int sig)
{
	const uint64_t one = 1;

	stopped = sig;
	if (write(wake_fd, &one, sizeof(one)) == -1)
		return;
}

static int
catch_signals(struct err *e)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	/* A second one ends it at once, also where nobody reads what it writes. */
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND | SA_RESTART}, old;
	size_t i;

	if ((wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return (err_sys(e, "cannot make an event counter"));
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	return (0);
}

/* Output, and the cursor behind it. */

static int
store_cursor(struct job *j, struct err *e)
{
	struct replay *r = &j->replay;

	if (replay_mark(r, e) != 0)
		return (-1);
	if (r->seq == 0 || (j->cursor.set && j->cursor.seq == r->seq - 1))
		return (0);
	if (outlet_sync(&j->out, e) != 0 || cursor_store(&j->cursor, r->seq - 1, r->hash, e) != 0)
		return (-1);
	j->stored_ms = now_ms();
	return (0);
}

/* Before the first bytes. */
static void
on_output(void *arg)
{
	progress_output(arg);
}

/* Up to event ${to}.  Return 0, 2 where no more is wanted, or -1. */
static int
pump(struct job *j, uint64_t to, struct err *e)
{
	int rc;

	while (!stopped && (rc = replay_some(&j->replay, to, e)) == 1) {
		progress_step(&j->progress, j->replay.bytes);
		if (j->cursor_path != NULL &&
		    now_ms() - j->stored_ms >= CURSOR_BUSY_MS &&
		    store_cursor(j, e) != 0)
			return (-1);
	}
	return (stopped ? 2 : rc);
}

/* Store the cursor now, or say how long that may still wait: -1 where there is nothing to store. */
static int
rest(struct job *j, int *ret_wait_ms, struct err *e)
{
	struct replay *r = &j->replay;
	int64_t due;

	*ret_wait_ms = -1;
	if (replay_mark(r, e) != 0)
		return (-1);
	if (j->cursor_path == NULL || r->seq == 0 ||
	    (j->cursor.set && j->cursor.seq == r->seq - 1))
		return (0);
	due = j->stored_ms + CURSOR_IDLE_MS - now_ms();
	if (due <= 0)
		return (store_cursor(j, e));
	*ret_wait_ms = (int)due;
	return (0);
}

/* As new events are committed. */
static int
follow(struct job *j, struct err *e)
{
	unsigned what;
	bool moved;
	int rc = 0, wait_ms;

	while (rc == 0) {
		if (rest(j, &wait_ms, e) != 0 ||
		    follow_wait(&j->end, STDOUT_FILENO, wake_fd, wait_ms, &what, e) != 0)
			return (-1);
		if ((what & (FOLLOW_GONE | FOLLOW_WOKEN)) != 0)
			return (2);
		if ((what & FOLLOW_CHANGED) == 0)
			continue;
		if (follow_look(&j->end, &moved, e) != 0 ||
		    (moved && replay_log(&j->replay, j->end.log, e) != 0))
			return (-1);
		rc = pump(j, j->end.log->end.size, e);
	}
	return (rc);
}

static int
run(struct job *j, uint64_t to, struct err *e)
{
	uint64_t total = 0;
	int rc;

	if (j->cursor_path != NULL && catch_signals(e) != 0)
		return (-1);
	if (j->end.unsynced > 0)
		cli_info(&j->cli, "%" PRIu64 " events are not shown yet: nobody has synced them",
		    j->end.unsynced);
	if (isatty(STDERR_FILENO) && replay_bytes(&j->replay, to, &total, e) != 0)
		return (-1);
	progress_init(&j->progress, &j->cli, "replaying", "bytes", total);
	j->out.begin = on_output;
	j->out.begin_arg = &j->progress;
	rc = pump(j, to, e);
	progress_end(&j->progress);
	if (rc == 0 && j->follow)
		rc = follow(j, e);
	if (rc != -1 && j->cursor_path != NULL && store_cursor(j, e) != 0)
		rc = -1;
	return (rc);
}

int
main(int argc, char **argv)
{
	struct job j = {.end = {.watch_fd = -1, .durable = {.fd = -1}}, .cursor = {.dir_fd = -1}};
	struct err e = {0};
	uint64_t to;
	int rc;

	(void)argc;
	if ((rc = parse(&j, argv)) != 0) {
		rc = rc == -1 ? j.cli.exit : rc;
		goto done;
	}
	rc = begin(&j, &to, &e) != 0 || run(&j, to, &e) == -1 ? cli_error(&j.cli, &e) : 0;
	rc = cli_close_stdout(&j.cli, rc);
	replay_release(&j.replay);
	outlet_release(&j.out);
	cursor_release(&j.cursor);
	follow_release(&j.end);
	log_free(j.plain);
	layer_free(j.layer);
	/* Who asked it to end sees that it did. */
	if (stopped)
		raise(stopped);
done:
	filter_release(&j.filter);
	return (rc);
}

/* ecl-replay: the log as it is, byte for byte. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "cli.h"
#include "event.h"
#include "filter.h"
#include "io.h"
#include "layer.h"
#include "log.h"
#include "when.h"

#include "banned.h"

#define COPY_SIZE (256u << 10)

enum { OPT_ACTION = CLI_LONG, OPT_COUNT, OPT_ELEMENT, OPT_FROM, OPT_TO };

static const struct cli_option options[] = {
	{OPT_ACTION, "action", true},
	{OPT_COUNT, "count", true},
	{OPT_ELEMENT, "element", true},
	{OPT_FROM, "from", true},
	{OPT_TO, "to", true},
	{0, NULL, false},
};

static const char help[] =
    "  ecl-replay | ecl-verify -                   check a log from a pipe\n"
    "  ecl-replay | ssh host ecl-append --replica  copy a ledger to another host\n"
    "  ecl-replay --from yesterday --to today      what happened yesterday\n"
    "  ecl-replay --element 'service:*' --action restart\n"
    "  ecl-replay --from block-7 --count 100       100 events behind block 7\n"
    "\n"
    "usage: ecl-replay [OPTION...]\n"
    "Prints the log byte for byte, one event a line.\n"
    "\n"
    "      --from WHEN       begin with the first event that is not before WHEN\n"
    "      --to WHEN         end with the last event that is not behind WHEN\n"
    "      --element GLOB    only events of these elements (may be repeated)\n"
    "      --action NAME     only events with this action\n"
    "      --count N         at most N events\n" CLI_HELP_COMMON
    "\n"
    "WHEN: 42 (a seq), block-7, 2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00,\n"
    "yesterday, 15m (ago).  GLOB: a name, or a pattern of * ? [...].\n";

struct replay {
	struct cli cli;
	const char *from, *to; /* NULL: from the beginning, to the end */
	struct filter filter;
	uint64_t count;
	struct log *log;
};

static int
parse(struct replay *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key;

	cli_init(cli, "ecl-replay", help, argv);
	r->count = UINT64_MAX;
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case OPT_FROM:
			r->from = cli->value;
			break;
		case OPT_TO:
			r->to = cli->value;
			break;
		case OPT_ELEMENT:
			if (filter_add(&r->filter, cli->value) != 0)
				return (cli_usage(cli, "out of memory"));
			break;
		case OPT_ACTION:
			r->filter.action = (struct span){cli->value, strlen(cli->value)};
			if (event_action_fault(r->filter.action) != NULL)
				return (cli_usage(cli, "'%s' is no action: %s", cli->value,
				    event_action_fault(r->filter.action)));
			break;
		case OPT_COUNT:
			if (decimal_parse(cli->value, strlen(cli->value), &r->count) != 0)
				return (cli_usage(
				    cli, "option '--count' takes a number, not '%s'", cli->value));
			break;
		}
	}
	if (key == 0 && cli->noperands > 0)
		return (cli_usage(cli, "an operand is not expected: '%s'", cli->operands[0]));
	if (key == 0 && cli->table)
		return (cli_usage(cli, "the log has no table: see 'ecl-query --history --table'"));
	return (key == 0 ? 0 : -1);
}

static int
find_range(struct replay *r, const struct block_list *blocks, uint64_t *ret_from, uint64_t *ret_to,
    struct err *e)
{
	struct timespec now;
	int64_t now_us;

	clock_gettime(CLOCK_REALTIME, &now);
	now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	*ret_from = 0;
	*ret_to = r->log->end.size;
	if (r->from != NULL && when_from(r->from, r->log, blocks, now_us, ret_from, e) != 0)
		return (-1);
	return (r->to == NULL ? 0 : when_size(r->to, r->log, blocks, now_us, ret_to, e));
}

/* Blocks are looked for in their directory; one that is not there may have been pruned, and the whole log tells. */
static int
range(struct replay *r, int snap_fd, uint64_t *ret_from, uint64_t *ret_to, struct err *e)
{
	struct block_list list;
	struct blocks all;
	int rc;

	if ((r->from == NULL || !when_is_block(r->from)) &&
	    (r->to == NULL || !when_is_block(r->to)))
		return (find_range(r, NULL, ret_from, ret_to, e));
	if (block_list_read(snap_fd, &list, e) != 0)
		return (-1);
	rc = find_range(r, &list, ret_from, ret_to, e);
	block_list_release(&list);
	if (rc == 0)
		return (0);
	if (blocks_read(snap_fd, r->log, NULL, &all, e) != 0)
		return (-1);
	rc = find_range(r, &all.list, ret_from, ret_to, e);
	blocks_release(&all);
	return (rc);
}

/* What stdout's reader does not want any more is no error.  Return 0, 1 where it is gone, or -1. */
static int
put(const char *p, size_t len, struct err *e)
{
	if (io_write(STDOUT_FILENO, p, len) == 0)
		return (0);
	return (errno == EPIPE ? 1 : err_sys(e, "cannot write standard output"));
}

/* Whole runs of bytes, from one place in the log to another. */
static int
copy_bytes(
    struct log *log, size_t segment, uint64_t offset, size_t last, uint64_t end, struct err *e)
{
	uint64_t limit;
	char *chunk;
	size_t n;
	int rc = 0;

	if ((chunk = malloc(COPY_SIZE)) == NULL)
		return (err_mem(e));
	for (; rc == 0 && segment <= last && segment < log->segments; segment++, offset = 0) {
		limit = end;
		if (segment != last)
			rc = log_segment_size(log, segment, &limit, e);
		for (; rc == 0 && offset < limit; offset += n) {
			n = limit - offset < COPY_SIZE ? (size_t)(limit - offset) : COPY_SIZE;
			if ((rc = log_pread(log, segment, chunk, n, offset, e)) == 0)
				rc = put(chunk, n, e);
		}
	}
	free(chunk);
	return (rc);
}

static int
copy_range(struct replay *r, uint64_t from, uint64_t to, struct err *e)
{
	struct log_reader a, b;

	if (to > from && to - from > r->count)
		to = from + r->count;
	if (from >= to)
		return (0);
	if (log_seek(r->log, from, &a, e) != 0)
		return (-1);
	log_reader_release(&a);
	if (log_seek(r->log, to, &b, e) != 0)
		return (-1);
	log_reader_release(&b);
	return (copy_bytes(r->log, a.segment, a.offset, b.segment, b.offset, e));
}

/* Line by line, those that pass. */
static int
copy_matching(struct replay *r, uint64_t from, uint64_t to, struct err *e)
{
	struct buf out = BUF_INIT;
	struct log_reader reader;
	struct log_line line;
	uint64_t left = r->count;
	int rc = 0;

	if (from >= to || left == 0)
		return (0);
	if (filter_settle_by_log(&r->filter, r->log, to, e) != 0 ||
	    log_seek(r->log, from, &reader, e) != 0)
		return (-1);
	for (; rc == 0 && from < to && left > 0; from++) {
		if ((rc = log_reader_next(&reader, &line, e)) <= 0)
			break;
		if ((rc = filter_line(&r->filter, line.text, e)) <= 0)
			continue;
		buf_addspan(&out, line.text);
		buf_addc(&out, '\n');
		rc = out.failed ? err_mem(e) : 0;
		left--;
		if (rc == 0 && out.len >= COPY_SIZE) {
			rc = put(out.data, out.len, e);
			buf_reset(&out);
		}
	}
	if (rc != 1 && put(out.data, out.len, rc == 0 ? e : NULL) == -1)
		rc = -1;
	log_reader_release(&reader);
	buf_release(&out);
	return (rc);
}

int
main(int argc, char **argv)
{
	struct replay r = {0};
	struct layer *layer = NULL;
	struct err e = {0};
	uint64_t from, to;
	int rc;

	(void)argc;
	if ((rc = parse(&r, argv)) != 0) {
		rc = rc == -1 ? r.cli.exit : rc;
		goto done;
	}
	if ((rc = layer_open(r.cli.root, LAYER_READ | LAYER_NO_INDEX, &layer, &e)) == 0 &&
	    (rc = log_open(layer->ecl_fd, &r.log, &e)) == 0 &&
	    (rc = range(&r, layer->snap_fd, &from, &to, &e)) == 0)
		rc = filter_empty(&r.filter) ? copy_range(&r, from, to, &e)
					     : copy_matching(&r, from, to, &e);
	rc = rc == -1 ? cli_error(&r.cli, &e) : 0;
	rc = cli_close_stdout(&r.cli, rc);
	log_free(r.log);
	layer_free(layer);
done:
	filter_release(&r.filter);
	return (rc);
}

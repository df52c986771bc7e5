/* ecl-query: what is, what was, what happened. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "blocks.h"
#include "cli.h"
#include "event.h"
#include "json.h"
#include "layer.h"
#include "present.h"
#include "query.h"
#include "when.h"

#include "banned.h"

#define OUT_SIZE (64u << 10) /* bytes of output that go in one write */

enum {
	OPT_ACTION = CLI_LONG,
	OPT_ACTOR,
	OPT_AT,
	OPT_BLOCKS,
	OPT_COUNT_BY,
	OPT_DIFF,
	OPT_ELEMENTS,
	OPT_EVENT,
	OPT_FORMAT,
	OPT_HISTORY,
	OPT_LAYER,
	OPT_LIMIT,
	OPT_NAMES,
	OPT_REVERSE,
	OPT_SINCE,
	OPT_STAT,
	OPT_UNTIL
};

static const struct cli_option options[] = {
	{OPT_ACTION, "action", true},
	{OPT_ACTOR, "actor", true},
	{OPT_AT, "at", true},
	{OPT_BLOCKS, "blocks", false},
	{OPT_COUNT_BY, "count-by", true},
	{OPT_DIFF, "diff", true},
	{OPT_ELEMENTS, "elements", false},
	{OPT_EVENT, "event", true},
	{OPT_FORMAT, "format", true},
	{OPT_HISTORY, "history", false},
	{OPT_LAYER, "layer", false},
	{OPT_LIMIT, "limit", true},
	{OPT_NAMES, "names", true},
	{OPT_REVERSE, "reverse", false},
	{OPT_SINCE, "since", true},
	{OPT_STAT, "stat", false},
	{OPT_UNTIL, "until", true},
	{0, NULL, false},
};

static const char help[] =
    "usage: ecl-query [OPTION...] [GLOB...]\n"
    "\n"
    "  ecl-query                               the state of everything\n"
    "  ecl-query --at yesterday 'interface:*'  what the interfaces were\n"
    "  ecl-query --history service:nginx       all that happened to it\n"
    "  ecl-query --history --since 1h          what happened in the last hour\n"
    "  ecl-query --diff 1h                     what changed in the last hour\n"
    "  ecl-query --event 42                    one event\n"
    "  ecl-query --format state | sha256sum    the state hash, as blocks have it\n"
    "\n"
    "Answers from the ledger.  Without a question: the state of the living elements\n"
    "whose names match a GLOB, or of all.\n"
    "\n"
    "      --history         the events, oldest first\n"
    "      --diff A [B]      what differs between two moments, A and B (now)\n"
    "      --event SEQ|HASH  one event\n"
    "      --elements        the elements that ever were: first and last seq, events\n"
    "      --count-by KEY    events by element, kind, action, actor, hour or day\n"
    "      --blocks          the blocks, also those pruned\n"
    "      --layer           seq, time, state hash and root of one moment\n"
    "      --stat            the ledger in figures\n"
    "      --names KIND      names of elements or blocks that begin with the operand\n"
    "\n"
    "      --at WHEN         as of then\n"
    "      --since WHEN      only events from then on\n"
    "      --until WHEN      only events up to then\n"
    "      --action NAME     only events with this action\n"
    "      --actor TEXT      only events of this actor\n"
    "      --limit N         at most N answers\n"
    "      --reverse         the last one first\n"
    "      --format FORMAT   json, tsv, table or state\n" CLI_HELP_COMMON
    "\n"
    "WHEN: 42 (a seq), block-7, 2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00,\n"
    "yesterday, 15m (ago).  GLOB: a name, or a pattern of * ? [...].\n";

enum what { ASK_STATES, ASK_HISTORY, ASK_DIFF, ASK_COUNTS, ASK_EVENT, ASK_ELEMENTS, ASK_BLOCKS, ASK_LAYER, ASK_STAT, ASK_NAMES };

#define TAKES_GLOBS 1u
#define TAKES_AT 2u
#define TAKES_RANGE 4u /* --since, --until, --action, --actor */
#define TAKES_ORDER 8u /* --limit, --reverse */
#define TAKES_FORMAT 16u
#define TAKES_STATE 32u /* --format state */

/* The questions, their options, and what goes with them. */
static const struct question {
	enum what what;
	int key;
	const char *name;
	unsigned takes;
} questions[] = {
	{ASK_STATES, 0, "states", TAKES_GLOBS | TAKES_AT | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_STATE},
	{ASK_HISTORY, OPT_HISTORY, "--history", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT},
	{ASK_DIFF, OPT_DIFF, "--diff", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT},
	{ASK_COUNTS, OPT_COUNT_BY, "--count-by", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT},
	{ASK_EVENT, OPT_EVENT, "--event", TAKES_FORMAT},
	{ASK_ELEMENTS, OPT_ELEMENTS, "--elements", TAKES_GLOBS | TAKES_ORDER | TAKES_FORMAT},
	{ASK_BLOCKS, OPT_BLOCKS, "--blocks", TAKES_ORDER | TAKES_FORMAT},
	{ASK_LAYER, OPT_LAYER, "--layer", TAKES_AT | TAKES_FORMAT},
	{ASK_STAT, OPT_STAT, "--stat", TAKES_FORMAT},
	{ASK_NAMES, OPT_NAMES, "--names", TAKES_GLOBS | TAKES_ORDER},
};

struct ask {
	struct cli cli;
	const struct question *question; /* NULL: none was named yet */
	const char *at, *since, *until;
	const char *action, *actor;
	const char *value;	  /* of --diff, --event and --names */
	const char *second;	  /* of --diff; NULL: now */
	enum query_key key;	  /* of --count-by */
	uint64_t from;		  /* of --diff: the size at the first */
	const char *format;
	uint64_t limit;		  /* 0: none */
	bool reverse;
	const char *prefix;	  /* of --names */
	struct layer *layer;
	struct query query;
	struct blocks blocks;
	bool has_blocks;
	struct present present;
};

/* Options. */

static int
set_question(struct ask *a, int key)
{
	size_t i;

	for (i = 0; questions[i].key != key; i++)
		;
	if (a->question != NULL && a->question != &questions[i])
		return (cli_usage(
		    &a->cli, "'%s' does not go with '%s'", questions[i].name, a->question->name));
	a->question = &questions[i];
	return (0);
}

/* Return 0, or the exit code where the command line is wrong. */
static int
set_option(struct ask *a, int key)
{
	const char *value = a->cli.value;

	switch (key) {
	case OPT_ACTION:
		a->action = value;
		break;
	case OPT_ACTOR:
		a->actor = value;
		break;
	case OPT_AT:
		a->at = value;
		break;
	case OPT_SINCE:
		a->since = value;
		break;
	case OPT_UNTIL:
		a->until = value;
		break;
	case OPT_FORMAT:
		a->format = value;
		break;
	case OPT_REVERSE:
		a->reverse = true;
		break;
	case OPT_LIMIT:
		if (decimal_parse(value, strlen(value), &a->limit) != 0 || a->limit == 0)
			return (cli_usage(
			    &a->cli, "option '--limit' takes a number from 1 on, not '%s'", value));
		break;
	case OPT_COUNT_BY:
		for (a->key = 0; answer_keys[a->key] != NULL && strcmp(value, answer_keys[a->key]) != 0; a->key++)
			;
		if (answer_keys[a->key] == NULL)
			return (cli_usage(&a->cli,
			    "option '--count-by' takes element, kind, action, actor, hour or day, not '%s'",
			    value));
		return (set_question(a, key));
	case OPT_DIFF:
		a->value = value;
		/* An option with two arguments, of which the second may be left out: what can be one is one. */
		a->second = NULL;
		if (*a->cli.argv != NULL && when_parses(*a->cli.argv))
			a->second = *a->cli.argv++;
		return (set_question(a, key));
	case OPT_EVENT:
	case OPT_NAMES:
		a->value = value;
		return (set_question(a, key));
	default:
		return (set_question(a, key));
	}
	return (0);
}

static int
check_takes(struct ask *a)
{
	const struct {
		bool given;
		unsigned takes;
		const char *name;
	} check[] = {
	    {a->cli.noperands > 0, TAKES_GLOBS, "a GLOB"},
	    {a->at != NULL, TAKES_AT, "'--at'"},
	    {a->since != NULL, TAKES_RANGE, "'--since'"},
	    {a->until != NULL, TAKES_RANGE, "'--until'"},
	    {a->action != NULL, TAKES_RANGE, "'--action'"},
	    {a->actor != NULL, TAKES_RANGE, "'--actor'"},
	    {a->limit != 0, TAKES_ORDER, "'--limit'"},
	    {a->reverse, TAKES_ORDER, "'--reverse'"},
	    {a->format != NULL, TAKES_FORMAT, "'--format'"},
	};
	bool ended = a->cli.noperands > 0 && strcmp(a->cli.operands[-1], "--") == 0;
	size_t i;

	/* A GLOB could begin so, but it will have been meant as an option, and the answer would be to another question. */
	for (i = 0; i < a->cli.noperands; i++) {
		if (a->cli.operands[i][0] == '-' && !ended)
			return (cli_usage(
			    &a->cli, "options stand before GLOBs: '%s'", a->cli.operands[i]));
	}
	for (i = 0; i < sizeof(check) / sizeof(check[0]); i++) {
		if (check[i].given && (a->question->takes & check[i].takes) == 0)
			return (cli_usage(
			    &a->cli, "%s does not go with '%s'", check[i].name, a->question->name));
	}
	return (0);
}

static int
set_present(struct ask *a)
{
	static const char *const names[] = {"json", "tsv", "table", "state"};
	enum present_format format = cli_want_table(&a->cli) ? PRESENT_TABLE : PRESENT_JSON;

	if (a->format != NULL) {
		for (format = PRESENT_JSON; strcmp(a->format, names[format]) != 0; format++) {
			if (format == PRESENT_STATE)
				return (cli_usage(&a->cli,
				    "option '--format' takes json, tsv, table or state, not '%s'",
				    a->format));
		}
	}
	if (format == PRESENT_STATE && (a->question->takes & TAKES_STATE) == 0)
		return (
		    cli_usage(&a->cli, "format 'state' does not go with '%s'", a->question->name));
	present_init(&a->present, &a->cli, format, stdout);
	a->present.reverse = a->reverse && a->question->what != ASK_HISTORY;
	if (a->limit != 0)
		a->present.limit = a->limit;
	return (0);
}

/* --names elements|blocks [PREFIX] */
static int
set_names(struct ask *a)
{
	if (strcmp(a->value, "elements") != 0 && strcmp(a->value, "blocks") != 0)
		return (cli_usage(
		    &a->cli, "option '--names' takes elements or blocks, not '%s'", a->value));
	if (a->cli.noperands > 1)
		return (cli_usage(
		    &a->cli, "'--names' takes one beginning, not also '%s'", a->cli.operands[1]));
	a->prefix = a->cli.noperands == 1 ? a->cli.operands[0] : "";
	return (0);
}

static int
set_filter(struct ask *a)
{
	struct filter *f = &a->query.filter;
	size_t i;

	for (i = 0; i < a->cli.noperands; i++) {
		if (filter_add(f, a->cli.operands[i]) != 0)
			return (cli_usage(&a->cli, "out of memory"));
	}
	if (a->action != NULL) {
		f->action = (struct span){a->action, strlen(a->action)};
		if (event_action_fault(f->action) != NULL)
			return (cli_usage(&a->cli, "'%s' is no action: %s", a->action,
			    event_action_fault(f->action)));
	}
	if (a->actor != NULL && json_utf8(a->actor, strlen(a->actor)) != strlen(a->actor))
		return (cli_usage(&a->cli, "the actor '%s' is not UTF-8", a->actor));
	if (a->actor != NULL && filter_set_actor(f, a->actor) != 0)
		return (cli_usage(&a->cli, "out of memory"));
	return (0);
}

/* Return 0, -1 where the program is to end with cli.exit, or an exit code. */
static int
parse(struct ask *a, char **argv)
{
	int key, rc;

	cli_init(&a->cli, "ecl-query", help, argv);
	while ((key = cli_next(&a->cli, options)) > 0) {
		if ((rc = set_option(a, key)) != 0)
			return (rc);
	}
	if (key == -1)
		return (-1);
	if (a->question == NULL)
		a->question = &questions[0];
	if ((rc = check_takes(a)) != 0 || (rc = set_present(a)) != 0)
		return (rc);
	return (a->question->what == ASK_NAMES ? set_names(a) : set_filter(a));
}

/* What all questions need. */

static int
know_blocks(struct ask *a, struct err *e)
{
	if (!a->has_blocks &&
	    blocks_read(a->layer->snap_fd, a->layer->ledger->log, a->layer->ledger->index,
		&a->blocks, e) != 0)
		return (-1);
	a->has_blocks = true;
	return (0);
}

/* A WHEN as a seq; one not given leaves ${*ret} as it is. */
static int
point(struct ask *a, const char *text, bool from, uint64_t *ret, struct err *e)
{
	if (text == NULL)
		return (0);
	if (when_is_block(text) && know_blocks(a, e) != 0)
		return (-1);
	return ((from ? when_from : when_size)(
	    text, a->layer->ledger->log, &a->blocks.list, cli_now_us(), ret, e));
}

static int
prepare(struct ask *a, struct err *e)
{
	struct query *q = &a->query;

	if (layer_open(a->cli.root, LAYER_READ | (a->question->what == ASK_LAYER ? LAYER_TREE : 0),
		&a->layer, e) != 0)
		return (-1);
	q->ledger = a->layer->ledger;
	q->size = q->until = index_size(q->ledger->index);
	q->reverse = a->reverse && a->question->what == ASK_HISTORY;
	if (a->cli.verbose && index_damage(q->ledger->index) != NULL)
		cli_info(&a->cli, "the index is not used: %s; 'ecl-index' makes a new one",
		    index_damage(q->ledger->index));
	if (a->question->what == ASK_DIFF && (point(a, a->value, false, &a->from, e) != 0 ||
						 point(a, a->second, false, &q->size, e) != 0))
		return (-1);
	if (point(a, a->at, false, &q->size, e) != 0 ||
	    point(a, a->since, true, &q->since, e) != 0 ||
	    point(a, a->until, false, &q->until, e) != 0)
		return (-1);
	return (filter_settle(&q->filter, q->ledger->index, e));
}

static int
answer_all_blocks(struct ask *a, struct err *e)
{
	const struct block_list *list = &a->blocks.list;
	char root[PATH_MAX], snapshots[PATH_MAX + 16];
	size_t i;

	if (know_blocks(a, e) != 0)
		return (-1);
	if (realpath(a->layer->path, root) == NULL)
		return (err_sys(e, "cannot find the path of '%s'", a->layer->path));
	snprintf(snapshots, sizeof(snapshots), "%s/.snapshots", root);
	for (i = 0; i < list->n; i++) {
		if (!list->block[i].good)
			cli_warn(&a->cli, "block '%s' is damaged: %s; run 'ecl-verify'",
			    list->block[i].name, list->block[i].fault);
	}
	return (answer_blocks(&a->blocks, snapshots, &a->present, e));
}

static int
answer(struct ask *a, struct err *e)
{
	struct present *p = &a->present;
	struct query *q = &a->query;

	switch (a->question->what) {
	case ASK_STATES:
		return (answer_states(q, p, e));
	case ASK_HISTORY:
		return (answer_history(q, p, e));
	case ASK_DIFF:
		return (answer_diff(q, a->from, p, e));
	case ASK_COUNTS:
		return (answer_counts(q, a->key, p, e));
	case ASK_EVENT:
		return (answer_event(q, a->value, p, e));
	case ASK_ELEMENTS:
		return (answer_elements(q, p, e));
	case ASK_BLOCKS:
		return (answer_all_blocks(a, e));
	case ASK_LAYER:
		return (answer_layer(q, p, e));
	case ASK_STAT:
		return (know_blocks(a, e) != 0 ? -1 : answer_stat(q, &a->blocks, p, e));
	case ASK_NAMES:
		if (strcmp(a->value, "blocks") == 0)
			return (answer_block_names(a->layer->snap_fd, a->prefix, p, e));
		return (answer_element_names(q, a->prefix, p, e));
	}
	return (0);
}

/* Whether an empty answer is a no: something in particular was asked for. */
static bool
asked(const struct ask *a)
{
	/* No difference is an answer. */
	if (a->question->what == ASK_DIFF)
		return (false);
	return (a->cli.noperands > 0 || !filter_empty(&a->query.filter) || a->since != NULL ||
	    a->until != NULL || a->question->what == ASK_HISTORY || a->question->what == ASK_EVENT);
}

int
main(int argc, char **argv)
{
	static char out[OUT_SIZE];
	struct ask a = {0};
	struct err e = {0};
	int rc;

	(void)argc;
	/* Without a buffer of ours the size is not heeded. */
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	if ((rc = parse(&a, argv)) != 0) {
		rc = rc == -1 ? a.cli.exit : rc;
		goto done;
	}
	if ((rc = prepare(&a, &e)) == 0 && (rc = answer(&a, &e)) == 0 &&
	    (rc = present_end(&a.present)) != 0)
		err_mem(&e);
	if (rc != 0) {
		fflush(stdout);
		rc = cli_error(&a.cli, &e);
	} else if (a.present.count == 0 && asked(&a))
		rc = EXIT_NO;
	rc = cli_close_stdout(&a.cli, rc);
	present_release(&a.present);
	if (a.has_blocks)
		blocks_release(&a.blocks);
	layer_free(a.layer);
done:
	filter_release(&a.query.filter);
	return (rc);
}

/* ecl-query: what is, what was, what happened. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "ask.h"
#include "cli.h"
#include "event.h"
#include "json.h"
#include "present.h"
#include "when.h"

#include "banned.h"

#define K_MAX 10000u
#define K_DEFAULT 10u
#define OUT_SIZE (64u << 10) /* bytes of output that go in one write */

enum {
	OPT_ACTION = CLI_LONG,
	OPT_ACTOR,
	OPT_AT,
	OPT_BLOCK,
	OPT_BLOCKS,
	OPT_COUNT_BY,
	OPT_DIFF,
	OPT_ELEMENTS,
	OPT_EVENT,
	OPT_EXACT,
	OPT_FORMAT,
	OPT_HISTORY,
	OPT_LAYER,
	OPT_LIKE,
	OPT_LIMIT,
	OPT_NAMES,
	OPT_REVERSE,
	OPT_ROOTS,
	OPT_SIMILAR,
	OPT_SINCE,
	OPT_SPACE,
	OPT_STAT,
	OPT_UNUSUAL,
	OPT_UNTIL
};

static const struct cli_option options[] = {
	{OPT_ACTION, "action", true},
	{OPT_ACTOR, "actor", true},
	{OPT_AT, "at", true},
	{OPT_BLOCK, "block", true},
	{OPT_BLOCKS, "blocks", false},
	{OPT_COUNT_BY, "count-by", true},
	{OPT_DIFF, "diff", true},
	{OPT_ELEMENTS, "elements", false},
	{OPT_EVENT, "event", true},
	{OPT_EXACT, "exact", false},
	{OPT_FORMAT, "format", true},
	{OPT_HISTORY, "history", false},
	{OPT_LAYER, "layer", false},
	{OPT_LIKE, "like", true},
	{OPT_LIMIT, "limit", true},
	{OPT_NAMES, "names", true},
	{OPT_REVERSE, "reverse", false},
	{OPT_ROOTS, "roots", true},
	{OPT_SIMILAR, "similar", true},
	{OPT_SINCE, "since", true},
	{OPT_SPACE, "space", true},
	{OPT_STAT, "stat", false},
	{OPT_UNTIL, "until", true},
	{OPT_UNUSUAL, "unusual", false},
	{'k', NULL, true},
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
    "  ecl-query --similar 'disk full'         when something like this happened\n"
    "  ecl-query --unusual --since 1d          what was new in the last day\n"
    "  ecl-query --like 1h                     when all looked as an hour ago\n"
    "  ecl-query --format state | sha256sum    the state hash, as blocks have it\n"
    "\n"
    "Answers from the ledger.  Without a question: the state of the living elements\n"
    "whose names match a GLOB, or of all.\n"
    "\n"
    "      --history         the events, oldest first\n"
    "      --diff A [B]      what differs between two moments, A and B (now)\n"
    "      --event SEQ|HASH  one event\n"
    "      --similar TEXT    the events that resemble a text, or event 42, or a\n"
    "                        vector, [0.1,...]\n"
    "      --unusual         the events least like anything before them\n"
    "      --like WHEN       the blocks that resemble that moment, what differs\n"
    "      --elements        the elements that ever were: first and last seq, events\n"
    "      --count-by KEY    events by element, kind, action, actor, hour or day\n"
    "      --blocks          the blocks, also those pruned\n"
    "      --layer           seq, time, state hash and root of one moment\n"
    "      --stat            the ledger in figures\n"
    "      --names KIND      names of elements or blocks that begin with the operand\n"
    "\n"
    "      --at WHEN         as of then\n"
    "      --block WHEN      ask the snapshot of the last block up to then\n"
    "      --since WHEN      only events from then on\n"
    "      --until WHEN      only events up to then\n"
    "      --action NAME     only events with this action\n"
    "      --actor TEXT      only events of this actor\n"
    "  -k N                  of --similar, --unusual, --like: N answers (10)\n"
    "      --exact           of --similar: compare with every event\n"
    "      --space NAME      of --similar: vectors, or given (events brought them)\n"
    "      --limit N         at most N answers\n"
    "      --reverse         the last one first\n"
    "      --roots DIR       ask every ledger directly under DIR\n"
    "      --format FORMAT   json, tsv, table or state\n"
    "      --force           run the embedder's command of another user's ledger\n" CLI_HELP_READER
    "\n"
    "WHEN: 42 (a seq), block-7, 2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00,\n"
    "yesterday, 15m (ago).  GLOB: a name, or a pattern of * ? [...].\n";

#define TAKES_GLOBS 1u
#define TAKES_AT 2u
#define TAKES_RANGE 4u /* --since, --until, --action, --actor */
#define TAKES_ORDER 8u /* --limit, --reverse */
#define TAKES_FORMAT 16u
#define TAKES_STATE 32u /* --format state */
#define TAKES_BLOCK 64u
#define TAKES_SIMILAR 128u /* --exact, --space */
#define TAKES_K 256u

/* The questions, their options, and what goes with them. */
static const struct question {
	enum ask_what what;
	int key;
	const char *name;
	unsigned takes;
} questions[] = {
	{ASK_STATES, 0, "states", TAKES_GLOBS | TAKES_AT | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_STATE | TAKES_BLOCK},
	{ASK_HISTORY, OPT_HISTORY, "--history", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_DIFF, OPT_DIFF, "--diff", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_COUNTS, OPT_COUNT_BY, "--count-by", TAKES_GLOBS | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_EVENT, OPT_EVENT, "--event", TAKES_FORMAT | TAKES_BLOCK},
	{ASK_SIMILAR, OPT_SIMILAR, "--similar", TAKES_GLOBS | TAKES_AT | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK | TAKES_SIMILAR | TAKES_K},
	{ASK_ELEMENTS, OPT_ELEMENTS, "--elements", TAKES_GLOBS | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_BLOCKS, OPT_BLOCKS, "--blocks", TAKES_ORDER | TAKES_FORMAT},
	{ASK_LAYER, OPT_LAYER, "--layer", TAKES_AT | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_STAT, OPT_STAT, "--stat", TAKES_FORMAT | TAKES_BLOCK},
	{ASK_LIKE, OPT_LIKE, "--like", TAKES_K | TAKES_ORDER | TAKES_FORMAT},
	{ASK_UNUSUAL, OPT_UNUSUAL, "--unusual", TAKES_GLOBS | TAKES_AT | TAKES_K | TAKES_RANGE | TAKES_ORDER | TAKES_FORMAT | TAKES_BLOCK},
	{ASK_NAMES, OPT_NAMES, "--names", TAKES_GLOBS | TAKES_ORDER | TAKES_BLOCK},
};

struct run {
	struct cli cli;
	const struct question *question; /* NULL: none was named yet */
	struct ask ask;
	const char *roots; /* the directory of --roots; NULL: one root is asked */
	const char *action, *actor;
	const char *format;
	uint64_t limit; /* 0: none */
	uint64_t k;	/* 0: not said */
	struct present present;
	struct progress progress; /* of a long scan */
};

/* Options. */

static int
set_question(struct run *r, int key)
{
	size_t i;

	for (i = 0; questions[i].key != key; i++)
		;
	if (r->question != NULL && r->question != &questions[i])
		return (cli_usage(
		    &r->cli, "'%s' does not go with '%s'", questions[i].name, r->question->name));
	r->question = &questions[i];
	return (0);
}

/* --format json and --json are the same, and of them and --table the last one counts. */
static int
set_format(struct run *r, const char *value)
{
	if (strcmp(value, "json") != 0 && strcmp(value, "table") != 0 && strcmp(value, "tsv") != 0 &&
	    strcmp(value, "state") != 0)
		return (cli_usage(
		    &r->cli, "option '--format' takes json, tsv, table or state, not '%s'", value));
	r->format = value;
	r->cli.json = strcmp(value, "json") == 0;
	r->cli.table = strcmp(value, "table") == 0;
	return (0);
}

/* Return 0, or the exit code where the command line is wrong. */
static int
set_option(struct run *r, int key)
{
	const char *value = r->cli.value;

	switch (key) {
	case OPT_ACTION:
		r->action = value;
		break;
	case OPT_ACTOR:
		r->actor = value;
		break;
	case OPT_AT:
		r->ask.at = value;
		break;
	case OPT_BLOCK:
		r->ask.block = value;
		break;
	case OPT_SINCE:
		r->ask.since = value;
		break;
	case OPT_UNTIL:
		r->ask.until = value;
		break;
	case OPT_FORMAT:
		return (set_format(r, value));
	case OPT_ROOTS:
		r->roots = value;
		break;
	case OPT_REVERSE:
		r->ask.reverse = true;
		break;
	case OPT_LIMIT:
		if (decimal_parse(value, strlen(value), &r->limit) != 0 || r->limit == 0)
			return (cli_usage(
			    &r->cli, "option '--limit' takes a number from 1 on, not '%s'", value));
		break;
	case 'k':
		if (decimal_parse(value, strlen(value), &r->k) != 0 || r->k == 0 || r->k > K_MAX)
			return (cli_usage(&r->cli, "option '-k' takes a number from 1 to %u, not '%s'", K_MAX, value));
		break;
	case OPT_EXACT:
		r->ask.exact = true;
		break;
	case OPT_SPACE:
		if (strcmp(value, VECTORS_MADE) != 0 && strcmp(value, VECTORS_GIVEN) != 0)
			return (cli_usage(&r->cli, "option '--space' takes vectors or given, not '%s'", value));
		r->ask.space = value;
		break;
	case OPT_COUNT_BY:
		for (r->ask.key = 0; answer_keys[r->ask.key] != NULL && strcmp(value, answer_keys[r->ask.key]) != 0; r->ask.key++)
			;
		if (answer_keys[r->ask.key] == NULL)
			return (cli_usage(&r->cli,
			    "option '--count-by' takes element, kind, action, actor, hour or day, not '%s'",
			    value));
		return (set_question(r, key));
	case OPT_DIFF:
		r->ask.value = value;
		/* An option with two arguments, of which the second may be left out: what can be one is one. */
		r->ask.second = NULL;
		if (*r->cli.argv != NULL && when_parses(*r->cli.argv))
			r->ask.second = *r->cli.argv++;
		return (set_question(r, key));
	case OPT_EVENT:
	case OPT_NAMES:
	case OPT_LIKE:
	case OPT_SIMILAR:
		r->ask.value = value;
		return (set_question(r, key));
	default:
		return (set_question(r, key));
	}
	return (0);
}

static int
check_takes(struct run *r)
{
	const struct {
		bool given;
		unsigned takes;
		const char *name;
	} check[] = {
	    {r->cli.noperands > 0, TAKES_GLOBS, "a GLOB"},
	    {r->ask.at != NULL, TAKES_AT, "'--at'"},
	    {r->ask.block != NULL, TAKES_BLOCK, "'--block'"},
	    {r->ask.since != NULL, TAKES_RANGE, "'--since'"},
	    {r->ask.until != NULL, TAKES_RANGE, "'--until'"},
	    {r->action != NULL, TAKES_RANGE, "'--action'"},
	    {r->actor != NULL, TAKES_RANGE, "'--actor'"},
	    {r->limit != 0, TAKES_ORDER, "'--limit'"},
	    {r->ask.reverse, TAKES_ORDER, "'--reverse'"},
	    {r->format != NULL, TAKES_FORMAT, "'--format'"},
	    {r->roots != NULL, TAKES_FORMAT, "'--roots'"},
	    {r->k != 0, TAKES_K, "'-k'"},
	    {r->ask.exact, TAKES_SIMILAR, "'--exact'"},
	    {r->ask.space != NULL, TAKES_SIMILAR, "'--space'"},
	};
	size_t i;

	for (i = 0; i < sizeof(check) / sizeof(check[0]); i++) {
		/* Without a question, all others go. */
		if (check[i].given && (r->question->takes & check[i].takes) == 0 && r->question->key == 0)
			return (cli_usage(&r->cli, "%s goes with %s only", check[i].name,
			    check[i].takes == TAKES_K ? "'--similar', '--unusual' and '--like'" : "'--similar'"));
		if (check[i].given && (r->question->takes & check[i].takes) == 0)
			return (cli_usage(
			    &r->cli, "%s does not go with '%s'", check[i].name, r->question->name));
	}
	if (r->roots != NULL && r->cli.root_given)
		return (cli_usage(&r->cli, "'--roots' does not go with '--root'"));
	if (r->roots != NULL && r->question->what == ASK_SIMILAR && ask_is_seq(r->ask.value))
		return (cli_usage(&r->cli, "event %s is another one in each ledger: '--similar' takes a text with '--roots'", r->ask.value));
	return (0);
}

static int
set_present(struct run *r)
{
	enum present_format format = cli_want_table(&r->cli) ? PRESENT_TABLE : PRESENT_JSON;

	if (!r->cli.json && !r->cli.table && r->format != NULL)
		format = *r->format == 't' ? PRESENT_TSV : PRESENT_STATE;
	/* Names are for completion: plain, but for those who say otherwise. */
	if (!r->cli.json && r->question->what == ASK_NAMES)
		format = PRESENT_TSV;
	if (format == PRESENT_STATE && (r->question->takes & TAKES_STATE) == 0)
		return (
		    cli_usage(&r->cli, "format 'state' does not go with '%s'", r->question->name));
	if (format == PRESENT_STATE && r->roots != NULL)
		return (cli_usage(&r->cli, "format 'state' does not go with '--roots'"));
	present_init(&r->present, &r->cli, format, stdout);
	r->present.reverse = r->ask.reverse && r->question->what != ASK_HISTORY;
	if (r->limit != 0)
		r->present.limit = r->limit;
	return (0);
}

/* --names elements|blocks [PREFIX] */
static int
set_names(struct run *r)
{
	if (strcmp(r->ask.value, "elements") != 0 && strcmp(r->ask.value, "blocks") != 0)
		return (cli_usage(
		    &r->cli, "option '--names' takes elements or blocks, not '%s'", r->ask.value));
	if (r->cli.noperands > 1)
		return (cli_usage(
		    &r->cli, "'--names' takes one beginning, not also '%s'", r->cli.operands[1]));
	r->ask.prefix = r->cli.noperands == 1 ? r->cli.operands[0] : "";
	return (0);
}

static int
set_filter(struct run *r)
{
	struct filter *f = &r->ask.filter;
	size_t i;

	for (i = 0; i < r->cli.noperands; i++) {
		if (filter_add(f, r->cli.operands[i]) != 0)
			return (cli_usage(&r->cli, "out of memory"));
	}
	if (r->action != NULL) {
		f->action = (struct span){r->action, strlen(r->action)};
		if (event_action_fault(f->action) != NULL)
			return (cli_usage(&r->cli, "'%s' is no action: %s", r->action,
			    event_action_fault(f->action)));
	}
	if (r->actor != NULL && json_utf8(r->actor, strlen(r->actor)) != strlen(r->actor))
		return (cli_usage(&r->cli, "the actor '%s' is not UTF-8", r->actor));
	if (r->actor != NULL && filter_set_actor(f, r->actor) != 0)
		return (cli_usage(&r->cli, "out of memory"));
	return (0);
}

/* Return 0, -1 where the program is to end with cli.exit, or an exit code. */
static int
parse(struct run *r, char **argv)
{
	int key, rc;

	cli_init(&r->cli, "ecl-query", help, argv);
	while ((key = cli_next(&r->cli, options)) > 0) {
		if ((rc = set_option(r, key)) != 0)
			return (rc);
	}
	if (key == -1)
		return (-1);
	if (r->question == NULL)
		r->question = &questions[0];
	if ((rc = check_takes(r)) != 0 || (rc = set_present(r)) != 0)
		return (rc);
	return (r->question->what == ASK_NAMES ? set_names(r) : set_filter(r));
}

/* Whether an empty answer is a no: something in particular was asked for. */
static bool
asked(const struct run *r)
{
	/* No difference is an answer. */
	if (r->ask.what == ASK_DIFF)
		return (false);
	return (r->cli.noperands > 0 || !filter_empty(&r->ask.filter) || r->ask.since != NULL ||
	    r->ask.until != NULL || r->ask.what == ASK_HISTORY || r->ask.what == ASK_EVENT || r->ask.what == ASK_SIMILAR ||
	    r->ask.what == ASK_UNUSUAL || r->ask.what == ASK_LIKE);
}

int
main(int argc, char **argv)
{
	static char out[OUT_SIZE];
	struct run r = {0};
	struct err e = {0};
	size_t lost = 0;
	int rc;

	(void)argc;
	/* Without a buffer of ours the size is not heeded. */
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	if ((rc = parse(&r, argv)) != 0) {
		rc = rc == -1 ? r.cli.exit : rc;
		goto done;
	}
	r.ask.cli = &r.cli;
	r.ask.what = r.question->what;
	r.ask.k = r.k != 0 ? (size_t)r.k : K_DEFAULT;
	r.ask.now_us = cli_now_us();
	r.ask.present = &r.present;
	r.ask.progress = r.present.progress = &r.progress;
	progress_init(&r.progress, &r.cli, "reading", "", 0);
	rc = r.roots != NULL ? ask_roots(&r.ask, r.roots, &lost, &e) : ask_root(&r.ask, r.cli.root, &e);
	if (rc == 0 && (rc = present_end(&r.present)) != 0)
		err_mem(&e);
	progress_end(&r.progress);
	if (rc != 0) {
		fflush(stdout);
		rc = cli_error(&r.cli, &e);
	} else if (lost > 0)
		rc = EXIT_ERROR;
	else if (r.present.count == 0 && asked(&r))
		rc = EXIT_NO;
	r.cli.write_sys = r.present.sys;
	rc = cli_close_stdout(&r.cli, rc);
	present_release(&r.present);
done:
	filter_release(&r.ask.filter);
	return (rc);
}

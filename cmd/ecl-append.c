/* ecl-append: record events. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "cli.h"
#include "io.h"
#include "layer.h"
#include "source.h"

#include "banned.h"

#define PUBLISH_BULK 262144 /* events between two publications of the index in a flood */
#define PUBLISH_LAG 1000    /* and what is left to others to scan at the end */

static const char help[] =
    "usage: ecl-append [options] [FILE...]\n"
    "\n"
    "  ecl-append -e service:nginx -s '{\"state\":\"up\"}'   one event\n"
    "  ecl-collect-links | ecl-append -q                  what changed, from cron\n"
    "  ecl-append --dry-run events.ndjson                 what would be recorded\n"
    "  ecl-replay -d A | ecl-append -d B --replica        a copy, byte for byte\n"
    "\n"
    "Records the events in FILEs or standard input, one JSON object a line, and\n"
    "prints each as recorded once it is on the disk.  Without an action, an event is\n"
    "recorded only where its state differs from the one in the ledger.\n"
    "\n"
    "  -e, --element NAME    one event by options\n"
    "  -a, --action ACTION   its action (else inferred)\n"
    "  -s, --state JSON      its state\n"
    "      --actor TEXT      for events that lack one\n"
    "      --cause TEXT      for events that lack one\n"
    "  -n, --dry-run         print what would be recorded, record nothing\n"
    "      --keep-time       take the events' own times (importing history)\n"
    "      --rejects FILE    put bad lines there, go on, and exit 1\n"
    "      --expect SEQ      only if this is the last event, else exit 1\n"
    "      --sync MODE       batch: durable before it is printed; none: when the\n"
    "                        system likes, a crash may lose what was printed (batch)\n"
    "      --snap            a block after the whole input\n"
    "      --replica         the input is the log of another ledger\n" CLI_HELP_COMMON;

enum { OPT_ACTOR = CLI_LONG, OPT_CAUSE, OPT_KEEP_TIME, OPT_REJECTS, OPT_EXPECT, OPT_SYNC, OPT_SNAP, OPT_REPLICA };

static const struct cli_option options[] = {
    {'e', "element", true},
    {'a', "action", true},
    {'s', "state", true},
    {OPT_ACTOR, "actor", true},
    {OPT_CAUSE, "cause", true},
    {'n', "dry-run", false},
    {OPT_KEEP_TIME, "keep-time", false},
    {OPT_REJECTS, "rejects", true},
    {OPT_EXPECT, "expect", true},
    {OPT_SYNC, "sync", true},
    {OPT_SNAP, "snap", false},
    {OPT_REPLICA, "replica", false},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	const char *element, *action, *state, *actor, *cause, *rejects;
	bool dry_run, snap, replica, expect, no_sync;
	uint64_t expect_size; /* with --expect: where the log must end */

	struct layer *layer;
	struct batch_rules rules;
	struct batch batch;
	struct buf tokens, scratch;
	struct json_work work;
	struct seen seen;    /* elements in the input, for {"complete":...} */
	bool begun;	     /* first_size is set */
	uint64_t first_size; /* of the ledger when it was first read */
	int rejects_fd;
	uint64_t rejected, recorded;
	bool stdout_gone;
	bool table;
	bool warned_clock;
	struct progress progress;
};

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	uint64_t seq;
	int key;

	cli_init(cli, "ecl-append", help, argv);
	while ((key = cli_next(cli, options)) > 0)
		switch (key) {
		case 'e':
			r->element = cli->value;
			break;
		case 'a':
			r->action = cli->value;
			break;
		case 's':
			r->state = cli->value;
			break;
		case OPT_ACTOR:
			r->actor = cli->value;
			break;
		case OPT_CAUSE:
			r->cause = cli->value;
			break;
		case 'n':
			r->dry_run = true;
			break;
		case OPT_KEEP_TIME:
			r->rules.keep_time = true;
			break;
		case OPT_REJECTS:
			r->rejects = cli->value;
			break;
		case OPT_EXPECT:
			if (decimal_parse(cli->value, strlen(cli->value), &seq) != 0 || seq == UINT64_MAX)
				return (cli->exit = cli_usage(cli, "'%s' is not a seq", cli->value), -1);
			r->expect = true;
			r->expect_size = seq + 1;
			break;
		case OPT_SYNC:
			if (strcmp(cli->value, "batch") != 0 && strcmp(cli->value, "none") != 0)
				return (cli->exit = cli_usage(cli, "unknown --sync '%s': batch or none", cli->value), -1);
			r->no_sync = strcmp(cli->value, "none") == 0;
			break;
		case OPT_SNAP:
			r->snap = true;
			break;
		case OPT_REPLICA:
			r->replica = true;
			break;
		}
	return (key);
}

static int
check_options(struct run *r)
{
	struct cli *cli = &r->cli;

	if (r->element == NULL && (r->action != NULL || r->state != NULL))
		return (cli_usage(cli, "--action and --state need --element"));
	if (r->element != NULL && r->action == NULL && r->state == NULL)
		return (cli_usage(cli, "--element needs --state or --action"));
	if (r->element != NULL && cli->noperands > 0)
		return (cli_usage(cli, "an event by options and FILEs do not go together"));
	if (r->replica && (r->element != NULL || r->actor != NULL || r->cause != NULL || r->rejects != NULL || r->dry_run || r->rules.keep_time))
		return (cli_usage(cli, "--replica stores lines as they are: it goes with none of -e, -n, --actor, --cause, --keep-time, --rejects"));
	if (r->dry_run && r->snap)
		return (cli_usage(cli, "--dry-run and --snap do not go together"));
	return (0);
}

/* --actor and --cause as string tokens; rules point into r->tokens, which does not grow any more. */
static int
prepare(struct run *r, struct err *e)
{
	const char *text[2] = {r->actor, r->cause};
	struct span *token[2] = {&r->rules.actor, &r->rules.cause};
	size_t at[3], i, len;

	for (i = 0; i < 2; i++) {
		len = text[i] == NULL ? 0 : strlen(text[i]);
		if (len != 0 && json_utf8(text[i], len) != len)
			return (err_set(e, "--%s is not UTF-8", i == 0 ? "actor" : "cause"));
		at[i] = r->tokens.len;
		if (text[i] != NULL)
			json_escape(&r->tokens, (struct span){text[i], len});
		at[i + 1] = r->tokens.len;
	}
	if (r->tokens.failed)
		return (err_mem(e));
	for (i = 0; i < 2; i++)
		if (text[i] != NULL)
			*token[i] = (struct span){r->tokens.data + at[i], at[i + 1] - at[i]};
	if (r->rejects != NULL &&
	    (r->rejects_fd = open(r->rejects, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640)) == -1)
		return (err_sys(e, "cannot open '%s'", r->rejects));
	return (layer_open(r->cli.root,
	    (r->dry_run ? LAYER_READ : LAYER_WRITE) | (r->cli.force ? LAYER_FORCE : 0) | (r->replica ? LAYER_REPLICA : 0) |
	    (r->no_sync ? LAYER_NO_SYNC : 0), &r->layer, e));
}

/* ---- what people see ---- */

static void
print_readable(struct span line)
{
	struct buf out = BUF_INIT;
	struct json_fault f;
	struct event ev;
	size_t width = cli_width(STDOUT_FILENO), columns, keep;

	if (event_parse(line, &ev, &f) != 0)
		return;
	buf_addu64(&out, ev.seq);
	buf_adds(&out, "  ");
	cli_time_local(ev.time_us, &out);
	buf_addf(&out, "  %-7.*s ", (int)ev.action.len, ev.action.p);
	cli_printable(ev.element, &out);
	buf_adds(&out, "  ");
	if (ev.state.p != NULL)
		cli_printable(ev.state, &out);
	keep = width == 0 ? out.len : cli_cut((struct span){out.data, out.len}, width, &columns);
	if (!out.failed) {
		fwrite(out.data, 1, keep, stdout);
		putchar('\n');
	}
	buf_release(&out);
}

static void
print_batch(struct run *r)
{
	struct span line;
	const char *lf;
	size_t at;

	if (r->cli.quiet || r->stdout_gone || r->batch.events == 0)
		return;
	progress_clear(&r->progress);
	if (r->table)
		for (at = 0; at < r->batch.lines.len; at += line.len + 1) {
			line.p = r->batch.lines.data + at;
			lf = memchr(line.p, '\n', r->batch.lines.len - at);
			line.len = (size_t)(lf - line.p);
			print_readable(line);
		}
	else
		fwrite(r->batch.lines.data, 1, r->batch.lines.len, stdout);
	/* Who reads may go away: what is being recorded is still recorded. */
	if (fflush(stdout) != 0)
		r->stdout_gone = true;
}

static void
report_lock(struct run *r)
{
	if (r->layer->torn > 0)
		cli_warn(&r->cli, "a torn tail of %" PRIu64 " bytes behind event %" PRIu64
		    " was cut off; it is kept as 'live/.ecl/torn-%" PRIu64 "'", r->layer->torn, r->layer->torn_seq - 1, r->layer->torn_seq);
	r->layer->torn = 0;
	if (r->batch.behind_us > 60000000 && !r->warned_clock) {
		cli_warn(&r->cli, "the clock is %" PRId64 " s behind the last event: its time is used", r->batch.behind_us / 1000000);
		r->warned_clock = true;
	}
}

/* ---- a portion of lines ---- */

/* A refused line, or a part of one, as it came. */
static int
put_away(struct run *r, struct span text, bool end, struct err *e)
{
	if (io_write(r->rejects_fd, text.p, text.len) != 0 || (end && io_write(r->rejects_fd, "\n", 1) != 0))
		return (err_sys(e, "cannot write '%s'", r->rejects));
	return (0);
}

/* A line (or, where it has no ${end} here, its beginning) was refused: put it away, or end.  Return 0 to go on, -1 with ${e}. */
static int
reject(struct run *r, const struct source *src, struct span line, bool end, const struct json_fault *f, struct err *e)
{
	err_set(e, "%s:%" PRIu64 ":%zu: %s", src->name, src->line, f->at + 1, f->what);
	if (r->rejects_fd == -1)
		return (-1);
	cli_warn(&r->cli, "%s", e->text);
	r->rejected++;
	return (put_away(r, line, end, e));
}

/* Return 0 to go on, -1 with ${e}: the batch so far is good. */
static int
take_line(struct run *r, const struct source *src, struct span line, struct err *e)
{
	struct json_fault f;
	struct input in;
	int n;

	if (r->replica) {
		struct err why = {0, 0, ""};

		if (line.len == 0 || batch_add_line(&r->batch, line, &why) >= 0)
			return (0);
		*e = why;
		snprintf(e->text, sizeof(e->text), "%s:%" PRIu64 ": %.600s", src->name, src->line, why.text);
		return (-1);
	}
	buf_reset(&r->scratch);
	n = input_parse(line, r->rules.keep_time, &r->work, &r->scratch, &in, &f);
	if (n == 0 && in.kind == INPUT_BLANK)
		return (0);
	if (n == 0 && in.kind == INPUT_COMPLETE) {
		if (r->rejected > 0)
			return (err_set(e, "%s:%" PRIu64 ":1: 'complete' is refused after a rejected line: nothing is deleted", src->name, src->line));
		n = batch_complete(&r->batch, in.glob, &r->seen, r->first_size, &f, e);
		if (n == -1)
			return (err_set(e, "%s:%" PRIu64 ":1: %s", src->name, src->line, f.what));
		return (n == -2 ? -1 : 0);
	}
	if (n == 0) {
		if (seen_add(&r->seen, in.element) != 0)
			return (err_mem(e));
		n = batch_observe(&r->batch, &in, &f, e);
	}
	if (n == -1)
		return (reject(r, src, line, true, &f, e));
	return (n == -2 ? -1 : 0);
}

/* Add what became of the events of a batch that could not be committed. */
static void
explain(uint64_t first, uint64_t events, enum log_outcome outcome, struct err *e)
{
	size_t len = strlen(e->text);

	snprintf(e->text + len, sizeof(e->text) - len, "; events %" PRIu64 " to %" PRIu64 " %s, those before are recorded", first,
	    first + events - 1,
	    outcome == LOG_IN_DOUBT ? "are in doubt (the next run of ecl-append reads the disk and tells)" : "are not recorded");
}

static int
begin_portion(struct run *r, struct err *e)
{
	uint64_t size;

	if (r->dry_run) {
		if (!r->begun)
			batch_begin(&r->batch, r->layer->ledger, &r->rules);
		buf_reset(&r->batch.lines);
		r->batch.n_pieces = 0;
		r->batch.events = 0;
	} else {
		if (layer_lock(r->layer, r->cli.wait_ms, e) != 0)
			return (-1);
		batch_begin(&r->batch, r->layer->ledger, &r->rules);
	}
	report_lock(r);
	size = r->layer->ledger->log->end.size;
	if (!r->begun)
		r->first_size = size;
	r->begun = true;
	if (r->expect && size != r->expect_size) {
		layer_unlock(r->layer);
		return (err_no(e, "the last event is %" PRIu64 ", not %" PRIu64, size - 1, r->expect_size - 1));
	}
	return (0);
}

static int
commit_portion(struct run *r, struct err *e)
{
	enum log_outcome outcome;
	uint64_t first = r->batch.ledger->log->end.size;
	int ret = 0;

	if (!r->dry_run) {
		ret = batch_commit(&r->batch, r->layer->root_fd, !r->no_sync, &outcome, e);
		if (ret != 0)
			explain(first, r->batch.events, outcome, e);
		else
			r->expect_size = r->layer->ledger->log->end.size;
		layer_unlock(r->layer);
	}
	if (ret == 0 && r->batch.events > 0) {
		r->recorded += r->batch.events;
		print_batch(r);
		progress_step(&r->progress, r->recorded);
	}
	return (ret);
}

/* The index is a convenience: what stops its publication does not stop the recording. */
static void
publish(struct run *r, uint64_t lag)
{
	struct err e = {0, 0, ""};

	if (!r->dry_run && index_lag(r->layer->ledger->index) > lag && layer_publish(r->layer, &e) != 0)
		cli_warn(&r->cli, "the index was not published: %s", e.text);
}

static int
take_portion(struct run *r, struct source *src, struct err *e)
{
	struct err commit_error = {0, 0, ""};
	struct json_fault f;
	struct span line;
	bool rest;
	int n, bad = 0;

	if (begin_portion(r, e) != 0)
		return (-1);
	while (bad == 0 && (rest = src->partial, n = source_line(src, &line)) != 0) {
		if (rest)
			bad = put_away(r, line, n == 1, e);
		else if (n == 1)
			bad = take_line(r, src, line, e);
		else {
			json_fault_set(&f, EVENT_INPUT_MAX, "the line is longer than %u bytes", EVENT_INPUT_MAX);
			bad = reject(r, src, line, false, &f, e);
		}
	}
	/* The lines before a bad one stay recorded. */
	if (commit_portion(r, &commit_error) != 0) {
		*e = commit_error;
		return (-1);
	}
	publish(r, PUBLISH_BULK);
	return (bad);
}

static int
take_source(struct run *r, const char *name, struct err *e)
{
	struct source src;
	int n;

	if (source_open(&src, name, e) != 0)
		return (-1);
	src.all = r->expect;
	if (src.fd == STDIN_FILENO)
		cli_stdin_is_terminal(&r->cli);
	while ((n = source_fill(&src, e)) == 1)
		if ((n = take_portion(r, &src, e)) != 0)
			break;
	if (n == -1)
		source_drain(&src);
	source_close(&src);
	return (n);
}

/* One event by options goes the way of a line. */
static int
take_options(struct run *r, struct err *e)
{
	struct span name = {r->element, strlen(r->element)};
	struct source src = {.name = "--state", .fd = -1, .eof = true};
	struct json_fault f;
	const char *why;
	bool canonical;
	size_t pos = 0, len, offset;
	int ret;

	if ((why = event_name_fault(name)) != NULL)
		return (err_set(e, "--element: %s", why));
	if (r->action != NULL && (why = event_action_fault((struct span){r->action, strlen(r->action)})) != NULL)
		return (err_set(e, "--action: %s", why));
	if (r->state != NULL) {
		len = strlen(r->state);
		pos = offset = json_space(r->state, len, 0);
		if (json_scan(r->state, len, &pos, 2, &canonical, &f) != 0)
			return (err_set(e, "--state:1:%zu: %s", f.at + 1, f.what));
		if ((offset = json_space(r->state, len, pos)) != len)
			return (err_set(e, "--state:1:%zu: one JSON value was expected", offset + 1));
		if (memchr(r->state, '\n', len) != NULL)
			return (err_set(e, "--state: a line feed: write the value on one line"));
	}
	buf_adds(&src.data, "{\"element\":");
	json_escape(&src.data, name);
	if (r->action != NULL)
		buf_addf(&src.data, ",\"action\":\"%s\"", r->action);
	if (r->state != NULL)
		buf_addf(&src.data, ",\"state\":%s", r->state);
	buf_adds(&src.data, "}\n");
	ret = src.data.failed ? err_mem(e) : take_portion(r, &src, e);
	source_close(&src);
	return (ret);
}

static int
take_all(struct run *r, struct err *e)
{
	size_t i;

	progress_init(&r->progress, &r->cli, r->dry_run ? "comparing" : "recording", "events", 0);
	if (r->element != NULL)
		return (take_options(r, e));
	if (r->cli.noperands == 0)
		return (take_source(r, "-", e));
	for (i = 0; i < r->cli.noperands; i++)
		if (take_source(r, r->cli.operands[i], e) != 0)
			return (-1);
	return (0);
}

/* --snap: ecl-snap, from beside this program where it stands there. */
static int
snap(struct run *r)
{
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	const char *args[] = {"ecl-snap", "-q", "-d", r->cli.root, r->cli.force ? "--force" : NULL, NULL};
	char *const *argv = (char *const *)(uintptr_t)args; /* execv() promises not to change them */
	int status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		if (n > 0) {
			path[n] = '\0';
			if ((slash = strrchr(path, '/')) != NULL) {
				memcpy(slash + 1, "ecl-snap", sizeof("ecl-snap"));
				execv(path, argv);
			}
		}
		execvp("ecl-snap", argv);
		_exit(127);
	}
	while (pid != -1 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (pid == -1 || !WIFEXITED(status) || WEXITSTATUS(status) == 127) {
		cli_warn(&r->cli, "cannot run 'ecl-snap': the events are recorded, the block is not made");
		return (EXIT_ERROR);
	}
	return (WEXITSTATUS(status));
}

static void
release(struct run *r)
{
	batch_release(&r->batch);
	buf_release(&r->tokens);
	buf_release(&r->scratch);
	json_work_release(&r->work);
	seen_release(&r->seen);
	layer_free(r->layer);
	if (r->rejects_fd != -1)
		close(r->rejects_fd);
}

int
main(int argc, char **argv)
{
	struct run r;
	struct err e = {0, 0, ""};
	int code;

	(void)argc;
	memset(&r, 0, sizeof(r));
	r.rejects_fd = -1;
	batch_rules_init(&r.rules);
	if (parse_options(&r, argv) == -1)
		return (r.cli.exit);
	if ((code = check_options(&r)) != 0)
		return (code);
	signal(SIGPIPE, SIG_IGN);
	r.rules.force = r.cli.force;
	r.table = cli_want_table(&r.cli);
	if (prepare(&r, &e) != 0) {
		struct source in = {.name = "-", .fd = STDIN_FILENO};

		/* Who feeds a pipe must not die of it before the reason is read. */
		if (r.element == NULL && r.cli.noperands == 0 && !isatty(STDIN_FILENO) && buf_reserve(&in.data, 65536) == 0)
			source_drain(&in);
		buf_release(&in.data);
		code = cli_error(&r.cli, &e);
		release(&r);
		return (code);
	}
	code = take_all(&r, &e) == 0 ? 0 : e.exit;
	progress_end(&r.progress);
	if (r.begun)
		publish(&r, PUBLISH_LAG);
	if (code != 0)
		cli_error(&r.cli, &e);
	else if (r.rejected > 0)
		code = EXIT_NO;
	if (r.table && r.element == NULL && (code == 0 || r.recorded > 0))
		cli_info(&r.cli, "%" PRIu64 " event%s %srecorded", r.recorded, r.recorded == 1 ? "" : "s", r.dry_run ? "would be " : "");
	if (code == 0 && r.snap)
		code = snap(&r);
	release(&r);
	return (cli_close_stdout(&r.cli, code));
}

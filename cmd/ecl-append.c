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

#include "catch_up.h"
#include "cli.h"
#include "io.h"
#include "record.h"

#include "banned.h"

#define PUBLISH_LAG 1000 /* events that are left to others to scan at the end */

static const char help[] =
    "usage: ecl-append [OPTION...] [FILE...]\n"
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
    "      --redact GLOB     replace members of states and meta whose path matches,\n"
    "                        as in '*.password', by keyed hashes; as often as needed\n"
    "      --redact-key FILE the key: 16 bytes or more that only you can read\n"
    "      --expect SEQ      only if this is the last event, else exit 1\n"
    "      --sync MODE       batch: durable before it is printed; none: when the\n"
    "                        system likes, a crash may lose what was printed (batch)\n"
    "      --snap            a block after the whole input\n"
    "      --replica         the input is the log of another ledger\n" CLI_HELP_WRITER;

enum { OPT_ACTOR = CLI_LONG, OPT_CAUSE, OPT_KEEP_TIME, OPT_REJECTS, OPT_REDACT, OPT_REDACT_KEY, OPT_EXPECT, OPT_SYNC, OPT_SNAP, OPT_REPLICA };

static const struct cli_option options[] = {
    {'e', "element", true},
    {'a', "action", true},
    {'s', "state", true},
    {OPT_ACTOR, "actor", true},
    {OPT_CAUSE, "cause", true},
    {'n', "dry-run", false},
    {OPT_KEEP_TIME, "keep-time", false},
    {OPT_REJECTS, "rejects", true},
    {OPT_REDACT, "redact", true},
    {OPT_REDACT_KEY, "redact-key", true},
    {OPT_EXPECT, "expect", true},
    {OPT_SYNC, "sync", true},
    {OPT_SNAP, "snap", false},
    {OPT_REPLICA, "replica", false},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	const char *element, *action, *state, *actor, *cause, *rejects, *redact_key;
	bool snap;
	struct redact redact;

	struct record record;
	struct buf tokens;
	int rejects_fd;
	bool stdout_gone;
	bool table;
	bool on_terminal; /* what is printed */
	bool warned_clock, warned_index;
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
			r->record.dry_run = true;
			break;
		case OPT_KEEP_TIME:
			r->record.rules.keep_time = true;
			break;
		case OPT_REJECTS:
			r->rejects = cli->value;
			break;
		case OPT_REDACT:
			if (cli->value[0] == '\0')
				return (cli->exit = cli_usage(cli, "--redact needs a pattern"), -1);
			redact_glob(&r->redact, cli->value);
			r->record.redact = &r->redact;
			break;
		case OPT_REDACT_KEY:
			r->redact_key = cli->value;
			break;
		case OPT_EXPECT:
			if (decimal_parse(cli->value, strlen(cli->value), &seq) != 0 || seq == UINT64_MAX)
				return (cli->exit = cli_usage(cli, "'%s' is not a seq", cli->value), -1);
			r->record.expect = true;
			r->record.expect_size = seq + 1;
			break;
		case OPT_SYNC:
			if (strcmp(cli->value, "batch") != 0 && strcmp(cli->value, "none") != 0)
				return (cli->exit = cli_usage(cli, "unknown --sync '%s': batch or none", cli->value), -1);
			r->record.no_sync = strcmp(cli->value, "none") == 0;
			break;
		case OPT_SNAP:
			r->snap = true;
			break;
		case OPT_REPLICA:
			r->record.replica = true;
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
	if (r->record.replica && (r->element != NULL || r->actor != NULL || r->cause != NULL || r->rejects != NULL || r->record.dry_run || r->record.rules.keep_time))
		return (cli_usage(cli, "--replica stores lines as they are: it goes with none of -e, -n, --actor, --cause, --keep-time, --rejects"));
	if (r->record.replica && r->record.redact != NULL)
		return (cli_usage(cli, "--replica and --redact do not go together: what is recorded cannot be changed"));
	if ((r->record.redact != NULL) != (r->redact_key != NULL))
		return (cli_usage(cli, "--redact and --redact-key need each other"));
	if (r->record.dry_run && r->snap)
		return (cli_usage(cli, "--dry-run and --snap do not go together"));
	return (0);
}

/* It lies on whatever disk: that one being full, nothing of the ledger makes room there. */
static int
rejects_failed(const struct run *r, const char *verb, struct err *e)
{
	err_sys(e, "cannot %s '%s'", verb, r->rejects);
	e->sys = 0;
	return (-1);
}

/* --actor and --cause as string tokens; rules point into r->tokens, which does not grow any more. */
static int
prepare(struct run *r, struct err *e)
{
	const char *text[2] = {r->actor, r->cause};
	struct span *token[2] = {&r->record.rules.actor, &r->record.rules.cause};
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
	if (r->tokens.failed || r->redact.globs.failed)
		return (err_mem(e));
	for (i = 0; i < 2; i++)
		if (text[i] != NULL)
			*token[i] = (struct span){r->tokens.data + at[i], at[i + 1] - at[i]};
	if (r->redact_key != NULL)
		cli_no_core();
	if (r->redact_key != NULL && redact_key(&r->redact, r->redact_key, r->cli.root, e) != 0)
		return (-1);
	if (r->rejects != NULL &&
	    (r->rejects_fd = open(r->rejects, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640)) == -1)
		return (rejects_failed(r, "open", e));
	return (catch_up_open(&r->cli, r->cli.root,
	    (r->record.dry_run ? LAYER_READ : LAYER_WRITE) | (r->cli.force ? LAYER_FORCE : 0) | (r->record.replica ? LAYER_REPLICA : 0) |
	    (r->record.no_sync ? LAYER_NO_SYNC : 0), &r->record.layer, e));
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
print_batch(struct run *r, const struct batch *b)
{
	struct span line;
	const char *lf;
	size_t at;

	if (r->cli.quiet || r->stdout_gone)
		return;
	/* Only where it would stand between the lines. */
	if (r->on_terminal)
		progress_clear(&r->progress);
	if (r->table)
		for (at = 0; at < b->lines.len; at += line.len + 1) {
			line.p = b->lines.data + at;
			lf = memchr(line.p, '\n', b->lines.len - at);
			line.len = (size_t)(lf - line.p);
			print_readable(line);
		}
	else
		fwrite(b->lines.data, 1, b->lines.len, stdout);
	/* Who reads may go away: what is being recorded is still recorded. */
	if (fflush(stdout) != 0)
		r->stdout_gone = true;
}

/* ---- what happens on the way ---- */

static void
on_committed(void *arg, const struct batch *b)
{
	struct run *r = arg;

	print_batch(r, b);
	progress_step(&r->progress, r->record.recorded);
}

static void
on_began(void *arg, const struct batch *b)
{
	struct run *r = arg;
	struct layer *l = r->record.layer;

	if (l->torn > 0)
		cli_warn(&r->cli, "a torn tail of %" PRIu64 " bytes behind event %" PRIu64
		    " was cut off; it is kept as 'live/.ecl/torn-%" PRIu64 "'", l->torn, l->torn_seq - 1, l->torn_seq);
	l->torn = 0;
	if (b->behind_us > 60000000 && !r->warned_clock) {
		cli_warn(&r->cli, "the clock is %" PRId64 " s behind the last event: its time is used", b->behind_us / 1000000);
		r->warned_clock = true;
	}
}

/* What is put away of a refused line: all of it; where it may have secrets, what can be said without them. */
static void
rejected(const struct run *r, const struct intake_line *line, const struct json_fault *f, const struct err *e, struct buf *out)
{
	if (r->record.redact == NULL) {
		buf_addspan(out, line->text);
		buf_adds(out, line->ends ? "\n" : "");
	} else if (line->kind == INTAKE_INPUT)
		input_format(&line->in, out);
	else if (f != NULL) {
		buf_adds(out, "{\"rejected\":");
		cli_json_string((struct span){e->text, strlen(e->text)}, out);
		buf_adds(out, "}\n");
	}
}

/* A line was refused: put it away, or end. */
static int
on_refused(void *arg, const struct source *s, const struct intake_line *line, const struct json_fault *f, struct err *e)
{
	struct run *r = arg;
	struct buf text = BUF_INIT;
	int ret = 0;

	if (f != NULL)
		err_set(e, "%s:%" PRIu64 ":%zu: %s", s->name, line->number, f->at + 1, f->what);
	if (r->rejects_fd == -1)
		return (-1);
	if (f != NULL)
		cli_warn(&r->cli, "%s", e->text);
	rejected(r, line, f, e, &text);
	if (text.failed)
		ret = err_mem(e);
	else if (io_write(r->rejects_fd, text.data, text.len) != 0)
		ret = rejects_failed(r, "write", e);
	buf_release(&text);
	return (ret);
}

static void
on_unpublished(void *arg, const struct err *e)
{
	struct run *r = arg;

	if (!r->warned_index)
		cli_warn(&r->cli, "the index was not published: %s", e->text);
	r->warned_index = true;
}

static void
on_unembedded(void *arg, const struct err *e)
{
	struct run *r = arg;

	if (r->cli.verbose)
		cli_warn(&r->cli, "no vectors were made of the events: %s", e->text);
}

/* ---- inputs ---- */

static int
take_source(struct run *r, const char *name, struct err *e)
{
	struct source src;
	int ret;

	if (source_open(&src, name, e) != 0)
		return (-1);
	src.all = r->record.expect;
	if (src.fd == STDIN_FILENO)
		cli_stdin_is_terminal(&r->cli);
	ret = record_source(&r->record, &src, e);
	source_close(&src);
	return (ret);
}

/* One event by options goes the way of a line. */
static int
take_options(struct run *r, struct err *e)
{
	struct buf line = BUF_INIT;
	int ret;

	if ((ret = input_line(r->element, r->action, r->state, &line, e)) == 0)
		ret = record_line(&r->record, "--state", (struct span){line.data, line.len}, e);
	buf_release(&line);
	return (ret);
}

static int
take_all(struct run *r, struct err *e)
{
	size_t i;

	progress_init(&r->progress, &r->cli, r->record.dry_run ? "comparing" : "recording", "events", 0);
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
	char path[4096], wait[32], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	const char *args[] = {"ecl-snap", "-q", "-d", r->cli.root, "--wait", wait, r->cli.force ? "--force" : NULL, NULL};
	char *const *argv = (char *const *)(uintptr_t)args; /* execv() promises not to change them */
	int status;
	pid_t pid;

	snprintf(wait, sizeof(wait), "%d.%03d", r->cli.wait_ms / 1000, r->cli.wait_ms % 1000);
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
	record_release(&r->record);
	layer_free(r->record.layer);
	redact_release(&r->redact);
	buf_release(&r->tokens);
	if (r->rejects_fd != -1)
		close(r->rejects_fd);
}

static int
fail_early(struct run *r, const struct err *e)
{
	struct source in = {.name = "-", .fd = STDIN_FILENO, .stop_fd = -1};
	int code;

	/* Who feeds a pipe must not die of it before the reason is read. */
	if (r->element == NULL && r->cli.noperands == 0 && !isatty(STDIN_FILENO))
		source_drain(&in);
	code = cli_error_full(&r->cli, e);
	release(r);
	return (code);
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
	record_init(&r.record);
	if (parse_options(&r, argv) == -1) {
		redact_release(&r.redact);
		return (r.cli.exit);
	}
	if ((code = check_options(&r)) != 0) {
		redact_release(&r.redact);
		return (code);
	}
	signal(SIGPIPE, SIG_IGN);
	r.table = cli_want_table(&r.cli);
	r.on_terminal = isatty(STDOUT_FILENO) == 1;
	r.record.rules.force = r.cli.force;
	r.record.wait_ms = r.cli.wait_ms;
	r.record.aloud = !r.cli.quiet;
	r.record.arg = &r;
	r.record.refuse = on_refused;
	r.record.began = on_began;
	r.record.committed = on_committed;
	r.record.unpublished = on_unpublished;
	r.record.unembedded = on_unembedded;
	if (prepare(&r, &e) != 0)
		return (fail_early(&r, &e));
	code = take_all(&r, &e) == 0 ? 0 : e.exit;
	progress_end(&r.progress);
	record_publish(&r.record, PUBLISH_LAG);
	if (code != 0)
		cli_error_full(&r.cli, &e);
	else if (r.record.refused > 0)
		code = EXIT_NO;
	if (r.table && r.element == NULL && (code == 0 || r.record.recorded > 0))
		cli_info(&r.cli, "%" PRIu64 " event%s %srecorded", r.record.recorded, r.record.recorded == 1 ? "" : "s",
		    r.record.dry_run ? "would be " : "");
	if (code == 0 && r.snap)
		code = snap(&r);
	release(&r);
	return (cli_close_stdout(&r.cli, code));
}

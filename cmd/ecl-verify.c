/* ecl-verify: whether a ledger is what it was when it was written. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "log.h"
#include "verify.h"

#include "banned.h"

enum { OPT_QUICK = CLI_LONG };

static const struct cli_option options[] = {
    {OPT_QUICK, "quick", false},
    {0, NULL, false},
};

static const char help[] =
    "usage: ecl-verify [OPTION...] [-]\n"
    "\n"
    "  ecl-verify                  check the log and all blocks\n"
    "  ecl-verify --quick          check the lines of the log and their chain only\n"
    "  ecl-verify -q || mail-me    for cron: silent where nothing is wrong\n"
    "  ssh host ecl-replay | ecl-verify -\n"
    "\n"
    "Checks a ledger, or with - the events from standard input.  Prints what is\n"
    "wrong, then a summary.  Reads only; writers may be at work meanwhile.\n"
    "\n"
    "      --quick           lines and chain of the log; no parents, no blocks\n" CLI_HELP_READER
    "\n"
    "Exits 0 where nothing is wrong, 1 where something is, 2 where it cannot be told.\n";

struct run {
	struct cli cli;
	struct verify_options opt;
	struct progress progress;
	bool from_stdin;
	int64_t us; /* that it took */
};

static int
parse(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key;

	cli_init(cli, "ecl-verify", help, argv);
	while ((key = cli_next(cli, options)) > 0)
		if (key == OPT_QUICK)
			r->opt.quick = true;
	if (key != 0)
		return (-1);
	r->from_stdin = cli->noperands == 1 && strcmp(cli->operands[0], "-") == 0;
	if (cli->noperands > 0 && !r->from_stdin)
		return (cli_usage(cli, "the only operand is '-', not '%s': name a ledger with --root", cli->operands[0]));
	return (r->from_stdin && cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

static void
on_progress(void *arg, uint64_t bytes, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, bytes);
}

static int
verify(struct run *r, struct verify_result *ret, struct err *e)
{
	int64_t start = now_us();
	int rc;

	progress_init(&r->progress, &r->cli, "verifying", "bytes", 0);
	r->opt.progress = on_progress;
	r->opt.arg = &r->progress;
	rc = r->from_stdin ? verify_stream(STDIN_FILENO, &r->opt, ret, e) : verify_root(r->cli.root, &r->opt, ret, e);
	progress_end(&r->progress);
	r->us = now_us() - start;
	return (rc);
}

static struct span
text(const char *s)
{
	return ((struct span){s, strlen(s)});
}

/* ---- for programs ---- */

static void
json_number(struct buf *out, const char *name, uint64_t n)
{
	if (n != VERIFY_NONE)
		buf_addf(out, ",\"%s\":%" PRIu64, name, n);
}

static void
json_text(struct buf *out, const char *name, const char *s)
{
	if (s[0] == '\0')
		return;
	buf_addf(out, ",\"%s\":", name);
	cli_json_string(text(s), out);
}

static void
json_finding(const struct verify_finding *f, struct buf *out)
{
	char segment[LOG_NAME_SIZE] = "";

	if (f->segment != VERIFY_NONE)
		log_segment_name(f->segment, segment);
	buf_addf(out, "{\"class\":\"%s\"", verify_class_name(f->class));
	json_number(out, "seq", f->seq);
	json_text(out, "segment", segment);
	json_number(out, "offset", f->offset);
	json_text(out, "block", f->block);
	json_text(out, "path", f->path);
	json_text(out, "message", f->message);
	buf_adds(out, "}\n");
}

static void
json_summary(const struct run *r, const struct verify_result *v, struct buf *out)
{
	buf_addf(out,
	    "{\"verdict\":\"%s\",\"events\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,"
	    "\"anchored\":%" PRIu64 ",\"signed\":0,\"head\":",
	    verify_class_name(v->verdict), v->events, v->blocks, v->bytes, (double)r->us / 1e6, v->anchored);
	if (v->events > 0) {
		buf_addc(out, '"');
		buf_addhex(out, v->head, SHA256_SIZE);
		buf_addc(out, '"');
	} else
		buf_adds(out, "null");
	buf_adds(out, "}\n");
}

/* ---- for people ---- */

/* corrupt: 00000000000000000000.ndjson, byte 4711: event 12 does not have the hash that it says */
static void
line_finding(const struct verify_finding *f, bool color, struct buf *out)
{
	const char *style = f->class < VERIFY_UNCHECKED ? "33" : "1;31";
	char segment[LOG_NAME_SIZE];

	if (color)
		buf_addf(out, "\033[%sm%s\033[0m: ", style, verify_class_name(f->class));
	else
		buf_addf(out, "%s: ", verify_class_name(f->class));
	if (f->block[0] != '\0')
		buf_addf(out, "%s%s", f->block, f->path[0] == '\0' ? ": " : "/");
	if (f->path[0] != '\0')
		buf_addf(out, "%s: ", f->path);
	if (f->segment != VERIFY_NONE) {
		log_segment_name(f->segment, segment);
		buf_addf(out, "%s, ", segment);
	}
	if (f->offset != VERIFY_NONE)
		buf_addf(out, "byte %" PRIu64 ": ", f->offset);
	cli_printable(text(f->message), out);
	buf_addc(out, '\n');
}

static void
line_summary(const struct run *r, const struct verify_result *v, bool color, struct buf *out)
{
	double seconds = (double)(r->us > 0 ? r->us : 1) / 1e6;
	const char *on = "", *off = "";
	uint64_t wrong = 0;
	int class;

	for (class = VERIFY_UNCHECKED; class < VERIFY_CLASSES; class ++)
		wrong += v->count[class];
	if (color) {
		on = v->verdict == VERIFY_OK ? "\033[1;32m" : "\033[1;31m";
		off = "\033[0m";
	}
	buf_addf(out, "%s%s%s: %" PRIu64 " event%s", on, verify_class_name(v->verdict), off, v->events,
	    v->events == 1 ? "" : "s");
	if (!r->from_stdin && !r->opt.quick)
		buf_addf(out, " and %" PRIu64 " block%s", v->blocks, v->blocks == 1 ? "" : "s");
	buf_addf(out, " checked in %.3f s (%.0f events a second); ", seconds, (double)v->events / seconds);
	if (wrong > 0)
		buf_addf(out, "%" PRIu64 " %s wrong", wrong, wrong == 1 ? "thing is" : "things are");
	else
		buf_adds(out, "nothing is wrong");
	if (v->anchored > 0)
		buf_addf(out, "; the first %" PRIu64 " events stand in a block too", v->anchored);
	buf_addc(out, '\n');
}

static void
report(const struct run *r, const struct verify_result *v)
{
	bool people = cli_want_table(&r->cli), color = cli_want_color(&r->cli, STDOUT_FILENO);
	struct buf out = BUF_INIT;
	size_t i;

	if (r->cli.quiet && v->verdict == VERIFY_OK)
		return;
	for (i = 0; i < v->n; i++) {
		if (people)
			line_finding(&v->finding[i], color, &out);
		else
			json_finding(&v->finding[i], &out);
	}
	if (people)
		line_summary(r, v, color, &out);
	else
		json_summary(r, v, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
	if (v->more > 0)
		cli_warn(&r->cli, "%" PRIu64 " more findings are not shown", v->more);
}

int
main(int argc, char **argv)
{
	struct verify_result v = {0};
	struct run r = {0};
	struct err e = {0};
	int rc;

	(void)argc;
	if ((rc = parse(&r, argv)) != 0)
		return (rc == -1 ? r.cli.exit : rc);
	sha256_prefer_bulk();
	if (verify(&r, &v, &e) != 0)
		return (cli_error(&r.cli, &e));
	report(&r, &v);
	rc = v.verdict == VERIFY_OK ? 0 : v.verdict == VERIFY_UNCHECKED ? EXIT_ERROR : EXIT_NO;
	verify_release(&v);
	return (cli_close_stdout(&r.cli, rc));
}

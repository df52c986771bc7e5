/* ecl-rollback: live becomes what a block was. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "catch_up.h"
#include "cli.h"
#include "present.h"
#include "rollback.h"
#include "when.h"

#include "banned.h"

#define CAUSE_MAX 4096 /* with it, every state still fits into a line */

static const char help[] =
    "usage: ecl-rollback [OPTION...] BLOCK\n"
    "\n"
    "  ecl-rollback --dry-run block-7   what would be recorded\n"
    "  ecl-rollback block-7             asks, then does it\n"
    "  ecl-rollback --yes 2h | apply    to the last block that is two hours old\n"
    "  ecl-rollback --path etc/ssh --path srv/www/index.html block-7\n"
    "  ecl-rollback --element 'interface:*' block-7\n"
    "\n"
    "The files of live become those of BLOCK, the elements' states too; the log grows\n"
    "by the events that say so, which are printed.  What was live becomes a block, so\n"
    "that another rollback undoes this one.  BLOCK is a block, or a seq, a time or an\n"
    "age, which mean the last block at or before it.  With --element and --path only\n"
    "those elements' states and those files go back.\n"
    "\n"
    "      --element GLOB    only the states of these elements; again for more\n"
    "      --path P          only this file or directory of live; again for more\n"
    "  -n, --dry-run         print what would be recorded, change nothing\n"
    "  -y, --yes             do not ask; needed where standard input is no terminal\n"
    "      --cause TEXT      why (rollback to BLOCK)\n"
    "      --no-snap         delete what was live: no block of it\n" CLI_HELP_WRITER;

enum { OPT_CAUSE = CLI_LONG, OPT_ELEMENT, OPT_NO_SNAP, OPT_PATH };

static const struct cli_option options[] = {
    {'n', "dry-run", false},
    {'y', "yes", false},
    {OPT_CAUSE, "cause", true},
    {OPT_ELEMENT, "element", true},
    {OPT_PATH, "path", true},
    {OPT_NO_SNAP, "no-snap", false},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	struct rollback_options opt;
	struct rollback_result result;
	const char **element, **path; /* room for as many as there are arguments */
	const char *cause;
	bool yes;
	struct layer *layer;
	struct progress progress;
	struct blocks blocks;
	const struct block *block;
	struct buf cause_token, lines;
};

static int
parse_options(struct run *r, int argc, char **argv, struct err *e)
{
	struct cli *cli = &r->cli;
	int key;
	cli_init(cli, "ecl-rollback", help, argv);
	if ((r->element = calloc((size_t)argc, sizeof(*r->element))) == NULL || (r->path = calloc((size_t)argc, sizeof(*r->path))) == NULL) {
		err_mem(e);
		cli->exit = cli_error(cli, e);
		return (-1);
	}
	r->opt.element = r->element;
	r->opt.path = r->path;
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case 'n':
			r->opt.dry_run = true;
			break;
		case 'y':
			r->yes = true;
			break;
		case OPT_CAUSE:
			r->cause = cli->value;
			break;
		case OPT_ELEMENT:
			r->element[r->opt.elements++] = cli->value;
			break;
		case OPT_PATH:
			r->path[r->opt.paths++] = cli->value;
			break;
		case OPT_NO_SNAP:
			r->opt.no_snap = true;
			break;
		}
	}
	return (key);
}

static int
check_options(struct run *r)
{
	struct cli *cli = &r->cli;
	size_t len = r->cause == NULL ? 0 : strlen(r->cause);

	if (cli->noperands != 1)
		return (cli_usage(cli, "one BLOCK is expected"));
	if (json_utf8(r->cause, len) != len)
		return (cli_usage(cli, "--cause is not UTF-8"));
	if (len > CAUSE_MAX)
		return (cli_usage(cli, "--cause is longer than %d bytes", CAUSE_MAX));
	if (!r->yes && !r->opt.dry_run && isatty(STDIN_FILENO) == 0)
		return (cli_usage(cli,
		    "nobody can be asked, for standard input is no terminal: --yes does it, --dry-run shows it"));
	return (0);
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	progress_step(arg, bytes);
}

static int
find_block(struct run *r, struct err *e)
{
	struct layer *l;
	unsigned flags = r->opt.dry_run ? LAYER_ROOT : LAYER_WRITE | LAYER_TREE;

	if (catch_up_open(&r->cli, r->cli.root, flags | (r->cli.force ? LAYER_FORCE : 0), &r->layer, e) != 0)
		return (-1);
	l = r->layer;
	if (blocks_read(l->snap_fd, l->ledger->log, l->ledger->index, &r->blocks, e) != 0 ||
	    blocks_find(&r->blocks, r->cli.operands[0], l->ledger->log, cli_now_us(), "there is nothing to go back to", &r->block, e) != 0)
		return (-1);
	if (r->cause != NULL) {
		json_escape(&r->cause_token, (struct span){r->cause, strlen(r->cause)});
		if (r->cause_token.failed)
			return (err_mem(e));
		r->opt.cause = (struct span){r->cause_token.data, r->cause_token.len};
	}
	r->opt.wait_ms = r->cli.wait_ms;
	return (0);
}

static size_t
count_lines(struct span text)
{
	size_t i, n = 0;

	for (i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return (n);
}

static const char *
plural(uint64_t n)
{
	return (n == 1 ? "" : "s");
}

/* What would happen, in words. */
static void
tell_plan(struct run *r, size_t elements, uint64_t files)
{
	bool part = r->opt.elements > 0 || r->opt.paths > 0;
	struct buf time = BUF_INIT;

	cli_time_long(r->block->header.time_us, cli_now_us(), &time);
	fprintf(stderr, "Roll %s'%s' back to %s of %s?\n", part ? "parts of " : "", r->layer->path, r->block->name, buf_cstr(&time));
	buf_release(&time);
	if (!part || r->opt.elements > 0)
		fprintf(stderr, "%zu element%s change%s", elements, plural(elements), elements == 1 ? "s" : "");
	if (!part || r->opt.paths > 0)
		fprintf(stderr, "%s%ju file%s", !part || r->opt.elements > 0 ? ", and " : "", (uintmax_t)files, plural(files));
	if (part && r->opt.elements == 0)
		fprintf(stderr, " change%s", files == 1 ? "s" : "");
	fprintf(stderr, ".  What is there now %s.  [y/N] ", r->opt.no_snap ? "IS LOST" : "becomes a block");
}

/* Show what will happen and ask.  Return 0 to go on, 1 not to with ${code}, -1 with ${e}. */
static int
ask(struct run *r, int *code, struct err *e)
{
	struct rollback_options look = r->opt;
	struct rollback_result result = {.files = 0};
	struct buf lines = BUF_INIT;
	char answer[16];
	size_t elements = 0;
	int rc;

	look.dry_run = look.count = true;
	if ((rc = rollback_to(r->layer, r->block, &look, &result, &lines, e)) == 0)
		elements = count_lines((struct span){lines.data, lines.len}) - 1;
	/* Of files only the contents could tell, which nobody has read. */
	*code = rc == 0 && elements == 0 && look.elements > 0 && look.paths == 0 ? 0 : EXIT_NO;
	if (rc == 0 && *code != 0)
		tell_plan(r, elements, result.files);
	buf_release(&lines);
	rollback_result_release(&result);
	if (rc != 0)
		return (-1);
	if (*code == 0) {
		cli_info(&r->cli, "those elements are as '%s' has them: nothing was changed", r->block->name);
		return (1);
	}
	if (fgets(answer, sizeof(answer), stdin) == NULL ||
	    (answer[0] != 'y' && answer[0] != 'Y')) {
		cli_info(&r->cli, "nothing was changed");
		return (1);
	}
	return (0);
}

/* Who goes on writing where nobody will look. */
static void
tell_holders(struct run *r)
{
	const struct holders *h = &r->result.holders;
	struct buf name = BUF_INIT, path = BUF_INIT;
	size_t i;

	for (i = 0; i < h->n; i++) {
		const struct holder *one = &h->holder[i];
		const char *what = h->paths.data + one->path;

		buf_reset(&name);
		buf_reset(&path);
		cli_printable((struct span){one->command, strlen(one->command)}, &name);
		cli_printable((struct span){what, strlen(what)}, &path);
		if (one->more > 0)
			buf_addf(&path, "' and %ju more", (uintmax_t)one->more);
		else
			buf_addc(&path, '\'');
		cli_warn(&r->cli, "process %ld (%s) %s '%s of what was live: it neither sees nor changes what is live now; restart it",
		    (long)one->pid, buf_cstr(&name), one->cwd ? "works in" : "has open", buf_cstr(&path));
	}
	if (h->unnamed > 0)
		cli_warn(&r->cli, "so have %ju more processes", (uintmax_t)h->unnamed);
	if (h->blind)
		cli_info(&r->cli, "there is no /proc: nobody knows which processes have files of what was live open");
	else if (h->cut)
		cli_warn(&r->cli, "not all processes could be looked at in time: others may have files of what was live open");
	if (h->unseen > 0)
		cli_info(&r->cli, "%ju process%s of other users could not be looked at: they may have files of what was live open",
		    (uintmax_t)h->unseen, h->unseen == 1 ? "" : "es");
	buf_release(&name);
	buf_release(&path);
}

static void
tell_result(struct run *r)
{
	bool part = r->opt.elements > 0 || r->opt.paths > 0;
	struct buf words = BUF_INIT;

	if (r->result.asked)
		tell_holders(r);
	if (r->result.undo[0] == '\0')
		return;
	if (!part)
		cli_root_words(&r->cli, &words);
	cli_info(&r->cli, part ? "to undo this, do the same with %s%s" : "to undo this: ecl-rollback%s %s", buf_cstr(&words), r->result.undo);
	buf_release(&words);
}

static int
show_event(struct present *p, struct span line)
{
	struct json_fault f;
	struct event ev;

	if (event_parse(line, &ev, &f) != 0)
		return (0); /* it was written by us: it parses */
	struct cell cells[] = {
	    {.name = "seq", .kind = CELL_NUMBER, .n = ev.seq},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)ev.time_us},
	    {.name = "action", .kind = CELL_NAME, .text = ev.action},
	    {.name = "element", .kind = CELL_NAME, .text = ev.element},
	    {.name = "state", .kind = CELL_JSON, .text = ev.state},
	};

	return (present_answer(p, &line, cells, sizeof(cells) / sizeof(cells[0])));
}

static int
show(struct run *r, struct err *e)
{
	struct present p;
	struct span line;
	size_t at;
	int rc = 0;

	present_init(&p, &r->cli, cli_want_table(&r->cli) ? PRESENT_TABLE : PRESENT_JSON, stdout);
	for (at = 0; rc == 0 && !r->cli.quiet && at < r->lines.len; at += line.len + 1) {
		line.p = r->lines.data + at;
		line.len = (size_t)((const char *)memchr(line.p, '\n', r->lines.len - at) - line.p);
		rc = show_event(&p, line);
	}
	if (rc != -1)
		rc = present_end(&p);
	present_release(&p);
	return (rc == -1 ? err_mem(e) : 0);
}

/* Return the exit code. */
static int
run(struct run *r, struct err *e)
{
	int code, n, rc;

	if (find_block(r, e) != 0)
		return (cli_error(&r->cli, e));
	if (!r->yes && !r->opt.dry_run && (n = ask(r, &code, e)) != 0)
		return (n == 1 ? code : cli_error_full(&r->cli, e));
	progress_init(&r->progress, &r->cli, "reading files", "bytes", 0);
	r->layer->watch = (struct files_watch){on_bytes, &r->progress};
	rc = rollback_to(r->layer, r->block, &r->opt, &r->result, &r->lines, e);
	progress_end(&r->progress);
	if (r->layer->torn > 0)
		cli_warn(&r->cli,
		    "a torn tail of %ju bytes was cut off; it is kept as 'live/.ecl/torn-%ju'",
		    (uintmax_t)r->layer->torn, (uintmax_t)r->layer->torn_seq);
	/* What was recorded is told, also where something failed after it. */
	if (rc != 0)
		cli_error_full(&r->cli, e);
	code = rc == 0 ? 0 : e->exit;
	if (r->lines.len > 0 && !r->opt.dry_run)
		tell_result(r);
	if (show(r, e) != 0)
		return (cli_error(&r->cli, e));
	return (code);
}

int
main(int argc, char **argv)
{
	struct run r = {.layer = NULL};
	struct err e = {0, 0, ""};
	int code;

	if (parse_options(&r, argc, argv, &e) == -1)
		code = r.cli.exit;
	else if ((code = check_options(&r)) == 0)
		code = cli_close_stdout(&r.cli, run(&r, &e));
	rollback_result_release(&r.result);
	buf_release(&r.lines);
	buf_release(&r.cause_token);
	blocks_release(&r.blocks);
	layer_free(r.layer);
	free(r.element);
	free(r.path);
	return (code);
}

/* ecl-redact: a filter that replaces secrets in events on their way to a ledger. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "intake.h"

#include "banned.h"

static const char help[] =
    "usage: ecl-redact --key FILE [--] GLOB...\n"
    "\n"
    "  list-users | ecl-redact --key /etc/ecl.key '*.password' | ssh log ecl-append\n"
    "  ecl-collect --redact '*.content' --redact-key /etc/ecl.key\n"
    "\n"
    "Copies events from standard input to standard output, with the members of states\n"
    "and meta whose path matches a GLOB replaced by keyed hashes, as 'ecl-append\n"
    "--redact' does: for events that go to a ledger elsewhere.  Needs no ledger.\n"
    "\n"
    "      --key FILE        the key: 16 bytes or more that only you can read\n" CLI_HELP_REST;

enum { OPT_KEY = CLI_LONG };

static const struct cli_option options[] = {
    {OPT_KEY, "key", true},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	const char *key;
	struct redact redact;
};

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	size_t i;
	int key;

	cli_init(cli, "ecl-redact", help, argv);
	while ((key = cli_next(cli, options)) > 0)
		r->key = cli->value;
	if (key == -1)
		return (-1);
	if (r->key == NULL)
		cli->exit = cli_usage(cli, "--key is missing");
	else if (cli->noperands == 0)
		cli->exit = cli_usage(cli, "what is to be replaced? Name a GLOB");
	for (i = 0; i < cli->noperands; i++)
		redact_glob(&r->redact, cli->operands[i]);
	return (cli->exit == 0 ? 0 : -1);
}

static int
refuse(const struct source *s, const struct intake_line *line, const struct json_fault *f, struct err *e)
{
	return (err_set(e, "%s:%" PRIu64 ":%zu: %s", s->name, line->number, f->at + 1, f->what));
}

/* The lines of a portion, written.  Return 0, or -1 with ${e} and those before the bad one in ${out}. */
static int
copy_portion(const struct source *s, const struct portion *p, struct buf *out, struct err *e)
{
	const struct intake_line *line;
	struct json_fault f;
	size_t i;

	for (i = 0; i < p->lines; i++) {
		line = &p->line[i];
		if (line->kind == INTAKE_FAULT)
			return (refuse(s, line, &p->fault[line->fault], e));
		if (line->kind != INTAKE_INPUT) {
			json_fault_set(&f, EVENT_INPUT_MAX, "the line is longer than %u bytes", EVENT_INPUT_MAX);
			return (refuse(s, line, &f, e));
		}
		if (line->in.kind == INPUT_EVENT)
			input_format(&line->in, out);
		else if (line->in.kind == INPUT_COMPLETE) {
			buf_addspan(out, line->text);
			buf_addc(out, '\n');
		}
	}
	return (0);
}

static int
copy(const struct run *r, struct source *s, struct err *e)
{
	static const struct shop start = SHOP_INIT;
	struct shop shop = start;
	struct buf out = BUF_INIT;
	const struct portion *p;
	struct intake in;
	int ret = 0;

	intake_init(&in, s, &shop, true, false);
	in.redact = &r->redact;
	while (ret == 0 && (p = intake_next(&in))->status == 1) {
		buf_reset(&out);
		ret = copy_portion(s, p, &out, e);
		if (out.failed)
			ret = err_mem(e);
		else if (fwrite(out.data == NULL ? "" : out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
			break; /* cli_close_stdout() says so */
	}
	if (ret == 0 && p->status == -1) {
		*e = p->e;
		ret = -1;
	}
	intake_release(&in);
	buf_release(&out);
	return (ret);
}

int
main(int argc, char **argv)
{
	struct source s;
	struct err e = {0, 0, ""};
	struct run r;
	int code = 0;

	(void)argc;
	memset(&r, 0, sizeof(r));
	if (parse_options(&r, argv) != 0) {
		redact_release(&r.redact);
		return (r.cli.exit);
	}
	cli_no_core();
	cli_stdin_is_terminal(&r.cli);
	if (source_open(&s, "-", &e) != 0)
		code = cli_error(&r.cli, &e);
	else {
		cli_no_core();
		if (r.redact.globs.failed)
			err_mem(&e);
		if (r.redact.globs.failed || redact_key(&r.redact, r.key, NULL, &e) != 0 || copy(&r, &s, &e) != 0) {
			source_drain(&s);
			code = cli_error(&r.cli, &e);
		}
		source_close(&s);
	}
	redact_release(&r.redact);
	return (cli_close_stdout(&r.cli, code));
}

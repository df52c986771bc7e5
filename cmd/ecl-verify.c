/* ecl-verify: whether a ledger is what it was when it was written. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "note.h"
#include "proof_report.h"
#include "roots.h"
#include "verify.h"
#include "verify_report.h"
#include "vkey.h"

#include "banned.h"

enum { OPT_QUICK = CLI_LONG, OPT_FROM_DISK, OPT_SINCE, OPT_KEY, OPT_CHECKPOINT, OPT_WITNESS, OPT_QUORUM, OPT_ROOTS, OPT_PROOF, OPT_UNSIGNED };

static const struct cli_option options[] = {
    {OPT_QUICK, "quick", false},
    {OPT_FROM_DISK, "from-disk", false},
    {OPT_SINCE, "since", true},
    {OPT_KEY, "key", true},
    {OPT_CHECKPOINT, "checkpoint", true},
    {OPT_WITNESS, "witness", true},
    {OPT_QUORUM, "quorum", true},
    {OPT_ROOTS, "roots", true},
    {OPT_PROOF, "proof", true},
    {OPT_UNSIGNED, "unsigned", false},
    {0, NULL, false},
};

static const char help[] =
    "usage: ecl-verify [OPTION...] [-]\n"
    "       ecl-verify --proof FILE --key VKEY [OPTION...] [EVENT]\n"
    "\n"
    "  ecl-verify                  check the log and all blocks\n"
    "  ecl-verify --quick          check the lines of the log and their chain only\n"
    "  ecl-verify -q || mail-me    for cron: silent where nothing is wrong\n"
    "  ecl-verify --key VKEY --checkpoint kept\n"
    "                              signed, and nothing that was there is gone\n"
    "  ssh host ecl-replay | ecl-verify --checkpoint kept -\n"
    "  ecl-verify --proof 12.tlog-proof --key VKEY\n"
    "                              a proof (ecl-prove) alone: needs no ledger\n"
    "\n"
    "Checks a ledger, or with - the events from standard input.  Prints what is\n"
    "wrong, then a summary.  Reads only; writers may be at work meanwhile.\n"
    "\n"
    "      --quick           lines and chain of the log; no parents, no blocks\n"
    "      --from-disk       read the disk, whatever the page cache shows\n"
    "      --since BLOCK     take the block and all before it on trust\n"
    "      --key VKEY        the ledger's checkpoint is signed by this key, or by\n"
    "                        another --key of the same name\n"
    "      --checkpoint FILE this older checkpoint is of the beginning of the log\n"
    "      --witness VKEY    a checkpoint is cosigned by this witness\n"
    "      --quorum K        by K of the witnesses (all of them)\n"
    "      --roots DIR       check every ledger directly under DIR\n"
    "      --proof FILE      check this proof alone; where it lacks the event's line\n"
    "                        the file EVENT, or -, has it\n"
    "      --unsigned        with --proof in place of --key: whoever made it\n" CLI_HELP_READER
    "\n"
    "Exits 0 where nothing is wrong, 1 where something is, 2 where it cannot be told.\n";

struct run {
	struct cli cli;
	struct verify_options opt;
	struct progress progress;
	bool from_stdin;
	int64_t us; /* that it took */
	const char *roots; /* the directory of --roots, or NULL */
	const char *proof; /* the file of --proof, or NULL */
	bool is_unsigned;
	const char *root;  /* the one at hand, of several; NULL: there is one only */
	struct note_key *key, *witness;
	struct verify_given *given;
};

/* ---- options ---- */

static int
add_checkpoint(struct run *r)
{
	struct verify_given *more;

	if ((more = realloc(r->given, (r->opt.checkpoints + 1) * sizeof(*more))) == NULL) {
		struct err e = {0};

		err_mem(&e);
		return (cli_error(&r->cli, &e));
	}
	r->given = more;
	more[r->opt.checkpoints++] = (struct verify_given){r->cli.value, {NULL, 0}};
	return (0);
}

/* Return 0, or the exit code where the command line is wrong. */
static int
set_option(struct run *r, int key)
{
	switch (key) {
	case OPT_QUICK:
		r->opt.quick = true;
		break;
	case OPT_FROM_DISK:
		r->opt.from_disk = true;
		break;
	case OPT_SINCE:
		r->opt.since = r->cli.value;
		break;
	case OPT_KEY:
		return (vkey_option(&r->cli, "--key", NOTE_ED25519, &r->key, &r->opt.keys));
	case OPT_CHECKPOINT:
		return (add_checkpoint(r));
	case OPT_WITNESS:
		return (vkey_option(&r->cli, "--witness", NOTE_COSIGNATURE, &r->witness, &r->opt.witnesses));
	case OPT_QUORUM:
		return (vkey_quorum(&r->cli, &r->opt.quorum));
	case OPT_ROOTS:
		r->roots = r->cli.value;
		break;
	case OPT_PROOF:
		r->proof = r->cli.value;
		break;
	case OPT_UNSIGNED:
		r->is_unsigned = true;
		break;
	}
	return (0);
}

static int
check_witnesses(struct run *r)
{
	return (vkey_check_witnesses(&r->cli, r->key, r->opt.keys, r->witness, r->opt.witnesses, &r->opt.quorum));
}

/* Of a proof alone. */
static int
check_proof_options(struct run *r, size_t from_stdin)
{
	const struct cli *cli = &r->cli;

	if (r->roots != NULL || r->opt.since != NULL || r->opt.quick || cli->root_given)
		return (cli_usage(cli, "'--proof' does not go with '%s': no ledger is looked at",
		    r->roots != NULL ? "--roots" : r->opt.since != NULL ? "--since" : r->opt.quick ? "--quick" : "--root"));
	if (r->is_unsigned ? r->opt.keys + r->opt.witnesses > 0 : r->opt.keys == 0)
		return (cli_usage(cli, r->is_unsigned ? "'--unsigned' does not go with '--key' or '--witness'"
						      : "'--proof' needs '--key VKEY': whose word is taken? (or --unsigned: nobody's)"));
	if (r->opt.checkpoints > 1)
		return (cli_usage(cli, "'--proof' goes with one '--checkpoint'"));
	if (cli->noperands > 1)
		return (cli_usage(cli, "one event's line goes with a proof, not '%s'", cli->operands[1]));
	from_stdin += (strcmp(r->proof, "-") == 0) + r->from_stdin;
	if (from_stdin > 1)
		return (cli_usage(cli, "standard input can be one thing only"));
	if (check_witnesses(r) != 0)
		return (EXIT_ERROR);
	return (from_stdin > 0 && cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

static int
check_options(struct run *r)
{
	const struct cli *cli = &r->cli;
	size_t i, from_stdin = 0;

	for (i = 0; i < r->opt.checkpoints; i++)
		from_stdin += strcmp(r->given[i].name, "-") == 0;
	if (r->proof != NULL)
		return (check_proof_options(r, from_stdin));
	if (r->is_unsigned)
		return (cli_usage(cli, "'--unsigned' is for '--proof'"));
	if (cli->noperands > 1)
		return (cli_usage(cli, "unexpected operand '%s'", cli->operands[1]));
	if (cli->noperands > 0 && !r->from_stdin)
		return (cli_usage(cli, "the only operand is '-', not '%s': name a ledger with --root", cli->operands[0]));
	if (r->from_stdin && r->opt.from_disk)
		return (cli_usage(cli, "'--from-disk' is about a ledger, not about the standard input"));
	if (from_stdin + r->from_stdin > 1)
		return (cli_usage(cli, "standard input can be one thing only"));
	if (r->opt.since != NULL && r->from_stdin)
		return (cli_usage(cli, "'--since' does not go with '-': there are no blocks in it"));
	if (r->roots != NULL && (cli->root_given || r->from_stdin || r->opt.since != NULL || r->opt.checkpoints > 0))
		return (cli_usage(cli, "'--roots' does not go with '%s'", cli->root_given ? "--root"
			: r->from_stdin ? "-" : r->opt.since != NULL ? "--since" : "--checkpoint"));
	if (check_witnesses(r) != 0)
		return (EXIT_ERROR);
	return ((r->from_stdin || from_stdin > 0) && cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

static int
parse(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key, rc;

	cli_init(cli, "ecl-verify", help, argv);
	while ((key = cli_next(cli, options)) > 0)
		if ((rc = set_option(r, key)) != 0)
			return (rc);
	if (key != 0)
		return (-1);
	r->from_stdin = cli->noperands == 1 && strcmp(cli->operands[0], "-") == 0;
	r->opt.key = r->key;
	r->opt.witness = r->witness;
	r->opt.checkpoint = r->given;
	r->opt.now_us = cli_now_us();
	return (check_options(r));
}

/* One checkpoint that was given, be it a file or a pipe. */
static int
read_checkpoint(struct verify_given *g, struct err *e)
{
	bool is_stdin = strcmp(g->name, "-") == 0;
	struct buf b = BUF_INIT;
	ssize_t n = -1;
	int fd;

	if (is_stdin)
		g->name = "standard input";
	if ((fd = is_stdin ? STDIN_FILENO : open(g->name, O_RDONLY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open the checkpoint '%s'", g->name));
	while (b.len <= NOTE_MAX && buf_reserve(&b, 4096) == 0 && (n = io_read(fd, b.data + b.len, 4096)) > 0)
		b.len += (size_t)n;
	if (b.len > NOTE_MAX)
		err_set(e, "'%s' is no checkpoint: it has more than %u bytes", g->name, NOTE_MAX);
	else if (b.failed)
		err_mem(e);
	else if (n != 0)
		err_sys(e, "cannot read the checkpoint '%s'", g->name);
	if (!is_stdin)
		close(fd);
	g->bytes = (struct span){b.data, b.len};
	return (n == 0 && b.len <= NOTE_MAX ? 0 : -1);
}

static int
read_checkpoints(struct run *r, struct err *e)
{
	size_t i;

	for (i = 0; i < r->opt.checkpoints; i++)
		if (read_checkpoint(&r->given[i], e) != 0)
			return (-1);
	return (0);
}

static void
release(struct run *r)
{
	size_t i;

	for (i = 0; i < r->opt.checkpoints; i++)
		free((char *)r->given[i].bytes.p);
	vkey_release(r->key, r->opt.keys);
	vkey_release(r->witness, r->opt.witnesses);
	free(r->given);
}

/* ---- the run ---- */

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
verify(struct run *r, const char *root, struct verify_result *ret, struct err *e)
{
	int64_t start = now_us();
	int rc;

	progress_init(&r->progress, &r->cli, "verifying", "bytes", 0);
	r->opt.progress = on_progress;
	r->opt.arg = &r->progress;
	rc = r->from_stdin ? verify_stream(STDIN_FILENO, &r->opt, ret, e) : verify_root(root, &r->opt, ret, e);
	progress_end(&r->progress);
	r->us = now_us() - start;
	return (rc);
}

/* Return 0 or -1 (memory): a verdict that is not told is none. */
static int
report(const struct run *r, const struct verify_result *v, struct err *e)
{
	struct verify_report how = {
	    .opt = &r->opt,
	    .root = r->root,
	    .from_stdin = r->from_stdin,
	    .color = cli_want_color(&r->cli, STDOUT_FILENO),
	    .us = r->us,
	};
	struct buf out = BUF_INIT;
	int rc = 0;

	if (r->cli.quiet && v->verdict == VERIFY_OK)
		return (0);
	if (cli_want_table(&r->cli))
		verify_report_text(&how, v, &out);
	else
		verify_report_json(&how, v, &out);
	if (out.failed)
		rc = err_mem(e);
	else
		fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
	if (v->more > 0)
		cli_warn(&r->cli, "%" PRIu64 " more findings are not shown", v->more);
	return (rc);
}

/* One ledger.  Return its exit code, or -1. */
static int
verify_one(struct run *r, const char *root, struct err *e)
{
	struct verify_result v = {0};
	int rc;

	if (verify(r, root, &v, e) != 0)
		return (-1);
	if (report(r, &v, e) != 0) {
		verify_release(&v);
		return (-1);
	}
	rc = v.verdict == VERIFY_OK ? 0 : v.verdict == VERIFY_UNCHECKED ? EXIT_ERROR : EXIT_NO;
	verify_release(&v);
	return (rc);
}

/* What is wrong anywhere weighs more than what could not be checked elsewhere. */
static int
heavier(int a, int b)
{
	return (a == EXIT_NO || b == EXIT_NO ? EXIT_NO : a != 0 ? a : b);
}

static int
verify_roots(struct run *r)
{
	char path[PATH_MAX];
	struct roots roots;
	struct err e = {0};
	size_t i;
	int rc = 0, one;

	if (roots_list(r->roots, &roots, &e) != 0)
		return (cli_error(&r->cli, &e));
	if (roots.n == 0) {
		err_set(&e, "no ledger directly under '%s'", r->roots);
		rc = cli_error(&r->cli, &e);
	}
	for (i = 0; i < roots.n; i++) {
		r->root = roots.entry[i].name;
		snprintf(path, sizeof(path), "%s/%s", r->roots, r->root);
		e = (struct err){0};
		if ((one = verify_one(r, path, &e)) == -1) {
			/* The others are looked at all the same. */
			fflush(stdout);
			cli_warn(&r->cli, "root '%s': %s", r->root, e.text);
			one = EXIT_ERROR;
		}
		rc = heavier(rc, one);
	}
	roots_release(&roots);
	return (rc);
}

/* A proof alone.  Return 0 or -1. */
static int
verify_proof(struct run *r, struct err *e)
{
	const struct proof_trust trust = {r->key, r->opt.keys, r->witness, r->opt.witnesses, r->opt.quorum, r->is_unsigned};
	struct buf file = BUF_INIT, line = BUF_INIT, out = BUF_INIT;
	struct span known = r->opt.checkpoints > 0 ? r->given[0].bytes : (struct span){NULL, 0};
	struct proof p;
	int rc = -1;

	if (proof_read(r->proof, TLOG_PROOF_MAX, &file, e) != 0 ||
	    (r->cli.noperands > 0 && proof_read(r->cli.operands[0], EVENT_LINE_MAX + 1, &line, e) != 0))
		goto done;
	if ((rc = proof_check((struct span){file.data, file.len},
		 r->cli.noperands > 0 ? (struct span){line.data, line.len} : (struct span){NULL, 0}, known, &trust, &p, e)) != 0)
		goto done;
	if (cli_want_table(&r->cli))
		proof_report_text(&p, cli_want_color(&r->cli, STDOUT_FILENO), &out);
	else
		proof_report_json(&p, &out);
	if (!r->cli.quiet)
		fwrite(out.data, 1, out.len, stdout);
	proof_release(&p);
done:	buf_release(&file);
	buf_release(&line);
	buf_release(&out);
	return (rc);
}

int
main(int argc, char **argv)
{
	struct run r = {0};
	struct err e = {0};
	int rc;

	(void)argc;
	if ((rc = parse(&r, argv)) != 0) {
		rc = rc == -1 ? r.cli.exit : rc;
		goto done;
	}
	sha256_prefer_bulk();
	if (r.roots != NULL)
		rc = verify_roots(&r);
	else if (read_checkpoints(&r, &e) != 0 ||
	    (rc = r.proof != NULL ? verify_proof(&r, &e) : verify_one(&r, r.cli.root, &e)) == -1) {
		rc = cli_error(&r.cli, &e);
		goto done;
	}
	rc = cli_close_stdout(&r.cli, rc);
done:
	release(&r);
	return (rc);
}

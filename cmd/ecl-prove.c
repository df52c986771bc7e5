/* ecl-prove: what an element chain ledger can prove to others. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catch_up.h"
#include "cli.h"
#include "key_file.h"
#include "prove.h"
#include "tiles.h"

#include "banned.h"

static const char help[] =
    "usage: ecl-prove [OPTION...] SEQ\n"
    "\n"
    "  ecl-prove 12 >12.tlog-proof         event 12 is in the signed log\n"
    "  ecl-verify --proof 12.tlog-proof --key VKEY      anywhere, without the log\n"
    "  ecl-prove --latest interface:eth0   its last event, as of the newest block\n"
    "  ecl-prove --consistency 1000 | ssh witness ecl-witness ...\n"
    "  ecl-prove --tiles /srv/www/log      the log's tree as files for a web server\n"
    "  ecl-prove --vkey ecl.key            the verifier key of a private key\n"
    "\n"
    "Prints a C2SP tlog-proof: with it, anybody who has the verifier key can tell\n"
    "that the event is in the log, and what it says.  The proof is against the\n"
    "newest signed checkpoint (ecl-snap --sign).\n"
    "\n"
    "      --latest ELEMENT  which event is the last of ELEMENT, as of the newest\n"
    "                        signed block\n"
    "      --consistency SIZE  the log begins with the SIZE events that it had: the\n"
    "                        request that a witness takes\n"
    "      --tiles DIR       write the log as static tlog-tiles into DIR, only what\n"
    "                        is new there\n"
    "      --unsigned        against the end of the log, or the newest block, as\n"
    "                        they are: nobody vouches for it\n"
    "      --vkey KEY        print the verifier key, for ecl-verify --key, of the\n"
    "                        private key that ecl-snap --sign takes\n"
    "      --origin NAME     with --vkey: for the ledger of that name, which need not\n"
    "                        be at hand\n" CLI_HELP_READER;

enum { OPT_LATEST = CLI_LONG, OPT_CONSISTENCY, OPT_TILES, OPT_UNSIGNED, OPT_VKEY, OPT_ORIGIN };

static const struct cli_option options[] = {
    {OPT_LATEST, "latest", true},
    {OPT_CONSISTENCY, "consistency", true},
    {OPT_TILES, "tiles", true},
    {OPT_UNSIGNED, "unsigned", false},
    {OPT_VKEY, "vkey", true},
    {OPT_ORIGIN, "origin", true},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	const char *latest, *consistency, *tiles, *key, *origin;
	bool is_unsigned;
	uint64_t number; /* SEQ, or SIZE */
	struct layer *layer;
	struct progress progress;
};

static int
parse_number(struct run *r, const char *text, const char *what)
{
	if (decimal_parse(text, strlen(text), &r->number) == 0)
		return (0);
	return (cli_usage(&r->cli, "expected %s, not '%s'", what, text), -1);
}

/* What is asked for: one thing. */
static int
parse_question(struct run *r)
{
	struct cli *cli = &r->cli;

	cli->exit = EXIT_ERROR;
	if ((r->latest != NULL) + (r->consistency != NULL) + (r->tiles != NULL) + (r->key != NULL) > 1)
		return (cli_usage(cli, "--latest, --consistency, --tiles and --vkey do not go together"), -1);
	if (r->key != NULL && r->is_unsigned)
		return (cli_usage(cli, "--vkey does not go with --unsigned"), -1);
	if (r->origin != NULL && r->key == NULL)
		return (cli_usage(cli, "--origin goes with --vkey only"), -1);
	if (r->latest != NULL || r->consistency != NULL || r->tiles != NULL || r->key != NULL) {
		if (cli->noperands > 0)
			return (cli_usage(cli, "no operand is expected: '%s'", cli->operands[0]), -1);
		return (r->consistency != NULL ? parse_number(r, r->consistency, "a number of events") : 0);
	}
	if (cli->noperands != 1)
		return (cli_usage(cli, cli->noperands == 0 ? "which event? Name its seq" : "one event at a time"), -1);
	return (parse_number(r, cli->operands[0], "the seq of an event"));
}

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key;

	cli_init(cli, "ecl-prove", help, argv);
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case OPT_LATEST:
			r->latest = cli->value;
			break;
		case OPT_CONSISTENCY:
			r->consistency = cli->value;
			break;
		case OPT_TILES:
			r->tiles = cli->value;
			break;
		case OPT_UNSIGNED:
			r->is_unsigned = true;
			break;
		case OPT_VKEY:
			r->key = cli->value;
			break;
		case OPT_ORIGIN:
			r->origin = cli->value;
			break;
		}
	}
	return (key == -1 ? -1 : parse_question(r));
}

static void
on_step(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, done);
}

static int
write_tiles(struct run *r, const struct prove_base *b, struct err *e)
{
	struct tiles_written w;
	int rc;

	progress_init(&r->progress, &r->cli, "writing tiles", "events", 0);
	rc = tiles_write(b, r->tiles, on_step, &r->progress, &w, e);
	progress_end(&r->progress);
	if (rc == 0 && r->cli.verbose)
		cli_info(&r->cli, "'%s' has %" PRIu64 " events, %" PRIu64 " of them new: %" PRIu64 " files, %" PRIu64 " bytes", r->tiles, b->at.size,
		    b->at.size - w.from, w.files, w.bytes);
	return (rc);
}

/* Against a checkpoint. */
static int
prove(struct run *r, struct buf *out, struct err *e)
{
	struct prove_base b;
	int rc;

	if (r->is_unsigned) {
		progress_init(&r->progress, &r->cli, "reading the log", "events", 0);
		rc = prove_unsigned(r->layer, on_step, &r->progress, &b, e);
		progress_end(&r->progress);
	} else
		rc = prove_signed(r->layer, &b, e);
	if (rc != 0)
		return (-1);
	if (r->tiles != NULL)
		rc = write_tiles(r, &b, e);
	else if (r->consistency != NULL)
		rc = prove_consistency(&b, r->number, out, e);
	else
		rc = prove_event(&b, r->number, out, e);
	prove_release(&b);
	if (rc == 0 && r->cli.verbose && index_damage(r->layer->ledger->index) != NULL)
		cli_warn(&r->cli, "the index is not used: %s; 'ecl-index' makes it anew", index_damage(r->layer->ledger->index));
	return (rc);
}

/* The verifier key: its name is the ledger's. */
static int
print_vkey(struct run *r, struct buf *out, struct err *e)
{
	struct note_signer *signer;
	struct buf origin = BUF_INIT;
	bool others;
	int rc = 0;

	cli_no_core();
	if (strcmp(r->key, "-") == 0)
		(void)cli_stdin_is_terminal(&r->cli);
	if (r->origin != NULL)
		buf_adds(&origin, r->origin);
	else if ((rc = layer_open(r->cli.root, LAYER_READ | LAYER_LAZY, &r->layer, e)) == 0)
		rc = ledger_origin(r->layer->ledger, &origin, e);
	if (rc == 0)
		rc = key_file_signer(r->key, (struct span){origin.data, origin.len}, NOTE_ED25519, &signer, &others, e);
	if (rc == 0) {
		if (others)
			cli_warn(&r->cli, "others can read or change the key '%s': 'chmod 600' it", r->key);
		note_key_format(note_signer_key(signer), out);
		buf_addc(out, '\n');
		note_signer_free(signer);
		rc = out->failed ? err_mem(e) : 0;
	}
	buf_release(&origin);
	return (rc);
}

static int
run(struct run *r, struct buf *out, struct err *e)
{
	/* A block has an index of its own: that of live is not needed, nor made. */
	unsigned flags = r->latest != NULL ? LAYER_READ | LAYER_TREE | LAYER_LAZY : LAYER_READ | LAYER_TREE;

	if (r->key != NULL)
		return (print_vkey(r, out, e));
	if (r->latest == NULL) {
		if (catch_up_open(&r->cli, r->cli.root, flags, &r->layer, e) != 0)
			return (-1);
		return (prove(r, out, e));
	}
	if (layer_open(r->cli.root, flags, &r->layer, e) != 0)
		return (-1);
	if (r->layer->bare && catch_up(&r->cli, r->layer, e) != 0)
		return (-1);
	return (prove_latest(r->layer, (struct span){r->latest, strlen(r->latest)}, !r->is_unsigned, out, e));
}

int
main(int argc, char **argv)
{
	struct run r = {.layer = NULL};
	struct err e = {0, 0, ""};
	struct buf out = BUF_INIT;
	int code = 0;

	(void)argc;
	if (parse_options(&r, argv) == -1)
		return (r.cli.exit);
	if (run(&r, &out, &e) != 0)
		code = cli_error(&r.cli, &e);
	else if (out.len > 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
	layer_free(r.layer);
	return (cli_close_stdout(&r.cli, code));
}

/* ecl-snap: make blocks, say which there are, delete those that are not kept, and carry them to other hosts. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer_blocks.h"
#include "answer_files.h"
#include "carrying.h"
#include "catch_up.h"
#include "pruning.h"
#include "snapping.h"
#include "vkey.h"

#include "banned.h"

static const char help[] =
    "usage: ecl-snap [OPTION...]\n"
    "\n"
    "  ecl-snap                       make a block, print its header\n"
    "  ecl-snap --if-changed -q       from cron: one only where something changed\n"
    "  ecl-snap --list                the blocks, those that were pruned too\n"
    "  cd \"$(ecl-snap --path 2h)\"     the files as they were two hours ago\n"
    "  ecl-snap --diff 2h             which files have changed since then\n"
    "  ecl-snap --prune --keep last=10,hourly=48,daily=31,yearly=* --dry-run\n"
    "                                 which blocks would go, which are kept and why\n"
    "  ecl-snap --send now | ssh HOST ecl-snap --receive --key VKEY\n"
    "                                 a copy of the newest block on another host\n"
    "\n"
    "A block is a read-only snapshot of live, with a header that commits to all\n"
    "that is in it: the log, the elements, their states, the files.\n"
    "\n"
    "      --diff A [B]      the files that differ between the blocks A and B (live):\n"
    "                        + came, - went, content, type, permissions, owner (u), x\n"
    "      --full            read every file, not only those that changed\n"
    "      --if-changed      none where neither log nor files changed since the last\n"
    "      --list            the headers of all blocks, oldest first\n"
    "      --path WHEN       the path of the snapshot of a block, or for a seq, a\n"
    "                        time or an age of the last block at or before it\n"
    "      --prune           delete the blocks that --keep does not keep; the newest\n"
    "                        is kept, and all headers stay in the log\n"
    "      --keep RULES      last=N,hourly=N,daily=N,weekly=N,monthly=N,yearly=N: the\n"
    "                        last N, the newest of N hours, days...; * is all of them\n"
    "      --local           hours and days of local time, not of UTC\n"
    "  -n, --dry-run         of --prune: print what would be done and why, do nothing\n"
    "      --sign KEY        sign the block, and the log with it, by this private key\n"
    "                        (openssl genpkey -algorithm ed25519 -out KEY)\n"
    "      --send BLOCK      a btrfs stream of the block, for another host (as root)\n"
    "      --parent BLOCK    only what differs from this block, which the other side\n"
    "                        has; auto: from the newest that both sides have\n"
    "      --have FILE       of --parent auto: the blocks that the other side has, as\n"
    "                        its ecl-snap --list prints them (- is standard input)\n"
    "      --receive         a stream from standard input becomes a block of this\n"
    "                        replica once all of it is verified (as root)\n"
    "      --key VKEY        of --receive: the block is signed by this key, or by\n"
    "                        another --key\n"
    "      --unsigned        of --receive: whoever made it\n"
    "      --witness VKEY    of --receive: ROOT/checkpoint is cosigned by it\n"
    "      --quorum K        by K of the witnesses (all of them)\n" CLI_HELP_WRITER;

enum {
	OPT_DIFF = CLI_LONG,
	OPT_FULL,
	OPT_IF_CHANGED,
	OPT_LIST,
	OPT_PATH,
	OPT_PRUNE,
	OPT_KEEP,
	OPT_LOCAL,
	OPT_SIGN,
	OPT_SEND,
	OPT_PARENT,
	OPT_HAVE,
	OPT_RECEIVE,
	OPT_KEY,
	OPT_UNSIGNED,
	OPT_WITNESS,
	OPT_QUORUM,
};

static const struct cli_option options[] = {
    {OPT_DIFF, "diff", true},
    {OPT_FULL, "full", false},
    {OPT_IF_CHANGED, "if-changed", false},
    {OPT_LIST, "list", false},
    {OPT_PATH, "path", true},
    {OPT_PRUNE, "prune", false},
    {OPT_KEEP, "keep", true},
    {OPT_LOCAL, "local", false},
    {'n', "dry-run", false},
    {OPT_SIGN, "sign", true},
    {OPT_SEND, "send", true},
    {OPT_PARENT, "parent", true},
    {OPT_HAVE, "have", true},
    {OPT_RECEIVE, "receive", false},
    {OPT_KEY, "key", true},
    {OPT_UNSIGNED, "unsigned", false},
    {OPT_WITNESS, "witness", true},
    {OPT_QUORUM, "quorum", true},
    {0, NULL, false},
};

/* What is to be done: one thing a run. */
enum verb { MAKE, DIFF, LIST, PATH, PRUNE, SEND, RECEIVE };

/* How the layer is opened for it. */
static const unsigned flags[] = {
    [MAKE] = LAYER_WRITE | LAYER_TREE,
    [DIFF] = LAYER_ROOT,
    [LIST] = LAYER_ROOT,
    [PATH] = LAYER_ROOT,
    [PRUNE] = LAYER_WRITE | LAYER_EITHER,
    [SEND] = LAYER_ROOT,
    [RECEIVE] = LAYER_WRITE | LAYER_REPLICA,
};

struct run {
	struct cli cli;
	enum verb verb;
	bool more;	  /* than one of them was asked for */
	const char *when; /* of --diff (the other one is an operand, or live) and --path */
	struct snapping snapping;
	struct pruning pruning;
	struct carrying carrying;
	struct layer *layer;
	char snapshots[PATH_MAX + 16]; /* their directory */
	struct blocks blocks;
};

static const char *
set_verb(struct run *r, enum verb verb)
{
	r->more = r->more || (r->verb != MAKE && r->verb != verb);
	r->verb = verb;
	return (r->cli.value);
}

/* Return 0, or the exit code of what is wrong, and was said. */
static int
take_option(struct run *r, int key)
{
	struct cli *cli = &r->cli;

	switch (key) {
	case OPT_DIFF:
		r->when = set_verb(r, DIFF);
		break;
	case OPT_FULL:
		r->snapping.full = true;
		break;
	case OPT_IF_CHANGED:
		r->snapping.if_changed = true;
		break;
	case OPT_LIST:
		set_verb(r, LIST);
		break;
	case OPT_PATH:
		r->when = set_verb(r, PATH);
		break;
	case OPT_PRUNE:
		set_verb(r, PRUNE);
		r->pruning.wanted = true;
		break;
	case OPT_KEEP:
		return (pruning_keep(&r->pruning, cli));
	case OPT_LOCAL:
		r->pruning.keep.local = true;
		break;
	case 'n':
		r->pruning.dry_run = true;
		break;
	case OPT_SIGN:
		r->snapping.key = cli->value;
		break;
	case OPT_SEND:
		r->carrying.send = set_verb(r, SEND);
		break;
	case OPT_PARENT:
		r->carrying.parent = cli->value;
		break;
	case OPT_HAVE:
		r->carrying.have = cli->value;
		break;
	case OPT_RECEIVE:
		set_verb(r, RECEIVE);
		r->carrying.receive = true;
		break;
	case OPT_KEY:
		return (vkey_option(cli, "--key", NOTE_ED25519, &r->carrying.vkey, &r->carrying.vkeys));
	case OPT_UNSIGNED:
		r->carrying.is_unsigned = true;
		break;
	case OPT_WITNESS:
		return (vkey_option(cli, "--witness", NOTE_COSIGNATURE, &r->carrying.witness, &r->carrying.witnesses));
	case OPT_QUORUM:
		return (vkey_quorum(cli, &r->carrying.quorum));
	}
	return (0);
}

/* Whether they make sense together.  Return as take_option(). */
static int
check_options(struct run *r)
{
	const struct cli *cli = &r->cli;
	int code;

	if (cli->noperands > (r->verb == DIFF))
		return (cli_usage(cli, "no operand is expected: '%s'", cli->operands[cli->noperands - 1]));
	if (r->more || (r->snapping.if_changed && r->verb != MAKE))
		return (cli_usage(cli, "--diff, --if-changed, --list, --path, --prune, --send and --receive do not go together"));
	if (r->snapping.key != NULL && r->verb != MAKE)
		return (cli_usage(cli, "--sign goes with making a block, not with --diff, --list, --path, --prune, --send or --receive"));
	if (r->snapping.full && r->verb != MAKE)
		return (cli_usage(cli, "--full goes with making a block, not with --diff, --list, --path, --prune, --send or --receive"));
	if (r->snapping.key != NULL && strcmp(r->snapping.key, "-") == 0)
		(void)cli_stdin_is_terminal(cli);
	code = pruning_check(&r->pruning, cli);
	return (code != 0 ? code : carrying_check(&r->carrying, cli));
}

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key, code = 0;

	cli_init(cli, "ecl-snap", help, argv);
	while (code == 0 && (key = cli_next(cli, options)) > 0)
		code = take_option(r, key);
	if (code == 0 && key == -1)
		return (-1);
	if (code == 0)
		code = check_options(r);
	cli->exit = code;
	return (code == 0 ? 0 : -1);
}

static int
list(struct run *r, struct present *p, struct err *e)
{
	const struct block *b;
	size_t i;
	int code = 0;

	for (i = 0; i < r->blocks.list.n; i++) {
		b = &r->blocks.list.block[i];
		if (b->good)
			continue;
		cli_warn(&r->cli, "block '%s' is damaged: %s; run 'ecl-verify'", b->name, b->fault);
		code = EXIT_NO;
	}
	return (answer_blocks(&r->blocks, r->layer->snap_fd, r->snapshots, p, e) == 0 ? code : -1);
}

static int
print_path(struct run *r, struct err *e)
{
	struct buf path = BUF_INIT, out = BUF_INIT;
	const struct block *b;
	bool failed;

	if (blocks_find(&r->blocks, r->when, r->layer->ledger->log, cli_now_us(), "only its header is left, in the log", &b, e) != 0)
		return (-1);
	buf_addf(&path, "%s/%s", r->snapshots, b->name);
	if (r->cli.json) {
		buf_adds(&out, "{\"path\":");
		cli_json_string((struct span){path.data, path.len}, &out);
		buf_addc(&out, '}');
	} else
		buf_add(&out, path.data, path.len);
	buf_addc(&out, '\n');
	if ((failed = path.failed || out.failed) == false)
		fwrite(out.data, 1, out.len, stdout);
	buf_release(&path);
	buf_release(&out);
	return (failed ? err_mem(e) : 0);
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	progress_step(arg, bytes);
}

static int
diff(struct run *r, struct present *p, struct err *e)
{
	struct progress progress;
	int rc;

	progress_init(&progress, &r->cli, "reading files", "bytes", 0);
	r->layer->watch = (struct files_watch){on_bytes, &progress};
	p->progress = &progress;
	rc = answer_files(r->layer, &r->blocks, r->when, r->cli.noperands == 1 ? r->cli.operands[0] : NULL, p, e);
	progress_end(&progress);
	p->progress = NULL;
	return (rc);
}

/* What is asked of the blocks that there are. */
static int
look(struct run *r, struct present *p, struct err *e)
{
	struct layer *l = r->layer;
	char root[PATH_MAX];

	if (realpath(l->path, root) == NULL)
		return (err_sys(e, "cannot find the path of '%s'", l->path));
	snprintf(r->snapshots, sizeof(r->snapshots), "%s/.snapshots", root);
	if (blocks_read(l->snap_fd, l->ledger->log, l->ledger->index, &r->blocks, e) != 0)
		return (-1);
	switch (r->verb) {
	case DIFF:
		return (diff(r, p, e));
	case LIST:
		return (list(r, p, e));
	case SEND:
		return (carrying_send(&r->carrying, &r->cli, l, &r->blocks, e));
	default:
		return (print_path(r, e));
	}
}

/* Return 0, EXIT_NO, EXIT_ERROR where that was said, or -1 with ${e}. */
static int
run(struct run *r, struct present *p, struct err *e)
{
	unsigned how = r->pruning.dry_run ? LAYER_ROOT : flags[r->verb];
	int rc;

	if (catch_up_open(&r->cli, r->cli.root, how | (r->cli.force ? LAYER_FORCE : 0), &r->layer, e) != 0)
		return (-1);
	switch (r->verb) {
	case MAKE:
		rc = snapping_run(&r->snapping, &r->cli, r->layer, p, e);
		break;
	case PRUNE:
		rc = pruning_run(&r->pruning, &r->cli, r->layer, p, e);
		break;
	case RECEIVE:
		rc = carrying_receive(&r->carrying, &r->cli, r->layer, p, e);
		break;
	default:
		rc = look(r, p, e);
		break;
	}
	if (r->layer->torn > 0)
		cli_warn(&r->cli, "a torn tail of %ju bytes was cut off; it is kept as 'live/.ecl/torn-%ju'", (uintmax_t)r->layer->torn,
		    (uintmax_t)r->layer->torn_seq);
	return (rc);
}

int
main(int argc, char **argv)
{
	struct run r = {.layer = NULL};
	struct present p;
	struct err e = {0, 0, ""};
	int code;

	(void)argc;
	if (parse_options(&r, argv) == -1) {
		pruning_release(&r.pruning);
		carrying_release(&r.carrying);
		return (r.cli.exit);
	}
	present_init(&p, &r.cli, cli_want_table(&r.cli) ? PRESENT_TABLE : PRESENT_JSON, stdout);
	code = run(&r, &p, &e);
	if (present_end(&p) != 0 && code != -1)
		code = err_mem(&e);
	if (code == -1)
		code = r.verb == SEND ? cli_error(&r.cli, &e) : cli_error_full(&r.cli, &e); /* its output is another disk's */
	present_release(&p);
	blocks_release(&r.blocks);
	pruning_release(&r.pruning);
	carrying_release(&r.carrying);
	layer_free(r.layer);
	return (cli_close_stdout(&r.cli, code));
}

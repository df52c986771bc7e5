/* ecl-snap: make blocks, say which there are, delete those that are not kept, and carry them to other hosts. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "answer_files.h"
#include "blocks.h"
#include "catch_up.h"
#include "cli.h"
#include "key_file.h"
#include "present.h"
#include "pruning.h"
#include "receive.h"
#include "send.h"
#include "snap.h"
#include "vkey.h"
#include "when.h"

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
    "      --unsigned        of --receive: whoever made it\n" CLI_HELP_WRITER;

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
    {0, NULL, false},
};

struct run {
	struct cli cli;
	bool full, if_changed, list;
	const char *path; /* WHEN */
	struct pruning pruning;
	const char *diff; /* WHEN; the other one is an operand, or live */
	const char *key;
	struct note_signer *signer;
	const char *send, *parent, *have;
	bool receive, is_unsigned;
	struct note_key *vkey; /* of --receive */
	size_t vkeys;
	struct layer *layer;
	struct progress progress, log;
	char snapshots[PATH_MAX + 16]; /* their directory */
	struct blocks blocks;
};

/* Of --send.  Return 0, or the exit code where the command line is wrong. */
static int
check_send(const struct run *r)
{
	const struct cli *cli = &r->cli;

	if (r->send == NULL)
		return (r->parent != NULL || r->have != NULL ? cli_usage(cli, "--parent and --have go with --send") : 0);
	if (r->have != NULL && (r->parent == NULL || strcmp(r->parent, "auto") != 0))
		return (cli_usage(cli, "--have goes with --parent auto"));
	if (isatty(STDOUT_FILENO))
		return (cli_usage(cli, "standard output is a terminal, and a stream is not for eyes: '| ssh HOST ecl-snap --receive' takes it"));
	return (r->have != NULL && strcmp(r->have, "-") == 0 && cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

/* The same of --receive. */
static int
check_receive(const struct run *r)
{
	const struct cli *cli = &r->cli;

	if (!r->receive)
		return (r->is_unsigned || r->vkeys > 0 ? cli_usage(cli, "--key and --unsigned go with --receive") : 0);
	if (r->is_unsigned == (r->vkeys > 0))
		return (cli_usage(cli, r->is_unsigned ? "--unsigned does not go with --key"
						      : "--receive needs '--key VKEY': whose word is taken? (or --unsigned: nobody's)"));
	return (cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key;

	cli_init(cli, "ecl-snap", help, argv);
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case OPT_DIFF:
			r->diff = cli->value;
			break;
		case OPT_FULL:
			r->full = true;
			break;
		case OPT_IF_CHANGED:
			r->if_changed = true;
			break;
		case OPT_LIST:
			r->list = true;
			break;
		case OPT_PATH:
			r->path = cli->value;
			break;
		case OPT_PRUNE:
			r->pruning.wanted = true;
			break;
		case OPT_KEEP:
			if ((cli->exit = pruning_keep(&r->pruning, cli)) != 0)
				return (-1);
			break;
		case OPT_LOCAL:
			r->pruning.keep.local = true;
			break;
		case 'n':
			r->pruning.dry_run = true;
			break;
		case OPT_SIGN:
			r->key = cli->value;
			break;
		case OPT_SEND:
			r->send = cli->value;
			break;
		case OPT_PARENT:
			r->parent = cli->value;
			break;
		case OPT_HAVE:
			r->have = cli->value;
			break;
		case OPT_RECEIVE:
			r->receive = true;
			break;
		case OPT_KEY:
			if ((cli->exit = vkey_option(cli, "--key", NOTE_ED25519, &r->vkey, &r->vkeys)) != 0)
				return (-1);
			break;
		case OPT_UNSIGNED:
			r->is_unsigned = true;
			break;
		}
	}
	if (key == -1)
		return (-1);
	cli->exit = EXIT_ERROR;
	if (cli->noperands > (r->diff != NULL))
		return (cli_usage(cli, "no operand is expected: '%s'", cli->operands[cli->noperands - 1]), -1);
	if (r->if_changed + r->list + (r->path != NULL) + (r->diff != NULL) + r->pruning.wanted + (r->send != NULL) + r->receive > 1)
		return (cli_usage(cli, "--diff, --if-changed, --list, --path, --prune, --send and --receive do not go together"), -1);
	if (r->key != NULL && (r->list || r->path != NULL || r->diff != NULL || r->pruning.wanted || r->send != NULL || r->receive))
		return (cli_usage(cli, "--sign goes with making a block, not with --diff, --list, --path, --prune, --send or --receive"), -1);
	if (r->full && (r->list || r->path != NULL || r->diff != NULL || r->pruning.wanted || r->send != NULL || r->receive))
		return (cli_usage(cli, "--full goes with making a block, not with --diff, --list, --path, --prune, --send or --receive"), -1);
	if (r->key != NULL && strcmp(r->key, "-") == 0)
		(void)cli_stdin_is_terminal(cli);
	return (pruning_check(&r->pruning, cli) || check_send(r) || check_receive(r) ? -1 : 0);
}

static int
show_block(struct present *p, const struct block *b, struct span line)
{
	const struct block_header *h = &b->header;
	struct cell cells[] = {
	    {.name = "height", .kind = CELL_NUMBER, .n = h->height},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)h->time_us},
	    {.name = "size", .kind = CELL_NUMBER, .n = h->size},
	    {.name = "elements", .kind = CELL_NUMBER, .n = h->elements},
	    {.name = "entries", .kind = CELL_NUMBER, .n = h->entries},
	    {.name = "block", .kind = CELL_NAME, .text = {b->name, strlen(b->name)}},
	};

	return (present_answer(p, &line, cells, sizeof(cells) / sizeof(cells[0])));
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
	return (answer_blocks(&r->blocks, r->snapshots, p, e) == 0 ? code : -1);
}

/* The block that ${when} names, whose snapshot is there. */
static int
find_present(struct run *r, const char *when, const struct block **ret, struct err *e)
{
	char fate[BLOCKS_FATE_SIZE];

	if (when_block(when, r->layer->ledger->log, &r->blocks.list, cli_now_us(), ret, e) != 0)
		return (-1);
	if (r->blocks.present[*ret - r->blocks.list.block])
		return (0);
	blocks_fate(&r->blocks, (size_t)(*ret - r->blocks.list.block), fate);
	return (err_no(e, "the snapshot of '%s' %s: only its header is left, in the log", (*ret)->name, fate));
}

static int
print_path(struct run *r, struct err *e)
{
	struct buf path = BUF_INIT, out = BUF_INIT;
	const struct block *b;
	bool failed;

	if (find_present(r, r->path, &b, e) != 0)
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

/* What the other side has. */
static int
read_have(const struct run *r, struct send_have *have, struct err *e)
{
	bool is_stdin = strcmp(r->have, "-") == 0;
	int fd, rc;

	if ((fd = is_stdin ? STDIN_FILENO : open(r->have, O_RDONLY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", r->have));
	rc = send_have_read(fd, is_stdin ? "standard input" : r->have, have, e);
	if (!is_stdin)
		close(fd);
	return (rc);
}

/* The parent of ${b}; NULL: none, it is sent whole.  Return 0 or -1. */
static int
find_parent(struct run *r, const struct block *b, const struct block **ret, struct err *e)
{
	struct send_have have = {BUF_INIT};
	int rc = 0;

	*ret = NULL;
	if (r->parent == NULL)
		return (0);
	if (strcmp(r->parent, "auto") != 0)
		return (find_present(r, r->parent, ret, e));
	if (r->have == NULL || (rc = read_have(r, &have, e)) == 0) {
		*ret = send_parent(&r->blocks, b, r->have != NULL ? &have : NULL);
		if (*ret == NULL)
			cli_info(&r->cli, "no block below '%s' is there on both sides: it is sent whole", b->name);
		else if (r->cli.verbose)
			cli_info(&r->cli, "'%s' is sent as the difference to '%s'", b->name, (*ret)->name);
	}
	send_have_release(&have);
	return (rc);
}

static int
send(struct run *r, struct err *e)
{
	struct send_watch watch = {on_bytes, &r->progress};
	const struct block *b, *parent;
	int rc;

	if (find_present(r, r->send, &b, e) != 0 || find_parent(r, b, &parent, e) != 0)
		return (-1);
	if (parent == b)
		return (err_set(e, "'%s' cannot be its own parent", b->name));
	progress_init(&r->progress, &r->cli, "sending", "bytes", 0);
	rc = send_block(r->layer->snap_fd, b->name, parent != NULL ? parent->name : NULL, STDOUT_FILENO, watch, e);
	progress_end(&r->progress);
	return (rc);
}

static int
diff(struct run *r, struct present *p, struct err *e)
{
	int rc;

	progress_init(&r->progress, &r->cli, "reading files", "bytes", 0);
	r->layer->watch = (struct files_watch){on_bytes, &r->progress};
	p->progress = &r->progress;
	rc = answer_files(r->layer, &r->blocks, r->diff, r->cli.noperands == 1 ? r->cli.operands[0] : NULL, p, e);
	progress_end(&r->progress);
	return (rc);
}

static void
on_verified(void *arg, uint64_t bytes, uint64_t total)
{
	struct progress *p = arg;

	if (p->total == 0) {
		progress_clear(p);
		progress_init(p, p->cli, "verifying", "bytes", total);
	}
	progress_step(p, bytes);
}

static int
receive(struct run *r, struct present *p, struct err *e)
{
	struct receive_options opt = {.wait_ms = r->cli.wait_ms, .key = r->vkey, .keys = r->vkeys, .step = on_bytes, .verify = on_verified, .arg = &r->progress};
	struct block b = {.good = true};
	enum receive_outcome outcome;
	int rc;

	progress_init(&r->progress, &r->cli, "receiving", "bytes", 0);
	rc = receive_block(r->layer, STDIN_FILENO, &opt, &outcome, &b.header, &b.line, e);
	progress_end(&r->progress);
	if (rc == 0) {
		block_name(&b.header, b.name);
		b.line.len--; /* its LF */
		if (outcome != RECEIVE_NEWEST)
			cli_info(&r->cli, outcome == RECEIVE_KNOWN ? "'%s' is here already" : "'%s' is not the newest block: live stays as it is", b.name);
		if (!r->cli.quiet && show_block(p, &b, (struct span){b.line.data, b.line.len}) == -1)
			rc = err_mem(e);
	}
	buf_release(&b.line);
	return (rc);
}

static void
report_torn(struct run *r)
{
	if (r->layer->torn > 0)
		cli_warn(&r->cli,
		    "a torn tail of %ju bytes was cut off; it is kept as 'live/.ecl/torn-%ju'",
		    (uintmax_t)r->layer->torn, (uintmax_t)r->layer->torn_seq);
}

static void
on_embedded(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;

	p->total = total;
	progress_step(p, done);
}

/* What the header's vector is made of; a block can do without. */
static void
embed(struct run *r)
{
	struct vectors_update u = {.step = on_embedded, .arg = &r->progress};
	struct err e = {0, 0, ""};

	progress_init(&r->progress, &r->cli, "embedding", "events", 0);
	if (layer_vectors(r->layer, &u, &e) != 0)
		cli_warn(&r->cli, "the vectors are not up to date: %s", e.text);
	progress_end(&r->progress);
}

/* The key, whose name is the origin. */
static int
read_signer(struct run *r, struct err *e)
{
	struct buf origin = BUF_INIT;
	bool others;
	int rc;

	cli_no_core();
	if ((rc = ledger_origin(r->layer->ledger, &origin, e)) == 0)
		rc = key_file_signer(r->key, (struct span){origin.data, origin.len}, NOTE_ED25519, &r->signer, &others, e);
	if (rc == 0 && others)
		cli_warn(&r->cli, "others can read or change the key '%s': 'chmod 600' it", r->key);
	buf_release(&origin);
	return (rc);
}

static void
on_event(void *arg, uint64_t done, uint64_t total)
{
	struct run *r = arg;

	r->log.total = total;
	progress_step(&r->log, done);
	if (done < total)
		return;
	progress_clear(&r->log);
	progress_init(&r->progress, &r->cli, "reading files", "bytes", 0);
}

/* With --if-changed: whether there is nothing to do, before anything else is done.  What is to be signed may be the log alone. */
static int
unneeded(struct run *r, struct present *p, struct err *e)
{
	struct block b = {.good = true};
	int n = 0;

	if (r->if_changed && !r->full && r->key == NULL)
		n = snap_unneeded(r->layer, r->cli.wait_ms, &b.header, &b.line, e);
	if (n == 1 && p->format == PRESENT_TABLE) {
		block_name(&b.header, b.name);
		cli_info(&r->cli, "nothing has changed since '%s'", b.name);
	}
	buf_release(&b.line);
	return (n);
}

static int
make(struct run *r, struct present *p, struct err *e)
{
	struct snap_options opt = {.wait_ms = r->cli.wait_ms,
	    .sign = {r->signer, r->cli.force, on_event, r},
	    .full = r->full,
	    .if_changed = r->if_changed};
	struct block b = {.good = true};
	int made;

	progress_init(&r->log, &r->cli, "checking the log", "events", 0);
	progress_init(&r->progress, &r->cli, "reading files", "bytes", 0);
	r->layer->watch = (struct files_watch){on_bytes, &r->progress};
	made = snap_make(r->layer, &opt, &b.header, &b.line, e);
	progress_end(&r->progress);
	report_torn(r);
	if (made >= 0) {
		block_name(&b.header, b.name);
		b.line.len--; /* its LF */
		if (made == 0 && p->format == PRESENT_TABLE)
			cli_info(&r->cli, "nothing has changed since '%s'", b.name);
		if (made == 1 && !r->cli.quiet &&
		    show_block(p, &b, (struct span){b.line.data, b.line.len}) == -1)
			err_mem(e);
	}
	buf_release(&b.line);
	return (e->exit == 0 ? 0 : -1);
}

/* Return 0, EXIT_NO, or -1 with ${e}. */
static int
run(struct run *r, struct present *p, struct err *e)
{
	bool prune = r->pruning.wanted && !r->pruning.dry_run;
	bool make_one = !r->list && r->path == NULL && r->diff == NULL && !r->pruning.wanted && r->send == NULL && !r->receive;
	unsigned flags = make_one ? LAYER_WRITE | LAYER_TREE : prune ? LAYER_WRITE | LAYER_EITHER : r->receive ? LAYER_WRITE | LAYER_REPLICA : LAYER_ROOT;
	char root[PATH_MAX];
	int n, rc;

	if (catch_up_open(&r->cli, r->cli.root, flags | (r->cli.force ? LAYER_FORCE : 0), &r->layer, e) != 0)
		return (-1);
	if (r->receive)
		return (receive(r, p, e));
	if (r->pruning.wanted) {
		rc = pruning_run(&r->pruning, &r->cli, r->layer, p, e);
		report_torn(r);
		return (rc);
	}
	if (make_one) {
		if (r->key != NULL && read_signer(r, e) != 0)
			return (-1);
		if ((n = unneeded(r, p, e)) != 0) {
			report_torn(r);
			return (n == 1 ? 0 : -1);
		}
		embed(r);
		return (make(r, p, e));
	}
	if (realpath(r->layer->path, root) == NULL)
		return (err_sys(e, "cannot find the path of '%s'", r->layer->path));
	snprintf(r->snapshots, sizeof(r->snapshots), "%s/.snapshots", root);
	if (blocks_read(r->layer->snap_fd, r->layer->ledger->log, r->layer->ledger->index,
		&r->blocks, e) != 0)
		return (-1);
	return (r->list ? list(r, p, e) : r->send != NULL ? send(r, e) : r->diff != NULL ? diff(r, p, e) : print_path(r, e));
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
		vkey_release(r.vkey, r.vkeys);
		return (r.cli.exit);
	}
	present_init(&p, &r.cli, cli_want_table(&r.cli) ? PRESENT_TABLE : PRESENT_JSON, stdout);
	code = run(&r, &p, &e);
	if (present_end(&p) != 0 && code != -1)
		code = err_mem(&e);
	if (code == -1)
		code = cli_error(&r.cli, &e);
	present_release(&p);
	blocks_release(&r.blocks);
	note_signer_free(r.signer);
	pruning_release(&r.pruning);
	vkey_release(r.vkey, r.vkeys);
	layer_free(r.layer);
	return (cli_close_stdout(&r.cli, code));
}

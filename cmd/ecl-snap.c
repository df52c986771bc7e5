/* ecl-snap: make blocks, and say which there are. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "blocks.h"
#include "catch_up.h"
#include "cli.h"
#include "key_file.h"
#include "present.h"
#include "snap.h"
#include "when.h"

#include "banned.h"

static const char help[] =
    "usage: ecl-snap [OPTION...]\n"
    "\n"
    "  ecl-snap                       make a block, print its header\n"
    "  ecl-snap --if-changed -q       from cron: one only where something changed\n"
    "  ecl-snap --list                the blocks, those that were pruned too\n"
    "  cd \"$(ecl-snap --path 2h)\"     the files as they were two hours ago\n"
    "\n"
    "A block is a read-only snapshot of live, with a header that commits to all\n"
    "that is in it: the log, the elements, their states, the files.\n"
    "\n"
    "      --if-changed      none where neither log nor files changed since the last\n"
    "      --list            the headers of all blocks, oldest first\n"
    "      --path WHEN       the path of the snapshot of a block, or for a seq, a\n"
    "                        time or an age of the last block at or before it\n"
    "      --sign KEY        sign the block, and the log with it, by this private key\n"
    "                        (openssl genpkey -algorithm ed25519 -out KEY)\n" CLI_HELP_WRITER;

enum { OPT_IF_CHANGED = CLI_LONG, OPT_LIST, OPT_PATH, OPT_SIGN };

static const struct cli_option options[] = {
    {OPT_IF_CHANGED, "if-changed", false},
    {OPT_LIST, "list", false},
    {OPT_PATH, "path", true},
    {OPT_SIGN, "sign", true},
    {0, NULL, false},
};

struct run {
	struct cli cli;
	bool if_changed, list;
	const char *path; /* WHEN */
	const char *key;
	struct note_signer *signer;
	struct layer *layer;
	struct progress progress, log;
	char snapshots[PATH_MAX + 16]; /* their directory */
	struct blocks blocks;
};

static int
parse_options(struct run *r, char **argv)
{
	struct cli *cli = &r->cli;
	int key;

	cli_init(cli, "ecl-snap", help, argv);
	while ((key = cli_next(cli, options)) > 0) {
		switch (key) {
		case OPT_IF_CHANGED:
			r->if_changed = true;
			break;
		case OPT_LIST:
			r->list = true;
			break;
		case OPT_PATH:
			r->path = cli->value;
			break;
		case OPT_SIGN:
			r->key = cli->value;
			break;
		}
	}
	if (key == -1)
		return (-1);
	cli->exit = EXIT_ERROR;
	if (cli->noperands > 0)
		return (cli_usage(cli, "no operand is expected: '%s'", cli->operands[0]), -1);
	if (r->if_changed + r->list + (r->path != NULL) > 1)
		return (cli_usage(cli, "--if-changed, --list and --path do not go together"), -1);
	if (r->key != NULL && (r->list || r->path != NULL))
		return (cli_usage(cli, "--sign goes with making a block, not with --list or --path"), -1);
	if (r->key != NULL && strcmp(r->key, "-") == 0)
		(void)cli_stdin_is_terminal(cli);
	return (0);
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

static int
print_path(struct run *r, struct err *e)
{
	struct buf path = BUF_INIT, out = BUF_INIT;
	struct timespec now;
	const struct block *b;
	bool failed;

	clock_gettime(CLOCK_REALTIME, &now);
	if (when_block(r->path, r->layer->ledger->log, &r->blocks.list,
		(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, &b, e) != 0)
		return (-1);
	if (!r->blocks.present[b - r->blocks.list.block])
		return (err_no(e,
		    "the snapshot of '%s' is gone: only its header is left, in the log", b->name));
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
report_torn(struct run *r)
{
	if (r->layer->torn > 0)
		cli_warn(&r->cli,
		    "a torn tail of %ju bytes was cut off; it is kept as 'live/.ecl/torn-%ju'",
		    (uintmax_t)r->layer->torn, (uintmax_t)r->layer->torn_seq);
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	progress_step(arg, bytes);
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

static int
make(struct run *r, struct present *p, struct err *e)
{
	struct snap_options opt = {.wait_ms = r->cli.wait_ms,
	    .sign = {r->signer, r->cli.force, on_event, r},
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
	bool write = !r->list && r->path == NULL;
	char root[PATH_MAX];

	if (catch_up_open(&r->cli, r->cli.root,
		(write ? LAYER_WRITE | LAYER_TREE : LAYER_ROOT) | (r->cli.force ? LAYER_FORCE : 0),
		&r->layer, e) != 0)
		return (-1);
	if (write) {
		if (r->key != NULL && read_signer(r, e) != 0)
			return (-1);
		embed(r);
		return (make(r, p, e));
	}
	if (realpath(r->layer->path, root) == NULL)
		return (err_sys(e, "cannot find the path of '%s'", r->layer->path));
	snprintf(r->snapshots, sizeof(r->snapshots), "%s/.snapshots", root);
	if (blocks_read(r->layer->snap_fd, r->layer->ledger->log, r->layer->ledger->index,
		&r->blocks, e) != 0)
		return (-1);
	return (r->list ? list(r, p, e) : print_path(r, e));
}

int
main(int argc, char **argv)
{
	struct run r = {.layer = NULL};
	struct present p;
	struct err e = {0, 0, ""};
	int code;

	(void)argc;
	if (parse_options(&r, argv) == -1)
		return (r.cli.exit);
	present_init(&p, &r.cli, cli_want_table(&r.cli) ? PRESENT_TABLE : PRESENT_JSON, stdout);
	code = run(&r, &p, &e);
	if (present_end(&p) != 0 && code != -1)
		code = err_mem(&e);
	if (code == -1)
		code = cli_error(&r.cli, &e);
	present_release(&p);
	blocks_release(&r.blocks);
	note_signer_free(r.signer);
	layer_free(r.layer);
	return (cli_close_stdout(&r.cli, code));
}

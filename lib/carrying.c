/* Blocks to and from other hosts, as users meet them. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "answer_blocks.h"
#include "carrying.h"
#include "receive.h"
#include "send.h"
#include "vkey.h"

#include "banned.h"

#define TRIES 8 /* for a parent, where blocks are pruned meanwhile */

static bool
is_auto(const struct carrying *c)
{
	return (c->parent != NULL && strcmp(c->parent, "auto") == 0);
}

static int
check_send(const struct carrying *c, const struct cli *cli)
{
	if (c->send == NULL)
		return (c->parent != NULL || c->have != NULL ? cli_usage(cli, "--parent and --have go with --send") : 0);
	if (c->have != NULL && !is_auto(c))
		return (cli_usage(cli, "--have goes with --parent auto"));
	if (isatty(STDOUT_FILENO))
		return (cli_usage(cli, "standard output is a terminal, and a stream is not for eyes: '| ssh HOST ecl-snap --receive' takes it"));
	return (c->have != NULL && strcmp(c->have, "-") == 0 && cli_stdin_is_terminal(cli) ? EXIT_ERROR : 0);
}

static int
check_receive(struct carrying *c, const struct cli *cli)
{
	if (!c->receive)
		return (c->is_unsigned || c->vkeys + c->witnesses + c->quorum > 0 ? cli_usage(cli, "--key, --unsigned, --witness and --quorum go with --receive") : 0);
	if (c->is_unsigned == (c->vkeys > 0))
		return (cli_usage(cli, c->is_unsigned ? "--unsigned does not go with --key"
						      : "--receive needs '--key VKEY': whose word is taken? (or --unsigned: nobody's)"));
	if (c->is_unsigned && c->witnesses + c->quorum > 0)
		return (cli_usage(cli, "--unsigned does not go with --witness and --quorum"));
	if (vkey_check_witnesses(cli, c->vkey, c->vkeys, c->witness, c->witnesses, &c->quorum) != 0)
		return (EXIT_ERROR);
	if (isatty(STDIN_FILENO))
		return (cli_usage(cli, "standard input is a terminal, and nobody types a stream: 'ecl-snap --send BLOCK |' makes one"));
	return (0);
}

int
carrying_check(struct carrying *c, const struct cli *cli)
{
	int code = check_send(c, cli);

	return (code != 0 ? code : check_receive(c, cli));
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	progress_step(arg, bytes);
}

/* What the other side has. */
static int
read_have(const char *file, struct send_have *have, struct err *e)
{
	bool is_stdin = strcmp(file, "-") == 0;
	int fd, rc;

	if ((fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open '%s'", file));
	rc = send_have_read(fd, is_stdin ? "standard input" : file, have, e);
	if (!is_stdin)
		close(fd);
	return (rc);
}

/* The block that ${when} names. */
static int
find(struct layer *l, const struct blocks *blocks, const char *when, const struct block **ret, struct err *e)
{
	return (blocks_find(blocks, when, l->ledger->log, cli_now_us(), "only its header is left, in the log", ret, e));
}

/* The parent of ${b}; NULL: none, it is sent whole.  Return 0 or -1. */
static int
find_parent(const struct carrying *c, const struct cli *cli, struct layer *l, const struct blocks *blocks, const struct block *b,
    const struct send_have *have, const struct block **ret, struct err *e)
{
	*ret = NULL;
	if (c->parent == NULL)
		return (0);
	if (!is_auto(c))
		return (find(l, blocks, c->parent, ret, e));
	*ret = send_parent(blocks, b, c->have != NULL ? have : NULL);
	if (*ret == NULL)
		cli_info(cli, "no block below '%s' is there on both sides: it is sent whole", b->name);
	else if (cli->verbose)
		cli_info(cli, "'%s' is sent as the difference to '%s'", b->name, (*ret)->name);
	return (0);
}

/* Whether the block, which was there, is no more; then ${e} says since when, and ${instead}. */
static bool
went(struct layer *l, const struct block *b, const char *instead, struct err *e)
{
	struct err why = {0, 0, ""};
	int fd;

	if ((fd = blocks_open(l->snap_fd, b->name, l->ledger->log, l->ledger->index, instead, &why)) != -1)
		close(fd);
	if (fd != -1 || why.exit != EXIT_NO)
		return (false);
	*e = why;
	return (true);
}

/* Return 0, 1 where a parent that nobody named went before anything was sent, or -1. */
static int
send_one(const struct carrying *c, struct cli *cli, struct layer *l, const struct blocks *blocks, const struct send_have *have, struct err *e)
{
	struct progress progress;
	struct send_watch watch = {on_bytes, &progress};
	const struct block *b, *parent;
	int rc;

	if (find(l, blocks, c->send, &b, e) != 0 || find_parent(c, cli, l, blocks, b, have, &parent, e) != 0)
		return (-1);
	if (parent == b)
		return (err_set(e, "'%s' cannot be its own parent", b->name));
	progress_init(&progress, cli, "sending", "bytes", 0);
	rc = send_block(l->snap_fd, b->name, parent != NULL ? parent->name : NULL, STDOUT_FILENO, watch, e);
	progress_end(&progress);
	/* Who prunes lets those be that are being sent. */
	if (rc == 0 || went(l, b, "'ecl-snap --list' names those that can be sent", e))
		return (rc);
	return (parent != NULL && went(l, parent, "'--parent auto' takes one that is there", e) && is_auto(c) ? 1 : -1);
}

int
carrying_send(const struct carrying *c, struct cli *cli, struct layer *l, const struct blocks *blocks, struct err *e)
{
	struct send_have have = {BUF_INIT};
	struct blocks now = {.present = NULL};
	unsigned tries;
	int rc;

	if ((rc = c->have != NULL ? read_have(c->have, &have, e) : 0) == 0)
		rc = send_one(c, cli, l, blocks, &have, e);
	for (tries = 0; rc == 1 && tries < TRIES; tries++) {
		if (blocks_read(l->snap_fd, l->ledger->log, l->ledger->index, &now, e) != 0)
			rc = -1;
		else
			rc = send_one(c, cli, l, &now, &have, e);
		blocks_release(&now);
	}
	send_have_release(&have);
	return (rc == 0 ? 0 : -1);
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

struct receiving {
	struct progress progress; /* first: the other callbacks take it for their argument */
	const struct cli *cli;
};

/* The header could not tell whether they are what they were. */
static void
on_left_out(void *arg, uint64_t n, const struct buf *names, const char *path)
{
	struct receiving *r = arg;
	struct buf text = BUF_INIT, where = BUF_INIT;
	const char *name = NULL;

	while ((name = buf_next_string(names, name)) != NULL) {
		if (text.len > 0)
			buf_adds(&text, ", ");
		cli_printable((struct span){name, strlen(name)}, &text);
	}
	cli_printable((struct span){path, strlen(path)}, &where);
	cli_info(r->cli, "left out, as no header commits to it: %s (%ju in all, the first of '%s')", buf_cstr(&text), (uintmax_t)n, buf_cstr(&where));
	buf_release(&text);
	buf_release(&where);
}

int
carrying_receive(const struct carrying *c, struct cli *cli, struct layer *l, struct present *p, struct err *e)
{
	struct receiving r = {.cli = cli};
	struct receive_options opt = {.wait_ms = cli->wait_ms,
	    .key = c->vkey,
	    .keys = c->vkeys,
	    .witness = c->witness,
	    .witnesses = c->witnesses,
	    .quorum = c->quorum,
	    .step = on_bytes,
	    .verify = on_verified,
	    .left_out = on_left_out,
	    .arg = &r};
	struct block_header h;
	struct buf line = BUF_INIT;
	char name[BLOCK_NAME_SIZE];
	enum receive_outcome outcome;
	int rc;

	progress_init(&r.progress, cli, "receiving", "bytes", 0);
	rc = receive_block(l, STDIN_FILENO, &opt, &outcome, &h, &line, e);
	progress_end(&r.progress);
	if (rc == 0) {
		block_name(&h, name);
		if (outcome != RECEIVE_NEWEST)
			cli_info(cli, outcome == RECEIVE_KNOWN ? "'%s' is here already" : "'%s' is not the newest block: live stays as it is", name);
		if (!cli->quiet)
			rc = answer_header(&h, (struct span){line.data, line.len - 1}, p, e);
	}
	buf_release(&line);
	return (rc);
}

void
carrying_release(struct carrying *c)
{
	vkey_release(c->vkey, c->vkeys);
	vkey_release(c->witness, c->witnesses);
}

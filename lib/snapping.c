/* Making a block, as users meet it. */
#include "config.h"

#include "answer_blocks.h"
#include "key_file.h"
#include "snap.h"
#include "snapping.h"
#include "subvol.h"

#include "banned.h"

struct run {
	const struct snapping *opt;
	struct cli *cli;
	struct layer *layer;
	struct note_signer *signer;
	struct progress progress, log;
};

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
	enum backend b;

	u.unsynced = subvol_backend(r->layer->live_fd, &b, NULL) == 0 && b == BACKEND_BTRFS;
	progress_init(&r->progress, r->cli, "embedding", "events", 0);
	if (layer_vectors(r->layer, &u, &e) != 0)
		cli_warn(r->cli, "the vectors are not up to date: %s", e.text);
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
		rc = key_file_signer(r->opt->key, (struct span){origin.data, origin.len}, NOTE_ED25519, &r->signer, &others, e);
	if (rc == 0 && others)
		cli_warn(r->cli, "others can read or change the key '%s': 'chmod 600' it", r->opt->key);
	buf_release(&origin);
	return (rc);
}

static void
on_bytes(void *arg, uint64_t bytes)
{
	progress_step(arg, bytes);
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
	progress_init(&r->progress, r->cli, "reading files", "bytes", 0);
}

/* People are told why they get none. */
static void
say_unneeded(const struct run *r, const struct block_header *h, const struct present *p)
{
	char name[BLOCK_NAME_SIZE];

	block_name(h, name);
	if (p->format == PRESENT_TABLE)
		cli_info(r->cli, "nothing has changed since '%s'", name);
}

/* With --if-changed: whether there is nothing to do, before anything else is done.  What is to be signed may be the log alone. */
static int
unneeded(struct run *r, struct present *p, struct err *e)
{
	struct block_header h;
	struct buf line = BUF_INIT;
	int n = 0;

	if (r->opt->if_changed && !r->opt->full && r->opt->key == NULL)
		n = snap_unneeded(r->layer, r->cli->wait_ms, &h, &line, e);
	if (n == 1)
		say_unneeded(r, &h, p);
	buf_release(&line);
	return (n);
}

static int
make(struct run *r, struct present *p, struct err *e)
{
	struct snap_options opt = {.wait_ms = r->cli->wait_ms,
	    .sign = {r->signer, r->cli->force, on_event, r},
	    .full = r->opt->full,
	    .if_changed = r->opt->if_changed};
	struct block_header h;
	struct buf line = BUF_INIT;
	int made, rc = 0;

	progress_init(&r->log, r->cli, "checking the log", "events", 0);
	progress_init(&r->progress, r->cli, "reading files", "bytes", 0);
	r->layer->watch = (struct files_watch){on_bytes, &r->progress};
	made = snap_make(r->layer, &opt, &h, &line, e);
	progress_end(&r->progress);
	if (made == 0)
		say_unneeded(r, &h, p);
	else if (made == 1 && !r->cli->quiet)
		rc = answer_header(&h, (struct span){line.data, line.len - 1}, p, e);
	buf_release(&line);
	return (made == -1 ? -1 : rc);
}

int
snapping_run(const struct snapping *s, struct cli *cli, struct layer *l, struct present *p, struct err *e)
{
	struct run r = {.opt = s, .cli = cli, .layer = l};
	int n, rc = -1;

	if (s->key != NULL && read_signer(&r, e) != 0)
		return (-1);
	if ((n = unneeded(&r, p, e)) != 0)
		rc = n == 1 ? 0 : -1;
	else {
		embed(&r);
		rc = make(&r, p, e);
	}
	note_signer_free(r.signer);
	return (rc);
}

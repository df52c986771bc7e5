/* Proofs out of a ledger: of events, and of one checkpoint's log being the beginning of another's. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "block.h"
#include "merkle.h"
#include "merkle_proof.h"
#include "note.h"
#include "prove.h"

#include "banned.h"

#define TRIES 50 /* of a millisecond each, to read `durable' while nobody writes it */
#define LINES 64 /* hashed at a time */
#define STEP 16384

/* Say that the log is not what ${b} is of.  Return -1. */
static int
differs(const struct prove_base *b, struct err *e)
{
	return (err_no(e, "the log is not the one that the checkpoint of %" PRIu64 " events is of: run 'ecl-verify'", b->at.size));
}

int
prove_again(const struct prove_base *b, uint64_t generation, struct err *e)
{
	struct err why;

	differs(b, &why);
	return (index_wrong(b->layer->ledger->index, generation, &why, e));
}

/* The index says that the log has another root than ${b}: ask the log itself.  Return 0 where it fits after all, or -1. */
static int
check_root(const struct prove_base *b, struct err *e)
{
	struct index *ix = b->layer->ledger->index;
	uint8_t root[SHA256_SIZE];
	uint64_t generation;

	do {
		generation = index_generation(ix);
		if (index_root(ix, b->at.size, root, e) != 0)
			return (-1);
		if (memcmp(root, b->at.root, SHA256_SIZE) == 0)
			return (0);
	} while (prove_again(b, generation, e) == 0);
	return (-1);
}

/* ---- what there is to prove against ---- */

/* That the log reaches as far as the checkpoint, which may be newer than what was seen of the log. */
static int
reach(struct layer *l, const struct checkpoint *c, struct err *e)
{
	if (c->size > index_size(l->ledger->index) && ledger_refresh(l->ledger, e) != 0)
		return (-1);
	if (c->size > index_size(l->ledger->index))
		return (err_no(e, "the log has %" PRIu64 " events, and its checkpoint is of %" PRIu64 ": run 'ecl-verify'",
		    index_size(l->ledger->index), c->size));
	return (0);
}

int
prove_signed(struct layer *l, struct prove_base *ret, struct err *e)
{
	struct prove_base b = {.layer = l, .is_signed = true};
	struct err why = {0};
	struct note n;
	int rc;

	if ((rc = checkpoint_read(l->bare ? l->ecl_fd : l->root_fd, CHECKPOINT_FILE, &b.note, e)) == -1)
		goto err1;
	if (rc == 0) {
		err_set(e, "'%s' has no signed checkpoint: 'ecl-snap --sign KEY' makes one, or use --unsigned", l->path);
		goto err1;
	}
	if (note_parse((struct span){b.note.data, b.note.len}, &n, &why) != 0 || checkpoint_parse(n.text, &b.at, &why) != 0) {
		err_set(e, "'%s/checkpoint': %s", l->path, why.text);
		goto err1;
	}
	if (reach(l, &b.at, e) != 0 || check_root(&b, e) != 0)
		goto err1;
	*ret = b;
	return (0);

err1:	buf_release(&b.note);
	return (-1);
}

/* How many of the events are on the disk. */
static int
durable_size(struct layer *l, uint64_t *ret, struct err *e)
{
	const struct timespec ms = {0, 1000000};
	struct durable d = {.damaged = true};
	int i;

	*ret = index_size(l->ledger->index);
	if (l->bare)
		return (0);
	for (i = 0; d.damaged && i < TRIES; i++) {
		if (i > 0)
			nanosleep(&ms, NULL);
		if (durable_read(l->root_fd, &d, e) != 0)
			return (-1);
	}
	if (d.damaged)
		return (err_set(e, "'%s/durable' is damaged: the next append or 'ecl-snap' mends it", l->path));
	if (d.known && d.end.size < *ret)
		*ret = d.end.size;
	return (0);
}

/* The tree of the newest block's log, of at most ${size} events, whose root its header has; empty where there is no block. */
static int
anchor(struct layer *l, uint64_t size, struct merkle *ret, struct err *e)
{
	struct index *ix = l->ledger->index;
	const struct block_header *h = NULL;
	uint8_t root[SHA256_SIZE];
	struct block_list list;
	uint64_t generation;
	struct err why;
	size_t i;
	int rc = 0;

	merkle_init(ret);
	if (block_list_names(l->snap_fd, 0, &list, e) != 0)
		return (-1);
	for (i = list.n; i-- > 0 && h == NULL && (rc = block_list_header(l->snap_fd, &list.block[i], e)) == 0;)
		if (list.block[i].good && list.block[i].header.size <= size)
			h = &list.block[i].header;
	while (h != NULL) {
		generation = index_generation(ix);
		if ((rc = index_frontier(ix, h->size, ret, e)) != 0)
			break;
		merkle_root(ret, root);
		if (memcmp(root, h->root, SHA256_SIZE) == 0)
			break;
		err_no(&why, "the log is not the one that block %" PRIu64 " is of: run 'ecl-verify'", h->height);
		if ((rc = index_wrong(ix, generation, &why, e)) != 0)
			break;
	}
	block_list_release(&list);
	return (rc);
}

/* Go on with the lines themselves. */
static int
add_lines(struct log *log, uint64_t size, struct merkle *m, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct err *e)
{
	struct log_line line[LINES];
	struct span text[LINES];
	bool good[LINES];
	uint8_t hash[SHA256_SIZE];
	struct log_reader r;
	uint64_t from = m->size;
	int i, n = 0;

	if (log_seek(log, m->size, &r, e) != 0)
		return (-1);
	while (m->size < size && (n = log_reader_some(&r, line, LINES, e)) > 0) {
		for (i = 0; i < n; i++)
			text[i] = line[i].text;
		event_hashes_ok(text, (size_t)n, good);
		for (i = 0; i < n && m->size < size; i++) {
			if (!good[i]) {
				log_reader_release(&r);
				return (err_no(e, "event %" PRIu64 " does not have the hash that it says: run 'ecl-verify'", m->size));
			}
			hex_decode(text[i].p + text[i].len - 66, SHA256_SIZE, hash);
			merkle_leaf(hash, SHA256_SIZE, hash);
			merkle_add(m, hash);
			if (step != NULL && m->size % STEP == 0)
				step(arg, m->size - from, size - from);
		}
	}
	log_reader_release(&r);
	if (n == 0 && m->size < size)
		err_set(e, "the log ends at event %" PRIu64, m->size);
	return (m->size == size ? 0 : -1);
}

int
prove_unsigned(struct layer *l, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg, struct prove_base *ret,
    struct err *e)
{
	struct prove_base b = {.layer = l};
	struct buf origin = BUF_INIT;
	struct merkle m;

	if (durable_size(l, &b.at.size, e) != 0 || anchor(l, b.at.size, &m, e) != 0 ||
	    add_lines(l->ledger->log, b.at.size, &m, step, arg, e) != 0 || ledger_origin(l->ledger, &origin, e) != 0)
		goto err1;
	merkle_root(&m, b.at.root);
	if (check_root(&b, e) != 0)
		goto err1;
	b.at.origin = (struct span){origin.data, origin.len};
	checkpoint_format(&b.at, &b.note);
	if (b.note.failed) {
		err_mem(e);
		goto err1;
	}
	b.at.origin.p = b.note.data;
	buf_release(&origin);
	*ret = b;
	return (0);

err1:	buf_release(&origin);
	buf_release(&b.note);
	return (-1);
}

void
prove_release(struct prove_base *b)
{
	buf_release(&b->note);
	memset(b, 0, sizeof(*b));
}

/* ---- proofs ---- */

static int
range(void *arg, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e)
{
	return (index_range(arg, from, to, out, e));
}

static void
keep(struct tlog_hashes *h, const struct buf *hashes)
{
	h->len = hashes->len;
	if (h->len > 0)
		memcpy(h->hash, hashes->data, h->len);
}

int
prove_path(struct index *ix, uint64_t seq, uint64_t size, const uint8_t root[SHA256_SIZE], struct buf *line, struct tlog_hashes *ret,
    struct err *e)
{
	struct buf hashes = BUF_INIT;
	uint8_t leaf[SHA256_SIZE];
	struct event ev;
	int rc = -1;

	if (index_event(ix, seq, line, &ev, e) != 0)
		return (-1);
	if (!event_hash_ok((struct span){line->data, line->len}))
		return (err_no(e, "event %" PRIu64 " does not have the hash that it says: run 'ecl-verify'", seq));
	merkle_leaf(ev.hash, SHA256_SIZE, leaf);
	if (merkle_inclusion(seq, size, range, ix, &hashes, e) == 0) {
		keep(ret, &hashes);
		rc = merkle_check_inclusion(leaf, seq, size, ret->hash, ret->len, root) ? 0 : 1;
	}
	buf_release(&hashes);
	return (rc);
}

/* The checkpoint does not go as far as was asked. */
static int
too_old(const struct prove_base *b, struct err *e)
{
	if (!b->is_signed)
		return (err_set(e, "no more than %" PRIu64 " events are on the disk yet", b->at.size));
	return (err_set(e, "the newest signed checkpoint is of %" PRIu64 " events only: 'ecl-snap --sign KEY' makes another, or use --unsigned",
	    b->at.size));
}

int
prove_event(const struct prove_base *b, uint64_t seq, struct buf *out, struct err *e)
{
	struct index *ix = b->layer->ledger->index;
	struct tlog_proof p = {.kind = TLOG_EVENT, .index = seq, .note = {b->note.data, b->note.len}};
	struct buf line = BUF_INIT;
	uint64_t generation;
	int rc;

	if (seq >= index_size(ix))
		return (err_no(e, "there is no event %" PRIu64 ": the log has %" PRIu64, seq, index_size(ix)));
	if (seq >= b->at.size)
		return (too_old(b, e));
	for (;;) {
		generation = index_generation(ix);
		if ((rc = prove_path(ix, seq, b->at.size, b->at.root, &line, &p.hashes, e)) != 1)
			break;
		if ((rc = prove_again(b, generation, e)) != 0)
			break;
	}
	if (rc == 0)
		tlog_proof_format(&p, (struct span){line.data, line.len}, out);
	buf_release(&line);
	return (rc == 0 && out->failed ? err_mem(e) : rc);
}

int
prove_prefix(const struct prove_base *b, uint64_t old, struct tlog_hashes *ret, uint8_t root[SHA256_SIZE], struct err *e)
{
	struct index *ix = b->layer->ledger->index;
	struct buf hashes = BUF_INIT;
	uint64_t generation;
	int rc;

	do {
		generation = index_generation(ix);
		buf_reset(&hashes);
		if ((rc = index_root(ix, old, root, e)) != 0 ||
		    (rc = merkle_consistency(old, b->at.size, range, ix, &hashes, e)) != 0)
			break;
		keep(ret, &hashes);
		if (merkle_check_consistency(old, b->at.size, root, b->at.root, ret->hash, ret->len))
			break;
	} while ((rc = prove_again(b, generation, e)) == 0);
	buf_release(&hashes);
	return (rc);
}

int
prove_consistency(const struct prove_base *b, uint64_t old, struct buf *out, struct err *e)
{
	struct tlog_proof p = {.kind = TLOG_CONSISTENCY, .index = old, .note = {b->note.data, b->note.len}};
	uint8_t root[SHA256_SIZE];

	if (old > b->at.size)
		return (too_old(b, e));
	if (old > 0 && prove_prefix(b, old, &p.hashes, root, e) != 0)
		return (-1);
	tlog_proof_format(&p, (struct span){NULL, 0}, out);
	return (out->failed ? err_mem(e) : 0);
}

/* A log as static files for any web server. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "merkle.h"
#include "note.h"
#include "tiles.h"
#include "tiles_dir.h"

#include "banned.h"

#define SHIFT 8 /* log2(TILES_WIDTH) */
#define ENTRY (2 + SHA256_SIZE)

_Static_assert(TILES_LEVELS == INDEX_LEVELS, "a tile is a stretch of a level of the index");

struct tiles {
	const struct prove_base *b;
	struct tiles_dir dir;
	uint64_t old; /* events that the directory has */
	uint8_t edge[TILES_LEVELS][TILES_WIDTH * SHA256_SIZE]; /* the last tile of each level, that is not full */
	struct log_reader reader;
	uint64_t next; /* event before which it stands; UINT64_MAX: it is not open */
	void (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/* ---- what is there ---- */

/* The checkpoint of the directory must be of the beginning of this log. */
static int
read_old(struct tiles *t, const char *path, struct buf *note, struct err *e)
{
	uint8_t root[SHA256_SIZE];
	struct tlog_hashes hashes;
	struct err why = {0};
	struct checkpoint c;
	struct span text;
	struct note n;
	int rc;

	if ((rc = checkpoint_read(t->dir.fd, CHECKPOINT_FILE, note, e)) != 1)
		return (rc);
	text = (struct span){note->data, note->len};
	if (note_parse(text, &n, &why) == 0)
		text = n.text;
	if (checkpoint_parse(text, &c, &why) != 0)
		return (err_set(e, "'%s/checkpoint': %s", path, why.text));
	if (!span_eq(c.origin, t->b->at.origin))
		return (err_no(e, "'%s' has the tiles of another log, '%.*s'", path, (int)(c.origin.len < 200 ? c.origin.len : 200),
		    c.origin.p));
	if (c.size > t->b->at.size)
		return (err_no(e, "'%s' has %" PRIu64 " events, more than the %" PRIu64 " of the checkpoint", path, c.size, t->b->at.size));
	if (c.size > 0 && prove_prefix(t->b, c.size, &hashes, root, e) != 0)
		return (-1);
	if (c.size > 0 && memcmp(root, c.root, SHA256_SIZE) != 0)
		return (err_no(e, "'%s' has other events than the first %" PRIu64 " of the log: run 'ecl-verify'", path, c.size));
	t->old = c.size;
	return (0);
}

/* ---- hashes ---- */

static unsigned
edge_width(const struct tiles *t, unsigned level)
{
	return ((unsigned)(t->b->at.size >> SHIFT * level) % TILES_WIDTH);
}

/* Number of the last tile of a level, full or not. */
static uint64_t
edge_number(const struct tiles *t, unsigned level)
{
	return (t->b->at.size >> SHIFT * (level + 1));
}

/* The hashes that the whole root is made of, and are right where that is. */
static int
read_edge(struct tiles *t, struct err *e)
{
	struct index *ix = t->b->layer->ledger->index;
	uint8_t root[SHA256_SIZE];
	uint64_t generation;
	struct merkle m;
	unsigned k, i;

	if (edge_number(t, TILES_LEVELS - 1) > 0)
		return (err_set(e, "the tree of %" PRIu64 " events is too high", t->b->at.size));
	do {
		generation = index_generation(ix);
		merkle_init(&m);
		for (k = TILES_LEVELS; k-- > 0;) {
			if (edge_width(t, k) == 0)
				continue;
			if (index_level(ix, k, edge_number(t, k) << SHIFT, edge_width(t, k), t->edge[k], e) != 0)
				return (-1);
			for (i = 0; i < edge_width(t, k); i++)
				merkle_add_subtree(&m, t->edge[k] + (size_t)i * SHA256_SIZE, UINT64_C(1) << SHIFT * k);
		}
		merkle_root(&m, root);
		if (memcmp(root, t->b->at.root, SHA256_SIZE) == 0)
			return (0);
	} while (prove_again(t->b, generation, e) == 0);
	return (-1);
}

/* A full tile whose root is ${want}. */
static int
read_tile(const struct tiles *t, unsigned level, uint64_t number, const uint8_t *want, uint8_t *out, struct err *e)
{
	uint8_t fold[TILES_WIDTH * SHA256_SIZE];
	struct index *ix = t->b->layer->ledger->index;
	uint64_t generation;
	size_t n;

	do {
		generation = index_generation(ix);
		if (index_level(ix, level, number << SHIFT, TILES_WIDTH, out, e) != 0)
			return (-1);
		memcpy(fold, out, sizeof(fold));
		for (n = TILES_WIDTH / 2; n > 0; n /= 2)
			merkle_pairs(fold, n, fold);
		if (memcmp(fold, want, SHA256_SIZE) == 0)
			return (0);
	} while (prove_again(t->b, generation, e) == 0);
	return (-1);
}

/* ---- entries ---- */

/* The line of event ${seq}: they come one behind the other. */
static int
next_line(struct tiles *t, uint64_t seq, struct span *ret, struct err *e)
{
	struct log_line line;
	int rc;

	if (t->next != seq) {
		if (t->next != UINT64_MAX)
			log_reader_release(&t->reader);
		t->next = UINT64_MAX;
		if (log_seek(t->b->layer->ledger->log, seq, &t->reader, e) != 0)
			return (-1);
	}
	t->next = seq + 1;
	if ((rc = log_reader_next(&t->reader, &line, e)) == 0)
		return (err_no(e, "the log ends at event %" PRIu64 ": run 'ecl-verify'", seq));
	*ret = line.text;
	return (rc == 1 ? 0 : -1);
}

/* The events whose leaves are ${leaf}. */
static int
write_entries(struct tiles *t, uint64_t number, unsigned width, const uint8_t *leaf, struct err *e)
{
	uint8_t out[TILES_WIDTH * ENTRY], hash[SHA256_SIZE], *p = out;
	uint64_t seq = number << SHIFT;
	struct span line = {NULL, 0};
	unsigned i;

	for (i = 0; i < width; i++, seq++, p += ENTRY) {
		if (next_line(t, seq, &line, e) != 0)
			return (-1);
		p[0] = 0;
		p[1] = SHA256_SIZE;
		if (line.len < EVENT_TAIL || hex_decode(line.p + line.len - 66, SHA256_SIZE, p + 2) != 0)
			return (err_no(e, "the log is corrupt at seq %" PRIu64 ": run 'ecl-verify'", seq));
		merkle_leaf(p + 2, SHA256_SIZE, hash);
		if (memcmp(hash, leaf + (size_t)i * SHA256_SIZE, SHA256_SIZE) != 0)
			return (err_no(e, "event %" PRIu64 " is not the one that the checkpoint is of: run 'ecl-verify'", seq));
	}
	if (t->step != NULL)
		t->step(t->arg, seq - t->old, t->b->at.size - t->old);
	return (tiles_dir_put(&t->dir, TILES_ENTRIES, number, width, out, (size_t)(p - out), e));
}

/* ---- files ---- */

/* A full tile and all below it that the directory lacks.  Recursion: a call a level. */
static int
write_full(struct tiles *t, unsigned level, uint64_t number, const uint8_t *want, struct err *e)
{
	uint8_t tile[TILES_WIDTH * SHA256_SIZE];
	unsigned i;

	if ((number + 1) << SHIFT * (level + 1) <= t->old)
		return (0);
	if (read_tile(t, level, number, want, tile, e) != 0 ||
	    tiles_dir_put(&t->dir, (int)level, number, TILES_WIDTH, tile, sizeof(tile), e) != 0)
		return (-1);
	if (level == 0)
		return (write_entries(t, number, TILES_WIDTH, tile, e));
	for (i = 0; i < TILES_WIDTH; i++)
		if (write_full(t, level - 1, (number << SHIFT) + i, tile + (size_t)i * SHA256_SIZE, e) != 0)
			return (-1);
	return (0);
}

/* The last tile of a level, and what is below it. */
static int
write_edge(struct tiles *t, unsigned level, struct err *e)
{
	unsigned width = edge_width(t, level), i;
	uint64_t number = edge_number(t, level);

	if (width == 0)
		return (0);
	if (tiles_dir_put(&t->dir, (int)level, number, width, t->edge[level], (size_t)width * SHA256_SIZE, e) != 0)
		return (-1);
	if (level == 0)
		return (write_entries(t, number, width, t->edge[0], e));
	for (i = 0; i < width; i++)
		if (write_full(t, level - 1, (number << SHIFT) + i, t->edge[level] + (size_t)i * SHA256_SIZE, e) != 0)
			return (-1);
	return (0);
}

/* Partial tiles of those that are full now. */
static int
drop_partial(struct tiles *t, struct err *e)
{
	uint64_t n;
	unsigned k;

	for (k = 0; k < TILES_LEVELS; k++)
		for (n = t->old >> SHIFT * (k + 1); n < edge_number(t, k); n++)
			if (tiles_dir_drop(&t->dir, (int)k, n, e) != 0 ||
			    (k == 0 && tiles_dir_drop(&t->dir, TILES_ENTRIES, n, e) != 0))
				return (-1);
	return (0);
}

static int
write_all(struct tiles *t, struct err *e)
{
	unsigned k;

	if (read_edge(t, e) != 0)
		return (-1);
	for (k = TILES_LEVELS; k-- > 0;)
		if (write_edge(t, k, e) != 0)
			return (-1);
	if (tiles_dir_commit(&t->dir, CHECKPOINT_FILE, t->b->note.data, t->b->note.len, e) != 0)
		return (-1);
	return (drop_partial(t, e));
}

int
tiles_write(const struct prove_base *b, const char *dir, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg,
    struct tiles_written *ret, struct err *e)
{
	static const struct tiles none;
	struct buf note = BUF_INIT;
	struct tiles t = none;
	int rc;

	t.b = b;
	t.step = step;
	t.arg = arg;
	t.next = UINT64_MAX;
	if (tiles_dir_open(dir, &t.dir, e) != 0)
		return (-1);
	if ((rc = read_old(&t, dir, &note, e)) == 0) {
		/* Nothing new: not even its time changes. */
		if (t.old < b->at.size || !span_eq((struct span){note.data, note.len}, (struct span){b->note.data, b->note.len}))
			rc = write_all(&t, e);
	}
	*ret = (struct tiles_written){t.dir.files, t.dir.bytes, t.old};
	if (t.next != UINT64_MAX)
		log_reader_release(&t.reader);
	buf_release(&note);
	tiles_dir_close(&t.dir);
	return (rc);
}

/* The index: Merkle hashes. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "index_impl.h"
#include "merkle.h"

#include "banned.h"

#define TREE_SHIFT 8 /* log2(TREE_FAN) */

/* Number of hashes of level ${k}: in the files (of those that count), and with those in memory. */
static uint64_t
in_files(const struct tree *t, unsigned k)
{
	return (t->from >> TREE_SHIFT * k);
}

static uint64_t
present(const struct tree *t, unsigned k)
{
	return (in_files(t, k) + t->tail->tree[k].len / SHA256_SIZE);
}

/* Hash ${i} of level ${k}.  Return 0 or INDEX_DAMAGED. */
static int
tree_hash(struct tree *t, unsigned k, uint64_t i, const uint8_t **ret, struct err *e)
{
	if (i >= in_files(t, k)) {
		*ret = (const uint8_t *)t->tail->tree[k].data + (i - in_files(t, k)) * SHA256_SIZE;
		return (0);
	}
	return (column_get(&t->level[k], i, ret, e) == 0 ? 0 : INDEX_DAMAGED);
}

static int
extend_leaves(struct tree *t, struct err *e)
{
	struct buf *leaves = &t->tail->tree[0];
	uint64_t n = leaves->len / SHA256_SIZE, end = t->size - t->from;

	if (n < end && buf_reserve(leaves, (size_t)(end - n) * SHA256_SIZE) != 0) {
		leaves->failed = false;
		return (err_mem(e));
	}
	if (n < end) {
		merkle_leaves((const uint8_t *)t->tail->hashes.data + n * SHA256_SIZE, (size_t)(end - n),
		    (uint8_t *)leaves->data + leaves->len);
		leaves->len += (size_t)(end - n) * SHA256_SIZE;
	}
	return (0);
}

/* Level ${k} from the one below it. */
static int
extend_level(struct tree *t, unsigned k, struct err *e)
{
	uint64_t i = present(t, k), end = present(t, k - 1) / TREE_FAN, j;
	uint8_t hashes[TREE_FAN * SHA256_SIZE];
	const uint8_t *p;

	for (; i < end; i++) {
		for (j = 0; j < TREE_FAN; j++) {
			if (tree_hash(t, k - 1, i * TREE_FAN + j, &p, e) != 0)
				return (INDEX_DAMAGED);
			memcpy(hashes + j * SHA256_SIZE, p, SHA256_SIZE);
		}
		for (j = TREE_FAN / 2; j > 0; j /= 2)
			merkle_pairs(hashes, (size_t)j, hashes);
		buf_add(&t->tail->tree[k], hashes, SHA256_SIZE);
		if (t->tail->tree[k].failed) {
			t->tail->tree[k].failed = false;
			return (err_mem(e));
		}
	}
	return (0);
}

int
tree_extend(struct tree *t, struct err *e)
{
	unsigned k;
	int rc;

	rc = extend_leaves(t, e);
	for (k = 1; k < TREE_LEVELS && rc == 0; k++)
		rc = extend_level(t, k, e);
	return (rc);
}

/* The perfect subtrees of events ${from} to ${to}; ${from} is a multiple of all widths up to to - from.  Return 0 or INDEX_DAMAGED. */
static int
frontier_of(struct tree *t, uint64_t from, uint64_t to, struct merkle *m, struct err *e)
{
	uint64_t width = 1, pos = from;
	const uint8_t *p;
	unsigned k;

	merkle_init(m);
	for (k = 1; k < TREE_LEVELS; k++)
		width *= TREE_FAN;
	/* The largest perfect subtrees first; below the top level at most 255 of each size. */
	for (k = TREE_LEVELS; k-- > 0; width /= TREE_FAN)
		for (; to - pos >= width; pos += width) {
			if (tree_hash(t, k, pos / width, &p, e) != 0)
				return (INDEX_DAMAGED);
			merkle_add_subtree(m, p, width);
		}
	return (0);
}

/* ${n} hashes of level ${k} from ${first} on.  Return 0 or INDEX_DAMAGED. */
static int
level_of(struct tree *t, unsigned k, uint64_t first, size_t n, uint8_t *out, struct err *e)
{
	const uint8_t *p;
	size_t i;

	for (i = 0; i < n; i++, out += SHA256_SIZE) {
		if (tree_hash(t, k, first + i, &p, e) != 0)
			return (INDEX_DAMAGED);
		memcpy(out, p, SHA256_SIZE);
	}
	return (0);
}

/* Whether the tree can be asked about the first ${size} events. */
static int
may_ask(const struct index *ix, uint64_t size, struct err *e)
{
	if (size > ix->size)
		return (err_set(e, "the log has %" PRIu64 " events, not %" PRIu64, ix->size, size));
	if ((ix->flags & INDEX_NO_HASHES) != 0)
		return (err_set(e, "no root without the hashes of the events"));
	/* The hashes in between are on their way. */
	if (ix->going != NULL)
		return (err_set(e, "no root while the index is being published"));
	return (0);
}

/* What a question that was answered by ${rc} comes to. */
static int
answered(struct index *ix, int rc, const struct err *why, struct err *e)
{
	if (rc == INDEX_DAMAGED)
		return (index_lost(ix, why, e));
	if (rc == -1 && e != NULL)
		*e = *why;
	return (rc);
}

static int
ask_frontier(struct index *ix, uint64_t from, uint64_t to, struct merkle *ret, struct err *e)
{
	struct tree t;
	struct err why;
	int rc;

	if (may_ask(ix, to, e) != 0)
		return (-1);
	do {
		t = (struct tree){ix->tree, &ix->tail, ix->published, ix->size};
		if ((rc = tree_extend(&t, &why)) == 0)
			rc = frontier_of(&t, from, to, ret, &why);
	} while ((rc = answered(ix, rc, &why, e)) == INDEX_AGAIN);
	return (rc);
}

int
index_frontier(struct index *ix, uint64_t size, struct merkle *ret, struct err *e)
{
	return (ask_frontier(ix, 0, size, ret, e));
}

int
index_range(struct index *ix, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e)
{
	uint64_t width = 1;
	struct merkle m;

	while (from < to && width < to - from)
		width *= 2;
	if (from > to || from % width != 0)
		return (err_set(e, "events %" PRIu64 " to %" PRIu64 " are no subtree", from, to));
	if (ask_frontier(ix, from, to, &m, e) != 0)
		return (-1);
	merkle_root(&m, out);
	return (0);
}

int
index_root(struct index *ix, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e)
{
	return (index_range(ix, 0, size, out, e));
}

int
index_level(struct index *ix, unsigned level, uint64_t first, size_t n, uint8_t *out, struct err *e)
{
	struct tree t;
	struct err why;
	int rc;

	if (level >= TREE_LEVELS || first + n > ix->size >> TREE_SHIFT * level)
		return (err_set(e, "the log has no hash %" PRIu64 " of level %u", first + n - 1, level));
	if (may_ask(ix, ix->size, e) != 0)
		return (-1);
	do {
		t = (struct tree){ix->tree, &ix->tail, ix->published, ix->size};
		if ((rc = tree_extend(&t, &why)) == 0)
			rc = level_of(&t, level, first, n, out, &why);
	} while ((rc = answered(ix, rc, &why, e)) == INDEX_AGAIN);
	return (rc);
}

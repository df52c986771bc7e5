/* The index: Merkle hashes. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "index_impl.h"
#include "merkle.h"

#include "banned.h"

/* Number of hashes of level ${k}: in the files, and with those in memory. */
static uint64_t
in_files(const struct index *ix, unsigned k)
{
	return (ix->tree[k].rows);
}

static uint64_t
present(const struct index *ix, unsigned k)
{
	return (ix->tree[k].rows + ix->tail.tree[k].len / SHA256_SIZE);
}

/* Hash ${i} of level ${k}.  Return 0, -1 or INDEX_AGAIN. */
static int
tree_hash(struct index *ix, unsigned k, uint64_t i, const uint8_t **ret, struct err *e)
{
	struct err why;

	if (i >= in_files(ix, k)) {
		*ret = (const uint8_t *)ix->tail.tree[k].data + (i - in_files(ix, k)) * SHA256_SIZE;
		return (0);
	}
	if (column_get(&ix->tree[k], i, ret, &why) == 0)
		return (0);
	return (index_lost(ix, &why, e));
}

static int
extend_leaves(struct index *ix, struct err *e)
{
	struct buf *leaves = &ix->tail.tree[0];
	uint64_t n = leaves->len / SHA256_SIZE, end = ix->size - ix->published;

	if (n < end && buf_reserve(leaves, (size_t)(end - n) * SHA256_SIZE) != 0) {
		leaves->failed = false;
		return (err_mem(e));
	}
	if (n < end) {
		merkle_leaves((const uint8_t *)ix->tail.hashes.data + n * SHA256_SIZE, (size_t)(end - n),
		    (uint8_t *)leaves->data + leaves->len);
		leaves->len += (size_t)(end - n) * SHA256_SIZE;
	}
	return (0);
}

/* Level ${k} from the one below it. */
static int
extend_level(struct index *ix, unsigned k, struct err *e)
{
	uint64_t i = present(ix, k), end = present(ix, k - 1) / TREE_FAN, j;
	uint8_t hashes[TREE_FAN * SHA256_SIZE];
	const uint8_t *p;
	int rc;

	for (; i < end; i++) {
		for (j = 0; j < TREE_FAN; j++) {
			if ((rc = tree_hash(ix, k - 1, i * TREE_FAN + j, &p, e)) != 0)
				return (rc);
			memcpy(hashes + j * SHA256_SIZE, p, SHA256_SIZE);
		}
		for (j = TREE_FAN / 2; j > 0; j /= 2)
			merkle_pairs(hashes, (size_t)j, hashes);
		buf_add(&ix->tail.tree[k], hashes, SHA256_SIZE);
		if (ix->tail.tree[k].failed) {
			ix->tail.tree[k].failed = false;
			return (err_mem(e));
		}
	}
	return (0);
}

int
index_tree_extend(struct index *ix, struct err *e)
{
	unsigned k;
	int rc;

	do {
		rc = extend_leaves(ix, e);
		for (k = 1; k < TREE_LEVELS && rc == 0; k++)
			rc = extend_level(ix, k, e);
	} while (rc == INDEX_AGAIN);
	return (rc);
}

/* Return 0, -1 or INDEX_AGAIN. */
static int
root_of(struct index *ix, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e)
{
	uint64_t width = 1, pos = 0;
	const uint8_t *p;
	struct merkle m;
	unsigned k;
	int rc;

	merkle_init(&m);
	for (k = 1; k < TREE_LEVELS; k++)
		width *= TREE_FAN;
	/* The largest perfect subtrees first; below the top level at most 255 of each size. */
	for (k = TREE_LEVELS; k-- > 0; width /= TREE_FAN)
		for (; size - pos >= width; pos += width) {
			if ((rc = tree_hash(ix, k, pos / width, &p, e)) != 0)
				return (rc);
			merkle_add_subtree(&m, p, width);
		}
	merkle_root(&m, out);
	return (0);
}

int
index_root(struct index *ix, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e)
{
	int rc;

	if (size > ix->size)
		return (err_set(e, "the log has %" PRIu64 " events, not %" PRIu64, ix->size, size));
	do
		if ((rc = index_tree_extend(ix, e)) == 0)
			rc = root_of(ix, size, out, e);
	while (rc == INDEX_AGAIN);
	return (rc);
}

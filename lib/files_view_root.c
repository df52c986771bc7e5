/* The root over the files of a view: only what is above its changes is computed. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "files_view.h"
#include "merkle.h"

#include "banned.h"

/* A node that is not what it was in the base. */
struct node {
	uint64_t at; /* in its level */
	uint8_t hash[SHA256_SIZE];
};

/* Node ${at} of a level: a new one, if it is number ${i}, or the base's. */
static const uint8_t *
node_of(const struct files_view *v, const struct node *fresh, size_t n, size_t i, unsigned level, uint64_t at)
{
	if (i < n && fresh[i].at == at)
		return (fresh[i].hash);
	return (files_base_nodes(v->base, level, at, 1));
}

/* From the new nodes of a level those of the next.  Return how many. */
static size_t
climb(const struct files_view *v, struct node *fresh, size_t n, unsigned level)
{
	uint64_t up = v->base->n >> (level + 1), at;
	size_t i, out = 0;

	for (i = 0; i < n; i++) {
		at = fresh[i].at;
		if (at / 2 >= up)
			break;
		if (at % 2 == 0) {
			merkle_node(fresh[i].hash, node_of(v, fresh, n, i + 1, level, at + 1), fresh[out].hash);
			i += i + 1 < n && fresh[i + 1].at == at + 1;
		} else
			merkle_node(files_base_nodes(v->base, level, at - 1, 1), fresh[i].hash, fresh[out].hash);
		fresh[out++].at = at / 2;
	}
	return (out);
}

/* Where every change is of a file that the base has, too: the way up from each. */
static void
change_nodes(const struct files_view *v, struct node *fresh, size_t n, uint8_t root[SHA256_SIZE])
{
	const uint8_t *last;
	unsigned level;
	uint64_t count;
	bool any = false;

	sha256(NULL, 0, root);
	for (level = 0; (count = v->base->n >> level) > 0; level++) {
		if (count % 2 == 1) { /* its last node has no brother */
			last = node_of(v, fresh, n, n == 0 ? 0 : n - 1, level, count - 1);
			if (any)
				merkle_node(last, root, root);
			else
				memcpy(root, last, SHA256_SIZE);
			any = true;
		}
		n = climb(v, fresh, n, level);
	}
}

/* Room for a tree: the leaves, then the levels one after the other in their place. */
struct growth {
	uint8_t *node;
	uint64_t n; /* leaves so far */
};

static void
take_base(struct growth *g, const struct files_view *v, uint64_t from, uint64_t to)
{
	if (from < to)
		memcpy(g->node + g->n * SHA256_SIZE, files_base_nodes(v->base, 0, from, to - from), (to - from) * SHA256_SIZE);
	g->n += to - from;
}

/* Where paths came or went: what is left of the first of them is as it was, the rest has moved. */
static int
grow(const struct files_view *v, const uint64_t *at, const bool *has, uint64_t *ret_entries, uint8_t root[SHA256_SIZE], struct err *e)
{
	uint64_t base = v->base == NULL ? 0 : v->base->n, from, done;
	struct growth g = {malloc((base + v->n + 1) * SHA256_SIZE), 0};
	struct merkle_subtree cut[MERKLE_CUT_MAX];
	struct merkle tree;
	unsigned level;
	size_t i, cuts;

	if (g.node == NULL)
		return (err_mem(e));
	merkle_init(&tree);
	/* The largest perfect subtrees of the base that end before the first change. */
	done = v->n > 0 ? at[0] : base;
	for (from = 0, level = 64; level-- > 0 && from < done;) {
		if ((done >> level & 1) == 0)
			continue;
		merkle_add_subtree(&tree, files_base_nodes(v->base, level, from >> level, 1), UINT64_C(1) << level);
		from += UINT64_C(1) << level;
	}
	for (i = 0; i < v->n; i++) {
		take_base(&g, v, from, at[i]);
		from = at[i] + has[i];
		if (!v->change[i].removed)
			memcpy(g.node + g.n++ * SHA256_SIZE, v->change[i].leaf, SHA256_SIZE);
	}
	take_base(&g, v, from, base);
	cuts = merkle_cut(tree.size, g.node, g.n, cut);
	for (i = 0; i < cuts; i++)
		merkle_add_subtree(&tree, cut[i].hash, cut[i].size);
	merkle_root(&tree, root);
	*ret_entries = tree.size;
	free(g.node);
	return (0);
}

int
files_view_root(const struct files_view *v, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e)
{
	uint64_t *at = calloc(v->n + 1, sizeof(*at));
	bool *has = calloc(v->n + 1, sizeof(*has)), moved = v->base == NULL;
	struct node *fresh = calloc(v->n + 1, sizeof(*fresh));
	size_t i, n = 0;
	int rc = -1;

	if (at == NULL || has == NULL || fresh == NULL) {
		err_mem(e);
		goto out;
	}
	for (i = 0; i < v->n; i++) {
		has[i] = v->base != NULL && files_base_find(v->base, v->change[i].path, &at[i]);
		moved = moved || has[i] == v->change[i].removed;
		if (!has[i] || v->change[i].removed)
			continue;
		fresh[n].at = at[i];
		memcpy(fresh[n++].hash, v->change[i].leaf, SHA256_SIZE);
	}
	if (moved)
		rc = grow(v, at, has, ret_entries, ret_root, e);
	else {
		change_nodes(v, fresh, n, ret_root);
		*ret_entries = v->base->n;
		rc = 0;
	}
out:	free(at);
	free(has);
	free(fresh);
	return (rc);
}

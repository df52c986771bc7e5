/* Questions to a ledger: the blocks whose layer resembled another moment's. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "dot.h"
#include "layer_vector.h"
#include "made.h"
#include "query_impl.h"

#include "banned.h"

struct likeness {
	struct made made;
	int8_t *q, *row; /* of the moment, of a block; with zeros behind them, as dot.h wants it */
	unsigned dims, width;
	int32_t qq;
	struct buf token; /* scratch */
};

/* The moment's vector.  Return 1, 0 where it has none, or -1. */
static int
open_moment(struct likeness *l, struct query *q, unsigned flags, struct err *e)
{
	if (made_open(q->ledger, flags, &l->made, e) != 0)
		return (-1);
	if ((l->q = calloc(EMBEDDER_DIMS_MAX, 1)) == NULL || (l->row = calloc(EMBEDDER_DIMS_MAX, 1)) == NULL)
		return (err_mem(e));
	if (layer_vector(q->ledger, l->made.vectors, l->made.em, q->size, l->q, &l->dims, e) != 0)
		return (-1);
	l->width = embedder_width(l->dims);
	l->qq = l->dims == 0 ? 0 : dot_self(l->q, l->width);
	return (l->qq != 0);
}

/* The vector of a block, in l->row.  Return whether it has one that can be compared; else it is counted. */
static bool
take_block(struct likeness *l, const struct block_header *h, struct query_like_left *left)
{
	const struct span v = h->vector;

	if (v.p == NULL) {
		left->without++;
		return (false);
	}
	buf_reset(&l->token);
	json_unescape(h->embedder, &l->token);
	if (!span_eq((struct span){l->token.data, l->token.len}, (struct span){l->made.token.data, l->made.token.len}) ||
	    base64_size(v.p + 1, v.len - 2) != l->dims) {
		left->other++;
		return (false);
	}
	base64_decode(v.p + 1, v.len - 2, (uint8_t *)l->row);
	return (true);
}

static int
compare_blocks(struct likeness *l, const struct block_list *list, uint64_t but, struct nearest *ret, struct query_like_left *left, struct err *e)
{
	int32_t dot;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (!list->block[i].good || list->block[i].header.size == but || !take_block(l, &list->block[i].header, left))
			continue;
		dot_rows(l->q, l->row, 1, l->width, &dot);
		if (nearest_offer(ret, dot_cosine(dot, l->qq, dot_self(l->row, l->width)), i) != 0)
			return (err_mem(e));
	}
	return (l->token.failed ? err_mem(e) : 0);
}

int
query_like(struct query *q, unsigned flags, const struct block_list *list, uint64_t but, size_t k, struct nearest *ret, struct query_like_left *left,
    struct err *e)
{
	struct likeness l = {0};
	int rc;

	*left = (struct query_like_left){0};
	nearest_init(ret, k);
	rc = open_moment(&l, q, flags, e);
	left->nothing = rc == 0;
	if (rc == 1)
		rc = compare_blocks(&l, list, but, ret, left, e);
	if (rc == 0)
		nearest_sort(ret);
	else
		nearest_release(ret);
	made_release(&l.made);
	buf_release(&l.token);
	free(l.q);
	free(l.row);
	return (rc);
}

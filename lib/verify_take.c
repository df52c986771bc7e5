/*
 * Batches of lines into a pass: what verify_pass_feed() would come to, where nothing is wrong with any line in itself.
 * Whatever is else is left to it, so that there is one place that knows what to say of damage.
 */
#include "config.h"

#include <string.h>

#include "verify_internal.h"

#include "banned.h"

/* How many look-ups before its own a slot of the table, and an element, are asked for. */
#define FAR 16
#define NEAR 6

/* Lines [i, j) of ${b} as leaves of the tree. */
static void
add_leaves(struct verify_pass *p, const struct verify_batch *b, size_t i, size_t j)
{
	struct merkle_subtree node[MERKLE_CUT_MAX];
	uint8_t leaf[64 * SHA256_SIZE];
	size_t n, k, nodes;

	if (i == 0 && j == b->n && p->tree.size == b->seq && b->nodes > 0) {
		for (k = 0; k < b->nodes; k++)
			merkle_add_subtree(&p->tree, b->node[k].hash, b->node[k].size);
		return;
	}
	for (; i < j; i += n) {
		n = j - i < 64 ? j - i : 64;
		merkle_leaves(b->hash[i], n, leaf);
		nodes = merkle_cut(p->tree.size, leaf, n, node);
		for (k = 0; k < nodes; k++)
			merkle_add_subtree(&p->tree, node[k].hash, node[k].size);
	}
}

/* Lines [i, j) are in their place: go on behind them. */
static void
accept(struct verify_pass *p, const struct verify_batch *b, size_t i, size_t j)
{
	if (i == j)
		return;
	if ((p->checks & PASS_TREE) != 0 && !p->tree_lost)
		add_leaves(p, b, i, j);
	p->seq += j - i;
	memcpy(p->head, b->hash[j - 1], SHA256_SIZE);
	p->offset = p->good_offset = b->offset + (j < b->n ? b->line[j].at : b->len);
	p->good_segment = p->segment;
	if (p->seq >= p->next_anchor)
		verify_anchor(p);
}

static void
check_element(struct verify_pass *p, const struct verify_batch *b, size_t i)
{
	const struct verify_line *l = &b->line[i];
	struct verify_element *el;
	uint64_t last;
	char what[192];

	if ((el = verify_table_get_by_key(&p->elements, l->key, verify_batch_name(b, l))) == NULL) {
		err_mem(p->v->e);
		p->broken = true;
		return;
	}
	last = el->last;
	el->last = b->seq + i;
	if (l->has_state && (p->checks & PASS_STATES) != 0) {
		el->alive = l->alive;
		el->state_segment = p->segment;
		el->state_offset = b->offset + l->state_at;
		el->state_len = l->state_len;
	}
	if (l->parent == last || verify_pass_excused(p, l->parent, last))
		return;
	verify_pass_say_parent(b->seq + i, l->parent, last, what, sizeof(what));
	verify_pass_found(p, VERIFY_REWRITTEN, b->seq + i, b->offset + l->at, what);
}

static struct span
line_text(const struct verify_batch *b, size_t i)
{
	size_t end = i + 1 < b->n ? b->line[i + 1].at : b->len;

	return ((struct span){b->data + b->line[i].at, end - b->line[i].at - 1});
}

/* How far lines from ${i} on can be taken together: to ${j}, or to an event of ecl:block, which is looked at by itself. */
static size_t
until_block(const struct verify_batch *b, size_t i, size_t j)
{
	if (b->line[i].block)
		return (i + 1);
	while (i < j && !b->line[i].block)
		i++;
	return (i);
}

static void
check_elements(struct verify_pass *p, const struct verify_batch *b, size_t i, size_t j)
{
	for (; i < j && !p->broken; i++) {
		if (i + FAR < b->n)
			verify_table_prefetch(&p->elements, b->line[i + FAR].key);
		if (i + NEAR < b->n)
			verify_table_prefetch_element(&p->elements, b->line[i + NEAR].key);
		check_element(p, b, i);
	}
}

/* The last line at or before the offset that is looked for. */
static void
watch(struct verify_pass *p, const struct verify_batch *b)
{
	size_t i;

	if (!p->watch || p->segment != p->watch_segment || b->offset > p->watch_offset)
		return;
	for (i = b->n; b->offset + b->line[i - 1].at > p->watch_offset; i--)
		;
	p->watch_seq = b->seq + i - 1;
	p->watch_line = b->offset + b->line[i - 1].at;
}

/* Whether the pass is where ${b} begins, with nothing in doubt, and the two go together. */
static bool
joins(struct verify_pass *p, const struct verify_batch *b)
{
	struct json_fault f;
	struct event ev;
	char what[192];

	if (!b->good || b->n == 0 || p->offset != b->offset || p->next_anchor <= p->seq)
		return (false);
	if (!p->begun || p->pending.set || p->unread > 0 || p->skipping)
		return (false);
	return (event_parse(line_text(b, 0), &ev, &f) == 0 && verify_pass_check_place(p, &ev, b->offset, what, sizeof(what)));
}

bool
verify_pass_take(struct verify_pass *p, const struct verify_batch *b)
{
	struct json_fault f;
	struct event ev;
	size_t i, j;
	uint64_t to_anchor;

	if (!joins(p, b))
		return (false);
	watch(p, b);
	for (i = 0; i < b->n && !p->broken; i = j) {
		to_anchor = p->next_anchor - p->seq;
		j = to_anchor < b->n - i ? i + (size_t)to_anchor : b->n;
		if ((p->checks & PASS_BLOCKS) != 0)
			j = until_block(b, i, j);
		if ((p->checks & PASS_ELEMENTS) != 0)
			check_elements(p, b, i, j);
		if ((p->checks & PASS_BLOCKS) != 0 && b->line[i].block && !p->broken && event_parse(line_text(b, i), &ev, &f) == 0)
			verify_event(p, &ev, b->offset + b->line[i].at);
		if (!p->broken)
			accept(p, b, i, j);
	}
	if (!p->broken) {
		p->time_us = b->time_us;
		p->bytes += b->len;
	}
	return (true);
}

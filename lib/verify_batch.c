/* A batch of lines, checked by themselves and as a chain. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "log.h"
#include "sha256_many.h"
#include "verify_batch.h"
#include "verify_table.h"

#include "banned.h"

#define GROUP 64 /* lines hashed at a time */

void
verify_batch_release(struct verify_batch *b)
{
	free(b->hash);
	free(b->line);
	free(b->leaf);
	buf_release(&b->names);
	memset(b, 0, sizeof(*b));
}

/* Room for GROUP more lines. */
static int
reserve(struct verify_batch *b)
{
	size_t cap = b->cap == 0 ? 1024 : b->cap * 2;
	void *more;

	if (b->n + GROUP <= b->cap)
		return (0);
	if ((more = realloc(b->hash, cap * sizeof(*b->hash))) == NULL)
		return (-1);
	b->hash = more;
	if ((more = realloc(b->line, cap * sizeof(*b->line))) == NULL)
		return (-1);
	b->line = more;
	if ((more = realloc(b->leaf, cap * SHA256_SIZE)) == NULL)
		return (-1);
	b->leaf = more;
	b->cap = cap;
	return (0);
}

/* Where the line is, and what the table of elements will want to know. */
static int
note(struct verify_batch *b, struct span text, const struct event *ev)
{
	struct verify_line *l = &b->line[b->n];

	l->at = (uint32_t)(text.p - b->data);
	if (!b->elements)
		return (0);
	l->parent = ev->parent;
	l->key = verify_table_key(b->seed, ev->element);
	l->name_len = (uint16_t)ev->element.len;
	l->escaped = ev->element.p == ev->name;
	if (l->escaped) {
		l->name_at = (uint32_t)b->names.len;
		buf_addspan(&b->names, ev->element);
	} else
		l->name_at = (uint32_t)(ev->element.p - b->data);
	l->has_state = ev->state.p != NULL;
	if (l->has_state) {
		l->alive = !event_is_gone(ev->state);
		l->state_at = (uint32_t)(ev->state.p - b->data);
		l->state_len = (uint32_t)ev->state.len;
	}
	l->block = ev->element.len == 9 && memcmp(ev->element.p, "ecl:block", 9) == 0;
	return (b->names.failed ? -1 : 0);
}

/* The next line, after b->n of them.  Return whether it is right, but for its hash. */
static bool
check_line(struct verify_batch *b, struct span text)
{
	struct event ev;
	struct json_fault f;
	uint64_t offset = b->offset + (uint64_t)(text.p - b->data);

	if (event_parse(text, &ev, &f) != 0)
		return (false);
	if (b->n == 0)
		b->seq = ev.seq;
	else if (ev.seq != b->seq + b->n || ev.time_us < b->time_us || memcmp(ev.prev, b->hash[b->n - 1], SHA256_SIZE) != 0 ||
	    (b->in_segment && offset >= LOG_BLOCK_SIZE && log_rotates(offset, &ev)))
		return (false);
	if (note(b, text, &ev) != 0)
		return (false);
	b->time_us = ev.time_us;
	memcpy(b->hash[b->n], ev.hash, SHA256_SIZE);
	b->n++;
	return (true);
}

static bool
check_all(struct verify_batch *b)
{
	uint8_t hash[GROUP][SHA256_SIZE];
	struct sha256_msg msg[GROUP];
	const char *p = b->data, *end = b->data + b->len, *lf;
	size_t from, k;

	while (p < end) {
		if (reserve(b) != 0)
			return (false);
		from = b->n;
		for (k = 0; k < GROUP && p < end; k++, p = lf + 1) {
			if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL ||
			    !check_line(b, (struct span){p, (size_t)(lf - p)}))
				return (false);
			msg[k] = (struct sha256_msg){p, (size_t)(lf - p) - EVENT_TAIL, hash[k]};
		}
		sha256_many(msg, k);
		if (memcmp(b->hash[from], hash, k * SHA256_SIZE) != 0)
			return (false);
	}
	return (true);
}

void
verify_batch_check(struct verify_batch *b)
{
	b->n = b->nodes = 0;
	buf_reset(&b->names);
	b->good = check_all(b);
	if (!b->good || !b->tree)
		return;
	merkle_leaves(b->hash[0], b->n, b->leaf);
	b->nodes = merkle_cut(b->seq, b->leaf, b->n, b->node);
}

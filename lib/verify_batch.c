/* A batch of lines, checked by themselves and as a chain. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "hash_text.h"
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
note(struct verify_batch *b, const char *line, const struct event *ev)
{
	struct verify_line *l = &b->line[b->n];

	l->at = (uint32_t)(line - b->data);
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

/* Whether the line follows those before it, of which ${prev} is the last one's hash as text. */
static bool
follows(struct verify_batch *b, struct span line, const struct event *ev, const char *prev)
{
	if (b->n == 0) {
		b->seq = ev->seq;
		return (true);
	}
	return (ev->seq == b->seq + b->n && ev->time_us >= b->time_us &&
	    memcmp(line.p + line.len - EVENT_TAIL - 1 - HASH_TEXT, prev, HASH_TEXT) == 0);
}

/*
 * The next line, at ${p}, after b->n of them; ${prev} is as above.  Return its length without LF where it is right, but for its own hash; else
 * 0.
 */
static size_t
check_line(struct verify_batch *b, const char *p, const char *prev)
{
	size_t left = (size_t)(b->data + b->len - p);
	uint64_t offset = b->offset + (uint64_t)(p - b->data);
	struct span line = {p, 0};
	struct json_fault f;
	struct event ev;
	const char *lf;

	/* Found first, and not by reading up to it: so the processor begins with the next line before it is done with this one. */
	if (left <= EVENT_LINE_MIN || (lf = memchr(p + EVENT_LINE_MIN, '\n', left - EVENT_LINE_MIN)) == NULL)
		return (0);
	line.len = (size_t)(lf - p);
	if (!event_skim(&b->skim, line, left, &ev)) {
		if (event_parse(line, &ev, &f) != 0 || !follows(b, line, &ev, prev))
			return (0);
		event_skim_learn(&b->skim, line, &ev);
	}
	if (b->n > 0 && b->in_segment && offset >= LOG_BLOCK_SIZE && log_rotates(offset, &ev))
		return (0);
	if (note(b, p, &ev) != 0)
		return (0);
	b->time_us = ev.time_us;
	b->n++;
	return (line.len);
}

static bool
check_all(struct verify_batch *b)
{
	const char *p = b->data, *end = b->data + b->len, *stated[GROUP], *prev = NULL;
	struct sha256_msg msg[GROUP];
	size_t from, i, k, len;

	event_skim_reset(&b->skim);
	while (p < end) {
		if (reserve(b) != 0)
			return (false);
		from = b->n;
		for (k = 0; k < GROUP && p < end; k++, p += len + 1) {
			if ((len = check_line(b, p, prev)) == 0)
				return (false);
			prev = stated[k] = p + len - 2 - HASH_TEXT;
			msg[k] = (struct sha256_msg){p, len - EVENT_TAIL, b->hash[from + k]};
		}
		sha256_many(msg, k);
		for (i = 0; i < k; i++)
			if (!hash_text_is(stated[i], b->hash[from + i]))
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

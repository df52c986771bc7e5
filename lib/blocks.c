/* The blocks of a root, present or pruned. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "filter.h"

#include "banned.h"

#define ELEMENT "ecl:block"

/* While they are collected. */
struct entry {
	struct block block;
	bool present;
};

struct entries {
	struct entry *entry;
	size_t n, cap;
};

static int
add(struct entries *all, const struct block *block, bool present, struct err *e)
{
	struct entry *more;
	size_t cap;

	if (all->n == all->cap) {
		cap = all->cap == 0 ? 16 : all->cap * 2;
		if ((more = realloc(all->entry, cap * sizeof(*more))) == NULL)
			return (err_mem(e));
		all->entry = more;
		all->cap = cap;
	}
	all->entry[all->n].block = *block;
	all->entry[all->n++].present = present;
	return (0);
}

/* What stands under .snapshots changes hands: the blocks go to ${all}. */
static int
add_present(int snap_fd, struct entries *all, struct err *e)
{
	struct block_list list = {NULL, 0};
	size_t i;

	if (block_list_read(snap_fd, &list, e) != 0)
		return (-1);
	for (i = 0; i < list.n; i++) {
		if (add(all, &list.block[i], true, e) != 0)
			break;
		memset(&list.block[i].line, 0, sizeof(list.block[i].line));
	}
	if (i < list.n) {
		block_list_release(&list);
		return (-1);
	}
	block_list_release(&list);
	return (0);
}

/* A block that its event tells of.  A state that is no header (what else may be recorded there) is passed over. */
static int
add_recorded(struct entries *all, const struct event *ev, struct err *e)
{
	struct block_header h;
	struct json_fault f;
	struct block b;

	if (ev->state.p == NULL || block_from_canonical(ev->state, &h, &f) != 0)
		return (0);
	memset(&b, 0, sizeof(b));
	block_format(&h, &b.line);
	block_name(&h, b.name);
	b.height = h.height;
	if (b.line.failed) {
		err_mem(e);
		goto err1;
	}
	b.line.len--; /* its LF */
	b.good = block_parse((struct span){b.line.data, b.line.len}, &b.header, &f) == 0;
	if (!b.good) {
		buf_release(&b.line);
		return (0);
	}
	if (add(all, &b, false, e) != 0)
		goto err1;
	return (0);

err1:
	buf_release(&b.line);
	return (-1);
}

static int
from_index(struct index *ix, struct entries *all, struct err *e)
{
	struct buf line = BUF_INIT;
	struct element el;
	struct event ev;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(ix, SPAN(ELEMENT), &el, e)) <= 0)
		return (rc);
	rc = 0;
	for (seq = el.last; seq != EVENT_NONE; seq = ev.parent) {
		if ((rc = index_event(ix, seq, &line, &ev, e)) != 0 ||
		    (rc = add_recorded(all, &ev, e)) != 0)
			break;
	}
	buf_release(&line);
	return (rc);
}

static int
from_log(struct log *log, struct entries *all, struct err *e)
{
	struct filter f = {0};
	struct log_reader r;
	struct log_line line;
	struct json_fault fault;
	struct event ev;
	int rc;

	log_reader_init(&r, log, 0, 0);
	if ((rc = filter_add(&f, ELEMENT)) != 0)
		err_mem(e);
	while (rc == 0 && (rc = log_reader_next(&r, &line, e)) > 0) {
		if ((rc = filter_line(&f, line.text, e)) <= 0)
			continue;
		if (event_parse(line.text, &ev, &fault) != 0)
			rc = err_set(e,
			    "the log is corrupt: an event of '" ELEMENT "': %s; run 'ecl-verify'",
			    fault.what);
		else
			rc = add_recorded(all, &ev, e);
	}
	filter_release(&f);
	log_reader_release(&r);
	return (rc);
}

/* By height, then name; of the same name good ones first. */
static int
entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c;

	if (x->block.height != y->block.height)
		return (x->block.height < y->block.height ? -1 : 1);
	if ((c = strcmp(x->block.name, y->block.name)) != 0)
		return (c);
	return ((int)y->block.good - (int)x->block.good);
}

/* One of each name. */
static int
settle(struct entries *all, struct blocks *ret, struct err *e)
{
	size_t i, n = 0;

	if (all->n > 0)
		qsort(all->entry, all->n, sizeof(*all->entry), entry_cmp);
	ret->list.block = calloc(all->n + 1, sizeof(*ret->list.block));
	ret->present = calloc(all->n + 1, sizeof(*ret->present));
	if (ret->list.block == NULL || ret->present == NULL) {
		free(ret->list.block);
		free(ret->present);
		memset(ret, 0, sizeof(*ret));
		return (err_mem(e));
	}
	for (i = 0; i < all->n; i++) {
		if (n > 0 && strcmp(ret->list.block[n - 1].name, all->entry[i].block.name) == 0) {
			ret->present[n - 1] |= all->entry[i].present;
			buf_release(&all->entry[i].block.line);
			continue;
		}
		ret->list.block[n] = all->entry[i].block;
		ret->present[n++] = all->entry[i].present;
	}
	ret->list.n = n;
	return (0);
}

int
blocks_read(int snap_fd, struct log *log, struct index *ix, struct blocks *ret, struct err *e)
{
	struct entries all = {NULL, 0, 0};
	size_t i;

	if (add_present(snap_fd, &all, e) != 0)
		goto err1;
	if ((ix != NULL ? from_index(ix, &all, e) : from_log(log, &all, e)) != 0)
		goto err1;
	if (settle(&all, ret, e) != 0)
		goto err1;
	free(all.entry);
	return (0);

err1:
	for (i = 0; i < all.n; i++)
		buf_release(&all.entry[i].block.line);
	free(all.entry);
	return (-1);
}

void
blocks_release(struct blocks *b)
{
	block_list_release(&b->list);
	free(b->present);
	memset(b, 0, sizeof(*b));
}

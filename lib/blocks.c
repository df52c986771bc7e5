/* The blocks of a root, present or pruned. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "event.h"
#include "filter.h"
#include "when.h"

#include "banned.h"

#define ELEMENT "ecl:block"

/* While they are collected. */
struct entry {
	struct block block;
	bool present;
	struct block_told told;
};

struct entries {
	struct entry *entry;
	size_t n, cap;
};

static int
add(struct entries *all, const struct entry *entry, struct err *e)
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
	all->entry[all->n++] = *entry;
	return (0);
}

/* What stands under .snapshots, by name alone. */
static int
add_present(int snap_fd, struct entries *all, struct err *e)
{
	struct block_list list = {NULL, 0};
	struct entry entry = {.present = true};
	size_t i;
	int rc = 0;

	if (block_list_names(snap_fd, 0, &list, e) != 0)
		return (-1);
	for (i = 0; rc == 0 && i < list.n; i++) {
		entry.block = list.block[i];
		rc = add(all, &entry, e);
	}
	block_list_release(&list);
	return (rc);
}

/* The event is of the block ${b}, whose line is filled in.  Return 1, 0 where its state is no header (what else may be recorded there), or -1. */
static int
read_event(const struct event *ev, struct block *b, struct err *e)
{
	struct block_header h;
	struct json_fault f;

	if (ev->state.p == NULL || block_from_canonical(ev->state, &h, &f) != 0)
		return (0);
	block_format(&h, &b->line);
	if (b->line.failed)
		return (err_mem(e));
	block_name(&h, b->name);
	b->height = h.height;
	b->line.len--; /* its LF */
	b->good = block_parse((struct span){b->line.data, b->line.len}, &b->header, &f) == 0;
	return (b->good);
}

/* A block that its event tells of. */
static int
add_recorded(struct entries *all, const struct event *ev, struct err *e)
{
	struct entry entry = {.present = false};
	int rc;

	if (span_is(ev->action, "prune")) {
		entry.told.pruned = true;
		entry.told.pruned_us = ev->time_us;
	} else
		entry.told.made = true;
	if ((rc = read_event(ev, &entry.block, e)) == 1 && (rc = add(all, &entry, e)) == 0)
		return (0);
	buf_release(&entry.block.line);
	return (rc);
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

static bool
same_name(const struct entry *x, const struct entry *y)
{
	return (strcmp(x->block.name, y->block.name) == 0);
}

/* ${from} is of the same block as ${to}, which comes first in order. */
static void
merge(struct entry *to, struct entry *from)
{
	to->present |= from->present;
	to->told.made |= from->told.made;
	if (from->told.pruned && (!to->told.pruned || from->told.pruned_us > to->told.pruned_us))
		to->told.pruned_us = from->told.pruned_us;
	to->told.pruned |= from->told.pruned;
	buf_release(&from->block.line);
}

/* One of each name; what the log does not tell of is read. */
static int
settle(int snap_fd, struct entries *all, struct err *e)
{
	size_t i, n = 0;

	if (all->n > 0)
		qsort(all->entry, all->n, sizeof(*all->entry), entry_cmp);
	for (i = 0; i < all->n; i++) {
		if (n > 0 && same_name(&all->entry[n - 1], &all->entry[i]))
			merge(&all->entry[n - 1], &all->entry[i]);
		else {
			if (i != n)
				all->entry[n] = all->entry[i];
			n++;
		}
	}
	all->n = n;
	for (i = 0; i < n; i++)
		if (!all->entry[i].block.good && block_list_header(snap_fd, &all->entry[i].block, e) != 0)
			return (-1);
	return (0);
}

/* The blocks change hands. */
static int
hand_over(const struct entries *all, struct blocks *ret, struct err *e)
{
	struct blocks b;
	size_t i;

	b.list.n = all->n;
	b.list.block = calloc(all->n + 1, sizeof(*b.list.block));
	b.present = calloc(all->n + 1, sizeof(*b.present));
	b.told = calloc(all->n + 1, sizeof(*b.told));
	if (b.list.block == NULL || b.present == NULL || b.told == NULL) {
		free(b.list.block);
		free(b.present);
		free(b.told);
		return (err_mem(e));
	}
	for (i = 0; i < all->n; i++) {
		b.list.block[i] = all->entry[i].block;
		b.present[i] = all->entry[i].present;
		b.told[i] = all->entry[i].told;
	}
	*ret = b;
	return (0);
}

/* Return 0 or -1. */
static int
read_once(int snap_fd, struct log *log, struct index *ix, struct blocks *ret, struct err *e)
{
	struct entries all = {NULL, 0, 0};
	size_t i;

	if (add_present(snap_fd, &all, e) != 0)
		goto err1;
	if ((ix != NULL ? from_index(ix, &all, e) : from_log(log, &all, e)) != 0)
		goto err1;
	if (settle(snap_fd, &all, e) != 0 || hand_over(&all, ret, e) != 0)
		goto err1;
	free(all.entry);
	return (0);

err1:
	for (i = 0; i < all.n; i++)
		buf_release(&all.entry[i].block.line);
	free(all.entry);
	return (-1);
}

/* Whether one is gone of which the log, as far as it was read, does not say why. */
static bool
is_unexplained(const struct blocks *b)
{
	size_t i;

	for (i = 0; i < b->list.n; i++)
		if (b->told[i].made && !b->told[i].pruned && !b->present[i])
			return (true);
	return (false);
}

int
blocks_read(int snap_fd, struct log *log, struct index *ix, struct blocks *ret, struct err *e)
{
	struct blocks b;
	uint64_t size = log->end.size;

	if (read_once(snap_fd, log, ix, &b, e) != 0)
		return (-1);
	/* What is pruned is recorded first, but perhaps after the log was opened. */
	if (snap_fd != -1 && ix != NULL && is_unexplained(&b) && log_refresh(log, NULL) == 0 && log->end.size > size) {
		blocks_release(&b);
		if (index_catch_up(ix, e) != 0 || read_once(snap_fd, log, ix, &b, e) != 0)
			return (-1);
	}
	*ret = b;
	return (0);
}

void
blocks_release(struct blocks *b)
{
	block_list_release(&b->list);
	free(b->present);
	free(b->told);
	memset(b, 0, sizeof(*b));
}

void
blocks_fate(const struct blocks *b, size_t i, char out[BLOCKS_FATE_SIZE])
{
	char time[TIME_SIZE];

	if (b->told[i].pruned) {
		event_time_format(b->told[i].pruned_us, time);
		snprintf(out, BLOCKS_FATE_SIZE, "was pruned at %s", time);
	} else
		snprintf(out, BLOCKS_FATE_SIZE, "is gone");
}

int
blocks_find(const struct blocks *b, const char *when, struct log *log, int64_t now_us, const char *without, const struct block **ret, struct err *e)
{
	char fate[BLOCKS_FATE_SIZE];
	size_t i;

	if (when_block(when, log, &b->list, now_us, ret, e) != 0)
		return (-1);
	i = (size_t)(*ret - b->list.block);
	if (b->present[i])
		return (0);
	blocks_fate(b, i, fate);
	return (err_no(e, "the snapshot of '%s' %s: %s", (*ret)->name, fate, without));
}

int
blocks_open(int snap_fd, const char *name, struct log *log, struct index *ix, const char *without, struct err *e)
{
	struct blocks now;
	const struct block *b;
	struct err why = {0}, fate = {0};
	int fd;

	if ((fd = block_open(snap_fd, name, &why)) != -1)
		return (fd);
	if (blocks_read(snap_fd, log, ix, &now, NULL) == 0) {
		if (blocks_find(&now, name, log, 0, without, &b, &fate) != 0 && fate.exit == EXIT_NO)
			why = fate;
		blocks_release(&now);
	}
	if (e != NULL)
		*e = why;
	return (-1);
}

/* Events of many elements. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"

#include "banned.h"

/* Events that are sorted together: each group goes through all rows, but who wants few answers does not wait for many. */
#define GROUP_FIRST 1024
#define GROUP_GROWS 16
#define GROUP_MAX 262144
#define LINES_MAX (16u << 20) /* bytes of lines that are held at a time */

#define ANY SIZE_MAX

struct fetch_want {
	uint64_t seq;
	size_t name; /* offset in names, or ANY */
	size_t line; /* offset in lines */
	uint32_t name_len, length;
};

void
fetch_init(struct fetch *f, struct index *ix,
    int (*visit)(void *arg, struct span name, const struct event *ev), void *arg)
{
	memset(f, 0, sizeof(*f));
	f->index = ix;
	f->visit = visit;
	f->arg = arg;
	f->group = GROUP_FIRST;
}

void
fetch_release(struct fetch *f)
{
	free(f->want);
	free(f->place);
	buf_release(&f->names);
	buf_release(&f->lines);
	f->want = NULL;
	f->place = NULL;
	f->n = f->cap = 0;
}

static int
by_seq(const void *a, const void *b)
{
	const struct index_place *x = a, *y = b;

	return (x->seq < y->seq ? -1 : x->seq > y->seq);
}

static int
visit_one(struct fetch *f, const struct fetch_want *w, struct err *e)
{
	struct span name = {w->name == ANY ? NULL : f->names.data + w->name, w->name_len};
	struct json_fault fault = {0, "it is another event"};
	struct event ev;

	f->line = (struct span){f->lines.data + w->line, w->length};
	if (event_parse(f->line, &ev, &fault) != 0 ||
	    ev.seq != w->seq)
		return (err_set(e, "the log is corrupt at seq %" PRIu64 ": %s; run 'ecl-verify'",
		    w->seq, fault.what));
	if (name.p != NULL && !span_eq(ev.element, name))
		return (err_set(e,
		    "the index has event %" PRIu64 " as one of '%.*s'; run 'ecl-index --rebuild'",
		    w->seq, (int)name.len, name.p));
	return (f->visit(f->arg, name, &ev));
}

/* Those from ${from} up to ${to} in the order of asking, whose places are gathered in ${part}. */
static int
give(struct fetch *f, size_t from, size_t to, struct index_place *part, struct err *e)
{
	size_t i, n = 0;
	int rc = 0;

	for (i = 0; i < f->n; i++)
		if (f->place[i].tag >= from && f->place[i].tag < to)
			part[n++] = f->place[i];
	buf_reset(&f->lines);
	if (index_lines(f->index, part, n, &f->lines, e) != 0)
		return (-1);
	for (i = 0; i < n; i++) {
		f->want[part[i].tag].line = part[i].at;
		f->want[part[i].tag].length = part[i].length;
	}
	for (i = from; i < to && rc == 0; i++)
		rc = visit_one(f, &f->want[i], e);
	return (rc);
}

int
fetch_flush(struct fetch *f, struct err *e)
{
	struct index_place *part;
	size_t i, from, to, bytes;
	int rc;

	if (f->n == 0)
		return (0);
	if ((part = malloc(f->n * sizeof(*part))) == NULL)
		return (err_mem(e));
	for (i = 0; i < f->n; i++)
		f->place[i] = (struct index_place){.seq = f->want[i].seq, .tag = i};
	qsort(f->place, f->n, sizeof(*f->place), by_seq);
	rc = index_places(f->index, f->place, f->n, e);
	for (i = 0; i < f->n; i++)
		f->want[f->place[i].tag].length = f->place[i].length;
	for (from = 0; from < f->n && rc == 0; from = to) {
		bytes = f->want[from].length;
		for (to = from + 1; to < f->n && bytes + f->want[to].length <= LINES_MAX; to++)
			bytes += f->want[to].length;
		rc = give(f, from, to, part, e);
	}
	free(part);
	f->n = 0;
	f->group = f->group < GROUP_MAX ? f->group * GROUP_GROWS : GROUP_MAX;
	buf_reset(&f->names);
	return (rc);
}

static int
more_room(struct fetch *f, struct err *e)
{
	size_t cap = f->cap == 0 ? 256 : f->cap * 2;
	struct index_place *place;
	struct fetch_want *want;

	if ((want = realloc(f->want, cap * sizeof(*want))) == NULL)
		return (err_mem(e));
	f->want = want;
	if ((place = realloc(f->place, cap * sizeof(*place))) == NULL)
		return (err_mem(e));
	f->place = place;
	f->cap = cap;
	return (0);
}

int
fetch_add(struct fetch *f, struct span name, uint64_t seq, struct err *e)
{
	if (f->n == f->cap && more_room(f, e) != 0)
		return (-1);
	f->want[f->n++] = (struct fetch_want){
	    .seq = seq, .name = name.p == NULL ? ANY : f->names.len, .name_len = (uint32_t)name.len};
	buf_addspan(&f->names, name);
	if (f->names.failed)
		return (err_mem(e));
	return (f->n == f->group ? fetch_flush(f, e) : 0);
}

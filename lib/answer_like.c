/* The answers of ecl-query --like. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "answer_like.h"

#include "banned.h"

#define NAMES 5	    /* elements that differ which are named */
#define SCORES 1000 /* steps of a score: finer ones are the rounding of the vectors */

struct answer {
	double score;
	uint64_t height;
	int64_t time_us;
	char block[BLOCK_NAME_SIZE];
	bool present;
	struct buf path, root; /* as JSON tokens; empty: none */
	uint64_t create, modify, delete;
	struct buf names; /* each ended by a NUL */
	size_t n_names;
};

struct answer_like {
	struct answer *answer; /* sorted */
	size_t n, cap, k;
};

struct answer_like *
answer_like_new(size_t k)
{
	struct answer_like *a;

	if ((a = calloc(1, sizeof(*a))) != NULL)
		a->k = k;
	return (a);
}

static void
answer_release(struct answer *r)
{
	buf_release(&r->path);
	buf_release(&r->root);
	buf_release(&r->names);
}

void
answer_like_free(struct answer_like *a)
{
	if (a == NULL)
		return;
	while (a->n > 0)
		answer_release(&a->answer[--a->n]);
	free(a->answer);
	free(a);
}

/* Layers that differ in little have nearly the same vectors: what differs then tells which is more alike. */
static int
best_first(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;
	uint64_t changes = x->create + x->modify + x->delete, others = y->create + y->modify + y->delete;

	if (x->score != y->score)
		return (x->score > y->score ? -1 : 1);
	if (changes != others)
		return (changes < others ? -1 : 1);
	if (x->time_us != y->time_us)
		return (x->time_us > y->time_us ? -1 : 1);
	return (x->height > y->height ? -1 : x->height < y->height);
}

static int
count_change(void *arg, const struct query_change *c)
{
	struct answer *r = arg;

	if (c->before.p == NULL)
		r->create++;
	else if (c->after.p == NULL)
		r->delete++;
	else
		r->modify++;
	if (r->n_names < NAMES) {
		buf_addspan(&r->names, c->name);
		buf_addc(&r->names, '\0');
		r->n_names++;
	}
	return (0);
}

/* What differs between the moment of a block and q->size. */
static int
compare(struct answer *r, const struct query *q, uint64_t from, struct err *e)
{
	struct query all = *q;
	int rc;

	all.filter = (struct filter){0};
	all.since = 0;
	all.until = UINT64_MAX;
	rc = query_diff(&all, from, count_change, r, e);
	return (rc != 0 ? -1 : r->names.failed ? err_mem(e) : 0);
}

static int
fill(struct answer *r, const struct blocks *blocks, const struct nearest_hit *hit, const char *snapshots, struct span root, struct err *e)
{
	const struct block *b = &blocks->list.block[hit->seq];
	struct buf path = BUF_INIT;

	*r = (struct answer){.score = (double)(int)(hit->score * SCORES + 0.5) / SCORES, .height = b->height, .time_us = b->header.time_us, .present = blocks->present[hit->seq]};
	memcpy(r->block, b->name, sizeof(r->block));
	buf_addf(&path, "%s/%s", snapshots, b->name);
	if (r->present)
		cli_json_string((struct span){path.data, path.len}, &r->path);
	buf_addspan(&r->root, root);
	if (path.failed)
		r->path.failed = true;
	buf_release(&path);
	return (r->path.failed || r->root.failed ? err_mem(e) : 0);
}

/* What a ledger that failed had said is taken back. */
static void
forget(struct answer_like *a, struct span root)
{
	size_t i, k;

	for (i = k = 0; i < a->n; i++) {
		if (span_eq((struct span){a->answer[i].root.data, a->answer[i].root.len}, root))
			answer_release(&a->answer[i]);
		else
			a->answer[k++] = a->answer[i];
	}
	a->n = k;
}

static int
add(struct answer_like *a, struct query *q, const struct blocks *blocks, const struct nearest *found, const char *snapshots, struct span root,
    struct err *e)
{
	uint64_t from;
	size_t i;

	for (i = 0; i < found->n; i++) {
		from = blocks->list.block[found->hit[i].seq].header.size;
		if (fill(&a->answer[a->n++], blocks, &found->hit[i], snapshots, root, e) != 0 || compare(&a->answer[a->n - 1], q, from, e) != 0)
			return (-1);
	}
	if (a->n > 1)
		qsort(a->answer, a->n, sizeof(*a->answer), best_first);
	while (a->n > a->k)
		answer_release(&a->answer[--a->n]);
	return (0);
}

int
answer_like_add(struct answer_like *a, struct query *q, const struct blocks *blocks, const struct nearest *found, const char *snapshots,
    struct span root, struct err *e)
{
	struct answer *more;
	size_t cap = a->n + found->n;

	if (cap > a->cap) {
		if ((more = realloc(a->answer, cap * sizeof(*more))) == NULL)
			return (err_mem(e));
		a->answer = more;
		a->cap = cap;
	}
	if (add(a, q, blocks, found, snapshots, root, e) == 0)
		return (0);
	forget(a, root);
	return (-1);
}

/* The names as a JSON array, or for people. */
static void
add_names(const struct answer *r, bool json, struct buf *out)
{
	const char *name = r->names.data;
	size_t i;

	if (json)
		buf_addc(out, '[');
	for (i = 0; i < r->n_names; i++, name += strlen(name) + 1) {
		if (i > 0)
			buf_adds(out, json ? "," : ", ");
		if (json)
			cli_json_string((struct span){name, strlen(name)}, out);
		else
			buf_adds(out, name);
	}
	if (json)
		buf_addc(out, ']');
	else if (r->create + r->modify + r->delete > r->n_names)
		buf_adds(out, ", ...");
}

static int
give(const struct answer *r, struct present *p)
{
	struct span none = {NULL, 0};
	struct buf names = BUF_INIT;
	bool table = p->format == PRESENT_TABLE;
	int rc;

	add_names(r, !table, &names);
	struct cell cells[] = {
	    {.name = "block", .kind = CELL_NAME, .text = {r->block, strlen(r->block)}},
	    {.name = "height", .kind = CELL_NUMBER, .n = r->height},
	    {.name = "time", .kind = CELL_TIME, .n = (uint64_t)r->time_us},
	    {.name = "score", .kind = CELL_SCORE, .score = r->score},
	    {.name = "path", .kind = CELL_TEXT, .text = r->present ? (struct span){r->path.data, r->path.len} : none},
	    {.name = "present", .kind = CELL_FLAG, .n = r->present},
	    {.name = "create", .kind = CELL_NUMBER, .n = r->create},
	    {.name = "modify", .kind = CELL_NUMBER, .n = r->modify},
	    {.name = "delete", .kind = CELL_NUMBER, .n = r->delete},
	    {.name = "elements", .kind = table ? CELL_FOUND : CELL_JSON, .text = {names.data, names.len}, .state = true},
	};
	struct cell shown[] = {cells[3], cells[2], cells[0], cells[5], cells[6], cells[7], cells[8], cells[9]};

	if (names.failed)
		rc = -1;
	else if (table)
		rc = present_answer(p, NULL, shown, sizeof(shown) / sizeof(shown[0]));
	else
		rc = present_answer(p, NULL, cells, sizeof(cells) / sizeof(cells[0]));
	buf_release(&names);
	return (rc);
}

int
answer_like_give(struct answer_like *a, struct present *p, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < a->n; i++) {
		if (a->answer[i].root.len > 0)
			p->root = (struct span){a->answer[i].root.data, a->answer[i].root.len};
		rc = give(&a->answer[i], p);
	}
	p->root = (struct span){NULL, 0};
	return (rc == -1 ? err_mem(e) : 0);
}

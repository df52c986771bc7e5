/* The vectors nearest to one, exactly. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "column.h"
#include "crew.h"
#include "dot.h"
#include "le.h"
#include "nearest_pool.h"
#include "worker.h"

#include "banned.h"

#define THREADS_MAX 64
#define BLOCK_BYTES COLUMN_FILE /* what a thread takes at a time: one file of the column */
#define PIECES 8u /* for each thread, so that none waits long for another */
#define FEW_BYTES (1u << 20)	/* with less to read for each no thread is worth its start */
#define ROWS_MAX (COLUMN_CHUNK / 32) /* of a chunk; codes, too, have 32 bytes at least */
#define BLOCKS_MAX (ROWS_MAX / CODE_BLOCK)

/* ---- the best few of many ---- */

void
nearest_init(struct nearest *b, size_t k)
{
	*b = (struct nearest){.k = k};
}

void
nearest_release(struct nearest *b)
{
	free(b->hit);
	*b = (struct nearest){0};
}

static bool
is_worse(const struct nearest_hit *a, const struct nearest_hit *b)
{
	return (a->score != b->score ? a->score < b->score : a->seq < b->seq);
}

static void
sift_down(struct nearest *b, struct nearest_hit hit)
{
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < b->n; at = child) {
		if (child + 1 < b->n && is_worse(&b->hit[child + 1], &b->hit[child]))
			child++;
		if (!is_worse(&b->hit[child], &hit))
			break;
		b->hit[at] = b->hit[child];
	}
	b->hit[at] = hit;
}

int
nearest_offer(struct nearest *b, double score, uint64_t seq)
{
	struct nearest_hit hit = {score, seq}, *more;
	size_t at, parent, cap;

	if (!nearest_beats(b, score, seq))
		return (0);
	if (b->n == b->k) {
		sift_down(b, hit);
		return (0);
	}
	if (b->n == b->cap) {
		cap = b->cap == 0 ? 64 : b->cap * 2;
		cap = cap < b->k ? cap : b->k;
		if ((more = realloc(b->hit, cap * sizeof(*more))) == NULL)
			return (-1);
		b->hit = more;
		b->cap = cap;
	}
	for (at = b->n++; at > 0; at = parent) {
		parent = (at - 1) / 2;
		if (!is_worse(&hit, &b->hit[parent]))
			break;
		b->hit[at] = b->hit[parent];
	}
	b->hit[at] = hit;
	return (0);
}

/* Whether each is better than the one before: then it is a heap, too. */
static bool
ascends(const struct nearest *b)
{
	size_t i;

	for (i = 1; i < b->n && is_worse(&b->hit[i - 1], &b->hit[i]); i++)
		;
	return (i >= b->n);
}

/* The best of both, which ascend, without the log k of each.  Return 0, or -1 where memory ran out. */
static int
merge_in_order(struct nearest *b, const struct nearest *more)
{
	size_t n = b->n + more->n < b->k ? b->n + more->n : b->k, i = b->n, k = more->n, at;
	struct nearest_hit *hit;

	if ((hit = malloc(n * sizeof(*hit))) == NULL)
		return (-1);
	for (at = n; at > 0;) {
		if (k == 0 || (i > 0 && is_worse(&more->hit[k - 1], &b->hit[i - 1])))
			hit[--at] = b->hit[--i];
		else
			hit[--at] = more->hit[--k];
	}
	free(b->hit);
	b->hit = hit;
	b->n = b->cap = n;
	return (0);
}

int
nearest_merge(struct nearest *b, const struct nearest *more)
{
	size_t i;

	if (more->n > 0 && ascends(b) && ascends(more))
		return (merge_in_order(b, more));
	for (i = 0; i < more->n; i++) {
		if (nearest_offer(b, more->hit[i].score, more->hit[i].seq) != 0)
			return (-1);
	}
	return (0);
}

static int
best_first(const void *a, const void *b)
{
	const struct nearest_hit *x = a, *y = b;

	return (is_worse(x, y) ? 1 : is_worse(y, x) ? -1 : 0);
}

void
nearest_sort(struct nearest *b)
{
	struct nearest_hit hit;
	size_t i;

	if (b->n > 1 && !ascends(b)) {
		qsort(b->hit, b->n, sizeof(*b->hit), best_first);
		return;
	}
	for (i = 0; i < b->n / 2; i++) {
		hit = b->hit[i];
		b->hit[i] = b->hit[b->n - 1 - i];
		b->hit[b->n - 1 - i] = hit;
	}
}

/* ---- a scan ---- */

/* What all threads of a scan share. */
struct scan {
	const struct nearest_scan *s;
	unsigned width;
	int32_t qq;
	uint64_t block; /* rows that a thread takes at a time */
	uint64_t next;	/* the first row that nobody took yet */
};

/* One thread of it. */
struct part {
	struct scan *scan;
	struct vectors *vectors;
	bool first; /* the calling thread's */
	struct nearest best;
	struct nearest_pool pool; /* of codes, before the best of them are there */
	struct nearest_gap *gap;
	size_t gaps, cap;
	struct err why;
	bool failed; /* memory ran out */
	struct worker worker;
};

/* The rows from ${row} on, ${n} of them, at ${p}. */
static int
score(struct part *p, const int8_t *rows, uint64_t row, size_t n)
{
	const struct scan *c = p->scan;
	struct nearest *b = &p->best;
	int32_t dot[ROWS_MAX], self[ROWS_MAX];
	double bar, cosine;
	size_t i;

	dot_rows_self(c->s->q, rows, n, c->width, dot, self);
	for (i = 0; i < n; i++) {
		/* Most are far from good enough, which is seen without a root and a division. */
		if (b->n == b->k && b->hit[0].score > 0) {
			bar = b->hit[0].score * b->hit[0].score * 0.999999 * c->qq * self[i];
			if (dot[i] <= 0 || (double)dot[i] * dot[i] < bar)
				continue;
		}
		cosine = dot_cosine(dot[i], c->qq, self[i]);
		if (nearest_beats(b, cosine, row + i) && nearest_offer(b, cosine, row + i) != 0)
			return (-1);
	}
	return (0);
}

/* Of the block that begins with ${first} those that are wanted, of [row, to): a bit each. */
static uint32_t
wanted_of(const uint8_t *wanted, uint64_t first, uint64_t row, uint64_t to)
{
	uint64_t from = row > first ? row - first : 0, end = to - first < CODE_BLOCK ? to - first : CODE_BLOCK;
	uint32_t bits = (uint32_t)(((UINT64_C(1) << end) - 1) & ~((UINT64_C(1) << from) - 1)), some = 0;

	if (wanted == NULL)
		return (bits);
	/* Nothing says that there is a byte behind that of the last row. */
	memcpy(&some, wanted + first / 8, (size_t)(end + 7) / 8);
	return (bits & le32_get((const uint8_t *)&some));
}

/* The wanted rows of [row, to) by their codes: ${blocks} is that of ${first}. */
static void
score_codes(struct part *p, const uint8_t *blocks, uint64_t first, uint64_t row, uint64_t to)
{
	const struct nearest_scan *s = p->scan->s;
	uint16_t distance[ROWS_MAX];
	uint32_t near[BLOCKS_MAX], bits;
	uint64_t from = (row - first) / CODE_BLOCK;
	size_t n = (size_t)((to - first + CODE_BLOCK - 1) / CODE_BLOCK - from), i;

	first += from * CODE_BLOCK;
	code_distances(s->code, blocks + from * CODE_BLOCK * s->code->bytes, n, p->pool.bar, distance, near);
	for (i = 0; i < n; i++, first += CODE_BLOCK) {
		if (near[i] != 0 && (bits = near[i] & wanted_of(s->wanted, first, row, to)) != 0)
			nearest_pool_add(&p->pool, distance + i * CODE_BLOCK, bits, first);
	}
}

static int
add_gap(struct part *p, uint64_t from, uint64_t to)
{
	struct nearest_gap *more;
	size_t cap;

	if (p->gaps > 0 && p->gap[p->gaps - 1].to == from) {
		p->gap[p->gaps - 1].to = to;
		return (0);
	}
	if (p->gaps == p->cap) {
		cap = p->cap == 0 ? 16 : p->cap * 2;
		if ((more = realloc(p->gap, cap * sizeof(*more))) == NULL)
			return (-1);
		p->gap = more;
		p->cap = cap;
	}
	p->gap[p->gaps++] = (struct nearest_gap){from, to};
	return (0);
}

/* The wanted rows of [row, to), which stand in one chunk. */
static int
scan_chunk(struct part *p, uint64_t row, uint64_t to)
{
	const struct nearest_scan *s = p->scan->s;
	const uint8_t *wanted = s->wanted, *codes = NULL;
	const int8_t *rows = NULL;
	uint64_t first, n, end;
	struct err why = {0};
	int rc;

	if (wanted != NULL && (row = bits_next(wanted, row, to)) == to)
		return (0);
	rc = s->code != NULL ? vectors_codes(p->vectors, row, &codes, &first, &n, &why) : vectors_chunk(p->vectors, row, &rows, &first, &n, &why);
	if (rc != 0 || row < first || to > first + n) {
		p->why = why;
		return (add_gap(p, row, to));
	}
	if (s->code != NULL) {
		score_codes(p, codes, first, row, to);
		return (0);
	}
	for (; row < to; row = wanted == NULL ? to : bits_next(wanted, end, to)) {
		end = wanted == NULL ? to : bits_run(wanted, row, to);
		if (score(p, rows + (row - first) * p->scan->width, row, (size_t)(end - row)) != 0)
			return (-1);
	}
	return (0);
}

static void
scan_blocks(struct part *p)
{
	const struct nearest_scan *s = p->scan->s;
	uint64_t per = COLUMN_CHUNK / p->scan->width, block = p->scan->block, row, end, to, taken;

	for (;;) {
		taken = __atomic_fetch_add(&p->scan->next, block, __ATOMIC_RELAXED);
		if (p->failed || taken >= s->to)
			return;
		to = taken + block < s->to ? taken + block : s->to;
		if (s->wanted == NULL)
			vectors_ahead(p->vectors, s->code != NULL, taken > s->from ? taken : s->from, to);
		for (row = taken > s->from ? taken : s->from; row < to; row = end) {
			end = (row / per + 1) * per;
			end = end < to ? end : to;
			p->failed = p->failed || scan_chunk(p, row, end) != 0;
		}
		if (p->first && s->step != NULL)
			s->step(s->arg, to - taken);
	}
}

static void
run(void *job)
{
	struct part *p = job;

	p->failed = p->scan->s->code != NULL && nearest_pool_init(&p->pool, p->best.k) != 0;
	vectors_scanned(p->vectors, true);
	scan_blocks(p);
	vectors_scanned(p->vectors, false);
	if (p->pool.hit != NULL) {
		p->failed = p->failed || nearest_pool_take(&p->pool, &p->best) != 0;
		nearest_pool_release(&p->pool);
	}
}

static unsigned
threads_for(const struct nearest_scan *s, unsigned width)
{
	long cores = s->threads != 0 ? (long)s->threads : (long)crew_processors();
	uint64_t bytes = (s->to - s->from) * width;

	if (s->threads == 0 && bytes < FEW_BYTES)
		return (1);
	if (cores > (long)(bytes / FEW_BYTES) && s->threads == 0)
		cores = (long)(bytes / FEW_BYTES);
	return (cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores);
}

static int
by_row(const void *a, const void *b)
{
	const struct nearest_gap *x = a, *y = b;

	return (x->from < y->from ? -1 : x->from > y->from);
}

/* What the parts found, and could not read. */
static int
gather(struct nearest_scan *s, struct part *part, unsigned n, struct nearest *best)
{
	struct nearest_gap *gap;
	size_t gaps = 0, k;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (part[i].failed || nearest_merge(best, &part[i].best) != 0)
			return (-1);
		gaps += part[i].gaps;
	}
	if (gaps == 0)
		return (0);
	if ((gap = malloc(gaps * sizeof(*gap))) == NULL)
		return (-1);
	for (i = 0, k = 0; i < n; k += part[i++].gaps) {
		if (part[i].gaps == 0)
			continue;
		memcpy(gap + k, part[i].gap, part[i].gaps * sizeof(*gap));
		s->why = part[i].why;
	}
	qsort(gap, gaps, sizeof(*gap), by_row);
	for (i = 1, k = 0; i < gaps; i++) {
		if (gap[i].from == gap[k].to)
			gap[k].to = gap[i].to;
		else
			gap[++k] = gap[i];
	}
	s->gap = gap;
	s->gaps = k + 1;
	return (0);
}

int
nearest_scan(struct nearest_scan *s, struct nearest *best, struct err *e)
{
	struct shop shop = SHOP_INIT;
	struct scan scan = {.s = s, .width = s->code != NULL ? s->code->bytes : vectors_width(s->vectors)};
	struct part *part;
	unsigned i, n;
	int rc;

	s->gap = NULL;
	s->gaps = 0;
	if (s->from >= s->to)
		return (0);
	n = threads_for(s, scan.width);
	if ((part = calloc(n, sizeof(*part))) == NULL)
		return (err_mem(e));
	scan.qq = s->code != NULL ? 0 : dot_self(s->q, scan.width);
	scan.block = BLOCK_BYTES / scan.width;
	/* One part of a file each, rather than a file for one of them. */
	while (n > 1 && scan.block * scan.width > COLUMN_CHUNK && scan.block * n * PIECES > s->to - s->from)
		scan.block /= 2;
	scan.next = s->from / scan.block * scan.block;
	for (i = 0; i < n; i++) {
		part[i] = (struct part){.scan = &scan, .first = i == 0};
		nearest_init(&part[i].best, best->k);
		part[i].vectors = i == 0 ? s->vectors : vectors_clone(s->vectors);
		worker_init(&part[i].worker, &shop, run);
		/* Without room for it the others do its work. */
		if (i == 0 || part[i].vectors == NULL)
			continue;
		worker_start(&part[i].worker);
		worker_post(&part[i].worker, &part[i]);
	}
	run(&part[0]);
	for (i = 1; i < n; i++)
		worker_stop(&part[i].worker);
	rc = gather(s, part, n, best);
	for (i = 0; i < n; i++) {
		if (i > 0)
			vectors_free(part[i].vectors);
		nearest_release(&part[i].best);
		free(part[i].gap);
	}
	free(part);
	return (rc == 0 ? 0 : err_mem(e));
}

void
nearest_scan_release(struct nearest_scan *s)
{
	free(s->gap);
	s->gap = NULL;
	s->gaps = 0;
}

/* The least usual rows: against a comparison of all with all; any number wanted, any rows judged, stored or not, any threads, many blocks. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "event.h"
#include "random.h"
#include "tap.h"
#include "unusual_impl.h"

#include "banned.h"

#define ROWS 1500
#define PER 64
#define KINDS 40

struct table {
	struct unusual_rows rows;
	int8_t *row;
	int8_t *slot[UNUSUAL_SLOTS]; /* what is not valid any more is gone */
	struct unusual_hit *all; /* of each row that is not zeros, by seq */
	unsigned chunks, rests;
	uint64_t bad; /* the chunk that cannot be read */
};

static int
chunk(void *arg, uint64_t row, unsigned slot, const int8_t **ret, struct err *e)
{
	struct table *t = arg;
	size_t n = t->rows.stored - row < PER ? (size_t)(t->rows.stored - row) : PER;

	t->chunks++;
	if (row / PER == t->bad)
		return (err_set(e, "damaged"));
	memset(t->slot[slot], 77, PER * (size_t)t->rows.width);
	memcpy(t->slot[slot], t->row + row * t->rows.width, n * t->rows.width);
	*ret = t->slot[slot];
	return (0);
}

static int
rest(void *arg, uint64_t to, int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n), void *visit_arg, struct err *e)
{
	struct table *t = arg;
	uint64_t seq, n;
	int rc;

	t->rests++;
	if (to > ROWS)
		return (err_set(e, "too far"));
	for (seq = t->rows.stored; seq < to; seq += n) {
		n = to - seq < 777 ? to - seq : 777;
		if ((rc = visit(visit_arg, seq, t->row + seq * t->rows.width, (size_t)n)) != 0)
			return (rc);
	}
	return (0);
}

/* What is right, one row after the other. */
static void
solve(struct table *t)
{
	const unsigned w = t->rows.width;
	uint64_t i, k;
	double cosine, best;

	for (i = 0; i < ROWS; i++) {
		t->all[i] = (struct unusual_hit){i, 1, EVENT_NONE};
		best = -2;
		for (k = 0; k < i; k++) {
			int32_t self = dot_self(t->row + k * w, w), dot;

			if (self == 0)
				continue;
			dot_rows(t->row + i * w, t->row + k * w, 1, w, &dot);
			cosine = dot_cosine(dot, dot_self(t->row + i * w, w), self);
			if (cosine < best)
				continue;
			best = cosine;
			t->all[i].nearest = k;
		}
		t->all[i].score = best > 1 ? 0 : best < 0 ? 1 : 1 - best;
	}
}

/* Rows of some kinds, which come up one by one, with a little noise; some of zeros, some the same as one before. */
static bool
make(struct table *t, unsigned width, struct random *rnd)
{
	size_t n = (size_t)ROWS * width, i, k, from, kind;

	*t = (struct table){.rows = {.width = width, .per = PER, .chunk = chunk, .rest = rest, .arg = t}, .bad = UINT64_MAX};
	if ((t->row = calloc(n, 1)) == NULL || (t->all = calloc(ROWS, sizeof(*t->all))) == NULL)
		return (false);
	for (i = 0; i < UNUSUAL_SLOTS; i++) {
		if ((t->slot[i] = malloc((size_t)PER * width)) == NULL)
			return (false);
	}
	for (i = 0; i < ROWS; i++) {
		from = i == 0 ? 0 : random_below(rnd, (uint32_t)i);
		kind = random_below(rnd, 1 + (uint32_t)(i * KINDS / ROWS));
		for (k = 0; k < width && i % 11 != 0; k++)
			t->row[i * width + k] = i % 5 == 0 ? t->row[from * width + k]
			    : (int8_t)((int)((kind * 7919 + k * k * 31 + k * (kind + 3)) % 201) - 100 + (int)random_below(rnd, 25) - 12);
	}
	solve(t);
	return (true);
}

static void
destroy(struct table *t)
{
	size_t i;

	for (i = 0; i < UNUSUAL_SLOTS; i++)
		free(t->slot[i]);
	free(t->row);
	free(t->all);
}

static int
best_first(const void *a, const void *b)
{
	const struct unusual_hit *x = a, *y = b;

	return (x->score != y->score ? (x->score > y->score ? -1 : 1) : x->seq > y->seq ? -1 : x->seq < y->seq);
}

/* Judge each ${every}th from ${from} on; whether the ${k} best come out, with the rows nearest to them. */
static bool
right(struct table *t, uint64_t stored, uint64_t from, unsigned every, size_t k, unsigned threads, size_t block, struct random *rnd)
{
	struct unusual_hit *want = malloc(ROWS * sizeof(*want));
	const struct unusual_hit *hit;
	struct unusual *u = NULL;
	struct err e = {0};
	size_t n = 0, hits, i;
	uint64_t seq;
	bool good;

	t->rows.stored = stored;
	good = want != NULL && unusual_new(&t->rows, k, threads, &u, &e) == 0;
	if (good)
		u->cap = block < u->cap ? block : u->cap;
	for (seq = from; good && seq < ROWS; seq += every) {
		good = unusual_judge(u, seq, seq > 0 && random_below(rnd, 2) ? random_below(rnd, (uint32_t)seq) : EVENT_NONE, &e) == 0;
		if (t->all[seq].score > 0 && dot_self(t->row + seq * t->rows.width, t->rows.width) != 0)
			want[n++] = t->all[seq];
	}
	if (good && n > 0)
		qsort(want, n, sizeof(*want), best_first);
	good = good && unusual_end(u, &hit, &hits, &e) == 0 && hits == (n < k ? n : k);
	for (i = 0; good && i < hits; i++)
		good = hit[i].seq == want[i].seq && hit[i].score == want[i].score && hit[i].nearest == want[i].nearest;
	if (!good)
		printf("# stored %u from %u every %u k %u threads %u block %u: %s\n", (unsigned)stored, (unsigned)from, every, (unsigned)k, threads,
		    (unsigned)block, e.text);
	unusual_free(u);
	free(want);
	return (good);
}

static void
test_right(unsigned width)
{
	const uint64_t stored[] = {ROWS, 0, 800, 1};
	const size_t wanted[] = {1, 10, 200, ROWS};
	const size_t block[] = {ROWS, 500, 7};
	struct random rnd = {width};
	struct table t;
	size_t i, k, b, bad = 0;

	if (!ok(make(&t, width, &rnd), "memory"))
		return;
	for (i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		for (k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++) {
			for (b = 0; b < sizeof(block) / sizeof(block[0]); b++) {
				if (block[b] < 100 && wanted[k] > 100)
					continue;
				bad += !right(&t, stored[i], 0, 1, wanted[k], 1 + (unsigned)b, block[b], &rnd);
				bad += !right(&t, stored[i], 900, 3, wanted[k], 2, block[b], &rnd);
				bad += !right(&t, stored[i], ROWS - 1, 1, wanted[k], 1, block[b], &rnd);
			}
		}
	}
	bad += !right(&t, 800, ROWS, 1, 3, 0, ROWS, &rnd);
	ok(bad == 0, "rows of %u bytes: the least usual ones, their scores, and what is nearest", width);
	destroy(&t);
}

/* Nearly all are seen to be usual by few looks. */
static void
test_few(void)
{
	struct random rnd = {5};
	struct table t;

	if (!ok(make(&t, 64, &rnd), "memory"))
		return;
	right(&t, 0, 1400, 1, 3, 1, ROWS, &rnd);
	ok(t.rests <= 3, "rows that are not stored are asked for thrice at most");
	t.chunks = 0;
	right(&t, ROWS, 0, 1, 3, 1, 100, &rnd);
	ok(t.chunks < ROWS / PER * 30 / 2, "blocks of rows that are usual do not reach all chunks: %u", t.chunks);
	destroy(&t);
}

static void
test_error(void)
{
	const struct unusual_hit *hit;
	struct random rnd = {6};
	struct unusual *u = NULL;
	struct err e = {0};
	struct table t;
	uint64_t seq;
	size_t n;
	int rc = 0;

	if (!ok(make(&t, 32, &rnd), "memory"))
		return;
	t.rows.stored = ROWS;
	t.bad = 3;
	rc = unusual_new(&t.rows, 2, 2, &u, &e);
	for (seq = 1000; rc == 0 && seq < 1200; seq++)
		rc = unusual_judge(u, seq, EVENT_NONE, &e);
	ok(rc == 0 && unusual_end(u, &hit, &n, &e) == -1 && strcmp(e.text, "damaged") == 0, "what cannot be read is an error");
	unusual_free(u);
	destroy(&t);
}

int
main(void)
{
	test_right(32);
	test_right(256);
	test_right(320);
	test_few();
	test_error();
	return (tap_done());
}

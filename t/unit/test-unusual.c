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
	uint8_t *code; /* of all rows, blocks of them */
	unsigned back; /* what a row is guessed to resemble: the one so far before it; 0: any */
	struct random guess;
	unsigned chunks, rests;
	uint64_t bad; /* the chunk that cannot be read */
	uint64_t bad_code;
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
codes(void *arg, uint64_t row, size_t n, const uint8_t **ret)
{
	struct table *t = arg;

	if (row % t->rows.code_per != 0 || n > t->rows.code_per || row + n > t->rows.coded || row / t->rows.code_per == t->bad_code)
		return (-1);
	*ret = t->code + row * t->rows.code_bytes;
	return (0);
}

static uint64_t
like(void *arg, uint64_t row)
{
	struct table *t = arg;

	if (t->back != 0)
		return (row < t->back ? EVENT_NONE : row - t->back);
	return (row == 0 || random_below(&t->guess, 8) == 0 ? EVENT_NONE : random_below(&t->guess, (uint32_t)row));
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

	*t = (struct table){.rows = {.width = width, .per = PER, .chunk = chunk, .rest = rest, .like = like, .arg = t}, .bad = UINT64_MAX, .bad_code = UINT64_MAX, .guess = {width}};
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
	free(t->code);
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
	t->rows.coded = stored - stored % CODE_BLOCK;
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

static bool
make_codes(struct table *t)
{
	size_t i;

	t->rows.code_bytes = code_width(t->rows.width);
	t->rows.code_per = 2 * CODE_BLOCK;
	t->rows.codes = codes;
	if ((t->code = malloc((size_t)ROWS * t->rows.code_bytes)) == NULL)
		return (false);
	for (i = 0; i + CODE_BLOCK <= ROWS; i += CODE_BLOCK)
		code_make_block(t->row + i * t->rows.width, t->rows.width, t->code + i * t->rows.code_bytes);
	return (true);
}

/* All kinds of questions. */
static unsigned
wrong(struct table *t, struct random *rnd)
{
	const uint64_t stored[] = {ROWS, 800, CODE_BLOCK, CODE_BLOCK - 1};
	const size_t wanted[] = {1, 10, 200}, block[] = {ROWS, 100};
	unsigned bad = 0;
	size_t i, k, b;

	for (i = 0; i < sizeof(stored) / sizeof(stored[0]); i++)
		for (k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
			for (b = 0; b < sizeof(block) / sizeof(block[0]); b++) {
				bad += !right(t, stored[i], 0, 1, wanted[k], 1 + (unsigned)b, block[b], rnd);
				bad += !right(t, stored[i], 900, 3, wanted[k], 2, block[b], rnd);
			}
	return (bad);
}

/* How many of the last 1000 rows, a tenth of them zeros, find one by a look alone that is about as near as the nearest; -1: something that cannot be. */
static int
found(struct table *t)
{
	struct unusual *u;
	struct err e = {0};
	uint64_t seq;
	size_t i;
	int n = 0;

	t->rows.stored = ROWS;
	t->rows.coded = ROWS - ROWS % CODE_BLOCK;
	if (unusual_new(&t->rows, 1, 2, &u, &e) != 0)
		return (-1);
	for (seq = ROWS - 1000; seq < ROWS; seq++) {
		unusual_judge(u, seq, EVENT_NONE, &e);
		memcpy(row_of(u, u->n - 1), t->row + seq * t->rows.width, t->rows.width);
		u->c[u->n - 1].self = dot_self(row_of(u, u->n - 1), t->rows.width);
		if (u->c[u->n - 1].self != 0)
			u->active[u->actives++] = (uint32_t)(u->n - 1);
	}
	if (look(u, 0, UINT64_MAX, &e) != 0)
		n = -1;
	for (i = 0; n != -1 && i < u->n; i++) {
		seq = u->c[i].seq;
		if (u->c[i].self == 0 || u->c[i].nearest == EVENT_NONE)
			continue;
		n = u->c[i].nearest >= seq || score_of(&u->c[i]) < t->all[seq].score ? -1 : n + (score_of(&u->c[i]) <= t->all[seq].score + 0.01);
	}
	unusual_free(u);
	return (n);
}

/* What codes say is where to look first, and never what is right. */
static void
test_codes(void)
{
	struct random rnd = {8};
	int good, lies;
	struct table t;
	size_t i;

	if (!ok(make(&t, 256, &rnd) && make_codes(&t), "memory"))
		return;
	ok(wrong(&t, &rnd) == 0, "by codes: the same answers");
	good = found(&t);
	t.bad_code = 5;
	ok(wrong(&t, &rnd) == 0, "codes that cannot be read");
	for (i = 0; i < (size_t)ROWS * t.rows.code_bytes; i++)
		t.code[i] = (uint8_t)random_below(&rnd, 256);
	ok(wrong(&t, &rnd) == 0, "codes that are wrong");
	lies = found(&t);
	ok(good > 800 && lies >= 0 && lies < good / 2, "nearly all find what they resemble by codes that are right: %d; by others %d", good, lies);
	destroy(&t);
}

/* Judge all from ${from} on, guessing as like() does: how many looked at all codes, and how many are unusual. */
static void
judge_from(struct table *t, uint64_t from, unsigned *ret_seen, size_t *ret_hits)
{
	const struct unusual_hit *hit;
	struct unusual *u = NULL;
	struct err e = {0};
	uint64_t seq;

	*ret_seen = 0;
	*ret_hits = 0;
	t->rows.stored = ROWS;
	t->rows.coded = ROWS - ROWS % CODE_BLOCK;
	if (unusual_new(&t->rows, 10, 1, &u, &e) != 0)
		return;
	for (seq = from; seq < ROWS; seq++)
		unusual_judge(u, seq, seq - t->back, &e);
	if (unusual_end(u, &hit, ret_hits, &e) == 0) {
		for (seq = from; seq < ROWS; seq++)
			*ret_seen += u->c[seq - from].seen;
	}
	unusual_free(u);
}

/* What comes again, but not soon, is found on the way of the guesses. */
static void
test_likes(void)
{
	const uint64_t from = 900;
	struct random rnd = {9};
	unsigned seen, seen_else;
	size_t i, k, hits, hits_else;
	struct table t;

	if (!ok(make(&t, 256, &rnd), "memory"))
		return;
	for (i = 0; i < ROWS; i++) {
		for (k = 0; k < 256; k++)
			t.row[i * 256 + k] = i < from || i % 200 == 7 ? (int8_t)((int)random_below(&rnd, 255) - 127) : t.row[(i - from) * 256 + k];
	}
	if (!ok(make_codes(&t), "memory"))
		return;
	t.back = 15;
	judge_from(&t, from, &seen, &hits);
	t.rows.like = NULL;
	judge_from(&t, from, &seen_else, &hits_else);
	ok(hits == 3 && seen == 3 && hits_else == 3 && seen_else >= 32, "who finds its like on that way looks no further: %u, and %u without", seen, seen_else);
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
	test_codes();
	test_likes();
	test_few();
	test_error();
	return (tap_done());
}

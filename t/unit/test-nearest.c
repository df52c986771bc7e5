/* The nearest rows: against a sort of all of them; any number of threads, any rows wanted, damaged chunks. */
#include "config.h"

#include <stdlib.h>

#include "random.h"
#include "tap.h"

/* Rows in memory instead of those of a ledger. */
#define vectors_clone fake_clone
#define vectors_free fake_free
#define vectors_width fake_width
#define vectors_chunk fake_chunk
#define vectors_codes fake_codes
#define vectors_ahead fake_ahead
#define vectors_scanned fake_scanned

#include "nearest.c"

#include "banned.h"

struct vectors {
	unsigned width;
	uint64_t rows;
	int8_t *data;
	const uint8_t *codes;
	const uint8_t *damaged; /* by chunk */
	unsigned *reads;	/* of all clones */
	bool scanned;
};

unsigned
fake_width(const struct vectors *v)
{
	return (v->width);
}

struct vectors *
fake_clone(const struct vectors *v)
{
	struct vectors *ret = malloc(sizeof(*ret));

	if (ret != NULL)
		*ret = *v;
	return (ret);
}

void
fake_free(struct vectors *v)
{
	free(v);
}

int
fake_chunk(struct vectors *v, uint64_t row, const int8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e)
{
	uint64_t per = COLUMN_CHUNK / v->width, first = row / per * per;

	__atomic_fetch_add(v->reads, 1, __ATOMIC_RELAXED);
	if (!v->scanned)
		return (err_set(e, "'vectors' keeps what is read only once"));
	if (v->damaged != NULL && v->damaged[row / per])
		return (err_set(e, "'vectors' is damaged"));
	*ret = v->data + first * v->width;
	*ret_first = first;
	*ret_n = v->rows - first < per ? v->rows - first : per;
	return (0);
}

int
fake_codes(struct vectors *v, uint64_t row, const uint8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e)
{
	uint64_t per = COLUMN_CHUNK / (v->width / 8), coded = v->rows / CODE_BLOCK * CODE_BLOCK, first = row / per * per;

	__atomic_fetch_add(v->reads, 1, __ATOMIC_RELAXED);
	if (v->damaged != NULL && v->damaged[row / per])
		return (err_set(e, "'codes' is damaged"));
	*ret = v->codes + first * (v->width / 8);
	*ret_first = first;
	*ret_n = coded - first < per ? coded - first : per;
	return (0);
}

void
fake_ahead(struct vectors *v, bool codes, uint64_t from, uint64_t to)
{
	(void)v;
	(void)codes;
	(void)from;
	(void)to;
}

void
fake_scanned(struct vectors *v, bool scanned)
{
	v->scanned = scanned;
}

#define ROWS 20000

struct model {
	struct vectors v;
	unsigned reads;
	int8_t *q;
};

/* Few different numbers, so that many rows are as near as others; every seventh is zeros. */
static bool
make(struct model *m, unsigned width, struct random *rnd)
{
	size_t i, n = (size_t)ROWS * width;

	m->q = malloc(width);
	m->v = (struct vectors){.width = width, .rows = ROWS, .data = calloc(n, 1), .reads = &m->reads};
	m->reads = 0;
	if (m->q == NULL || m->v.data == NULL)
		return (false);
	for (i = 0; i < width; i++)
		m->q[i] = (int8_t)(random_below(rnd, 256));
	for (i = 0; i < n; i++)
		if (i / width % 7 != 0 && i % width < 20)
			m->v.data[i] = (int8_t)(random_below(rnd, 3) - 1);
	return (true);
}

static void
drop(struct model *m)
{
	free(m->q);
	free(m->v.data);
}

/* The same by a sort of all rows. */
static size_t
naive(const struct model *m, const struct nearest_scan *s, const uint8_t *damaged, struct nearest_hit *hit)
{
	unsigned w = m->v.width, i;
	uint64_t row;
	size_t n = 0;
	int32_t dot, qq, rr;

	for (row = s->from; row < s->to; row++) {
		if ((s->wanted != NULL && !bits_get(s->wanted, row)) ||
		    (damaged != NULL && damaged[row * w / COLUMN_CHUNK]))
			continue;
		for (i = 0, dot = qq = rr = 0; i < w; i++) {
			dot += m->q[i] * m->v.data[row * w + i];
			qq += m->q[i] * m->q[i];
			rr += m->v.data[row * w + i] * m->v.data[row * w + i];
		}
		hit[n++] = (struct nearest_hit){dot_cosine(dot, qq, rr), row};
	}
	if (n > 1)
		qsort(hit, n, sizeof(*hit), best_first);
	return (n);
}

static bool
same(const struct nearest *b, const struct nearest_hit *hit, size_t n)
{
	size_t i;

	if (b->n != (n < b->k ? n : b->k))
		return (false);
	for (i = 0; i < b->n; i++)
		if (b->hit[i].score != hit[i].score || b->hit[i].seq != hit[i].seq)
			return (false);
	return (true);
}

static bool
agrees(struct model *m, struct nearest_scan *s, size_t k, struct nearest_hit *hit)
{
	struct nearest best;
	struct err e;
	bool yes;

	nearest_init(&best, k);
	s->vectors = &m->v;
	s->q = m->q;
	yes = nearest_scan(s, &best, &e) == 0;
	nearest_sort(&best);
	yes = yes && !m->v.scanned && same(&best, hit, naive(m, s, m->v.damaged, hit));
	nearest_release(&best);
	return (yes);
}

static void
test_scans(unsigned width, struct nearest_hit *hit)
{
	static uint8_t wanted[ROWS / 8 + 1];
	static const size_t ks[] = {1, 2, 10, 100, 3000, 30000};
	struct random rnd = {width};
	struct nearest_scan s = {0};
	struct model m;
	unsigned bad = 0, round, i, k, one_in;

	if (!ok(make(&m, width, &rnd), "memory"))
		return;
	for (round = 0; round < 60; round++) {
		s = (struct nearest_scan){.to = ROWS, .threads = round % 5};
		if (round % 2 != 0) {
			s.from = random_below(&rnd, ROWS);
			s.to = s.from + random_below(&rnd, (uint32_t)(ROWS - s.from) + 1);
		}
		one_in = 1u << random_below(&rnd, 12);
		memset(wanted, 0, sizeof(wanted));
		for (i = 0; i < ROWS; i++)
			if (random_below(&rnd, one_in) == 0)
				bits_set(wanted, i);
		s.wanted = round % 3 != 0 ? wanted : NULL;
		k = random_below(&rnd, 6);
		bad += !agrees(&m, &s, ks[k], hit) || s.gaps != 0;
		nearest_scan_release(&s);
	}
	ok(bad == 0, "width %u: as a sort has it, whatever the range, the rows wanted, k and the threads", width);

	memset(wanted, 0, sizeof(wanted));
	bits_set(wanted, 12345);
	m.reads = 0;
	s = (struct nearest_scan){.to = ROWS, .wanted = wanted};
	ok(agrees(&m, &s, 10, hit) && m.reads == 1, "width %u: for one row one chunk is read", width);
	drop(&m);
}

static void
test_damage(struct nearest_hit *hit)
{
	/* 256 rows a chunk: the last one is partial. */
	static uint8_t damaged[ROWS / 256 + 1];
	struct random rnd = {99};
	struct nearest_scan s;
	struct model m;
	unsigned threads, bad = 0;

	if (!ok(make(&m, 256, &rnd), "memory"))
		return;
	damaged[3] = damaged[4] = damaged[40] = damaged[ROWS / 256] = 1;
	m.v.damaged = damaged;
	for (threads = 1; threads < 4; threads++) {
		s = (struct nearest_scan){.from = 1000, .to = ROWS, .threads = threads};
		bad += !agrees(&m, &s, 50, hit) || s.gaps != 3 || strcmp(s.why.text, "'vectors' is damaged") != 0 ||
		    s.gap[0].from != 1000 || s.gap[0].to != 1280 || s.gap[1].from != 10240 || s.gap[1].to != 10496 ||
		    s.gap[2].from != ROWS / 256 * 256 || s.gap[2].to != ROWS;
		nearest_scan_release(&s);
	}
	ok(bad == 0, "damaged chunks are left out, and said");
	drop(&m);
}

/* The same by the codes, whose distances are few, so that many are as far as others. */
static bool
agrees_codes(struct model *m, const struct code_query *q, struct nearest_scan *s, size_t k, struct nearest_hit *hit)
{
	struct nearest best;
	struct err e;
	uint8_t code[32];
	uint64_t row;
	size_t n = 0;
	bool yes;

	nearest_init(&best, k);
	s->vectors = &m->v;
	s->code = q;
	yes = nearest_scan(s, &best, &e) == 0;
	nearest_sort(&best);
	for (row = s->from; row < s->to; row++) {
		if ((s->wanted != NULL && !bits_get(s->wanted, row)) || (m->v.damaged != NULL && m->v.damaged[row / (COLUMN_CHUNK / 32)]))
			continue;
		code_of(m->v.codes + row / CODE_BLOCK * CODE_BLOCK * 32, 32, (unsigned)(row % CODE_BLOCK), code);
		hit[n++] = (struct nearest_hit){-(double)code_distance(q, code), row};
	}
	if (n > 1)
		qsort(hit, n, sizeof(*hit), best_first);
	yes = yes && same(&best, hit, n);
	nearest_release(&best);
	return (yes);
}

static void
test_codes(struct nearest_hit *hit)
{
	static uint8_t wanted[ROWS / 8 + 1], codes[ROWS * 32], damaged[ROWS / 2048 + 1];
	static const size_t ks[] = {1, 2, 10, 100, 3000, 30000};
	struct random rnd = {77};
	struct nearest_scan s;
	struct code_query q;
	struct model m;
	unsigned bad = 0, round, i, one_in;

	if (!ok(make(&m, 256, &rnd), "memory"))
		return;
	for (i = 0; i < ROWS; i += CODE_BLOCK)
		code_make_block(m.v.data + (size_t)i * 256, 256, codes + (size_t)i * 32);
	m.v.codes = codes;
	code_query_init(&q, m.q, 256);
	for (round = 0; round < 60; round++) {
		s = (struct nearest_scan){.to = ROWS, .threads = round % 5};
		if (round % 2 != 0) {
			s.from = random_below(&rnd, ROWS);
			s.to = s.from + random_below(&rnd, (uint32_t)(ROWS - s.from) + 1);
		}
		one_in = 1u << random_below(&rnd, 12);
		memset(wanted, 0, sizeof(wanted));
		for (i = 0; i < ROWS; i++)
			if (random_below(&rnd, one_in) == 0)
				bits_set(wanted, i);
		s.wanted = round % 3 != 0 ? wanted : NULL;
		bad += !agrees_codes(&m, &q, &s, ks[random_below(&rnd, 6)], hit) || s.gaps != 0;
		nearest_scan_release(&s);
	}
	ok(bad == 0, "codes: as a sort has it, whatever the range, the rows wanted, k and the threads");

	damaged[3] = damaged[ROWS / 2048] = 1;
	m.v.damaged = damaged;
	s = (struct nearest_scan){.from = 1000, .to = ROWS, .threads = 2};
	ok(agrees_codes(&m, &q, &s, 50, hit) && s.gaps == 2 && s.gap[0].from == 6144 && s.gap[0].to == 8192 && s.gap[1].to == ROWS,
	    "codes: damaged chunks are left out, and said");
	nearest_scan_release(&s);
	drop(&m);
}

static void
count(void *arg, uint64_t rows)
{
	*(uint64_t *)arg += rows;
}

static void
test_steps(struct nearest_hit *hit)
{
	struct random rnd = {5};
	struct nearest_scan s = {.to = ROWS, .threads = 1, .step = count};
	struct model m;
	uint64_t done = 0;

	if (!ok(make(&m, 1024, &rnd), "memory"))
		return;
	s.arg = &done;
	ok(agrees(&m, &s, 5, hit) && done == ROWS, "each row is counted once");
	s.from = s.to;
	ok(agrees(&m, &s, 5, hit), "no rows, no hits");
	drop(&m);
}

static void
test_heap(void)
{
	struct nearest a, b;

	nearest_init(&a, 2);
	nearest_init(&b, 3);
	ok(nearest_offer(&a, .5, 7) == 0 && nearest_offer(&a, .5, 9) == 0 && nearest_offer(&a, .5, 8) == 0 &&
		nearest_offer(&b, -.5, 1) == 0 && nearest_offer(&b, .7, 2) == 0 && nearest_merge(&a, &b) == 0,
	    "offers");
	nearest_sort(&a);
	ok(a.n == 2 && a.hit[0].seq == 2 && a.hit[1].seq == 9, "of equal scores the newer one is better");
	nearest_release(&a);
	nearest_release(&b);
}

static void
test_bits(void)
{
	static uint8_t bits[40];
	uint64_t i, j, bad = 0, n;

	for (i = 0; i < 320; i++)
		if (i % 11 == 0 || (i > 100 && i < 140))
			bits_set(bits, i);
	for (i = 0; i < 320; i++) {
		for (j = i; j < 320 && !bits_get(bits, j); j++)
			;
		bad += bits_next(bits, i, 320) != j || bits_next(bits, i, 200) != (j < 200 ? j : 200);
		for (j = i; j < 320 && bits_get(bits, j); j++)
			;
		bad += bits_run(bits, i, 320) != j;
		for (j = i, n = 0; j < 320; n += bits_get(bits, j++))
			;
		bad += bits_count(bits, i, 320) != n;
	}
	ok(bad == 0, "the next, a run, a count of bits");
}

int
main(void)
{
	struct nearest_hit *hit = malloc(ROWS * sizeof(*hit));

	if (!ok(hit != NULL, "memory"))
		return (tap_done());
	test_heap();
	test_bits();
	test_scans(32, hit);
	test_scans(256, hit);
	test_scans(1024, hit);
	test_damage(hit);
	test_codes(hit);
	test_steps(hit);
	free(hit);
	return (tap_done());
}

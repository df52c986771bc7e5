/* Codes of rows: the same on every processor, and of what use they are. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "dot.h"
#include "random.h"
#include "tap.h"

#include "banned.h"

static const unsigned widths[] = {256, 512, 1024, 2048, 4096};

/* Of all kinds: anything, only the ends, few that are not 0, all the same. */
static void
fill(int8_t *row, unsigned width, unsigned kind, struct random *rnd)
{
	unsigned i;

	for (i = 0; i < width; i++) {
		switch (kind % 4) {
		case 0: row[i] = (int8_t)random_below(rnd, 256); break;
		case 1: row[i] = random_below(rnd, 2) == 0 ? -128 : 127; break;
		case 2: row[i] = random_below(rnd, 40) == 0 ? (int8_t)random_below(rnd, 256) : 0; break;
		default: row[i] = (int8_t)(kind / 4 % 2 == 0 ? -128 : 127);
		}
	}
}

/* Whether blocks have the codes of their rows, and the distances those of the codes. */
static bool
agrees(const struct code_query *q, const int8_t *rows, const uint8_t *blocks, size_t n, uint16_t bar, const uint16_t *d, const uint32_t *near)
{
	uint8_t code[CODE_ROW_MAX / 8], want[CODE_ROW_MAX / 8];
	unsigned bytes = q->bytes, at, bad = 0;
	size_t i;

	for (i = 0; i < n * CODE_BLOCK; i++) {
		at = (unsigned)(i % CODE_BLOCK);
		code_make(rows + i * bytes * 8, bytes * 8, want);
		code_of(blocks + (i - at) * bytes, bytes, at, code);
		bad += memcmp(code, want, bytes) != 0 || d[i] != code_distance(q, code) || (near[i / CODE_BLOCK] >> at & 1) != (d[i] <= bar);
	}
	return (bad == 0);
}

static void
test_engines(unsigned width)
{
	struct random rnd = {width};
	enum { BLOCKS = 3, ROWS = BLOCKS * CODE_BLOCK };
	struct code_query q[2];
	unsigned bytes = code_width(width), round, side, i, n, bad = 0;
	uint8_t *code[2];
	uint16_t d[2][ROWS], bar;
	uint32_t near[2][BLOCKS];
	int8_t *row = malloc((size_t)width * ROWS);

	code[0] = malloc((size_t)bytes * ROWS);
	code[1] = malloc((size_t)bytes * ROWS);
	if (!ok(row != NULL && code[0] != NULL && code[1] != NULL, "memory") || code_use("avx2") != 0) {
		ok(true, "width %u: the same with AVX2 # SKIP not in this processor", width);
		goto out;
	}
	for (round = 0; round < 40; round++) {
		for (i = 0; i < ROWS; i++)
			fill(row + (size_t)i * width, width, round + i, &rnd);
		n = round % (BLOCKS + 1);
		bar = round % 10 == 9 ? UINT16_MAX : (uint16_t)random_below(&rnd, 15 * width);
		for (side = 0; side < 2; side++) {
			code_use(side == 0 ? "portable" : "avx2");
			for (i = 0; i < BLOCKS; i++)
				code_make_block(row + (size_t)i * CODE_BLOCK * width, width, code[side] + (size_t)i * CODE_BLOCK * bytes);
			code_query_init(&q[side], row, width);
			code_distances(&q[side], code[side], n, bar, d[side], near[side]);
		}
		bad += memcmp(code[0], code[1], (size_t)bytes * ROWS) != 0 || memcmp(q[0].table, q[1].table, 2 * bytes * sizeof(q[0].table[0])) != 0 ||
		    memcmp(d[0], d[1], n * CODE_BLOCK * sizeof(d[0][0])) != 0 || memcmp(near[0], near[1], n * sizeof(near[0][0])) != 0 ||
		    !agrees(&q[0], row, code[0], n, bar, d[1], near[1]);
	}
	ok(bad == 0, "width %u: codes, queries and distances are the same with AVX2 and without, and by blocks as one by one", width);
out:	code_use(NULL);
	free(code[0]);
	free(code[1]);
	free(row);
}

/* A query's own row is the nearest, its opposite the farthest, and what is more alike is nearer. */
static void
test_order(unsigned width)
{
	struct random rnd = {width + 1};
	unsigned bytes = code_width(width), round, i, mixed, bad = 0;
	int8_t *q = malloc(width), *row = malloc(width);
	uint8_t code[CODE_ROW_MAX / 8];
	struct code_query query;
	unsigned d, before;

	if (!ok(q != NULL && row != NULL, "memory"))
		goto out;
	for (round = 0; round < 40; round++) {
		for (i = 0; i < width; i++)
			q[i] = (int8_t)((int)random_below(&rnd, 255) - 127);
		code_query_init(&query, q, width);
		for (before = 0, mixed = 0; mixed <= 4; mixed++) {
			/* The row, ever more of whose numbers are turned round. */
			for (i = 0; i < width; i++)
				row[i] = (int8_t)(i % 4 < mixed ? -q[i] : q[i]);
			code_make(row, width, code);
			d = code_distance(&query, code);
			bad += mixed > 0 && d <= before + width / 2;
			before = d;
		}
		bad += query.bytes != bytes;
	}
	ok(bad == 0, "width %u: the more a row differs from the query, the farther its code", width);
out:	free(q);
	free(row);
}

/* Of rows around some centres, as those of events are, the nearest by the numbers are near by the codes. */
static void
test_recall(void)
{
	enum { N = 20000, CENTRES = 200, QUERIES = 50, NEAR = 10, LOOK = 400 };
	struct random rnd = {3};
	int8_t *rows = malloc((size_t)N * 256), centre[CENTRES][256];
	uint8_t *codes = malloc((size_t)N * 32);
	uint16_t *d = malloc(N * sizeof(*d)), bar;
	uint32_t *near = malloc(N / CODE_BLOCK * sizeof(*near));
	int32_t *dot = malloc(N * sizeof(*dot)), *self = malloc(N * sizeof(*self));
	double *cosine = malloc(N * sizeof(*cosine)), least;
	unsigned i, k, j, q, better, found = 0, alike = 0, beyond = 0, far = 0;
	struct code_query query;

	if (!ok(rows != NULL && codes != NULL && d != NULL && near != NULL && dot != NULL && self != NULL && cosine != NULL, "memory"))
		goto out;
	for (i = 0; i < CENTRES; i++)
		fill(centre[i], 256, 2, &rnd);
	for (i = 0; i < N; i++) {
		for (k = 0; k < 256; k++)
			rows[i * 256 + k] = (int8_t)(centre[i % CENTRES][k] / 2 + (int)random_below(&rnd, 21) - 10);
		if (i % CODE_BLOCK == CODE_BLOCK - 1)
			code_make_block(rows + (size_t)(i / CODE_BLOCK) * CODE_BLOCK * 256, 256, codes + (size_t)(i / CODE_BLOCK) * CODE_BLOCK * 32);
	}
	for (q = 0; q < QUERIES; q++) {
		code_query_init(&query, rows + q * 256, 256);
		code_distances(&query, codes, N / CODE_BLOCK, UINT16_MAX, d, near);
		dot_rows_self(rows + q * 256, rows, N, 256, dot, self);
		for (i = 0; i < N; i++)
			cosine[i] = dot_cosine(dot[i], dot_self(rows + q * 256, 256), self[i]);
		/* The distance that LOOK codes are within. */
		for (bar = 0, k = 0; k < LOOK; bar++)
			for (i = 0; i < N; i++)
				k += d[i] == bar;
		for (j = 0, least = 2; j < NEAR; j++) {
			for (i = 0, better = N; i < N; i++)
				if (cosine[i] < least && (better == N || cosine[i] > cosine[better]))
					better = i;
			least = cosine[better];
			found += d[better] < bar;
		}
		for (i = 0; i < N; i++) {
			alike += cosine[i] >= 0.3;
			beyond += cosine[i] >= 0.3 && d[i] > code_reach(&query, 0.3);
			far += cosine[i] < 0.3 && d[i] > code_reach(&query, 0.3);
		}
	}
	ok(alike > 3000 && beyond * 100 <= alike && far > (size_t)N * QUERIES / 2, "what is alike is hardly ever farther than its reach, most of the rest is: %u of %u, %u", beyond, alike, far);
	ok(found >= QUERIES * NEAR * 98 / 100, "of the %u nearest of %u rows 98 of 100 are among the %u nearest codes: %u of %u", NEAR, N, LOOK, found,
	    QUERIES * NEAR);
out:	free(rows);
	free(codes);
	free(d);
	free(near);
	free(dot);
	free(self);
	free(cosine);
}

/* Codes stand on the disk: these may never be others. */
static void
test_golden(void)
{
	static const uint8_t want[8] = {0x7b, 0x0c, 0xae, 0xf9, 0xb5, 0xdc, 0x8d, 0x05};
	uint8_t code[32], sum[8] = {0};
	int8_t row[256];
	unsigned i;

	for (i = 0; i < 256; i++)
		row[i] = (int8_t)(i * 37 % 256 - 128);
	code_make(row, 256, code);
	for (i = 0; i < 32; i++)
		sum[i % 8] ^= (uint8_t)(code[i] + i);
	ok(memcmp(sum, want, sizeof(sum)) == 0, "the code of a row is what it always was");
}

int
main(void)
{
	size_t i;

	ok(code_width(128) == 0 && code_width(256) == 32 && code_width(4096) == 512 && code_width(8192) == 0, "rows of 256 to 4096 bytes have codes");
	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		test_engines(widths[i]);
		test_order(widths[i]);
	}
	test_recall();
	test_golden();
	return (tap_done());
}

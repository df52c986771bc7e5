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

static void
test_engines(unsigned width)
{
	struct random rnd = {width};
	struct code_query q[2];
	unsigned bytes = code_width(width), round, side, bad = 0;
	uint8_t *code[2];
	uint16_t d[2][9];
	int8_t *row = malloc(width * 9);

	code[0] = malloc(bytes * 9);
	code[1] = malloc(bytes * 9);
	if (!ok(row != NULL && code[0] != NULL && code[1] != NULL, "memory") || code_use("avx2") != 0) {
		ok(true, "width %u: the same with AVX2 # SKIP not in this processor", width);
		goto out;
	}
	for (round = 0; round < 200; round++) {
		for (side = 0; side < 9; side++)
			fill(row + side * width, width, round + side, &rnd);
		for (side = 0; side < 2; side++) {
			unsigned i;

			code_use(side == 0 ? "portable" : "avx2");
			for (i = 0; i < 9; i++)
				code_make(row + i * width, width, code[side] + i * bytes);
			code_query_init(&q[side], row, width);
			code_distances(&q[side], code[side], round % 9 + 1, d[side]);
		}
		bad += memcmp(code[0], code[1], bytes * 9) != 0 || memcmp(q[0].plane, q[1].plane, sizeof(q[0].plane)) != 0 ||
		    memcmp(d[0], d[1], (round % 9 + 1) * sizeof(d[0][0])) != 0;
	}
	ok(bad == 0, "width %u: codes, queries and distances are the same with AVX2 and without", width);
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
	uint16_t d, before;

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
			code_distances(&query, code, 1, &d);
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
	int32_t *dot = malloc(N * sizeof(*dot)), *self = malloc(N * sizeof(*self));
	double *cosine = malloc(N * sizeof(*cosine)), least;
	unsigned i, k, j, q, better, found = 0;
	struct code_query query;

	if (!ok(rows != NULL && codes != NULL && d != NULL && dot != NULL && self != NULL && cosine != NULL, "memory"))
		goto out;
	for (i = 0; i < CENTRES; i++)
		fill(centre[i], 256, 2, &rnd);
	for (i = 0; i < N; i++) {
		for (k = 0; k < 256; k++)
			rows[i * 256 + k] = (int8_t)(centre[i % CENTRES][k] / 2 + (int)random_below(&rnd, 21) - 10);
		code_make(rows + i * 256, 256, codes + i * 32);
	}
	for (q = 0; q < QUERIES; q++) {
		code_query_init(&query, rows + q * 256, 256);
		code_distances(&query, codes, N, d);
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
	}
	ok(found >= QUERIES * NEAR * 98 / 100, "of the %u nearest of %u rows 98 of 100 are among the %u nearest codes: %u of %u", NEAR, N, LOOK, found,
	    QUERIES * NEAR);
out:	free(rows);
	free(codes);
	free(d);
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

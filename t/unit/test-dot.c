/* Inner products: every engine against a naive loop, with all values that an int8 has. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "random.h"
#include "tap.h"

/* The module itself, so that what this processor would not choose is tested too. */
#include "dot.c"

#include "banned.h"

#define ROWS 37
#define WIDTH_MAX 4096

static const unsigned widths[] = {32, 64, 96, 224, 256, 288, 512, 768, 1024, WIDTH_MAX};

static int64_t
naive(const int8_t *a, const int8_t *b, unsigned width)
{
	int64_t sum = 0;
	unsigned i;

	for (i = 0; i < width; i++)
		sum += (int64_t)a[i] * b[i];
	return (sum);
}

/* Rows of any numbers, or of the extremes alone. */
static void
fill(struct random *rnd, int8_t *p, size_t n, bool extreme)
{
	static const int8_t ends[] = {-128, -127, 127, -1, 0, 1};
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = extreme ? ends[random_below(rnd, 6)] : (int8_t)random_below(rnd, 256);
}

static void
test_engine(const char *name)
{
	static int8_t q[WIDTH_MAX + 1], rows[ROWS * WIDTH_MAX + 1];
	int32_t out[ROWS], both[ROWS], self[ROWS];
	struct random rnd = {11};
	size_t w, i, round, bad = 0;
	unsigned width;

	for (w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		width = widths[w];
		for (round = 0; round < 8; round++) {
			/* Not aligned, every other time. */
			int8_t *a = q + round % 2, *b = rows + round / 2 % 2;

			fill(&rnd, a, width, round % 4 == 3);
			fill(&rnd, b, ROWS * width, round % 4 >= 2);
			dot_rows(a, b, ROWS, width, out);
			dot_rows_self(a, b, ROWS, width, both, self);
			for (i = 0; i < ROWS; i++)
				bad += out[i] != naive(a, b + i * width, width) || both[i] != out[i] ||
				    self[i] != naive(b + i * width, b + i * width, width) ||
				    self[i] != dot_self(b + i * width, width);
		}
	}
	ok(bad == 0, "%s: products of %d rows of widths to %d", name, ROWS, WIDTH_MAX);
}

static void
test_limits(const char *name)
{
	int8_t *a = malloc(DOT_WIDTH_MAX);
	int32_t out, self;

	if (!ok(a != NULL, "%s: memory", name))
		return;
	memset(a, -128, DOT_WIDTH_MAX);
	dot_rows_self(a, a, 1, DOT_WIDTH_MAX, &out, &self);
	ok(out == 1 << 30 && self == 1 << 30, "%s: the largest sum of the widest row", name);
	dot_rows(a, a, 0, 256, &self);
	ok(self == 1 << 30, "%s: no row, no product", name);
	free(a);
}

int
main(void)
{
	ok(dot_cosine(50, 100, 25) == 1 && dot_cosine(-50, 100, 25) == -1 && dot_cosine(30, 100, 25) == .6,
	    "a cosine");
	ok(dot_cosine(0, 0, 25) == 0 && dot_cosine(0, 25, 0) == 0, "zeros resemble nothing");
	ok(dot_cosine(1 << 30, 1 << 30, 1 << 30) == 1, "of the largest sums");
	chosen = rows_portable;
	test_engine("portable");
	test_limits("portable");
	if (choose() == rows_portable) {
		ok(true, "avx2 # SKIP not in this processor");
	} else {
		test_engine("avx2");
		test_limits("avx2");
	}
	return (tap_done());
}

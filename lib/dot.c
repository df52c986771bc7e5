/* Inner products of int8 vectors. */
#include "config.h"

#include <math.h>

#if defined(__x86_64__)
#define DOT_X86 1
#include <immintrin.h>
#endif

#include "cpu.h"
#include "dot.h"

#include "banned.h"

/* ${self} may be NULL. */
typedef void rows_fn(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self);

/* Chosen once; whoever races here stores the same pointer. */
static rows_fn *chosen;

static int32_t
product(const int8_t *a, const int8_t *b, unsigned width)
{
	int32_t sum = 0;
	unsigned i;

	for (i = 0; i < width; i++)
		sum += a[i] * b[i];
	return (sum);
}

static void
rows_portable(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self)
{
	size_t i;

	for (i = 0; i < n; i++, rows += width) {
		out[i] = product(q, rows, width);
		if (self != NULL)
			self[i] = product(rows, rows, width);
	}
}

#ifdef DOT_X86

#define AVX2 __attribute__((target("avx2")))
#define WIDE 256 /* bytes of a query that are kept as 16 bits each, so that they are widened once */

AVX2 static inline __m256i
widened(const int8_t *p)
{
	return (_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

AVX2 static inline int32_t
sum_of(__m256i v)
{
	__m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, _MM_SHUFFLE(1, 0, 3, 2)));
	s = _mm_add_epi32(s, _mm_shuffle_epi32(s, _MM_SHUFFLE(2, 3, 0, 1)));
	return (_mm_cvtsi128_si32(s));
}

/* vpmaddubsw would do 32 at a time, but takes one side unsigned: then -128 is wrong. */
AVX2 static inline __attribute__((always_inline)) void
rows_wide(const __m256i *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self)
{
	__m256i dot[2], own[2], a, b;
	unsigned k;
	size_t i;

	for (i = 0; i < n; i++, rows += width) {
		dot[0] = dot[1] = own[0] = own[1] = _mm256_setzero_si256();
		for (k = 0; k < width / 16; k += 2) {
			a = widened(rows + 16 * k);
			b = widened(rows + 16 * k + 16);
			dot[0] = _mm256_add_epi32(dot[0], _mm256_madd_epi16(a, q[k]));
			dot[1] = _mm256_add_epi32(dot[1], _mm256_madd_epi16(b, q[k + 1]));
			if (self != NULL) {
				own[0] = _mm256_add_epi32(own[0], _mm256_madd_epi16(a, a));
				own[1] = _mm256_add_epi32(own[1], _mm256_madd_epi16(b, b));
			}
		}
		out[i] = sum_of(_mm256_add_epi32(dot[0], dot[1]));
		if (self != NULL)
			self[i] = sum_of(_mm256_add_epi32(own[0], own[1]));
	}
}

/* Of rows as wide as the model's the loops have a length that the compiler knows. */
AVX2 static void
rows_avx2(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self)
{
	__m256i wide[WIDE / 16];
	int32_t part, own;
	unsigned k, at, now;
	size_t i;

	if (width == WIDE) {
		for (k = 0; k < WIDE / 16; k++)
			wide[k] = widened(q + 16 * k);
		if (self != NULL)
			rows_wide(wide, rows, n, WIDE, out, self);
		else
			rows_wide(wide, rows, n, WIDE, out, NULL);
		return;
	}
	for (i = 0; i < n; i++, rows += width) {
		out[i] = 0;
		if (self != NULL)
			self[i] = 0;
		for (at = 0; at < width; at += now) {
			now = width - at < WIDE ? width - at : WIDE;
			for (k = 0; k < now / 16; k++)
				wide[k] = widened(q + at + 16 * k);
			rows_wide(wide, rows + at, 1, now, &part, self != NULL ? &own : NULL);
			out[i] += part;
			if (self != NULL)
				self[i] += own;
		}
	}
}

#endif

static rows_fn *
choose(void)
{
	rows_fn *f = rows_portable;

#ifdef DOT_X86
	if (cpu_has_avx2())
		f = rows_avx2;
#endif
	__atomic_store_n(&chosen, f, __ATOMIC_RELAXED);
	return (f);
}

static inline rows_fn *
engine(void)
{
	rows_fn *f = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	return (f != NULL ? f : choose());
}

void
dot_rows(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out)
{
	engine()(q, rows, n, width, out, NULL);
}

void
dot_rows_self(const int8_t *q, const int8_t *rows, size_t n, unsigned width, int32_t *out, int32_t *self)
{
	engine()(q, rows, n, width, out, self);
}

int32_t
dot_self(const int8_t *row, unsigned width)
{
	int32_t ret;

	engine()(row, row, 1, width, &ret, NULL);
	return (ret);
}

double
dot_cosine(int32_t dot, int32_t qq, int32_t rr)
{
	return (qq == 0 || rr == 0 ? 0 : dot / sqrt((double)qq * (double)rr));
}

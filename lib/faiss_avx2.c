/*
 * FAISS's inner loops for processors with AVX2, bound at link time (ld --wrap) in place of those of a library that was
 * built for every x86-64.  Chosen at run time; the library's own serve everybody else.
 *
 * Sums are formed in another order than FAISS's, so scores differ in their last bits.
 */
#include "config.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "faiss_blas.h"
#include "ivf_threads.h"

#include "banned.h"

#define AVX2 __attribute__((target("avx2,fma")))

/* What the library calls, and what it would have called: names as the C++ compiler makes them. */
#define NAME_DOT _ZN5faiss18fvec_inner_productEPKfS1_m
#define NAME_L2 _ZN5faiss10fvec_L2sqrEPKfS1_m
#define NAME_L2_MANY _ZN5faiss13fvec_L2sqr_nyEPfPKfS2_mm
#define NAME_L2_NEAREST _ZN5faiss21fvec_L2sqr_ny_nearestEPfPKfS2_mm
#define NAME_KNN_L2 _ZN5faiss9knn_L2sqrEPKfS1_mmmPNS_9HeapArrayINS_4CMaxIflEEEES1_PKNS_10IDSelectorE
#define PASTE(a, b) a##b
#define WRAP(name) PASTE(__wrap_, name)
#define REAL(name) PASTE(__real_, name)

/* faiss::HeapArray<faiss::CMax<float, long>>: where the results go. */
struct heaps {
	size_t heaps, k;
	int64_t *id;
	float *value;
};

/* The code words of one part of a product quantizer. */
#define WORD_DIMS 8
#define WORDS 256

float REAL(NAME_DOT)(const float *x, const float *y, size_t d);
float WRAP(NAME_DOT)(const float *x, const float *y, size_t d);
float REAL(NAME_L2)(const float *x, const float *y, size_t d);
float WRAP(NAME_L2)(const float *x, const float *y, size_t d);
void REAL(NAME_L2_MANY)(float *out, const float *x, const float *y, size_t d, size_t n);
void WRAP(NAME_L2_MANY)(float *out, const float *x, const float *y, size_t d, size_t n);
size_t REAL(NAME_L2_NEAREST)(float *out, const float *x, const float *y, size_t d, size_t n);
size_t WRAP(NAME_L2_NEAREST)(float *out, const float *x, const float *y, size_t d, size_t n);
void REAL(NAME_KNN_L2)(const float *x, const float *y, size_t d, size_t nx, size_t ny, struct heaps *out, const float *norms,
    const void *selector);
void WRAP(NAME_KNN_L2)(const float *x, const float *y, size_t d, size_t nx, size_t ny, struct heaps *out, const float *norms,
    const void *selector);

static bool
have_avx2(void)
{
	/* Asked once; whoever races here stores the same. */
	static signed char have = -1;

	if (__atomic_load_n(&have, __ATOMIC_RELAXED) < 0)
		__atomic_store_n(&have, (signed char)cpu_has_fma(), __ATOMIC_RELAXED);
	return (__atomic_load_n(&have, __ATOMIC_RELAXED) > 0);
}

/* The sums of four registers. */
AVX2 static inline __m128
sum_each(__m256 a, __m256 b, __m256 c, __m256 d)
{
	__m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));

	return (_mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
}

AVX2 static inline float
sum(__m256 a)
{
	return (_mm_cvtss_f32(sum_each(a, a, a, a)));
}

AVX2 static float
dot(const float *x, const float *y, size_t d)
{
	__m256 s = _mm256_setzero_ps(), t = s;
	float rest = 0;
	size_t i;

	for (i = 0; i + 16 <= d; i += 16) {
		s = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), s);
		t = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(y + i + 8), t);
	}
	for (; i < d; i++)
		rest += x[i] * y[i];
	return (sum(_mm256_add_ps(s, t)) + rest);
}

AVX2 static float
l2(const float *x, const float *y, size_t d)
{
	__m256 s = _mm256_setzero_ps(), u;
	float rest = 0;
	size_t i;

	for (i = 0; i + 8 <= d; i += 8) {
		u = _mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i));
		s = _mm256_fmadd_ps(u, u, s);
	}
	for (; i < d; i++)
		rest += (x[i] - y[i]) * (x[i] - y[i]);
	return (sum(s) + rest);
}

AVX2 static inline __m256
l2_of_8(__m256 x, const float *y)
{
	__m256 u = _mm256_sub_ps(x, _mm256_loadu_ps(y));

	return (_mm256_mul_ps(u, u));
}

/* The distances of ${x} to ${n} vectors; where they have 8 dims, as code words have, four at once. */
AVX2 static void
l2_many(float *out, const float *x, const float *y, size_t d, size_t n)
{
	__m256 v;
	size_t i = 0;

	if (d == 8) {
		v = _mm256_loadu_ps(x);
		for (; i + 4 <= n; i += 4)
			_mm_storeu_ps(out + i, sum_each(l2_of_8(v, y + i * 8), l2_of_8(v, y + i * 8 + 8), l2_of_8(v, y + i * 8 + 16),
			    l2_of_8(v, y + i * 8 + 24)));
	}
	for (; i < n; i++)
		out[i] = l2(x, y + i * d, d);
}

/* The products of 4 rows of ${a} and 3 of ${b}, ${k} (a multiple of 8) floats each. */
AVX2 static void
multiply_4x3(const float *a, size_t lda, const float *b, size_t ldb, size_t k, float *c, size_t ldc)
{
	__m256 s[3][4], x, y[3];
	size_t p;
	int i, j;

	for (j = 0; j < 3; j++)
		for (i = 0; i < 4; i++)
			s[j][i] = _mm256_setzero_ps();
	for (p = 0; p < k; p += 8) {
		for (j = 0; j < 3; j++)
			y[j] = _mm256_loadu_ps(b + (size_t)j * ldb + p);
#pragma GCC unroll 4
		for (i = 0; i < 4; i++) {
			x = _mm256_loadu_ps(a + (size_t)i * lda + p);
			s[0][i] = _mm256_fmadd_ps(x, y[0], s[0][i]);
			s[1][i] = _mm256_fmadd_ps(x, y[1], s[1][i]);
			s[2][i] = _mm256_fmadd_ps(x, y[2], s[2][i]);
		}
	}
	for (j = 0; j < 3; j++)
		_mm_storeu_ps(c + (size_t)j * ldc, sum_each(s[j][0], s[j][1], s[j][2], s[j][3]));
}

#define A_ROWS 16  /* that stay in the first cache while those of b pass */

bool
faiss_avx2_multiply(const struct product *p, size_t begin, size_t end)
{
	size_t i0, i, ie, j, q;

	if (p->k % 8 != 0 || !have_avx2())
		return (false);

	for (i0 = 0; i0 < p->m; i0 = ie) {
		ie = i0 + A_ROWS < p->m ? i0 + A_ROWS : p->m;
		for (j = begin; j + 3 <= end; j += 3) {
			for (i = i0; i + 4 <= ie; i += 4)
				multiply_4x3(p->a + i * p->lda, p->lda, p->b + j * p->ldb, p->ldb, p->k, p->c + j * p->ldc + i, p->ldc);
			for (; i < ie; i++)
				for (q = j; q < j + 3; q++)
					p->c[q * p->ldc + i] = dot(p->a + i * p->lda, p->b + q * p->ldb, p->k);
		}
		for (; j < end; j++)
			for (i = i0; i < ie; i++)
				p->c[j * p->ldc + i] = dot(p->a + i * p->lda, p->b + j * p->ldb, p->k);
	}
	return (true);
}

/* The nearest of ${n} vectors; the first of those that are equally near. */
static size_t
smallest(const float *d, size_t n)
{
	float least = d[0];
	size_t i;

	for (i = 1; i < n; i++)
		least = d[i] < least ? d[i] : least;
	for (i = 0; i + 1 < n && !(d[i] <= least); i++)
		;
	return (i);
}

/* The nearest of WORDS vectors of WORD_DIMS that stand dim by dim. */
AVX2 static size_t
nearest_word(const float *x, const float *columns, float *ret_distance)
{
	__m256 least = _mm256_set1_ps(INFINITY), d, u;
	__m256i at = _mm256_setzero_si256(), i8 = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), less;
	float value[8];
	int32_t index[8];
	int i, k, best = 0;

	for (i = 0; i < WORDS; i += 8, i8 = _mm256_add_epi32(i8, _mm256_set1_epi32(8))) {
		d = _mm256_setzero_ps();
#pragma GCC unroll 8
		for (k = 0; k < WORD_DIMS; k++) {
			u = _mm256_sub_ps(_mm256_set1_ps(x[k]), _mm256_loadu_ps(columns + k * WORDS + i));
			d = _mm256_fmadd_ps(u, u, d);
		}
		less = _mm256_castps_si256(_mm256_cmp_ps(d, least, _CMP_LT_OQ));
		least = _mm256_min_ps(d, least);
		at = _mm256_blendv_epi8(at, i8, less);
	}
	_mm256_storeu_ps(value, least);
	_mm256_storeu_si256((__m256i *)index, at);
	for (i = 1; i < 8; i++)
		if (value[i] < value[best] || (!(value[best] < value[i]) && index[i] < index[best]))
			best = i;
	*ret_distance = value[best];
	return ((size_t)index[best]);
}

#define X_ROWS 512 /* one share */

struct assignment {
	const float *x, *columns;
	size_t n;
	struct heaps *out;
};

static void
assign_share(const void *arg, size_t share)
{
	const struct assignment *p = arg;
	size_t i, end = (share + 1) * X_ROWS < p->n ? (share + 1) * X_ROWS : p->n;

	for (i = share * X_ROWS; i < end; i++)
		p->out->id[i] = (int64_t)nearest_word(p->x + i * WORD_DIMS, p->columns, &p->out->value[i]);
}

float
WRAP(NAME_DOT)(const float *x, const float *y, size_t d)
{
	return (have_avx2() ? dot(x, y, d) : REAL(NAME_DOT)(x, y, d));
}

float
WRAP(NAME_L2)(const float *x, const float *y, size_t d)
{
	return (have_avx2() ? l2(x, y, d) : REAL(NAME_L2)(x, y, d));
}

void
WRAP(NAME_L2_MANY)(float *out, const float *x, const float *y, size_t d, size_t n)
{
	if (have_avx2())
		l2_many(out, x, y, d, n);
	else
		REAL(NAME_L2_MANY)(out, x, y, d, n);
}

size_t
WRAP(NAME_L2_NEAREST)(float *out, const float *x, const float *y, size_t d, size_t n)
{
	if (!have_avx2() || n == 0)
		return (REAL(NAME_L2_NEAREST)(out, x, y, d, n));
	l2_many(out, x, y, d, n);
	return (smallest(out, n));
}

/* The nearest neighbours of many vectors: one each among code words is what training them asks for, each round. */
void
WRAP(NAME_KNN_L2)(const float *x, const float *y, size_t d, size_t nx, size_t ny, struct heaps *out, const float *norms,
    const void *selector)
{
	float columns[WORD_DIMS * WORDS];
	struct assignment p = {x, columns, nx, out};
	size_t i, k;

	if (!have_avx2() || d != WORD_DIMS || ny != WORDS || out->k != 1 || selector != NULL) {
		REAL(NAME_KNN_L2)(x, y, d, nx, ny, out, norms, selector);
		return;
	}
	for (i = 0; i < WORDS; i++)
		for (k = 0; k < WORD_DIMS; k++)
			columns[k * WORDS + i] = y[i * WORD_DIMS + k];
	ivf_parallel((nx + X_ROWS - 1) / X_ROWS, assign_share, &p);
}

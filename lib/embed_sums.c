/* The numbers of a text's vector. */
#include "config.h"

#if defined(__x86_64__)
#define SUMS_X86 1
#include <immintrin.h>
#endif

#include "cpu.h"
#include "embed_sums.h"

#include "banned.h"

#define DAMP 21 /* bits of the factor that brings a part to its length */

bool
embed_sums_avx2(void)
{
#ifdef SUMS_X86
	return (cpu_has_avx2());
#else
	return (false);
#endif
}

#ifdef SUMS_X86

/* Two rows at a time.  ${by} has 16 bits. */
__attribute__((target("avx2"))) static void
add_rows_avx2(int32_t *to, const int8_t *a, const int8_t *b, unsigned dims, unsigned by_a, unsigned by_b)
{
	const __m256i factor = _mm256_set1_epi32((int32_t)(by_b << 16 | by_a));
	__m256i *sum = (__m256i *)(void *)to, low, high;
	__m128i x, y;
	unsigned i;

	for (i = 0; i < dims; i += 16, sum += 2) {
		x = _mm_loadu_si128((const __m128i *)(const void *)(a + i));
		y = _mm_loadu_si128((const __m128i *)(const void *)(b + i));
		low = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
		high = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(x, y));
		_mm256_store_si256(sum, _mm256_add_epi32(_mm256_load_si256(sum), _mm256_madd_epi16(low, factor)));
		_mm256_store_si256(sum + 1, _mm256_add_epi32(_mm256_load_si256(sum + 1), _mm256_madd_epi16(high, factor)));
	}
}

__attribute__((target("avx2"))) static void
subtract_avx2(int32_t *x, unsigned dims)
{
	__m256i *p = (__m256i *)(void *)x;
	unsigned i, n = dims / 8;

	for (i = 0; i < n; i++)
		_mm256_store_si256(p + i, _mm256_sub_epi32(_mm256_load_si256(p + i), _mm256_load_si256(p + n + i)));
}

#endif

static void
add_row(int32_t *to, const int8_t *row, unsigned dims, int32_t by)
{
	unsigned i;

	for (i = 0; i < dims; i++)
		to[i] += row[i] * by;
}

void
embed_sums_add(bool avx2, int32_t *to, const int8_t *a, const int8_t *b, unsigned dims, unsigned by_a, unsigned by_b)
{
#ifdef SUMS_X86
	if (avx2) {
		add_rows_avx2(to, a, b, dims, by_a, by_b);
		return;
	}
#endif
	(void)avx2;
	add_row(to, a, dims, (int32_t)by_a);
	add_row(to, b, dims, (int32_t)by_b);
}

void
embed_sums_subtract(bool avx2, int32_t *x, unsigned dims)
{
	unsigned i;

#ifdef SUMS_X86
	if (avx2) {
		subtract_avx2(x, dims);
		return;
	}
#endif
	(void)avx2;
	for (i = 0; i < dims; i++)
		x[i] -= x[dims + i];
}

uint32_t
embed_sums_root(bool avx2, uint64_t n)
{
	uint64_t root = 0, bit = UINT64_C(1) << 50;

#ifdef SUMS_X86
	if (avx2) {
		/* What the processor rounds is exact to a bit behind the point. */
		__m128d x = _mm_set_sd((double)n);

		return ((uint32_t)_mm_cvttsd_si64(_mm_sqrt_sd(x, x)));
	}
#endif
	(void)avx2;
	while (bit > n)
		bit >>= 2;
	for (; bit > 0; bit >>= 2) {
		if (n >= root + bit) {
			n -= root + bit;
			root = (root >> 1) + bit;
		} else
			root >>= 1;
	}
	return ((uint32_t)root);
}

/* How far to shift a part so that the largest of its numbers has 15 bits. */
static int
shift_of(uint32_t most)
{
	return (17 - __builtin_clz(most));
}

/* What brings a part of that length to ${scale}. */
static int32_t
factor_of(uint32_t length, unsigned scale)
{
	return ((int32_t)(((uint64_t)scale << DAMP) / length));
}

#ifdef SUMS_X86

__attribute__((target("avx2"))) static uint32_t
settle_avx2(int32_t *x, unsigned dims)
{
	__m256i most = _mm256_setzero_si256(), square = most, y;
	uint32_t lane[8];
	uint64_t wide[4];
	unsigned i;
	int shift;

	for (i = 0; i < dims; i += 8)
		most = _mm256_max_epi32(
		    most, _mm256_abs_epi32(_mm256_load_si256((__m256i *)(void *)(x + i))));
	_mm256_storeu_si256((__m256i *)(void *)lane, most);
	for (i = 1; i < 8; i++)
		lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
	if (lane[0] == 0)
		return (0);
	shift = shift_of(lane[0]);
	for (i = 0; i < dims; i += 8) {
		y = _mm256_load_si256((__m256i *)(void *)(x + i));
		y = shift > 0 ? _mm256_sra_epi32(y, _mm_cvtsi32_si128(shift))
			      : _mm256_sll_epi32(y, _mm_cvtsi32_si128(-shift));
		_mm256_store_si256((__m256i *)(void *)(x + i), y);
		square = _mm256_add_epi64(square, _mm256_mul_epi32(y, y));
		y = _mm256_srli_epi64(y, 32);
		square = _mm256_add_epi64(square, _mm256_mul_epi32(y, y));
	}
	_mm256_storeu_si256((__m256i *)(void *)wide, square);
	return (embed_sums_root(true, wide[0] + wide[1] + wide[2] + wide[3]));
}

__attribute__((target("avx2"))) static inline __m256i
scaled_avx2(const int32_t *x, __m256i factor)
{
	__m256i y = _mm256_mullo_epi32(_mm256_load_si256((const __m256i *)(const void *)x), factor);

	return (_mm256_srai_epi32(_mm256_add_epi32(y, _mm256_set1_epi32(1 << (DAMP - 1))), DAMP));
}

__attribute__((target("avx2"))) static void
put_avx2(const int32_t *x, unsigned dims, uint32_t length, unsigned scale, int8_t *out)
{
	const __m256i factor = _mm256_set1_epi32(factor_of(length, scale)),
		      order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i a, b;
	unsigned i;

	for (i = 0; i < dims; i += 32) {
		a = _mm256_packs_epi32(scaled_avx2(x + i, factor), scaled_avx2(x + i + 8, factor));
		b = _mm256_packs_epi32(
		    scaled_avx2(x + i + 16, factor), scaled_avx2(x + i + 24, factor));
		a = _mm256_max_epi8(_mm256_packs_epi16(a, b), _mm256_set1_epi8(-127));
		_mm256_storeu_si256(
		    (__m256i *)(void *)(out + i), _mm256_permutevar8x32_epi32(a, order));
	}
}

#endif

uint32_t
embed_sums_settle(bool avx2, int32_t *x, unsigned dims)
{
	uint32_t most = 0, a;
	uint64_t square = 0;
	unsigned i;
	int shift;

#ifdef SUMS_X86
	if (avx2)
		return (settle_avx2(x, dims));
#endif
	(void)avx2;
	for (i = 0; i < dims; i++) {
		a = (uint32_t)(x[i] < 0 ? -x[i] : x[i]);
		most = a > most ? a : most;
	}
	if (most == 0)
		return (0);
	shift = shift_of(most);
	for (i = 0; i < dims; i++) {
		x[i] = shift > 0 ? x[i] >> shift : (int32_t)((uint32_t)x[i] << -shift);
		square += (uint64_t)((int64_t)x[i] * x[i]);
	}
	return (embed_sums_root(false, square));
}

void
embed_sums_put(bool avx2, const int32_t *x, unsigned dims, uint32_t length, unsigned scale, int8_t *out)
{
	int32_t factor = factor_of(length, scale), y;
	unsigned i;

#ifdef SUMS_X86
	if (avx2) {
		put_avx2(x, dims, length, scale, out);
		return;
	}
#endif
	(void)avx2;
	for (i = 0; i < dims; i++) {
		y = (x[i] * factor + (1 << (DAMP - 1))) >> DAMP;
		out[i] = (int8_t)(y > 127 ? 127 : y < -127 ? -127 : y);
	}
}

/* How far codes are from what is looked for. */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "code_impl.h"

#ifdef CODE_X86
#include <immintrin.h>
#endif

#include "banned.h"

#define LEVELS 15 /* of a query's numbers: 0 to that */
#define ALIKE 0.79788 /* sqrt(2 / pi): the mean of a number without its sign, where the mean of its square is 1 */
#define SPREAD 0.755  /* sqrt(1 - ALIKE^2) / ALIKE: what a side leaves out of a number */
#define REACH 2.5     /* times what codes are wrong by */

void
code_query_init(struct code_query *q, const int8_t *row, unsigned width)
{
	int16_t x[CODE_ROW_MAX] __attribute__((aligned(32)));
	int32_t max = 1, level;
	unsigned i, bits;
	double square = 0;

	q->bytes = width / 8;
	code_turn(row, width, x);
	for (i = 0; i < width; i++) {
		level = x[i] < 0 ? -x[i] : x[i];
		max = level > max ? level : max;
	}
	/* A bit of the code that is not that of the number's side adds more the farther the number is from 0: -max is 0, max all of LEVELS. */
	for (i = 0; i < width; i++) {
		if (i % 4 == 0)
			memset(q->table[i / 4], 0, sizeof(q->table[0]));
		level = ((x[i] + max) * LEVELS + max) / (2 * max);
		square += (level - LEVELS / 2.0) * (level - LEVELS / 2.0);
		for (bits = 0; bits < 16; bits++)
			q->table[i / 4][bits] += (uint8_t)((bits >> i % 4 & 1) != 0 ? LEVELS - level : level);
	}
	q->scale = sqrt(square * width) * ALIKE;
}

unsigned
code_reach(const struct code_query *q, double cosine)
{
	double width = 8.0 * q->bytes, across = cosine < 1 && cosine > -1 ? sqrt(1 - cosine * cosine) : 0;
	double reach = LEVELS / 2.0 * width - q->scale * (cosine - REACH * SPREAD / sqrt(width) * across);

	return (reach <= 0 ? 0 : reach >= UINT16_MAX ? UINT16_MAX : (unsigned)reach);
}

unsigned
code_distance(const struct code_query *q, const uint8_t *code)
{
	unsigned i, d = 0;

	for (i = 0; i < q->bytes; i++)
		d += (unsigned)q->table[2 * i][code[i] & 15] + q->table[2 * i + 1][code[i] >> 4];
	return (d);
}

void
code_distances_portable(const struct code_query *q, const uint8_t *blocks, size_t n, uint16_t bar, uint16_t *out, uint32_t *near)
{
	unsigned i, r;
	size_t b;

	for (b = 0; b < n; b++, out += CODE_BLOCK) {
		memset(out, 0, CODE_BLOCK * sizeof(*out));
		for (i = 0; i < q->bytes; i++, blocks += CODE_BLOCK)
			for (r = 0; r < CODE_BLOCK; r++)
				out[r] = (uint16_t)(out[r] + q->table[2 * i][blocks[r] & 15] + q->table[2 * i + 1][blocks[r] >> 4]);
		for (near[b] = 0, r = 0; r < CODE_BLOCK; r++)
			near[b] |= (uint32_t)(out[r] <= bar) << r;
	}
}

#ifdef CODE_X86

#define INLINE inline __attribute__((always_inline))

/* One of the tables, twice. */
AVX2 static INLINE __m256i
twice(const uint8_t table[16])
{
	return (_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)table)));
}

/* What a byte of each of 32 codes adds to their distances. */
AVX2 static INLINE __m256i
added(__m256i lower, __m256i upper, const uint8_t *bytes)
{
	const __m256i low = _mm256_set1_epi8(15);
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)bytes);

	lower = _mm256_shuffle_epi8(lower, _mm256_and_si256(x, low));
	upper = _mm256_shuffle_epi8(upper, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
	return (_mm256_add_epi8(lower, upper));
}

/* The sums of one block: of two neighbours the second one's, and both in one number, the second's in its upper byte. */
struct sums {
	__m256i all, odd;
};

/* Two bytes of each code: at most 240, which a byte holds. */
AVX2 static INLINE void
add_pair(struct sums *s, const __m256i t[4], const uint8_t *bytes)
{
	__m256i sum = _mm256_add_epi8(added(t[0], t[1], bytes), added(t[2], t[3], bytes + CODE_BLOCK));

	s->all = _mm256_add_epi16(s->all, sum);
	s->odd = _mm256_add_epi16(s->odd, _mm256_srli_epi16(sum, 8));
}

/* The sums in the order of the rows; which of them are at most ${bar}. */
AVX2 static INLINE uint32_t
store(const struct sums *s, __m256i bar, uint16_t *out)
{
	/* What left the 16 bits of all comes back here. */
	__m256i even = _mm256_sub_epi16(s->all, _mm256_slli_epi16(s->odd, 8));
	__m256i low = _mm256_unpacklo_epi16(even, s->odd), high = _mm256_unpackhi_epi16(even, s->odd);
	__m256i first = _mm256_permute2x128_si256(low, high, 0x20), second = _mm256_permute2x128_si256(low, high, 0x31);

	_mm256_storeu_si256((__m256i *)(void *)out, first);
	_mm256_storeu_si256((__m256i *)(void *)(out + 16), second);
	first = _mm256_cmpeq_epi16(_mm256_min_epu16(first, bar), first);
	second = _mm256_cmpeq_epi16(_mm256_min_epu16(second, bar), second);
	return ((uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), _MM_SHUFFLE(3, 1, 2, 0))));
}

/* One block, or two, for which each table is loaded once. */
AVX2 static INLINE void
distances(const struct code_query *q, const uint8_t *blocks, bool both, __m256i bar, uint16_t *out, uint32_t *near)
{
	struct sums one = {_mm256_setzero_si256(), _mm256_setzero_si256()}, two = one;
	const uint8_t(*table)[16] = q->table;
	const uint8_t *behind = blocks + (size_t)q->bytes * CODE_BLOCK;
	unsigned at;

	for (at = 0; at < q->bytes; at += 2, table += 4) {
		const __m256i t[4] = {twice(table[0]), twice(table[1]), twice(table[2]), twice(table[3])};

		add_pair(&one, t, blocks + (size_t)at * CODE_BLOCK);
		if (both)
			add_pair(&two, t, behind + (size_t)at * CODE_BLOCK);
	}
	near[0] = store(&one, bar, out);
	if (both)
		near[1] = store(&two, bar, out + CODE_BLOCK);
}

AVX2 void
code_distances_avx2(const struct code_query *q, const uint8_t *blocks, size_t n, uint16_t bar, uint16_t *out, uint32_t *near)
{
	const __m256i most = _mm256_set1_epi16((int16_t)bar);
	const size_t bytes = (size_t)q->bytes * CODE_BLOCK;
	size_t b;

	for (b = 0; b + 2 <= n; b += 2)
		distances(q, blocks + b * bytes, true, most, out + b * CODE_BLOCK, near + b);
	if (b < n)
		distances(q, blocks + b * bytes, false, most, out + b * CODE_BLOCK, near + b);
}

#endif

/* Vectors as a bit a number. */
#include "config.h"

#include <string.h>

#include "code_impl.h"
#include "cpu.h"
#include "le.h"

#ifdef CODE_X86
#include <immintrin.h>
#endif

#include "banned.h"

#define ROUNDS 2
#define SHIFT_FROM 256u /* rows of more bytes are halved between the rounds, for each doubling, so that sums rarely reach the limit */

struct engine {
	const char *name;
	void (*widen)(const int8_t *row, unsigned n, int16_t *x);
	void (*turn)(int16_t *x, unsigned n, const uint64_t *sign, unsigned shift); /* one round */
	void (*sides)(const int16_t *x, unsigned n, uint8_t *out); /* a bit each: whether it is more than 0 */
	code_distances_fn *distances;
};

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). */
static uint64_t
splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31);
}

/* ---- portable ---- */

static int16_t
clamp(int32_t x)
{
	return ((int16_t)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x));
}

static void
widen_portable(const int8_t *row, unsigned n, int16_t *x)
{
	unsigned i;

	for (i = 0; i < n; i++)
		x[i] = row[i];
}

static void
turn_portable(int16_t *x, unsigned n, const uint64_t *sign, unsigned shift)
{
	int32_t a, b;
	unsigned i, k, h;

	for (i = 0; i < n; i++)
		x[i] = (sign[i / 64] >> i % 64 & 1) != 0 ? clamp(-x[i]) : x[i];
	for (h = 1; h < n; h *= 2)
		for (i = 0; i < n; i += 2 * h)
			for (k = i; k < i + h; k++) {
				a = x[k];
				b = x[k + h];
				x[k] = clamp(a + b);
				x[k + h] = clamp(a - b);
			}
	/* Rounded down, as a shift of the processor's is. */
	for (i = 0; shift > 0 && i < n; i++)
		x[i] = (int16_t)((x[i] + 32768) / (1 << shift) - (32768 >> shift));
}

static void
sides_portable(const int16_t *x, unsigned n, uint8_t *out)
{
	unsigned i;

	memset(out, 0, n / 8);
	for (i = 0; i < n; i++)
		out[i / 8] |= (uint8_t)((x[i] > 0) << i % 8);
}

static const struct engine portable = {"portable", widen_portable, turn_portable, sides_portable, code_distances_portable};

/* ---- AVX2 ---- */

#ifdef CODE_X86

/* All ones where the number's sign is to change: of the 16 bits of ${sign}. */
AVX2 static inline __m256i
mask_of(unsigned sign)
{
	const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, INT16_MIN);

	return (_mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((int16_t)sign), bit), bit));
}

/* Neighbours at the distance ${h} within 16 numbers: ${other} is ${x} with them exchanged, ${second} the places of the second ones. */
AVX2 static inline __m256i
butterfly(__m256i x, __m256i other, __m256i second)
{
	return (_mm256_blendv_epi8(_mm256_adds_epi16(x, other), _mm256_subs_epi16(other, x), second));
}

AVX2 static inline __m256i
within(__m256i x)
{
	const __m256i by_one = _mm256_set1_epi32((int)0xffff0000), by_two = _mm256_set1_epi64x((long long)UINT64_C(0xffffffff00000000));
	const __m256i by_four = _mm256_setr_epi64x(0, -1, 0, -1), by_eight = _mm256_setr_epi64x(0, 0, -1, -1);
	__m256i other;

	other = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(x, _MM_SHUFFLE(2, 3, 0, 1)), _MM_SHUFFLE(2, 3, 0, 1));
	x = butterfly(x, other, by_one);
	x = butterfly(x, _mm256_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1)), by_two);
	x = butterfly(x, _mm256_shuffle_epi32(x, _MM_SHUFFLE(1, 0, 3, 2)), by_four);
	return (butterfly(x, _mm256_permute2x128_si256(x, x, 1), by_eight));
}

AVX2 static void
widen_avx2(const int8_t *row, unsigned n, int16_t *x)
{
	unsigned i;

	for (i = 0; i < n; i += 16)
		_mm256_store_si256((__m256i *)(void *)(x + i), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row + i))));
}

/* Two stages at a time: h and 2 h. */
AVX2 static inline void
four(__m256i *x, unsigned h)
{
	__m256i a = _mm256_load_si256(x), b = _mm256_load_si256(x + h);
	__m256i c = _mm256_load_si256(x + 2 * h), d = _mm256_load_si256(x + 3 * h);
	__m256i ab = _mm256_adds_epi16(a, b), cd = _mm256_adds_epi16(c, d);

	a = _mm256_subs_epi16(a, b);
	c = _mm256_subs_epi16(c, d);
	_mm256_store_si256(x, _mm256_adds_epi16(ab, cd));
	_mm256_store_si256(x + h, _mm256_adds_epi16(a, c));
	_mm256_store_si256(x + 2 * h, _mm256_subs_epi16(ab, cd));
	_mm256_store_si256(x + 3 * h, _mm256_subs_epi16(a, c));
}

AVX2 static inline __attribute__((always_inline)) void
turn_wide(__m256i *x, unsigned n, const uint64_t *sign, unsigned shift)
{
	__m256i a, mask;
	unsigned i, k, h;

	for (i = 0; i < n; i++) {
		a = _mm256_load_si256(x + i);
		mask = mask_of((unsigned)(sign[i / 4] >> i % 4 * 16 & 0xffff));
		a = _mm256_blendv_epi8(a, _mm256_subs_epi16(_mm256_setzero_si256(), a), mask);
		_mm256_store_si256(x + i, within(a));
	}
	for (h = 1; 4 * h <= n; h *= 4)
		for (i = 0; i < n; i += 4 * h)
			for (k = i; k < i + h; k++)
				four(x + k, h);
	for (i = 0; h < n && i < h; i++) {
		a = _mm256_load_si256(x + i);
		mask = _mm256_load_si256(x + i + h);
		_mm256_store_si256(x + i, _mm256_adds_epi16(a, mask));
		_mm256_store_si256(x + i + h, _mm256_subs_epi16(a, mask));
	}
	for (i = 0; shift > 0 && i < n; i++)
		_mm256_store_si256(x + i, _mm256_sra_epi16(_mm256_load_si256(x + i), _mm_cvtsi32_si128((int)shift)));
}

/* Of rows as wide as the model's the loops have a length that the compiler knows. */
AVX2 static void
turn_avx2(int16_t *x, unsigned n, const uint64_t *sign, unsigned shift)
{
	if (n == 256)
		turn_wide((__m256i *)(void *)x, 16, sign, 0);
	else
		turn_wide((__m256i *)(void *)x, n / 16, sign, shift);
}

AVX2 static void
sides_avx2(const int16_t *numbers, unsigned n, uint8_t *out)
{
	const __m256i *x = (const __m256i *)(const void *)numbers, zero = _mm256_setzero_si256();
	unsigned i;

	for (i = 0; i < n / 32; i++)
		le32_put(out + 4 * i, (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(
		    _mm256_packs_epi16(_mm256_cmpgt_epi16(x[2 * i], zero), _mm256_cmpgt_epi16(x[2 * i + 1], zero)), _MM_SHUFFLE(3, 1, 2, 0))));
}

static const struct engine avx2 = {"avx2", widen_avx2, turn_avx2, sides_avx2, code_distances_avx2};

#endif

/* ---- either ---- */

/* Chosen once; whoever races here stores the same pointer. */
static const struct engine *chosen;

static const struct engine *
choose(void)
{
	const struct engine *e = &portable;

#ifdef CODE_X86
	if (cpu_has_avx2())
		e = &avx2;
#endif
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (e);
}

static inline const struct engine *
engine(void)
{
	const struct engine *e = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	return (e != NULL ? e : choose());
}

int
code_use(const char *name)
{
	const struct engine *e = NULL;

	if (name == NULL)
		e = choose();
	else if (strcmp(name, portable.name) == 0)
		e = &portable;
#ifdef CODE_X86
	else if (strcmp(name, avx2.name) == 0 && cpu_has_avx2())
		e = &avx2;
#endif
	if (e == NULL)
		return (-1);
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (0);
}

unsigned
code_width(unsigned width)
{
	return (width < CODE_ROW_MIN || width > CODE_ROW_MAX ? 0 : width / 8);
}

void
code_turn(const int8_t *row, unsigned width, int16_t *x)
{
	uint64_t sign[CODE_ROW_MAX / 64], state = 0;
	unsigned i, round, shift = 0;

	for (i = width; i > SHIFT_FROM; i /= 2)
		shift++;
	engine()->widen(row, width, x);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < width / 64; i++)
			sign[i] = splitmix(&state);
		engine()->turn(x, width, sign, round + 1 < ROUNDS ? shift : 0);
	}
}

void
code_make(const int8_t *row, unsigned width, uint8_t *out)
{
	int16_t x[CODE_ROW_MAX] __attribute__((aligned(32)));

	code_turn(row, width, x);
	engine()->sides(x, width, out);
}

void
code_make_block(const int8_t *rows, unsigned width, uint8_t *out)
{
	uint8_t code[CODE_ROW_MAX / 8];
	unsigned bytes = code_width(width), i, k;

	for (i = 0; i < CODE_BLOCK; i++) {
		code_make(rows + (size_t)i * width, width, code);
		for (k = 0; k < bytes; k++)
			out[k * CODE_BLOCK + i] = code[k];
	}
}

void
code_of(const uint8_t *block, unsigned bytes, unsigned i, uint8_t *out)
{
	unsigned k;

	for (k = 0; k < bytes; k++)
		out[k] = block[k * CODE_BLOCK + i];
}

void
code_distances(const struct code_query *q, const uint8_t *blocks, size_t n, uint16_t bar, uint16_t *out, uint32_t *near)
{
	engine()->distances(q, blocks, n, bar, out, near);
}

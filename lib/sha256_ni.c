/* SHA-256 of one stream, by the processor's SHA extensions. */
#include "config.h"

#include "sha256_impl.h"

#ifdef SHA256_X86

#include <immintrin.h>

#include "banned.h"

#define NI __attribute__((target("sha,sse4.1,ssse3")))

/* Rounds 4r to 4r + 3 with the message words m. */
#define ROUNDS(r, m)                                                                  \
	do {                                                                          \
		x = _mm_add_epi32(m, _mm_load_si128((const __m128i *)(const void *)sha256_k + (r)));       \
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, x);                          \
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(x, 0x0e)); \
	} while (0)

/* The message words 16 later than those in m0, from the sixteen in m0 to m3. */
#define SCHEDULE(m0, m1, m2, m3)    \
	(m0 = _mm_sha256msg2_epu32( \
	     _mm_add_epi32(_mm_sha256msg1_epu32(m0, m1), _mm_alignr_epi8(m3, m2, 4)), m3))

#define ROUNDS16(r)                  \
	do {                         \
		ROUNDS(r, m0);       \
		ROUNDS((r) + 1, m1); \
		ROUNDS((r) + 2, m2); \
		ROUNDS((r) + 3, m3); \
	} while (0)

#define SCHEDULE16()                      \
	do {                              \
		SCHEDULE(m0, m1, m2, m3); \
		SCHEDULE(m1, m2, m3, m0); \
		SCHEDULE(m2, m3, m0, m1); \
		SCHEDULE(m3, m0, m1, m2); \
	} while (0)

/* The instructions want the state as ABEF and CDGH. */
struct state {
	__m128i abef, cdgh;
};

NI static inline __attribute__((always_inline)) struct state
get(const uint32_t state[8])
{
	const __m128i *p = (const __m128i *)(const void *)state;
	__m128i x = _mm_shuffle_epi32(_mm_loadu_si128(p), 0xb1), y = _mm_shuffle_epi32(_mm_loadu_si128(p + 1), 0x1b);
	struct state s;

	s.abef = _mm_alignr_epi8(x, y, 8);
	s.cdgh = _mm_blend_epi16(y, x, 0xf0);
	return (s);
}

/* Words 0 to 3 and 4 to 7. */
NI static inline __attribute__((always_inline)) void
words(struct state s, __m128i w[2])
{
	__m128i x = _mm_shuffle_epi32(s.abef, 0x1b), y = _mm_shuffle_epi32(s.cdgh, 0xb1);

	w[0] = _mm_blend_epi16(x, y, 0xf0);
	w[1] = _mm_alignr_epi8(y, x, 8);
}

/* Reverses the bytes of each word. */
NI static inline __attribute__((always_inline)) __m128i
swap(__m128i x)
{
	return (_mm_shuffle_epi8(x, _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL)));
}

NI static inline __attribute__((always_inline)) __m128i
load(const uint8_t *p)
{
	return (swap(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

NI static inline __attribute__((always_inline)) struct state
compress(struct state s, const uint8_t *p, size_t blocks)
{
	__m128i abef = s.abef, cdgh = s.cdgh, abef0, cdgh0, m0, m1, m2, m3, x;

	for (; blocks > 0; blocks--, p += SHA256_BLOCK) {
		abef0 = abef;
		cdgh0 = cdgh;
		m0 = load(p);
		m1 = load(p + 16);
		m2 = load(p + 32);
		m3 = load(p + 48);
		ROUNDS16(0);
		SCHEDULE16();
		ROUNDS16(4);
		SCHEDULE16();
		ROUNDS16(8);
		SCHEDULE16();
		ROUNDS16(12);
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	s.abef = abef;
	s.cdgh = cdgh;
	return (s);
}

NI void
sha256_compress_ni(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	__m128i w[2];

	words(compress(get(state), p, blocks), w);
	_mm_storeu_si128((__m128i *)(void *)state, w[0]);
	_mm_storeu_si128((__m128i *)(void *)(state + 4), w[1]);
}

NI void
sha256_finish_ni(
    const uint32_t state[8], const uint8_t *p, size_t blocks, const uint8_t *end, size_t end_blocks, uint8_t *out)
{
	__m128i w[2];

	words(compress(compress(get(state), p, blocks), end, end_blocks), w);
	_mm_storeu_si128((__m128i *)(void *)out, swap(w[0]));
	_mm_storeu_si128((__m128i *)(void *)(out + 16), swap(w[1]));
}

#else
#include "banned.h"
#endif

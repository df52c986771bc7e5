/*
 * SHA-256 of independent messages in interleaved lanes, by the processor's SHA extensions.
 *
 * A round waits for the one before it, and the unit that computes rounds has time for other messages
 * meanwhile: one stream takes 46 ns a block on a Zen 4 at 2.6 GHz, four take 21 each (t/perf/sha256.c).
 * More do not help there: rounds and schedule together then fill the vector pipes.
 *
 * The lanes are written out, as a loop over them keeps their state in memory at -O2 and is no faster than
 * one stream.
 */
#include "config.h"

#include <string.h>

#include "sha256_impl.h"

#ifdef SHA256_X86

#include <immintrin.h>

#include "banned.h"

#define LANES 4
#define NI __attribute__((target("sha,sse4.1,ssse3")))

struct lane {
	__m128i abef, cdgh; /* the state as the instructions want it */
	const uint8_t *p;
	size_t blocks; /* left */
	struct sha256_part *part;
};

/* What the kernels keep in registers for a lane. */
struct regs {
	__m128i abef, cdgh, abef0, cdgh0, m0, m1, m2, m3;
};

#define TWO(f, ...) f(0, __VA_ARGS__) f(1, __VA_ARGS__)
#define THREE(f, ...) TWO(f, __VA_ARGS__) f(2, __VA_ARGS__)
#define FOUR(f, ...) THREE(f, __VA_ARGS__) f(3, __VA_ARGS__)

#define LOAD(i, at)                                                                                             \
	p = (const __m128i *)(const void *)(lane[i].p + (at));                                                  \
	r[i].abef0 = r[i].abef;                                                                                 \
	r[i].cdgh0 = r[i].cdgh;                                                                                 \
	r[i].m0 = _mm_shuffle_epi8(_mm_loadu_si128(p), swap);                                                   \
	r[i].m1 = _mm_shuffle_epi8(_mm_loadu_si128(p + 1), swap);                                               \
	r[i].m2 = _mm_shuffle_epi8(_mm_loadu_si128(p + 2), swap);                                               \
	r[i].m3 = _mm_shuffle_epi8(_mm_loadu_si128(p + 3), swap);

/* Four rounds with the constants k and the message words m. */
#define ROUNDS(i, m)                                                                                            \
	x = _mm_add_epi32(r[i].m, k);                                                                           \
	r[i].cdgh = _mm_sha256rnds2_epu32(r[i].cdgh, r[i].abef, x);                                             \
	r[i].abef = _mm_sha256rnds2_epu32(r[i].abef, r[i].cdgh, _mm_shuffle_epi32(x, 0x0e));

/* The same, then the message words 16 later than those in ma, from the sixteen in ma to md. */
#define ROUNDS_SCHEDULE(i, ma, mb, mc, md)                                                                      \
	ROUNDS(i, ma)                                                                                           \
	x = _mm_add_epi32(_mm_sha256msg1_epu32(r[i].ma, r[i].mb), _mm_alignr_epi8(r[i].md, r[i].mc, 4));        \
	r[i].ma = _mm_sha256msg2_epu32(x, r[i].md);

#define ADD(i, unused)                                                                                          \
	r[i].abef = _mm_add_epi32(r[i].abef, r[i].abef0);                                                       \
	r[i].cdgh = _mm_add_epi32(r[i].cdgh, r[i].cdgh0);

#define GET(i, unused)                                                                                          \
	r[i].abef = lane[i].abef;                                                                               \
	r[i].cdgh = lane[i].cdgh;

#define PUT(i, unused)                                                                                          \
	lane[i].abef = r[i].abef;                                                                               \
	lane[i].cdgh = r[i].cdgh;

#define CONSTANTS(q) k = _mm_load_si128((const __m128i *)(const void *)sha256_k + (q));

#define SIXTEEN_ROUNDS(EACH, q)                                                                                 \
	CONSTANTS(q)                                                                                            \
	EACH(ROUNDS_SCHEDULE, m0, m1, m2, m3)                                                                   \
	CONSTANTS((q) + 1)                                                                                      \
	EACH(ROUNDS_SCHEDULE, m1, m2, m3, m0)                                                                   \
	CONSTANTS((q) + 2)                                                                                      \
	EACH(ROUNDS_SCHEDULE, m2, m3, m0, m1)                                                                   \
	CONSTANTS((q) + 3)                                                                                      \
	EACH(ROUNDS_SCHEDULE, m3, m0, m1, m2)

#define LAST_ROUNDS(EACH, q)                                                                                    \
	CONSTANTS(q)                                                                                            \
	EACH(ROUNDS, m0)                                                                                        \
	CONSTANTS((q) + 1)                                                                                      \
	EACH(ROUNDS, m1)                                                                                        \
	CONSTANTS((q) + 2)                                                                                      \
	EACH(ROUNDS, m2)                                                                                        \
	CONSTANTS((q) + 3)                                                                                      \
	EACH(ROUNDS, m3)

/* A kernel: ${blocks} > 0 blocks of each lane. */
#define KERNEL(name, EACH)                                                                                      \
	NI static void name(struct lane *lane, size_t blocks)                                                   \
	{                                                                                                       \
		const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);                \
		const __m128i *p;                                                                               \
		struct regs r[LANES];                                                                           \
		__m128i k, x;                                                                                   \
		size_t at;                                                                                      \
                                                                                                                \
		EACH(GET, )                                                                                     \
		for (at = 0; at < blocks * SHA256_BLOCK; at += SHA256_BLOCK) {                                  \
			EACH(LOAD, at)                                                                          \
			SIXTEEN_ROUNDS(EACH, 0)                                                                 \
			SIXTEEN_ROUNDS(EACH, 4)                                                                 \
			SIXTEEN_ROUNDS(EACH, 8)                                                                 \
			LAST_ROUNDS(EACH, 12)                                                                   \
			EACH(ADD, )                                                                             \
		}                                                                                               \
		EACH(PUT, )                                                                                     \
	}

KERNEL(two, TWO)
KERNEL(three, THREE)
KERNEL(four, FOUR)

/* Let ${l} begin the next part that has blocks.  Return 0 where there is none. */
NI static int
begin(struct lane *l, struct sha256_part **next, const struct sha256_part *end)
{
	struct sha256_part *part = *next;
	__m128i x;

	while (part < end && part->blocks == 0)
		part++;
	*next = part + (part < end);
	if (part == end)
		return (0);
	x = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)part->state), 0xb1);
	l->cdgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(part->state + 4)), 0x1b);
	l->abef = _mm_alignr_epi8(x, l->cdgh, 8);
	l->cdgh = _mm_blend_epi16(l->cdgh, x, 0xf0);
	l->p = part->p;
	l->blocks = part->blocks;
	l->part = part;
	return (1);
}

NI static void
end_part(const struct lane *l)
{
	__m128i x = _mm_shuffle_epi32(l->abef, 0x1b), y = _mm_shuffle_epi32(l->cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)(void *)l->part->state, _mm_blend_epi16(x, y, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(l->part->state + 4), _mm_alignr_epi8(y, x, 8));
}

void
sha256_lanes_ni(struct sha256_part *part, size_t n)
{
	struct sha256_part *next = part, *end = part + n;
	struct lane lane[LANES];
	size_t live = 0, blocks, i;

	while (live < LANES && begin(&lane[live], &next, end))
		live++;
	while (live > 1) {
		blocks = lane[0].blocks;
		for (i = 1; i < live; i++)
			blocks = lane[i].blocks < blocks ? lane[i].blocks : blocks;
		(live == 4 ? four : live == 3 ? three : two)(lane, blocks);
		for (i = 0; i < live; i++) {
			lane[i].p += blocks * SHA256_BLOCK;
			lane[i].blocks -= blocks;
		}
		for (i = live; i-- > 0;) {
			if (lane[i].blocks > 0)
				continue;
			end_part(&lane[i]);
			if (!begin(&lane[i], &next, end))
				lane[i] = lane[--live];
		}
	}
	if (live == 1) {
		end_part(&lane[0]);
		sha256_compress_ni(lane[0].part->state, lane[0].p, lane[0].blocks);
	}
}

#else
#include "banned.h"
#endif

/*
 * SHA-256 of eight independent messages at a time, a vector of AVX2 for each word of the state: for processors that
 * have AVX2 and no SHA extensions.
 */
#include "config.h"

#include "sha256_impl.h"

#ifdef SHA256_X86

#include <immintrin.h>

#include "sha256_rounds.h"

#include "banned.h"

#define LANES 8
#define AVX2 __attribute__((target("avx2")))

typedef uint32_t words __attribute__((vector_size(32), may_alias));

struct lanes {
	uint32_t state[8][LANES] __attribute__((aligned(32)));
	const uint8_t *p[LANES];
	size_t blocks[LANES]; /* left */
	struct sha256_part *part[LANES];
};

/* Eight words of eight lanes, from bytes at ${at}: out[i] = word i of all lanes. */
AVX2 static inline void
load(const struct lanes *l, size_t at, words out[8])
{
	const __m256i swap = _mm256_set_epi64x(
	    0x0c0d0e0f08090a0bLL, 0x0405060700010203LL, 0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	__m256i r[8], s[8];
	int i;

	for (i = 0; i < 8; i++)
		r[i] = _mm256_loadu_si256((const __m256i *)(const void *)(l->p[i] + at));
	for (i = 0; i < 8; i += 2) {
		s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
		s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (i = 0; i < 8; i += 4) {
		r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
		r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
		r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
		r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
	}
	for (i = 0; i < 4; i++) {
		out[i] = (words)_mm256_shuffle_epi8(_mm256_permute2x128_si256(r[i], r[i + 4], 0x20), swap);
		out[i + 4] = (words)_mm256_shuffle_epi8(_mm256_permute2x128_si256(r[i], r[i + 4], 0x31), swap);
	}
}

/* ${blocks} blocks of each lane. */
AVX2 static void
compress(struct lanes *l, size_t blocks)
{
	words *s = (words *)(void *)l->state;
	words a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7], w[16];
	const uint32_t *k;
	size_t at;

	for (at = 0; at < blocks * SHA256_BLOCK; at += SHA256_BLOCK) {
		load(l, at, w);
		load(l, at + 32, w + 8);
		SHA256_ROUNDS();
		a = s[0] += a;
		b = s[1] += b;
		c = s[2] += c;
		d = s[3] += d;
		e = s[4] += e;
		f = s[5] += f;
		g = s[6] += g;
		h = s[7] += h;
	}
}

/* Let lane ${i} begin the next part that has blocks.  Return 0 where there is none. */
static int
begin(struct lanes *l, size_t i, struct sha256_part **next, const struct sha256_part *end)
{
	struct sha256_part *part = *next;
	int j;

	while (part < end && part->blocks == 0)
		part++;
	*next = part + (part < end);
	if (part == end)
		return (0);
	for (j = 0; j < 8; j++)
		l->state[j][i] = part->state[j];
	l->p[i] = part->p;
	l->blocks[i] = part->blocks;
	l->part[i] = part;
	return (1);
}

static void
end_part(const struct lanes *l, size_t i)
{
	int j;

	for (j = 0; j < 8; j++)
		l->part[i]->state[j] = l->state[j][i];
}

/* What lane ${from} has goes on in lane ${to}. */
static void
move(struct lanes *l, size_t to, size_t from)
{
	int j;

	for (j = 0; j < 8; j++)
		l->state[j][to] = l->state[j][from];
	l->p[to] = l->p[from];
	l->blocks[to] = l->blocks[from];
	l->part[to] = l->part[from];
}

void
sha256_lanes_avx2(struct sha256_part *part, size_t n)
{
	struct sha256_part *next = part, *end = part + n;
	size_t live = 0, blocks, i;
	struct lanes l = {0};

	while (live < LANES && begin(&l, live, &next, end))
		live++;
	while (live > 1) {
		blocks = l.blocks[0];
		for (i = 1; i < live; i++)
			blocks = l.blocks[i] < blocks ? l.blocks[i] : blocks;
		for (; i < LANES; i++)
			l.p[i] = l.p[0]; /* idle: whatever it computes */
		compress(&l, blocks);
		for (i = 0; i < live; i++) {
			l.p[i] += blocks * SHA256_BLOCK;
			l.blocks[i] -= blocks;
		}
		for (i = live; i-- > 0;) {
			if (l.blocks[i] > 0)
				continue;
			end_part(&l, i);
			if (!begin(&l, i, &next, end))
				move(&l, i, --live);
		}
	}
	if (live == 1) {
		end_part(&l, 0);
		sha256_chosen()->compress(l.part[0]->state, l.p[0], l.blocks[0]);
	}
}

#else
#include "banned.h"
#endif

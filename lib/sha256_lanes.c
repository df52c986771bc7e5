/*
 * SHA-256 of independent messages in interleaved lanes, by the processor's SHA extensions.
 *
 * A round waits for the one before it, and the unit that computes rounds has time for other messages
 * meanwhile: one stream takes 46 ns a block on a Zen 4 at 2.6 GHz, four take 21 each (t/perf/sha256.c).
 * More do not help there: rounds and schedule together then fill the vector pipes.
 */
#include "config.h"

#include <string.h>

#include "sha256_impl.h"

#ifdef SHA256_X86

#include "sha256_lanes.h"

#include "banned.h"

#define RUN 16 /* blocks of each lane that a kernel does at a time, at most */

struct lane {
	__m128i abef, cdgh; /* the state as the instructions want it */
	const uint8_t *p;
	size_t blocks;	    /* left there, */
	const uint8_t *end; /* and then here */
	size_t end_blocks;
	struct sha256_part *part; /* that it is of; NULL: of a message, whose digest goes to: */
	uint8_t *out;
	struct sha256_end pad; /* what ${end} is in */
};

/* Where the next blocks of each lane are. */
struct run {
	const uint8_t *block[LANES][RUN];
	size_t n;
};

#define LOAD(i, at)                                                                                             \
	p = (const __m128i *)(const void *)run->block[i][at];                                                   \
	r[i].abef0 = r[i].abef;                                                                                 \
	r[i].cdgh0 = r[i].cdgh;                                                                                 \
	r[i].m0 = _mm_shuffle_epi8(_mm_loadu_si128(p), swap);                                                   \
	r[i].m1 = _mm_shuffle_epi8(_mm_loadu_si128(p + 1), swap);                                               \
	r[i].m2 = _mm_shuffle_epi8(_mm_loadu_si128(p + 2), swap);                                               \
	r[i].m3 = _mm_shuffle_epi8(_mm_loadu_si128(p + 3), swap);

#define GET(i, unused)                                                                                          \
	r[i].abef = lane[i]->abef;                                                                               \
	r[i].cdgh = lane[i]->cdgh;

#define PUT(i, unused)                                                                                          \
	lane[i]->abef = r[i].abef;                                                                               \
	lane[i]->cdgh = r[i].cdgh;

/* A kernel: the blocks of a run of each lane. */
#define KERNEL(TARGET, name, EACH)                                                                              \
	TARGET static void name(struct lane *const *lane, const struct run *run)                                \
	{                                                                                                       \
		const __m128i swap = SWAP;                                                                        \
		const __m128i *p;                                                                               \
		struct regs r[LANES];                                                                           \
		__m128i k, x;                                                                                   \
		size_t at;                                                                                      \
                                                                                                                \
		EACH(GET, )                                                                                     \
		for (at = 0; at < run->n; at++) {                                                               \
			EACH(LOAD, at)                                                                          \
			SIXTEEN_ROUNDS(EACH, 0)                                                                 \
			SIXTEEN_ROUNDS(EACH, 4)                                                                 \
			SIXTEEN_ROUNDS(EACH, 8)                                                                 \
			LAST_ROUNDS(EACH, 12)                                                                   \
			EACH(ADD, )                                                                             \
		}                                                                                               \
		EACH(PUT, )                                                                                     \
	}

KERNEL(NI, one, ONE)
KERNEL(NI, two, TWO)
KERNEL(NI, three, THREE)
KERNEL(NI, four, FOUR)
KERNEL(NI_VL, one_vl, ONE)
KERNEL(NI_VL, two_vl, TWO)
KERNEL(NI_VL, three_vl, THREE)
KERNEL(NI_VL, four_vl, FOUR)

/* Of so many lanes less one. */
typedef void (*kernels[LANES])(struct lane *const *lane, const struct run *run);

static const kernels sse = {one, two, three, four}, avx512 = {one_vl, two_vl, three_vl, four_vl};

/* What there is to hash: parts, or messages and where their digests go. */
struct source {
	struct sha256_part *part, *part_end;
	const struct sha256_msg *msg, *msg_end;
	uint8_t (*out)[SHA256_SIZE];
};

NI static inline void
set_state(struct lane *l, const uint32_t state[8])
{
	__m128i x = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);

	l->cdgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
	l->abef = _mm_alignr_epi8(x, l->cdgh, 8);
	l->cdgh = _mm_blend_epi16(l->cdgh, x, 0xf0);
}

/* Let ${l} begin the next part that has blocks, or the next message.  Return whether there is one. */
NI static bool
begin(struct lane *l, struct source *s)
{
	while (s->part < s->part_end && s->part->blocks == 0)
		s->part++;
	if (s->part < s->part_end) {
		l->part = s->part++;
		set_state(l, l->part->state);
		l->p = l->part->p;
		l->blocks = l->part->blocks;
		l->end_blocks = 0;
		return (true);
	}
	if (s->msg == s->msg_end)
		return (false);
	l->part = NULL;
	l->out = *s->out++;
	set_state(l, sha256_initial);
	l->p = s->msg->p;
	l->blocks = s->msg->len / SHA256_BLOCK;
	/* Now, so that what is read then has left the store buffer. */
	sha256_pad(&l->pad, l->p, s->msg->len, s->msg->len);
	l->end = l->pad.block;
	l->end_blocks = l->pad.blocks;
	s->msg++;
	return (true);
}

NI static void
finish(const struct lane *l)
{
	uint8_t *to = l->part != NULL ? (uint8_t *)l->part->state : l->out;
	__m128i w[2];

	sha256_words(l->abef, l->cdgh, w);
	if (l->part == NULL) {
		w[0] = _mm_shuffle_epi8(w[0], SWAP);
		w[1] = _mm_shuffle_epi8(w[1], SWAP);
	}
	_mm_storeu_si128((__m128i *)(void *)to, w[0]);
	_mm_storeu_si128((__m128i *)(void *)(to + 16), w[1]);
}

/* Set ${block} to the next ${n} blocks of ${l}, which has as many, and pass over them. */
static inline void
take_blocks(struct lane *l, const uint8_t **block, size_t n)
{
	size_t whole = n < l->blocks ? n : l->blocks, i;

	for (i = 0; i < whole; i++, l->p += SHA256_BLOCK)
		block[i] = l->p;
	l->blocks -= whole;
	l->end_blocks -= n - whole;
	for (; i < n; i++, l->end += SHA256_BLOCK)
		block[i] = l->end;
}

/* As many blocks as all of the ${live} lanes have. */
static inline void
plan(struct lane *const *lane, size_t live, struct run *run)
{
	size_t i, left;

	run->n = RUN;
	for (i = 0; i < live; i++) {
		left = lane[i]->blocks + lane[i]->end_blocks;
		run->n = left < run->n ? left : run->n;
	}
	for (i = 0; i < live; i++)
		take_blocks(lane[i], run->block[i], run->n);
}

static void
hash_all(struct source *s, const kernels kernel)
{
	struct lane lanes[LANES], *lane[LANES];
	struct run run;
	size_t live, i;

	for (live = 0; live < LANES && begin(&lanes[live], s); live++)
		lane[live] = &lanes[live];
	while (live > 0) {
		plan(lane, live, &run);
		kernel[live - 1](lane, &run);
		for (i = live; i-- > 0;) {
			if (lane[i]->blocks + lane[i]->end_blocks > 0)
				continue;
			finish(lane[i]);
			if (!begin(lane[i], s))
				lane[i] = lane[--live];
		}
	}
}

void
sha256_lanes_ni(struct sha256_part *part, size_t n)
{
	struct source s = {.part = part, .part_end = part + n};

	hash_all(&s, sse);
}

void
sha256_lanes_ni_avx512(struct sha256_part *part, size_t n)
{
	struct source s = {.part = part, .part_end = part + n};

	hash_all(&s, avx512);
}

void
sha256_messages_ni(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE])
{
	struct source s = {.msg = msg, .msg_end = msg + n, .out = out};

	hash_all(&s, sse);
}

void
sha256_messages_ni_avx512(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE])
{
	struct source s = {.msg = msg, .msg_end = msg + n, .out = out};

	hash_all(&s, avx512);
}

#else
#include "banned.h"
#endif

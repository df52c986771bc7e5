/* Text, or canonical JSON, as words. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#define WORDS_SSE2 1
#include <emmintrin.h>
#endif

#include "words.h"

#include "banned.h"

#define BLOCK 64 /* bytes that are looked at together: a bit each */
#define STEP 16	 /* bytes that are copied together */

void
words_begin(struct words *w, struct span text, bool json)
{
	w->block = w->next = text.p;
	w->end = text.p == NULL ? NULL : text.p + text.len;
	w->left = w->special = 0;
	w->json = json;
	w->escaped = 0;
	w->len = 0;
	w->at = (struct span){NULL, 0};
}

#ifdef WORDS_SSE2

static inline __m128i
load(const char *p)
{
	return (_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Bits of the STEP bytes at ${p}: letters of ASCII; digits and what is above 0x7f; backslashes. */
static inline void
classify(const char *p, unsigned at, uint64_t *letters, uint64_t *special, uint64_t *escapes)
{
	const __m128i x = load(p + at), small = _mm_or_si128(x, _mm_set1_epi8(0x20));
	/* As signed numbers: what is in the range is among the least. */
	__m128i letter = _mm_cmplt_epi8(_mm_sub_epi8(small, _mm_set1_epi8((char)('a' + 128))), _mm_set1_epi8(-128 + 26)),
		digit = _mm_cmplt_epi8(_mm_sub_epi8(x, _mm_set1_epi8((char)('0' + 128))), _mm_set1_epi8(-128 + 10));

	*letters |= (uint64_t)(unsigned)_mm_movemask_epi8(letter) << at;
	*special |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(digit, x)) << at;
	*escapes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))) << at;
}

/* STEP bytes, in lower case. */
static inline void
copy_step(char *to, const char *p)
{
	const __m128i x = load(p), high = _mm_cmplt_epi8(x, _mm_setzero_si128());

	/* Digits have that bit already. */
	_mm_storeu_si128((__m128i *)(void *)to, _mm_or_si128(x, _mm_andnot_si128(high, _mm_set1_epi8(0x20))));
}

#else

static void
classify(const char *p, unsigned at, uint64_t *letters, uint64_t *special, uint64_t *escapes)
{
	unsigned end = at + STEP;
	uint8_t c;

	for (; at < end; at++) {
		c = (uint8_t)p[at];
		if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
			*letters |= UINT64_C(1) << at;
		else if (c >= 0x80 || (c >= '0' && c <= '9'))
			*special |= UINT64_C(1) << at;
		else if (c == '\\')
			*escapes |= UINT64_C(1) << at;
	}
}

static void
copy_step(char *to, const char *p)
{
	unsigned i;

	for (i = 0; i < STEP; i++)
		to[i] = (char)((uint8_t)p[i] < 0x80 ? p[i] | 0x20 : p[i]);
}

#endif

/* The lowest ${n} bits. */
static inline uint64_t
low_bits(size_t n)
{
	return (n < BLOCK ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0));
}

/* The bytes of the escapes, of which one may go on behind the block. */
static uint64_t
escaped_bytes(struct words *w, uint64_t escapes, size_t have)
{
	uint64_t bytes = low_bits(w->escaped);
	size_t left = (size_t)(w->end - w->block), at, len;

	w->escaped = 0;
	while ((escapes &= ~bytes) != 0) {
		at = (size_t)__builtin_ctzll(escapes);
		len = left - at > 1 && w->bytes[at + 1] == 'u' ? 6 : 2;
		bytes |= low_bits(at + len) & ~low_bits(at);
		if (at + len > have)
			w->escaped = (uint8_t)(at + len - have);
	}
	return (bytes);
}

/* The next block of the text, which has one. */
static void
take_block(struct words *w)
{
	size_t left = (size_t)(w->end - w->next), have = left < BLOCK ? left : BLOCK;
	uint64_t letters = 0, special = 0, escapes = 0;
	unsigned at;

	w->block = w->bytes = w->next;
	w->next += have;
	/* What is looked at and copied together does not go beyond the text. */
	if (left < BLOCK + STEP) {
		memcpy(w->room, w->block, left);
		w->bytes = w->room;
	}
	for (at = 0; at < have; at += STEP)
		classify(w->bytes, at, &letters, &special, &escapes);
	w->special = special & low_bits(have);
	w->left = (letters | special) & low_bits(have);
	if (w->json && ((escapes &= low_bits(have)) != 0 || w->escaped != 0))
		w->left &= ~escaped_bytes(w, escapes, have);
}

/* Plural, then -ing or -ed, then -e: as scripts/train-embedding has it. */
static size_t
stem(char *w, size_t n)
{
	if (n > 4 && w[n - 1] == 's' && w[n - 2] != 's' && w[n - 2] != 'u') {
		if (n > 5 && w[n - 3] == 'i' && w[n - 2] == 'e') {
			w[n - 3] = 'y';
			return (n - 2);
		}
		n--;
	}
	if (n > 5 && w[n - 3] == 'i' && w[n - 2] == 'n' && w[n - 1] == 'g')
		n -= 3;
	else if (n > 4 && w[n - 2] == 'e' && w[n - 1] == 'd')
		n -= 2;
	if (n > 4 && w[n - 1] == 'e')
		n--;
	return (n);
}

/* The first run of bytes in the block that are still to be given, or what of them counts, behind the ${n} bytes of the word.  Return how many they are. */
static inline size_t
take_run(struct words *w, size_t n, bool *plain)
{
	unsigned at = (unsigned)__builtin_ctzll(w->left);
	uint64_t rest = w->left >> at, bits;
	size_t run = rest == ~UINT64_C(0) ? BLOCK : (size_t)__builtin_ctzll(~rest), i;

	bits = low_bits(run) << at;
	*plain = *plain && (w->special & bits) == 0;
	w->left &= ~bits;
	for (i = 0; i < run && n + i + STEP <= sizeof(w->word); i += STEP)
		copy_step(w->word + n + i, w->bytes + at + i);
	/* The last bytes of a word that is cut, or that stands in two blocks. */
	for (; i < run && n + i < WORDS_MAX; i++)
		w->word[n + i] = (char)((uint8_t)w->bytes[at + i] < 0x80 ? w->bytes[at + i] | 0x20 : w->bytes[at + i]);
	return (run);
}

bool
words_next(struct words *w)
{
	bool plain = true;
	size_t n;

	while (w->left == 0) {
		if (w->next == w->end) {
			w->len = 0;
			return (false);
		}
		take_block(w);
	}
	w->at.p = w->block + __builtin_ctzll(w->left);
	n = take_run(w, 0, &plain);
	w->at.len = n;
	/* It goes on in the next block, where it ends at the end of this one and that begins with a byte of a word. */
	while (w->at.p + w->at.len == w->next && w->next != w->end) {
		take_block(w);
		if ((w->left & 1) == 0)
			break;
		w->at.len += take_run(w, w->at.len < WORDS_MAX ? w->at.len : WORDS_MAX, &plain);
	}
	n = w->at.len < WORDS_MAX ? w->at.len : WORDS_MAX;
	w->len = plain ? stem(w->word, n) : n;
	return (true);
}

/* Text, or canonical JSON, as words. */
#include "config.h"

#include <stdint.h>

#if defined(__SSE2__)
#define WORDS_SSE2 1
#include <emmintrin.h>
#endif

#include "words.h"

#include "banned.h"

enum { OTHER, LETTER, CAPITAL, DIGIT, HIGH };

/* What a byte is. */
static const uint8_t kind[256] = {
    ['0' ... '9'] = DIGIT,
    ['A' ... 'Z'] = CAPITAL,
    ['a' ... 'z'] = LETTER,
    [0x80 ... 0xff] = HIGH,
};

void
words_begin(struct words *w, struct span text, bool json)
{
	w->p = text.p;
	w->end = text.p == NULL ? NULL : text.p + text.len;
	w->json = json;
	w->len = 0;
	w->at = (struct span){NULL, 0};
}

#ifdef WORDS_SSE2

#define STEP 16 /* bytes that are looked at together, where there are as many */

/* Of each byte a bit: those of words, and of these the digits and what is above 0x7f. */
static inline unsigned
classify(__m128i x, unsigned *ret_special)
{
	const __m128i small = _mm_or_si128(x, _mm_set1_epi8(0x20));
	/* As signed numbers: what is in the range is among the least. */
	__m128i letter = _mm_cmplt_epi8(_mm_sub_epi8(small, _mm_set1_epi8((char)('a' + 128))), _mm_set1_epi8(-128 + 26)),
		digit = _mm_cmplt_epi8(_mm_sub_epi8(x, _mm_set1_epi8((char)('0' + 128))), _mm_set1_epi8(-128 + 10));

	*ret_special = (unsigned)_mm_movemask_epi8(_mm_or_si128(digit, x));
	return ((unsigned)_mm_movemask_epi8(letter) | *ret_special);
}

static inline __m128i
load(const char *p)
{
	return (_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* What skip() does, as far as whole steps go: it may stop before the first byte of a word. */
static inline const char *
skip_fast(const char *p, const char *end, bool json)
{
	unsigned word, special, first;
	__m128i x;

	while (end - p >= STEP) {
		x = load(p);
		word = classify(x, &special);
		first = word == 0 ? STEP : (unsigned)__builtin_ctz(word);
		if (json && (special = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('\\')))) != 0 &&
		    (unsigned)__builtin_ctz(special) < first)
			return (p + __builtin_ctz(special));
		p += first;
		if (first < STEP)
			break;
	}
	return (p);
}

/* Take what begins the word at ${*p} in whole steps.  Return whether all of it was taken. */
static inline bool
take_fast(struct words *w, const char **p, size_t *n, unsigned *seen)
{
	unsigned word, special, run;
	__m128i x;

	while (w->end - *p >= STEP && *n + STEP <= sizeof(w->word)) {
		x = load(*p);
		word = classify(x, &special);
		run = (unsigned)__builtin_ctz(~word);
		/* Digits have that bit already. */
		_mm_storeu_si128((__m128i *)(void *)(w->word + *n),
		    _mm_or_si128(x, _mm_andnot_si128(_mm_cmplt_epi8(x, _mm_setzero_si128()), _mm_set1_epi8(0x20))));
		if ((special & ((1u << run) - 1)) != 0)
			*seen |= 1u << DIGIT;
		*n += run;
		*p += run;
		if (run < STEP)
			return (true);
	}
	return (false);
}

#endif

/* To the first byte of a word, or to the end. */
static const char *
skip(const char *p, const char *end, bool json)
{
	size_t escape;

	for (;;) {
#ifdef WORDS_SSE2
		p = skip_fast(p, end, json);
#endif
		for (; p < end && kind[(uint8_t)*p] == OTHER && (!json || *p != '\\'); p++)
			;
		if (p == end || *p != '\\' || !json)
			return (p);
		escape = end - p > 1 && p[1] == 'u' ? 6 : 2;
		p += (size_t)(end - p) < escape ? (size_t)(end - p) : escape;
	}
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

bool
words_next(struct words *w)
{
	const char *p = skip(w->p, w->end, w->json), *end = w->end;
	size_t n = 0;
	unsigned seen = 0;
	uint8_t k;

	w->at.p = p;
#ifdef WORDS_SSE2
	if (take_fast(w, &p, &n, &seen))
		end = p;
	n = n < WORDS_MAX ? n : WORDS_MAX;
#endif
	for (; p < end && (k = kind[(uint8_t)*p]) != OTHER; p++) {
		seen |= 1u << k;
		if (n < WORDS_MAX)
			w->word[n++] = (char)(k == CAPITAL ? *p | 0x20 : *p);
	}
	w->p = p;
	w->at.len = (size_t)(p - w->at.p);
	w->len = seen & (1u << DIGIT | 1u << HIGH) ? n : stem(w->word, n);
	return (n > 0);
}

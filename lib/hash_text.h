/* A hash as 64 lower-case hex digits, many of them at a time.  Inlined, for who has many hashes. */
#ifndef ECL_HASH_TEXT_H_
#define ECL_HASH_TEXT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sha256.h"

#define HASH_TEXT ((size_t)2 * SHA256_SIZE)

/** hash_text_put(p, hash): write its HASH_TEXT digits to ${p}. */
static inline void
hash_text_put(char *p, const uint8_t hash[SHA256_SIZE])
{
#ifdef __SSE2__
	const __m128i low = _mm_set1_epi8(15), nine = _mm_set1_epi8(9), zero = _mm_set1_epi8('0'), letter = _mm_set1_epi8('a' - '0' - 10);
	__m128i v, hi, lo;
	size_t i;

	for (i = 0; i < SHA256_SIZE; i += 16) {
		v = _mm_loadu_si128((const __m128i *)(const void *)(hash + i));
		hi = _mm_and_si128(_mm_srli_epi16(v, 4), low);
		lo = _mm_and_si128(v, low);
		hi = _mm_add_epi8(_mm_add_epi8(hi, zero), _mm_and_si128(_mm_cmpgt_epi8(hi, nine), letter));
		lo = _mm_add_epi8(_mm_add_epi8(lo, zero), _mm_and_si128(_mm_cmpgt_epi8(lo, nine), letter));
		_mm_storeu_si128((__m128i *)(void *)(p + 2 * i), _mm_unpacklo_epi8(hi, lo));
		_mm_storeu_si128((__m128i *)(void *)(p + 2 * i + 16), _mm_unpackhi_epi8(hi, lo));
	}
#else
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++) {
		*p++ = digits[hash[i] >> 4];
		*p++ = digits[hash[i] & 15];
	}
#endif
}

/** hash_text_is(p, hash): whether those at ${p} are its digits. */
static inline bool
hash_text_is(const char *p, const uint8_t hash[SHA256_SIZE])
{
	char text[HASH_TEXT];
#ifdef __SSE2__
	__m128i same = _mm_set1_epi8(-1);
	size_t i;

	hash_text_put(text, hash);
	for (i = 0; i < HASH_TEXT; i += 16)
		same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)),
					       _mm_loadu_si128((const __m128i *)(const void *)(text + i))));
	return (_mm_movemask_epi8(same) == 0xffff);
#else

	hash_text_put(text, hash);
	return (memcmp(p, text, HASH_TEXT) == 0);
#endif
}

#endif

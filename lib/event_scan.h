/* The short things in a stored line, many bytes at a time: hashes in hex, names.  Inlined into event.c, and tested through it. */
#ifndef ECL_EVENT_SCAN_H_
#define ECL_EVENT_SCAN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "le.h"
#include "sha256.h"

#ifdef __SSE2__
#include <emmintrin.h>

/* The values of sixteen hex digits, a byte each; ${*all} keeps a bit for each that is one. */
static inline __m128i
scan_nibbles(const char *hex, unsigned *all)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)hex), none = _mm_set1_epi8(-1);
	__m128i digit = _mm_sub_epi8(x, _mm_set1_epi8('0')), letter = _mm_sub_epi8(x, _mm_set1_epi8('a'));
	__m128i is_digit = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(10), digit), _mm_cmpgt_epi8(digit, none));
	__m128i is_letter = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(6), letter), _mm_cmpgt_epi8(letter, none));

	*all &= (unsigned)_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter));
	return (_mm_or_si128(_mm_and_si128(is_digit, digit),
	    _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10)))));
}

/* Pairs of such values as bytes, each in 16 bits. */
static inline __m128i
scan_pairs(__m128i v)
{
	return (_mm_and_si128(_mm_or_si128(_mm_slli_epi16(v, 4), _mm_srli_epi16(v, 8)), _mm_set1_epi16(0xff)));
}

static inline bool
scan_hash(const char *hex, uint8_t out[SHA256_SIZE])
{
	unsigned all = 0xffff;
	__m128i a, b;
	int i;

	for (i = 0; i < 2; i++, hex += 32, out += 16) {
		a = scan_pairs(scan_nibbles(hex, &all));
		b = scan_pairs(scan_nibbles(hex + 16, &all));
		_mm_storeu_si128((__m128i *)(void *)out, _mm_packus_epi16(a, b));
	}
	return (all == 0xffff);
}

#else

/* Hex digits by table: sixteen and more are none. */
static const uint8_t scan_hex_value[256] = {['0'] = 0x80, ['1'] = 0x81, ['2'] = 0x82, ['3'] = 0x83, ['4'] = 0x84, ['5'] = 0x85,
    ['6'] = 0x86, ['7'] = 0x87, ['8'] = 0x88, ['9'] = 0x89, ['a'] = 0x8a, ['b'] = 0x8b, ['c'] = 0x8c, ['d'] = 0x8d, ['e'] = 0x8e,
    ['f'] = 0x8f};

static inline bool
scan_hash(const char *hex, uint8_t out[SHA256_SIZE])
{
	uint8_t hi, lo, all = 0x80;
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++) {
		hi = scan_hex_value[(unsigned char)hex[2 * i]];
		lo = scan_hex_value[(unsigned char)hex[2 * i + 1]];
		all &= hi & lo;
		out[i] = (uint8_t)(hi << 4 | (lo & 15));
	}
	return (all != 0);
}

#endif

#define SCAN_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * scan_name(p, len): how many bytes from p on are ASCII that stands in a name as it is: no quote, backslash or control
 * character; ${len} where all are.
 */
static inline size_t
scan_name(const char *p, size_t len)
{
	uint64_t x, low = SCAN_EACH(0x7f), found;
	size_t n;

	for (n = 0; len - n >= 8; n += 8) {
		x = le64_get(p + n);
		/* In bytes below 0x80 no sum carries into the next byte; the others are found by themselves. */
		found = (x & low) + SCAN_EACH(0x60);			/* the top bit: from 0x20 on */
		found &= ((x ^ SCAN_EACH('"')) & low) + low;		/* other than */
		found &= ((x ^ SCAN_EACH('\\')) & low) + low;
		found &= ((x ^ SCAN_EACH(0x7f)) & low) + low;
		found = (~found | x) & SCAN_EACH(0x80);
		if (found != 0)
			return (n + (size_t)__builtin_ctzll(found) / 8);
	}
	for (; n < len; n++)
		if ((unsigned char)p[n] < 0x20 || (unsigned char)p[n] >= 0x7f || p[n] == '"' || p[n] == '\\')
			break;
	return (n);
}

#endif

/* The chain: lines get their prev and hash, many at a time. */
#include "config.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "chain.h"
#include "sha256_many.h"

#include "banned.h"

#define BLOCK 64
#define HEX ((size_t)2 * SHA256_SIZE)

static void
put_hash(char *p, const uint8_t hash[SHA256_SIZE])
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

size_t
chain_seal(struct chain *c, char *text, uint8_t head[SHA256_SIZE])
{
	static const char between[] = "\",\"hash\":\"", end[] = "\"}\n";
	struct sha256_part part[CHAIN_MAX];
	char hex[HEX], *line, *p;
	size_t i, n = c->n, done, total;

	for (i = 0; i < n; i++) {
		sha256_start(part[i].state);
		part[i].p = (const uint8_t *)text + c->at[i];
		part[i].blocks = c->front[i] / BLOCK;
	}
	sha256_compress_many(part, n);
	put_hash(hex, head);
	for (i = 0; i < n; i++) {
		line = text + c->at[i];
		p = line + c->front[i];
		memcpy(p, hex, HEX);
		memcpy(p + HEX, between, sizeof(between) - 1);
		/* The hash covers the quote behind prev, and nothing behind that. */
		total = c->front[i] + HEX + 1;
		done = c->front[i] / BLOCK * BLOCK;
		sha256_finish(part[i].state, line + done, total - done, total, c->hash[i]);
		put_hash(hex, c->hash[i]);
		p += HEX + sizeof(between) - 1;
		memcpy(p, hex, HEX);
		memcpy(p + HEX, end, sizeof(end) - 1);
	}
	if (n > 0)
		memcpy(head, c->hash[n - 1], SHA256_SIZE);
	c->n = 0;
	return (n);
}

/* CRC-32C (Castagnoli): portable, or with SSE 4.2 where the processor has it. */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#define CRC32C_X86 1
#include <immintrin.h>
#endif

#include "cpu.h"
#include "crc32c.h"

#include "banned.h"

#define POLYNOMIAL 0x82f63b78 /* bits reversed */

typedef uint32_t update_fn(uint32_t crc, const uint8_t *p, size_t len);

struct tables {
	uint32_t t[8][256];
};

/*
 * Built at the first use where the processor has no instruction for it; whoever races here stores the
 * same numbers, and each is used only behind ready.
 */
static struct tables tables;
static bool ready;

/* Chosen once; whoever races here stores the same pointer. */
static update_fn *chosen;

static void
build(struct tables *t)
{
	uint32_t n, crc;
	int i;

	for (n = 0; n < 256; n++) {
		crc = n;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		__atomic_store_n(&t->t[0][n], crc, __ATOMIC_RELAXED);
	}
	for (n = 0; n < 256; n++) {
		crc = t->t[0][n];
		for (i = 1; i < 8; i++) {
			crc = crc >> 8 ^ t->t[0][crc & 0xff];
			__atomic_store_n(&t->t[i][n], crc, __ATOMIC_RELAXED);
		}
	}
	__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}

static inline uint32_t
load_le32(const uint8_t *p)
{
	return (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

/* Eight bytes at a time: one table for each distance from the end. */
static uint32_t
update_portable(uint32_t crc, const uint8_t *p, size_t len)
{
	const struct tables *t = &tables;
	uint32_t low, high;

	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		build(&tables);
	for (; len >= 8; len -= 8, p += 8) {
		low = crc ^ load_le32(p);
		high = load_le32(p + 4);
		crc = t->t[7][low & 0xff] ^ t->t[6][low >> 8 & 0xff] ^ t->t[5][low >> 16 & 0xff] ^
		    t->t[4][low >> 24] ^ t->t[3][high & 0xff] ^ t->t[2][high >> 8 & 0xff] ^
		    t->t[1][high >> 16 & 0xff] ^ t->t[0][high >> 24];
	}
	for (; len > 0; len--, p++)
		crc = crc >> 8 ^ t->t[0][(crc ^ *p) & 0xff];
	return (crc);
}

#ifdef CRC32C_X86

#define LANE ((size_t)512) /* bytes of each of the three lanes */

/* x^(8 * 512 - 33) and x^(16 * 512 - 33) modulo the polynomial, bits reversed: what moves a CRC on by one or two lanes. */
#define PAST_ONE 0xdd7e3b0c
#define PAST_TWO 0x170076fa

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return (x);
}

/* The instruction has a latency of three cycles, so three lanes keep it busy. */
__attribute__((target("sse4.2,pclmul"))) static uint32_t
update_sse42(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t a = crc, b, c;
	__m128i x, y;
	size_t i;

	for (; len >= 3 * LANE; len -= 3 * LANE, p += 3 * LANE) {
		b = 0;
		c = 0;
		for (i = 0; i < LANE; i += 8) {
			a = _mm_crc32_u64(a, load64(p + i));
			b = _mm_crc32_u64(b, load64(p + LANE + i));
			c = _mm_crc32_u64(c, load64(p + 2 * LANE + i));
		}
		x = _mm_clmulepi64_si128(
		    _mm_cvtsi64_si128((long long)a), _mm_cvtsi64_si128(PAST_TWO), 0);
		y = _mm_clmulepi64_si128(
		    _mm_cvtsi64_si128((long long)b), _mm_cvtsi64_si128(PAST_ONE), 0);
		a = c ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(x, y)));
	}
	for (; len >= 8; len -= 8, p += 8)
		a = _mm_crc32_u64(a, load64(p));
	crc = (uint32_t)a;
	for (; len > 0; len--, p++)
		crc = _mm_crc32_u8(crc, *p);
	return (crc);
}

#endif

static update_fn *
choose(void)
{
	update_fn *f = update_portable;

#ifdef CRC32C_X86
	if (cpu_has_crc32c())
		f = update_sse42;
#endif
	__atomic_store_n(&chosen, f, __ATOMIC_RELAXED);
	return (f);
}

uint32_t
crc32c(uint32_t crc, const void *p, size_t len)
{
	update_fn *f = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (f == NULL)
		f = choose();
	return (~f(~crc, p, len));
}

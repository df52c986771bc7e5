/* JSON texts: the hot scan for each kind of processor, and the choice between them. */
#include "config.h"

#include <endian.h>
#include <string.h>

#if defined(__x86_64__)
#define JSON_X86 1
#include <immintrin.h>
#endif

#include "cpu.h"
#include "json.h"
#include "json_internal.h"
#include "le.h"

#include "banned.h"

/* Chosen once; whoever races here stores the same pointer. */
static const struct json_engine *chosen;

#define LIKELY(x) __builtin_expect((x), 1)
#define UNLIKELY(x) __builtin_expect((x), 0)

/* Where we read, where we write: in registers, for nobody takes their address once all is inlined. */
struct cursor {
	const unsigned char *p;
	char *o;
	bool changed;
	const unsigned char *window; /* the vector engines: where they looked last, ... */
	uint64_t special;	     /* ... and a bit for each of the 64 bytes there that is not plain */
};

#define OFFSET(w, c) ((size_t)((uintptr_t)(c)->p - (w)->origin))

/* Go on at an offset.  What was seen of the text is forgotten, for this may be in the tail. */
#define MOVE(w, c, at)                           \
	do {                                     \
		(c)->p = json_locate((w), (at)); \
		(c)->window = (c)->p;            \
		(c)->special = 0;                \
	} while (0)

#define READY(w, c)                                 \
	do {                                        \
		if (UNLIKELY((c)->p >= (w)->limit)) \
			MOVE(w, c, OFFSET(w, c));   \
	} while (0)

/* The escapes of two characters that are canonical. */
static const bool short_escape[256] = {
    ['"'] = true, ['\\'] = true, ['b'] = true, ['f'] = true, ['n'] = true, ['r'] = true, ['t'] = true};

/* Portable: eight bytes in a number. */

#define HOT(name) name##_portable
#define TARGET
#define STEP 8
#define VECTOR 0

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline __attribute__((always_inline)) size_t
plain_portable(const struct cursor *c, const bool write)
{
	uint64_t x = le64_get(c->p), quote = x ^ EACH('"'), backslash = x ^ EACH('\\');

	/* Bytes below a bound; a borrow spoils only those behind the first, which is all we ask for. */
	uint64_t found = (x | (x - EACH(' ')) | (quote - EACH(1)) | (backslash - EACH(1))) & EACH(0x80);

	if (write)
		memcpy(c->o, c->p, 8);
	return (found == 0 ? 8 : (size_t)__builtin_ctzll(found) / 8);
}

static inline __attribute__((always_inline)) size_t
digits_portable(const unsigned char *p)
{
	size_t n = 0;

	while (n < 16 && p[n] >= '0' && p[n] <= '9')
		n++;
	return (n);
}

#include "json_hot.h"

static const struct json_engine portable = {"portable", scan_portable, write_portable};

#undef HOT
#undef TARGET
#undef STEP
#undef VECTOR

#ifdef JSON_X86

/* SSE2: every x86-64 has it. */

#define HOT(name) name##_sse2
#define TARGET
#define STEP 64
#define VECTOR 1

static inline __attribute__((always_inline)) uint64_t
mask16_sse2(const unsigned char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), found;

	/* As signed bytes, what is not ASCII is below a space too. */
	found = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(' ')),
	    _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
	return ((unsigned)_mm_movemask_epi8(found));
}

static inline __attribute__((always_inline)) uint64_t
mask64_sse2(const unsigned char *p)
{
	return (mask16_sse2(p) | mask16_sse2(p + 16) << 16 | mask16_sse2(p + 32) << 32 | mask16_sse2(p + 48) << 48);
}

static inline __attribute__((always_inline)) void
copy32_sse2(char *to, const unsigned char *from)
{
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)from),
		b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));

	_mm_storeu_si128((__m128i *)(void *)to, a);
	_mm_storeu_si128((__m128i *)(void *)(to + 16), b);
}

static inline __attribute__((always_inline)) size_t
digits_sse2(const unsigned char *p)
{
	__m128i x = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));

	x = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(9)), x);
	return ((size_t)__builtin_ctz(~(unsigned)_mm_movemask_epi8(x)));
}

#include "json_hot.h"

static const struct json_engine sse2 = {"sse2", scan_sse2, write_sse2};

#undef HOT
#undef TARGET
#undef STEP
#undef VECTOR

/* AVX2, and BMI for the shifts. */

#define HOT(name) name##_avx2
#define TARGET __attribute__((target("avx2,bmi,bmi2")))
#define STEP 64
#define VECTOR 1

TARGET static inline __attribute__((always_inline)) uint64_t
mask32_avx2(const unsigned char *p)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p), found;

	found = _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), x),
	    _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\'))));
	return ((unsigned)_mm256_movemask_epi8(found));
}

TARGET static inline __attribute__((always_inline)) uint64_t
mask64_avx2(const unsigned char *p)
{
	return (mask32_avx2(p) | mask32_avx2(p + 32) << 32);
}

TARGET static inline __attribute__((always_inline)) void
copy32_avx2(char *to, const unsigned char *from)
{
	_mm256_storeu_si256((__m256i *)(void *)to, _mm256_loadu_si256((const __m256i *)(const void *)from));
}

TARGET static inline __attribute__((always_inline)) size_t
digits_avx2(const unsigned char *p)
{
	return (digits_sse2(p));
}

#include "json_hot.h"

static const struct json_engine avx2 = {"avx2", scan_avx2, write_avx2};

#undef HOT
#undef TARGET
#undef STEP
#undef VECTOR

#endif

const struct json_engine *
json_engine(void)
{
	const struct json_engine *e = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (e != NULL)
		return (e);
	e = &portable;
#ifdef JSON_X86
	e = cpu_has_avx2() ? &avx2 : &sse2;
#endif
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (e);
}

int
json_use(const char *name)
{
	const struct json_engine *e = NULL;

	if (strcmp(name, portable.name) == 0)
		e = &portable;
#ifdef JSON_X86
	if (strcmp(name, sse2.name) == 0)
		e = &sse2;
	if (strcmp(name, avx2.name) == 0 && cpu_has_avx2())
		e = &avx2;
#endif
	if (e == NULL)
		return (-1);
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (0);
}

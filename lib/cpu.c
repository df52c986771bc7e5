/*
 * What the processor can do.  The C library asked it when the program began, and tells; to execute CPUID once more costs
 * 7 us in a virtual machine, where it traps, and it takes four of them to know of SHA: of a single append, 2%.
 */
#include "config.h"

#include "cpu.h"

#if defined(HAVE_CPU_FEATURE_ACTIVE)
#include <sys/platform/x86.h>
#elif defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "banned.h"

#if defined(HAVE_CPU_FEATURE_ACTIVE)

bool
cpu_has_sha(void)
{
	return (CPU_FEATURE_ACTIVE(SHA) && CPU_FEATURE_ACTIVE(SSSE3) && CPU_FEATURE_ACTIVE(SSE4_1));
}

bool
cpu_has_avx2(void)
{
	return (CPU_FEATURE_ACTIVE(AVX2) && CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2));
}

bool
cpu_has_fma(void)
{
	return (cpu_has_avx2() && CPU_FEATURE_ACTIVE(FMA));
}

/* CPU_FEATURE_ACTIVE(AVX512VL), which is bit 31: that macro shifts 1 into the sign (undefined behaviour, says the sanitizer). */
static bool
active_avx512vl(void)
{
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(x86_cpu_AVX512VL / 128);

	return ((leaf->active_array[x86_cpu_AVX512VL % 128 / 32] & 1u << x86_cpu_AVX512VL % 32) != 0);
}

bool
cpu_has_avx512(void)
{
	return (CPU_FEATURE_ACTIVE(AVX512BW) && active_avx512vl());
}

bool
cpu_has_crc32c(void)
{
	return (CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(PCLMULQDQ));
}

#elif defined(__x86_64__) || defined(__i386__)

bool
cpu_has_sha(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & 1u << 9) == 0 || (c & 1u << 19) == 0)
		return (false);
	return (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29) != 0);
}

/* Whether the system keeps the registers whose bits in XCR0 (Intel SDM, volume 1, 13.3) are ${bits}. */
static bool
keeps(unsigned bits)
{
	unsigned a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0 || (c & bit_AVX) == 0)
		return (false);
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return ((low & bits) == bits);
}

bool
cpu_has_avx2(void)
{
	unsigned a, b, c, d;

	return (keeps(0x06) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2) != 0 && (b & bit_BMI) != 0 &&
	    (b & bit_BMI2) != 0);
}

bool
cpu_has_avx512(void)
{
	unsigned a, b, c, d;

	return (keeps(0xe6) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX512VL) != 0 && (b & bit_AVX512BW) != 0);
}

bool
cpu_has_fma(void)
{
	unsigned a, b, c, d;

	return (cpu_has_avx2() && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_FMA) != 0);
}

bool
cpu_has_crc32c(void)
{
	unsigned a, b, c, d;

	return (__get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 20) != 0 && (c & 1u << 1) != 0);
}

#else

bool
cpu_has_avx512(void)
{
	return (false);
}

bool
cpu_has_sha(void)
{
	return (false);
}

bool
cpu_has_avx2(void)
{
	return (false);
}

bool
cpu_has_fma(void)
{
	return (false);
}

bool
cpu_has_crc32c(void)
{
	return (false);
}

#endif

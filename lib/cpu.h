/* What the processor can do. */
#ifndef ECL_CPU_H_
#define ECL_CPU_H_

#include <stdbool.h>

/** cpu_has_sha(): the SHA extensions, with SSSE3 and SSE 4.1 beside them.  O(1). */
bool cpu_has_sha(void);

/** cpu_has_avx2(): AVX2, BMI and BMI2, and a system that keeps the wide registers. */
bool cpu_has_avx2(void);

/** cpu_has_fma(): AVX2 as above, and fused multiply-add. */
bool cpu_has_fma(void);

/** cpu_has_avx512(): AVX-512 VL and BW, and a system that keeps their registers. */
bool cpu_has_avx512(void);

/** cpu_has_crc32c(): SSE 4.2 and PCLMULQDQ. */
bool cpu_has_crc32c(void);

#endif

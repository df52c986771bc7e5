/* The inside of the codes: what their files share. */
#ifndef ECL_CODE_IMPL_H_
#define ECL_CODE_IMPL_H_

#include "code.h"

#if defined(__x86_64__)
#define CODE_X86 1
#define AVX2 __attribute__((target("avx2")))
#endif

/** code_turn(row, width, x): the numbers of a row after both rounds; ${x} is aligned to 32 bytes. */
void code_turn(const int8_t *row, unsigned width, int16_t *x);

/* code_distance.c: code_distances() of each kind. */
typedef void code_distances_fn(const struct code_query *q, const uint8_t *blocks, size_t n, uint16_t bar, uint16_t *out, uint32_t *near);

code_distances_fn code_distances_portable;
#ifdef CODE_X86
code_distances_fn code_distances_avx2;
#endif

#endif

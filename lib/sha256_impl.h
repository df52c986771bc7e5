/* Inside SHA-256: the engines that one processor or another has. */
#ifndef ECL_SHA256_IMPL_H_
#define ECL_SHA256_IMPL_H_

#include <stddef.h>
#include <stdint.h>

#include "sha256_many.h"

#define SHA256_BLOCK 64

struct sha256_engine {
	const char *name;
	void (*compress)(uint32_t state[8], const uint8_t *p, size_t blocks);
	void (*many)(struct sha256_part *part, size_t n); /* NULL: one by one */
};

/** sha256_chosen(): the engine in use.  O(1). */
const struct sha256_engine *sha256_chosen(void);

/* The constants of FIPS 180-4: 5.3.3, 4.2.2. */
extern const uint32_t sha256_initial[8];
extern const uint32_t sha256_k[64];

#if defined(__x86_64__) || defined(__i386__)
#define SHA256_X86 1

/** sha256_lanes_ni(part, n): sha256_compress_many() on a processor that has SHA-NI and SSE 4.1. */
void sha256_lanes_ni(struct sha256_part *part, size_t n);

/** sha256_compress_ni(state, p, blocks): one stream on such a processor. */
void sha256_compress_ni(uint32_t state[8], const uint8_t *p, size_t blocks);
#endif

#endif

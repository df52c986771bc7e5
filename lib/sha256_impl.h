/* Inside SHA-256: the engines that one processor or another has. */
#ifndef ECL_SHA256_IMPL_H_
#define ECL_SHA256_IMPL_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sha256_many.h"

#define SHA256_BLOCK 64

struct sha256_engine {
	const char *name;
	void (*compress)(uint32_t state[8], const uint8_t *p, size_t blocks);

	/* The blocks at p, those at end, and the digest; ${state} may be left as it was.  NULL: compress twice. */
	void (*finish)(
	    const uint32_t state[8], const uint8_t *p, size_t blocks, const uint8_t *end, size_t end_blocks, uint8_t *out);

	void (*many)(struct sha256_part *part, size_t n); /* NULL: one by one */

	/* Whole messages, their digests to ${out}, which lies apart from them.  NULL: by their parts. */
	void (*messages)(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE]);

	/* sha256_prefixed().  NULL: by parts. */
	void (*prefixed)(uint8_t prefix, const uint8_t *in, size_t hashes, size_t n, uint8_t *out);
};

/** sha256_chosen(): the engine in use.  O(1). */
const struct sha256_engine *sha256_chosen(void);

/* The constants of FIPS 180-4: 5.3.3, 4.2.2. */
extern const uint32_t sha256_initial[8];
extern const uint32_t sha256_k[64];

/* The end of a message, padded: 1 or 2 blocks, and room before them for what is copied too much. */
struct sha256_end {
	uint8_t bytes[3 * SHA256_BLOCK];
	const uint8_t *block;
	size_t blocks;
} __attribute__((aligned(16)));

static inline void
sha256_store(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

/* Copy ${n} < 64 bytes, by the two halves of them that overlap: memcpy() would be a call, or `rep movs'. */
static inline void
sha256_copy_short(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n >= 32) {
		memcpy(to, from, 32);
		memcpy(to + n - 32, from + n - 32, 32);
	} else if (n >= 16) {
		memcpy(to, from, 16);
		memcpy(to + n - 16, from + n - 16, 16);
	} else if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else
		while (n-- > 0)
			to[n] = from[n];
}

/*
 * sha256_pad(end, p, len, total): what follows the whole blocks of the ${len} bytes at p, the last of a message of
 * ${total}.  Each piece has a fixed size, which the compiler makes a few stores; a memset() of all would be
 * `rep stos', as slow as half a block.
 */
static inline void
sha256_pad(struct sha256_end *end, const uint8_t *p, size_t len, uint64_t total)
{
	uint8_t *block = end->bytes + SHA256_BLOCK;
	size_t rest = len % SHA256_BLOCK, i;

	end->block = block;
	end->blocks = rest < SHA256_BLOCK - 8 ? 1 : 2;
	for (i = 0; i < 2 * SHA256_BLOCK; i += 16)
		memset(block + i, 0, 16);
	if (len >= SHA256_BLOCK)
		memcpy(end->bytes + rest, p + len - SHA256_BLOCK, SHA256_BLOCK);
	else
		sha256_copy_short(block, p, rest);
	block[rest] = 0x80;
	sha256_store(block + end->blocks * SHA256_BLOCK - 8, (uint32_t)(total >> 29));
	sha256_store(block + end->blocks * SHA256_BLOCK - 4, (uint32_t)(total << 3));
}

/** sha256_load_crypto(): load libcrypto.  Return false where there is none that serves.  1.3 ms the first time. */
bool sha256_load_crypto(void);

/** sha256_compress_crypto(state, p, blocks): one stream by libcrypto, which is loaded. */
void sha256_compress_crypto(uint32_t state[8], const uint8_t *p, size_t blocks);

#if defined(__x86_64__) || defined(__i386__)
#define SHA256_X86 1

/** sha256_lanes_ni(part, n): sha256_compress_many() on a processor that has SHA-NI and SSE 4.1. */
void sha256_lanes_ni(struct sha256_part *part, size_t n);

/** sha256_messages_ni(msg, n, out): their digests, on the same. */
void sha256_messages_ni(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE]);

/** sha256_prefixed_ni(): sha256_prefixed(), on the same. */
void sha256_prefixed_ni(uint8_t prefix, const uint8_t *in, size_t hashes, size_t n, uint8_t *out);

/** The same, where there is AVX-512 for registers of 128 bits, too. */
void sha256_lanes_ni_avx512(struct sha256_part *part, size_t n);
void sha256_messages_ni_avx512(const struct sha256_msg *msg, size_t n, uint8_t (*out)[SHA256_SIZE]);
void sha256_prefixed_ni_avx512(uint8_t prefix, const uint8_t *in, size_t hashes, size_t n, uint8_t *out);

/** sha256_lanes_avx2(part, n): sha256_compress_many() on a processor that has AVX2. */
void sha256_lanes_avx2(struct sha256_part *part, size_t n);

/** sha256_compress_ni(), sha256_finish_ni(): one stream on such a processor. */
void sha256_compress_ni(uint32_t state[8], const uint8_t *p, size_t blocks);
void sha256_finish_ni(
    const uint32_t state[8], const uint8_t *p, size_t blocks, const uint8_t *end, size_t end_blocks, uint8_t *out);
#endif

#endif

/* SHA-256 (FIPS 180-4), by the fastest engine that the processor has.  Many messages at a time: sha256_many.h. */
#ifndef ECL_SHA256_H_
#define ECL_SHA256_H_

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
	uint32_t state[8];
	uint64_t total;	   /* bytes so far */
	uint8_t block[64]; /* the last total % 64 of them */
};

/** sha256_init(c), sha256_update(c, p, len), sha256_final(c, out): a message in pieces.  O(len). */
void sha256_init(struct sha256 *c);
void sha256_update(struct sha256 *c, const void *p, size_t len);
void sha256_final(struct sha256 *c, uint8_t out[SHA256_SIZE]);

/** sha256(p, len, out): one message. */
void sha256(const void *p, size_t len, uint8_t out[SHA256_SIZE]);

/** sha256_start(state): the state in which a message begins, for who keeps it himself (sha256_many.h). */
void sha256_start(uint32_t state[8]);

/** sha256_digest(state, out): the bytes of a state, which after the padded end of a message are its digest. */
void sha256_digest(const uint32_t state[8], uint8_t out[SHA256_SIZE]);

/**
 * sha256_finish(state, rest, len, total, out):
 * The digest of a message of ${total} bytes, from the ${state} before its last ${len} bytes, ${rest}: total - len
 * is a multiple of 64, and ${len} may be more than 64 bytes.  ${state} is used up.  O(len), and one block of
 * padding, two where len % 64 > 55.
 */
void sha256_finish(uint32_t state[8], const void *rest, size_t len, uint64_t total, uint8_t out[SHA256_SIZE]);

/**
 * sha256_prefer_bulk():
 * Megabytes are coming: where the processor lacks SHA-NI, let libcrypto hash single streams, if it can be loaded, which
 * takes 1.3 ms.  On x86 it is 1.4 times as fast as the portable code, elsewhere there may be instructions for it.  Nothing
 * happens where there is SHA-NI.
 */
void sha256_prefer_bulk(void);

/**
 * sha256_engine():
 * The name of what is in use: "sha-ni+avx512" (many messages at a time with more registers), "sha-ni", "avx2+libcrypto" (many messages at a time by AVX2, one by libcrypto), "avx2" (one
 * by portable code), "libcrypto" or "portable".
 */
const char *sha256_engine(void);

/** sha256_use(name): choose an engine by name, for tests.  Return 0, or -1 where this processor or host lacks it. */
int sha256_use(const char *name);

#endif

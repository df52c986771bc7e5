/* SHA-256 (FIPS 180-4): portable, or with the processor's SHA extensions where it has them. */
#include "config.h"

#include <string.h>

#include "cpu.h"
#include "sha256_impl.h"

#include "banned.h"

#define BLOCK SHA256_BLOCK

/* Chosen once; whoever races here stores the same pointer. */
static const struct sha256_engine *chosen;

const uint32_t sha256_initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

const uint32_t sha256_k[64] __attribute__((aligned(16))) = {0x428a2f98, 0x71374491, 0xb5c0fbcf,
    0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
    0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70,
    0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
    0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814,
    0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t
rotr(uint32_t x, unsigned n)
{
	return (x >> n | x << (32 - n));
}

static inline uint32_t
load_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static void
schedule(uint32_t w[64], const uint8_t *p)
{
	uint32_t s0, s1;
	int i;

	for (i = 0; i < 16; i++)
		w[i] = load_be32(p + 4 * i);
	for (; i < 64; i++) {
		s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
		s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

static void
compress_portable(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	uint32_t w[64], s[8], t1, t2;
	int i;

	for (; blocks > 0; blocks--, p += BLOCK) {
		schedule(w, p);
		memcpy(s, state, sizeof(s));
		for (i = 0; i < 64; i++) {
			t1 = s[7] + (rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25)) +
			    (s[6] ^ (s[4] & (s[5] ^ s[6]))) + sha256_k[i] + w[i];
			t2 = (rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22)) +
			    ((s[0] & s[1]) | (s[2] & (s[0] | s[1])));
			s[7] = s[6];
			s[6] = s[5];
			s[5] = s[4];
			s[4] = s[3] + t1;
			s[3] = s[2];
			s[2] = s[1];
			s[1] = s[0];
			s[0] = t1 + t2;
		}
		for (i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

static const struct sha256_engine portable = {"portable", compress_portable, NULL, NULL};

#ifdef SHA256_X86

static const struct sha256_engine sha_ni = {"sha-ni", sha256_compress_ni, sha256_finish_ni, sha256_lanes_ni};

#endif

const struct sha256_engine *
sha256_chosen(void)
{
	const struct sha256_engine *e = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	if (e != NULL)
		return (e);
	e = &portable;
#ifdef SHA256_X86
	if (cpu_has_sha())
		e = &sha_ni;
#endif
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (e);
}

const char *
sha256_engine(void)
{
	return (sha256_chosen()->name);
}

int
sha256_use(const char *name)
{
	const struct sha256_engine *e = NULL;

	if (strcmp(name, portable.name) == 0)
		e = &portable;
#ifdef SHA256_X86
	if (strcmp(name, sha_ni.name) == 0 && cpu_has_sha())
		e = &sha_ni;
#endif
	if (e == NULL)
		return (-1);
	__atomic_store_n(&chosen, e, __ATOMIC_RELAXED);
	return (0);
}

/* The last ${len} bytes of a message of ${total}, padded, and out with the digest. */
static void
finish(const struct sha256_engine *e, uint32_t state[8], const uint8_t *p, size_t len, uint64_t total,
    uint8_t out[SHA256_SIZE])
{
	struct sha256_end end;

	/* Before the compression, so that what it then reads has left the store buffer. */
	sha256_pad(&end, p, len, total);
	if (e->finish != NULL) {
		e->finish(state, p, len / BLOCK, end.block, end.blocks, out);
		return;
	}
	if (len >= BLOCK)
		e->compress(state, p, len / BLOCK);
	e->compress(state, end.block, end.blocks);
	sha256_digest(state, out);
}

void
sha256_start(uint32_t state[8])
{
	memcpy(state, sha256_initial, sizeof(sha256_initial));
}

void
sha256_digest(const uint32_t state[8], uint8_t out[SHA256_SIZE])
{
	int i;

	for (i = 0; i < 8; i++)
		sha256_store(out + 4 * i, state[i]);
}

void
sha256_finish(uint32_t state[8], const void *rest, size_t len, uint64_t total, uint8_t out[SHA256_SIZE])
{
	finish(sha256_chosen(), state, rest, len, total, out);
}

void
sha256_init(struct sha256 *c)
{
	sha256_start(c->state);
	c->total = 0;
}

void
sha256_update(struct sha256 *c, const void *p, size_t len)
{
	const struct sha256_engine *e = sha256_chosen();
	const uint8_t *bytes = p;
	size_t have = (size_t)(c->total % BLOCK), take;

	if (len == 0)
		return;
	c->total += len;
	if (have > 0) {
		take = len < BLOCK - have ? len : BLOCK - have;
		memcpy(c->block + have, bytes, take);
		if (have + take < BLOCK)
			return;
		e->compress(c->state, c->block, 1);
		bytes += take;
		len -= take;
	}
	if (len >= BLOCK)
		e->compress(c->state, bytes, len / BLOCK);
	if (len % BLOCK > 0)
		memcpy(c->block, bytes + (len - len % BLOCK), len % BLOCK);
}

void
sha256_final(struct sha256 *c, uint8_t out[SHA256_SIZE])
{
	finish(sha256_chosen(), c->state, c->block, (size_t)(c->total % BLOCK), c->total, out);
}

void
sha256(const void *p, size_t len, uint8_t out[SHA256_SIZE])
{
	uint32_t state[8];

	sha256_start(state);
	finish(sha256_chosen(), state, p, len, len, out);
}

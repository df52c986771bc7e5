/* SHA-256 (FIPS 180-4): the portable engine, the choice of one, and messages in pieces. */
#include "config.h"

#include <string.h>

#include "cpu.h"
#include "sha256_impl.h"
#include "sha256_rounds.h"

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
load_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static void
compress_portable(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
	const uint32_t *k;
	uint32_t w[16];
	int i;

	for (; blocks > 0; blocks--, p += BLOCK) {
		for (i = 0; i < 16; i++)
			w[i] = load_be32(p + 4 * i);
		SHA256_ROUNDS();
		a = state[0] += a;
		b = state[1] += b;
		c = state[2] += c;
		d = state[3] += d;
		e = state[4] += e;
		f = state[5] += f;
		g = state[6] += g;
		h = state[7] += h;
	}
}

#ifdef SHA256_X86
static bool
have_sha_and_avx512(void)
{
	return (cpu_has_sha() && cpu_has_avx512());
}

static bool
have_avx2_and_crypto(void)
{
	return (cpu_has_avx2() && sha256_load_crypto());
}
#endif

static bool
have_always(void)
{
	return (true);
}

/* The best first.  What needs libcrypto is chosen by sha256_prefer_bulk() only. */
static const struct choice {
	struct sha256_engine engine;
	bool (*have)(void);
	bool loads;
} choices[] = {
#ifdef SHA256_X86
    {{"sha-ni+avx512", sha256_compress_ni, sha256_finish_ni, sha256_lanes_ni_avx512, sha256_messages_ni_avx512, sha256_prefixed_ni_avx512},
	have_sha_and_avx512, false},
    {{"sha-ni", sha256_compress_ni, sha256_finish_ni, sha256_lanes_ni, sha256_messages_ni, sha256_prefixed_ni}, cpu_has_sha, false},
    {{"avx2+libcrypto", sha256_compress_crypto, NULL, sha256_lanes_avx2, NULL, NULL}, have_avx2_and_crypto, true},
    {{"avx2", compress_portable, NULL, sha256_lanes_avx2, NULL, NULL}, cpu_has_avx2, false},
#endif
    {{"libcrypto", sha256_compress_crypto, NULL, NULL, NULL, NULL}, sha256_load_crypto, true},
    {{"portable", compress_portable, NULL, NULL, NULL, NULL}, have_always, false},
};

static const struct sha256_engine *
choose(bool load)
{
	const struct choice *c = choices;

	while ((c->loads && !load) || !c->have())
		c++;
	__atomic_store_n(&chosen, &c->engine, __ATOMIC_RELAXED);
	return (&c->engine);
}

const struct sha256_engine *
sha256_chosen(void)
{
	const struct sha256_engine *e = __atomic_load_n(&chosen, __ATOMIC_RELAXED);

	return (e != NULL ? e : choose(false));
}

void
sha256_prefer_bulk(void)
{
	choose(true);
}

const char *
sha256_engine(void)
{
	return (sha256_chosen()->name);
}

int
sha256_use(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (strcmp(name, choices[i].engine.name) == 0) {
			if (!choices[i].have())
				return (-1);
			__atomic_store_n(&chosen, &choices[i].engine, __ATOMIC_RELAXED);
			return (0);
		}
	return (-1);
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

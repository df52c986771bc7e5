/* SHA-256: every engine against libcrypto. */
#include "config.h"

#include <openssl/evp.h>

#include "sha256.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define MAX 1000

static void
reference(const void *p, size_t len, uint8_t out[SHA256_SIZE])
{
	unsigned n;

	if (!EVP_Digest(p, len, out, &n, EVP_sha256(), NULL))
		memset(out, 0, SHA256_SIZE);
}

static void
test_engine(const char *name, const uint8_t *data)
{
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE];
	struct random rnd = {42};
	struct sha256 c;
	size_t len, at, n, bad_one = 0, bad_two = 0, bad_many = 0;

	ok(strcmp(sha256_engine(), name) == 0, "%s: is the engine", name);
	for (len = 0; len <= MAX; len++) {
		reference(data + len % 16, len, want);
		sha256(data + len % 16, len, have);
		bad_one += memcmp(have, want, SHA256_SIZE) != 0;

		for (at = 0; at <= len; at += 1 + len / 40) {
			sha256_init(&c);
			sha256_update(&c, data + len % 16, at);
			sha256_update(&c, data + len % 16 + at, len - at);
			sha256_final(&c, have);
			bad_two += memcmp(have, want, SHA256_SIZE) != 0;
		}

		sha256_init(&c);
		for (at = 0; at < len; at += n) {
			n = random_below(&rnd, 150);
			n = n < len - at ? n : len - at;
			sha256_update(&c, data + len % 16 + at, n);
		}
		sha256_final(&c, have);
		bad_many += memcmp(have, want, SHA256_SIZE) != 0;
	}
	ok(bad_one == 0, "%s: one shot, all lengths to %d", name, MAX);
	ok(bad_two == 0, "%s: in two pieces", name);
	ok(bad_many == 0, "%s: in many pieces", name);
}

static void
test_million(const char *name)
{
	static const uint8_t want[SHA256_SIZE] = {0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92,
	    0x81, 0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97,
	    0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0};
	uint8_t a[1000], have[SHA256_SIZE];
	struct sha256 c;
	int i;

	memset(a, 'a', sizeof(a));
	sha256_init(&c);
	for (i = 0; i < 1000; i++)
		sha256_update(&c, a, sizeof(a));
	sha256_final(&c, have);
	ok(memcmp(have, want, SHA256_SIZE) == 0, "%s: a million times 'a' (FIPS 180-4)", name);
}

int
main(void)
{
	static const char *const engines[] = {"portable", "sha-ni"};
	struct random rnd = {1};
	uint8_t data[MAX + 16];
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_below(&rnd, 256);
	ok(sha256_use("abacus") == -1, "an unknown engine is refused");
	for (i = 0; i < 2; i++) {
		if (sha256_use(engines[i]) != 0) {
			ok(true, "%s # SKIP not in this processor", engines[i]);
			continue;
		}
		test_engine(engines[i], data);
		test_million(engines[i]);
	}
	return (tap_done());
}

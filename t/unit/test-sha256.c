/* SHA-256: every engine against libcrypto. */
#include "config.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "sha256_many.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define MAX 1000
#define MANY 40	     /* messages at a time */
#define LONG 5000    /* the longest of them */
#define FINISHED 300 /* the longest that is finished from all its states */

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

static void
test_alignments(const char *name, const uint8_t *data)
{
	static const size_t lengths[] = {1, 55, 56, 63, 64, 65, 119, 120, 128, 350, 960};
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE], many[SHA256_SIZE], *copy;
	struct sha256_msg msg[2];
	size_t i, at, bad = 0;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (at = 0; at < 16; at++) {
			/* In a buffer that ends with it, so that a sanitizer sees a byte too many. */
			if ((copy = malloc(at + lengths[i])) == NULL)
				exit(1);
			memcpy(copy + at, data, lengths[i]);
			reference(data, lengths[i], want);
			sha256(copy + at, lengths[i], have);
			msg[0] = msg[1] = (struct sha256_msg){copy + at, lengths[i], many};
			sha256_many(msg, 2);
			bad += memcmp(have, want, SHA256_SIZE) != 0 || memcmp(many, want, SHA256_SIZE) != 0;
			free(copy);
		}
	ok(bad == 0, "%s: at all alignments", name);
}

/* Any number of messages of any lengths: what fills the lanes, and what runs out. */
static void
test_many(const char *name, const uint8_t *data, uint64_t seed)
{
	static const uint32_t longest[] = {1, 64, 130, 700, LONG};
	static uint8_t have[MANY + 1][SHA256_SIZE];
	uint8_t want[SHA256_SIZE];
	struct sha256_msg msg[MANY];
	struct random rnd = {seed};
	size_t i, n, k, len, bad = 0, beyond = 0;

	for (k = 0; k < sizeof(longest) / sizeof(longest[0]); k++)
		for (n = 0; n <= MANY; n++) {
			memset(have, 0, sizeof(have));
			for (i = 0; i < n; i++) {
				len = random_below(&rnd, longest[k] + 1);
				msg[i] = (struct sha256_msg){data + random_below(&rnd, (uint32_t)(LONG - len + 1)), len, have[i]};
			}
			sha256_many(msg, n);
			for (i = 0; i < n; i++) {
				reference(msg[i].p, msg[i].len, want);
				bad += memcmp(have[i], want, SHA256_SIZE) != 0;
			}
			for (i = 0; i < SHA256_SIZE; i++)
				beyond += have[n][i] != 0;
		}
	ok(bad == 0, "%s: 0 to %d messages at a time (seed %llu)", name, MANY, (unsigned long long)seed);
	ok(beyond == 0, "%s: and nothing beyond them", name);
}

/* More than are in hand at once, each digest over its own message, as a tree's next level is made in place. */
static void
test_many_in_place(const char *name, const uint8_t *data)
{
	static uint8_t copy[300][SHA256_SIZE];
	struct sha256_msg msg[300];
	uint8_t want[SHA256_SIZE];
	size_t i, bad = 0;

	for (i = 0; i < 300; i++) {
		memcpy(copy[i], data + i, SHA256_SIZE);
		msg[i] = (struct sha256_msg){copy[i], SHA256_SIZE, copy[i]};
	}
	sha256_many(msg, 300);
	for (i = 0; i < 300; i++) {
		reference(data + i, SHA256_SIZE, want);
		bad += memcmp(copy[i], want, SHA256_SIZE) != 0;
	}
	ok(bad == 0, "%s: 300 messages, each digest over its message", name);
}

/* Parts of messages go on from where their states are; what has no blocks stays as it was. */
static void
test_parts(const char *name, const uint8_t *data, uint64_t seed)
{
	struct sha256_part part[MANY], before[MANY];
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE];
	size_t blocks[MANY], i, n, bad = 0, changed = 0;
	struct random rnd = {seed};
	int turn;

	for (n = 0; n <= MANY; n++) {
		for (i = 0; i < n; i++) {
			sha256_start(part[i].state);
			part[i].p = data + i;
			blocks[i] = 0;
		}
		for (turn = 0; turn < 4; turn++) {
			for (i = 0; i < n; i++) {
				part[i].p += 64 * (turn == 0 ? 0 : part[i].blocks);
				part[i].blocks = random_below(&rnd, 3) == 0 ? 0 : random_below(&rnd, 15);
				blocks[i] += part[i].blocks;
			}
			memcpy(before, part, sizeof(part));
			sha256_compress_many(part, n);
			for (i = 0; i < n; i++)
				changed += part[i].p != before[i].p || part[i].blocks != before[i].blocks ||
				    (part[i].blocks == 0 && memcmp(part[i].state, before[i].state, 32) != 0);
		}
		for (i = 0; i < n; i++) {
			reference(data + i, 64 * blocks[i] + i, want);
			sha256_finish(part[i].state, data + i + 64 * blocks[i], i, 64 * blocks[i] + i, have);
			bad += memcmp(have, want, SHA256_SIZE) != 0;
		}
	}
	ok(bad == 0, "%s: parts of messages, 0 to %d at a time (seed %llu)", name, MANY, (unsigned long long)seed);
	ok(changed == 0, "%s: and only the states of those with blocks change", name);

	memset(part, 0, sizeof(part));
	memcpy(before, part, sizeof(part));
	sha256_compress_many(part, MANY);
	ok(memcmp(part, before, sizeof(part)) == 0, "%s: parts without blocks need no bytes", name);
}

static void
test_finish(const char *name, const uint8_t *data)
{
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE], *copy;
	size_t len, at, bad = 0;
	struct sha256_part part;

	for (len = 0; len <= FINISHED; len++) {
		reference(data, len, want);
		for (at = 0; at <= len; at += 64) {
			sha256_start(part.state);
			part.p = data;
			part.blocks = at / 64;
			sha256_compress_many(&part, 1);
			if ((copy = malloc(len - at + 1)) == NULL)
				exit(1);
			memcpy(copy + 1, data + at, len - at);
			sha256_finish(part.state, copy + 1, len - at, len, have);
			bad += memcmp(have, want, SHA256_SIZE) != 0;
			free(copy);
		}
	}
	ok(bad == 0, "%s: finished from each state, all lengths to %d", name, FINISHED);

	/* A length of over 32 bits: 2^29 bytes are 2^32 bits. */
	sha256_start(part.state);
	sha256_finish(part.state, data, 0, UINT64_C(1) << 29, want);
	sha256_start(part.state);
	sha256_finish(part.state, data, 0, 0, have);
	ok(memcmp(want, have, SHA256_SIZE) != 0, "%s: the length has more than 32 bits", name);
}

#define TREE 70

/* Leaves and nodes of trees, any number of them, also where they came from. */
static void
test_prefixed(const char *name)
{
	static uint8_t in[TREE * 2 * SHA256_SIZE], out[(TREE + 1) * SHA256_SIZE], message[1 + 2 * SHA256_SIZE], want[SHA256_SIZE];
	unsigned bad = 0, beyond = 0;
	size_t hashes, n, i, len;

	for (hashes = 1; hashes <= 2; hashes++) {
		len = hashes * SHA256_SIZE;
		for (n = 0; n < TREE; n++) {
			for (i = 0; i < sizeof(in); i++)
				in[i] = (uint8_t)(i * 167 + n * 31 + (i >> 5) * 3 + hashes);
			memset(out, 0x5a, sizeof(out));
			sha256_prefixed((uint8_t)(n + 250), in, hashes, n, out);
			for (i = 0; i < n; i++) {
				message[0] = (uint8_t)(n + 250);
				memcpy(message + 1, in + i * len, len);
				reference(message, 1 + len, want);
				bad += memcmp(out + i * SHA256_SIZE, want, SHA256_SIZE) != 0;
			}
			for (i = 0; i < SHA256_SIZE; i++)
				beyond += out[n * SHA256_SIZE + i] != 0x5a;
			sha256_prefixed((uint8_t)(n + 250), in, hashes, n, in);
			bad += memcmp(in, out, n * SHA256_SIZE) != 0;
		}
	}
	ok(bad == 0, "%s: a byte and one or two hashes, 0 to %d at a time, also in their place", name, TREE - 1);
	ok(beyond == 0, "%s: and nothing behind their digests", name);
}

static void
test_choice(void)
{
	char first[40];

	snprintf(first, sizeof(first), "%s", sha256_engine());
	sha256_prefer_bulk();
	if (strncmp(first, "sha-ni", 6) == 0)
		ok(strcmp(sha256_engine(), first) == 0, "a bulk does not change SHA-NI");
	else
		ok(strstr(sha256_engine(), "libcrypto") != NULL, "a bulk loads libcrypto instead of %s alone", first);
	ok(sha256_use("abacus") == -1, "an unknown engine is refused");
}

int
main(void)
{
	static const char *const engines[] = {"portable", "libcrypto", "avx2", "avx2+libcrypto", "sha-ni", "sha-ni+avx512"};
	uint64_t seed = (uint64_t)getpid() | 1u << 30;
	static uint8_t data[LONG + 16];
	struct random rnd = {1};
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_below(&rnd, 256);
	test_choice();
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (sha256_use(engines[i]) != 0) {
			ok(true, "%s # SKIP not on this host", engines[i]);
			continue;
		}
		test_engine(engines[i], data);
		test_million(engines[i]);
		test_alignments(engines[i], data);
		test_many(engines[i], data, seed);
		test_many_in_place(engines[i], data);
		test_parts(engines[i], data, seed);
		test_finish(engines[i], data);
		test_prefixed(engines[i]);
	}
	return (tap_done());
}

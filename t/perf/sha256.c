/*
 * What SHA-256 costs here, each engine beside libcrypto in the same run:
 *	make perf-sha256
 * Exits 1 where lanes of SHA-NI are not LANES_GAIN times as fast as one stream: compilers keep what is
 * interleaved in memory at a whim, and no other test sees it.  On a core whose sibling is busy there is less to
 * gain, therefore the best of many tries counts.
 */
#include "config.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "merkle.h"
#include "sha256_many.h"

#include "banned.h"

#define MESSAGES 512 /* as many as a batch of append has, and they fit the cache */
#define SIZE 350
#define REPEATS 25
#define LANES_GAIN 1.6
#define TRIES 200

static uint8_t data[MESSAGES][SIZE], digest[MESSAGES][SHA256_SIZE];
static struct sha256_msg msg[MESSAGES];
static struct sha256_part part[MESSAGES];
static EVP_MD_CTX *evp;
static EVP_MD *evp_sha256;

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec);
}

/* The best of several runs of ${rounds} calls, in ns a piece of ${pieces}. */
static double
best(void (*what)(void), unsigned rounds, double pieces)
{
	double least = 1e18, t;
	unsigned i, j;

	for (i = 0; i < REPEATS; i++) {
		t = now_ns();
		for (j = 0; j < rounds; j++)
			what();
		t = now_ns() - t;
		least = t < least ? t : least;
	}
	return (least / rounds / pieces);
}

static void
libcrypto_messages(void)
{
	unsigned i, n;

	for (i = 0; i < MESSAGES; i++) {
		EVP_DigestInit_ex(evp, evp_sha256, NULL);
		EVP_DigestUpdate(evp, data[i], SIZE);
		EVP_DigestFinal_ex(evp, digest[i], &n);
	}
}

static void
libcrypto_stream(void)
{
	unsigned n;

	EVP_DigestInit_ex(evp, evp_sha256, NULL);
	EVP_DigestUpdate(evp, data, sizeof(data));
	EVP_DigestFinal_ex(evp, digest[0], &n);
}

static void
one_by_one(void)
{
	unsigned i;

	for (i = 0; i < MESSAGES; i++)
		sha256(data[i], SIZE, digest[i]);
}

static void
stream(void)
{
	sha256(data, sizeof(data), digest[0]);
}

static void
many(void)
{
	sha256_many(msg, MESSAGES);
}

/* The front of a line as append has it: five whole blocks. */
static void
parts(void)
{
	sha256_compress_many(part, MESSAGES);
}

/* Its end: 70 bytes, two blocks with the padding, each after the digest of the one before. */
static void
finishes(void)
{
	uint32_t state[8];
	unsigned i;

	for (i = 0; i < MESSAGES; i++) {
		memcpy(state, part[i].state, sizeof(state));
		sha256_finish(state, data[i], 70, 326, digest[i]);
		memcpy(data[(i + 1) % MESSAGES], digest[i], SHA256_SIZE);
	}
}

static void
leaves(void)
{
	merkle_leaves(data[0], MESSAGES, digest[0]);
}

static void
pairs(void)
{
	merkle_pairs(data[0], MESSAGES, digest[0]);
}

static int
check_lanes(void)
{
	double alone = 0, lanes = 0, x;
	int i;

	if (sha256_use("sha-ni") != 0)
		return (0);
	for (i = 0; i < TRIES && (i < 3 || lanes < LANES_GAIN * alone); i++) {
		x = sizeof(data) / best(stream, 2, 1);
		alone = x > alone ? x : alone;
		x = 5 * 64 / best(parts, 2, MESSAGES);
		lanes = x > lanes ? x : lanes;
	}
	printf("lanes of sha-ni: %.2f GB/s, %.2f times one stream, at least %.2f wanted\n", lanes, lanes / alone, LANES_GAIN);
	return (lanes < LANES_GAIN * alone);
}

int
main(void)
{
	static const char *const engines[] = {"portable", "libcrypto", "avx2", "avx2+libcrypto", "sha-ni", "sha-ni+avx512"};
	double crypto_message, crypto_stream, ns, rate;
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i / SIZE][i % SIZE] = (uint8_t)(i * 37 >> 3);
	for (i = 0; i < MESSAGES; i++) {
		msg[i] = (struct sha256_msg){data[i], SIZE, digest[i]};
		part[i].p = data[i];
		part[i].blocks = 5;
		sha256_start(part[i].state);
	}
	if ((evp = EVP_MD_CTX_new()) == NULL || (evp_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL)
		return (2);
	crypto_message = best(libcrypto_messages, 4, MESSAGES);
	crypto_stream = sizeof(data) / best(libcrypto_stream, 4, 1);
	printf("%-14s %19s %19s %18s %19s %9s %8s %8s\n", "", "350-byte message", "many at a time", "one stream",
	    "5 blocks, many", "2 to end", "leaf", "node");
	printf("%-14s %9.0f ns %33s %14.2f GB/s\n", "libcrypto EVP", crypto_message, "", crypto_stream);
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (sha256_use(engines[i]) != 0)
			continue;
		ns = best(one_by_one, 4, MESSAGES);
		printf("%-14s %9.0f ns %5.2fx", engines[i], ns, crypto_message / ns);
		ns = best(many, 4, MESSAGES);
		printf(" %9.0f ns %5.2fx", ns, crypto_message / ns);
		rate = sizeof(data) / best(stream, 4, 1);
		printf(" %6.2f GB/s %5.2fx", rate, rate / crypto_stream);
		rate = 5 * 64 / best(parts, 4, MESSAGES);
		printf(" %7.2f GB/s %5.2fx", rate, rate / crypto_stream);
		printf(" %6.1f ns", best(finishes, 4, MESSAGES));
		printf(" %5.1f ns %5.1f ns\n", best(leaves, 4, MESSAGES), best(pairs, 4, MESSAGES));
	}
	EVP_MD_free(evp_sha256);
	EVP_MD_CTX_free(evp);
	return (check_lanes());
}

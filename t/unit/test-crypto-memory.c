/* Memory for libcrypto: blocks keep what is in them, are used again, and beyond the place come from the system. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tap.h"

#include "crypto_memory.c"

#include "banned.h"

#define N 200

static uint8_t *p[N];
static size_t size[N];
static uint8_t mark[N];

static bool
is_whole(size_t i)
{
	size_t k;

	for (k = 0; k < size[i]; k++)
		if (p[i][k] != mark[i])
			return (false);
	return (true);
}

static void
test_random(void)
{
	struct random rnd = {11};
	unsigned round, bad = 0;
	size_t i, was, k;

	for (round = 0; round < 200000; round++) {
		i = random_below(&rnd, N);
		bad += p[i] != NULL && !is_whole(i);
		if (p[i] == NULL || random_below(&rnd, 3) == 0) {
			was = p[i] == NULL ? 0 : size[i];
			size[i] = 1 + random_below(&rnd, 1u << random_below(&rnd, 13));
			p[i] = crypto_realloc(p[i], size[i], NULL, 0);
			for (k = 0; k < was && k < size[i]; k++)
				bad += p[i][k] != mark[i];
			bad += (uintptr_t)p[i] % 16 != 0;
		} else {
			crypto_free(p[i], NULL, 0);
			p[i] = NULL;
			continue;
		}
		mark[i] = (uint8_t)round;
		memset(p[i], mark[i], size[i]);
	}
	ok(bad == 0, "what is in a block stays there, until it is freed");
	ok(used <= PLACE, "what is freed is used again: %zu bytes of the place", used);
	for (i = 0; i < N; i++)
		crypto_free(p[i], NULL, 0);
}

static void
test_ends(void)
{
	uint8_t *a[64];
	size_t i, ours = 0;

	for (i = 0; i < 64; i++) {
		a[i] = crypto_malloc(100000, NULL, 0);
		memset(a[i], (int)i, 100000);
		ours += a[i] >= place && a[i] < place + PLACE;
	}
	ok(ours > 4 && ours < 64 && a[63][99999] == 63 && a[0][99999] == 0, "beyond the place the system has more: %zu of 64 are in it", ours);
	for (i = 0; i < 64; i++)
		crypto_free(a[i], NULL, 0);
	a[0] = crypto_malloc(100000, NULL, 0);
	for (i = 0; i < 100000 && a[0][i] == (i < sizeof(void *) ? a[0][i] : 0); i++)
		;
	ok(i == 100000, "what was freed is wiped");
	crypto_free(a[0], NULL, 0);
	ok(crypto_malloc(0, NULL, 0) == NULL && crypto_malloc(SIZE_MAX, NULL, 0) == NULL && crypto_malloc(SIZE_MAX / 2, NULL, 0) == NULL,
	    "nothing, and too much, is NULL");
	crypto_free(NULL, NULL, 0);
	a[0] = crypto_realloc(NULL, 10, NULL, 0);
	ok(a[0] != NULL && crypto_realloc(a[0], 0, NULL, 0) == NULL, "of no size: freed");
}

int
main(void)
{
	test_random();
	test_ends();
	return (tap_done());
}

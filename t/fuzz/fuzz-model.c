/*
 * Any bytes as a model: refused, or it makes vectors, the same by each engine, without a crash.  So that more than the
 * header is reached, the bytes are also tried with a size and a checksum that fit.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "embed.h"
#include "io.h"
#include "le.h"

#include "fuzz.h"

#include "banned.h"

static char dir[] = "/tmp/ecl-fuzz.XXXXXX";

static void
clean(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/m.model", dir);
	unlink(path);
	rmdir(dir);
}

static void
use(const struct model *m)
{
	static const char text[] =
	    "the package nginx was installed 4711 deadbeef0123 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct embed *fast = embed_new(m), *plain = embed_new(m);
	int8_t a[EMBED_DIMS], b[EMBED_DIMS];

	MUST(fast != NULL && plain != NULL && embed_use(plain, "portable") == 0);
	embed_text(fast, SPAN(text), a);
	embed_text(plain, SPAN(text), b);
	MUST(memcmp(a, b, sizeof(a)) == 0);
	MUST(model_idf(m, SPAN("nginx")) >= 0 && model_idf(m, SPAN("nginx")) < 16);
	embed_free(fast);
	embed_free(plain);
}

static void
try(const void *p, size_t len)
{
	struct model *m;
	struct err e = {0, 0, ""};
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/m.model", dir);
	MUST((f = fopen(path, "we")) != NULL && fwrite(p, 1, len, f) == len && fclose(f) == 0);
	if (model_open("m", &m, &e) != 0) {
		MUST(e.exit == EXIT_ERROR && strstr(e.text, dir) != NULL);
		return;
	}
	use(m);
	(void)model_check(m, &e);
	(void)model_verify(m, &e);
	model_free(m);
}

/* The header's numbers, made to fit what is there. */
static void
fit(uint8_t *p, size_t len)
{
	size_t n, chunks, rows = 128, dims;

	memcpy(p, "eclmodel", 8);
	le32_put(p + 8, 1);
	le32_put(p + 48, EMBED_DIMS);
	le32_put(p + 52, le32_get(p + 52) % 7 * 32 + 32);
	dims = EMBED_DIMS - le32_get(p + 52);
	for (n = (len - 128) / dims; n > 0; n--) {
		chunks = (n + 63) / 64;
		rows = (128 + 6 * n + 4 * chunks + 63) & ~(size_t)63;
		if (rows + n * dims <= len)
			break;
	}
	rows = n == 0 ? 128 : rows;
	le32_put(p + 56, (uint32_t)n);
	if (p[100] & 1) /* a word of the text that use() embeds */
		for (size_t i = 0; i < n; i++)
			le32_put(p + 128 + 4 * i, (uint32_t)(model_hash("nginx\0\0", 5) >> 32));
	le32_put(p + 12, crc32c(0, p + 16, rows - 16));
	try(p, rows + n * dims);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (strchr(dir, 'X') != NULL) {
		MUST(mkdtemp(dir) != NULL);
		setenv("ECL_MODEL_DIR", dir, 1);
		atexit(clean);
	}
	try(data, size);
	if (size < 128 || (copy = malloc(size)) == NULL)
		return (0);
	memcpy(copy, data, size);
	fit(copy, size);
	free(copy);
	return (0);
}

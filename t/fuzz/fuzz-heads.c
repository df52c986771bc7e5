/*
 * Any bytes as the manifest of the index or of vectors, with the right checksum under them and without: refused, or what
 * was read writes the same bytes again.
 */
#include "config.h"

#include <string.h>

#include "index_impl.h"
#include "manifest.h"
#include "vectors_impl.h"

#include "fuzz.h"

#include "banned.h"

static void
try_head(struct span text)
{
	struct buf out = BUF_INIT;
	struct head h;

	if (head_parse(text, &h) == 0) {
		head_format(&h, &out);
		MUST(span_eq(text, (struct span){out.data, out.len}));
		head_release(&h);
	}
	buf_release(&out);
}

static void
try_vectors(struct span text, const char *space)
{
	struct buf out = BUF_INIT;
	struct vectors_head h;

	if (vectors_head_parse(text, space, &h) == 0) {
		vectors_head_format(&h, &out);
		MUST(span_eq(text, (struct span){out.data, out.len}));
		vectors_head_release(&h);
	}
	buf_release(&out);
}

static void
try_all(const char *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);
	struct span text = {copy, size};

	MUST(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	try_head(text);
	try_vectors(text, VECTORS_MADE);
	try_vectors(text, VECTORS_GIVEN);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char crc[] = "crc 00000000\n";
	struct buf sealed = BUF_INIT;

	try_all((const char *)data, size);
	/* Nobody guesses a checksum: one that ends the text is made right. */
	if (size >= sizeof(crc) - 1 && memcmp(data + size - (sizeof(crc) - 1), crc, 4) == 0)
		size -= sizeof(crc) - 1;
	buf_add(&sealed, data, size);
	manifest_seal(&sealed);
	try_all(sealed.data, sealed.len);
	buf_release(&sealed);
	return (0);
}

/* The texts of manifests. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "crc32c.h"
#include "manifest.h"

#include "banned.h"

bool
manifest_take(struct manifest *m, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(m->end - m->p) < len || memcmp(m->p, word, len) != 0)
		return (false);
	m->p += len;
	return (true);
}

bool
manifest_number(struct manifest *m, uint64_t *ret)
{
	const char *p = m->p;

	while (p < m->end && *p >= '0' && *p <= '9')
		p++;
	if (decimal_parse(m->p, (size_t)(p - m->p), ret) != 0)
		return (false);
	m->p = p;
	return (true);
}

bool
manifest_hex(struct manifest *m, size_t n, uint8_t *out)
{
	if ((size_t)(m->end - m->p) < 2 * n || hex_decode(m->p, n, out) != 0)
		return (false);
	m->p += 2 * n;
	return (true);
}

bool
manifest_crc(struct manifest *m, uint32_t *ret)
{
	uint8_t b[4];

	if (!manifest_hex(m, sizeof(b), b))
		return (false);
	*ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	return (true);
}

bool
manifest_end(struct manifest *m, struct span text)
{
	size_t len = (size_t)(m->p - text.p);
	uint32_t crc;

	return (manifest_take(m, "crc ") && manifest_crc(m, &crc) && manifest_take(m, "\n") && m->p == m->end && crc == crc32c(0, text.p, len));
}

void
manifest_seal(struct buf *out)
{
	if (!out->failed)
		buf_addf(out, "crc %08" PRIx32 "\n", crc32c(0, out->data, out->len));
}

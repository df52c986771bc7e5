/* A vector as a user sends it, and as a line stores it: base64 of little-endian float32. */
#include "config.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "vector_text.h"

#include "banned.h"

#define GROUP ((size_t)16) /* characters of three numbers */

static float
float_from_bytes(const uint8_t *p)
{
	uint32_t bits = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	float x;

	memcpy(&x, &bits, sizeof(x));
	return (x);
}

static bool
all_finite(const char *p, size_t len)
{
	uint8_t bytes[12];
	size_t i, n, k;

	for (i = 0; i < len; i += GROUP) {
		n = len - i < GROUP ? len - i : GROUP;
		memset(bytes, 0, sizeof(bytes));
		base64_decode(p + i, n, bytes);
		for (k = 0; k < sizeof(bytes); k += 4)
			if (!isfinite(float_from_bytes(bytes + k)))
				return (false);
	}
	return (true);
}

const char *
vector_text_fault(struct span token, bool finite)
{
	size_t size = base64_size(token.p + 1, token.len - 2);

	if (size == SIZE_MAX)
		return ("is not canonical base64");
	if (size == 0)
		return ("is empty");
	if (size % 4 != 0)
		return ("is not made of float32 numbers");
	if (finite && !all_finite(token.p + 1, token.len - 2))
		return ("has a number that is not finite");
	return (NULL);
}

/* The numbers of the array at ${pos}, as bytes. */
static int
read_floats(
    const char *text, size_t len, size_t pos, locale_t c, struct buf *out, struct json_fault *f)
{
	uint8_t bytes[4];
	uint32_t bits;
	float x;
	char *after;

	for (pos = json_space(text, len, pos + 1); text[pos] != ']';) {
		if (text[pos] != '-' && (text[pos] < '0' || text[pos] > '9'))
			return (json_fault_set(
			    f, pos, "member 'vector' has something that is no number"));
		x = strtof_l(text + pos, &after, c);
		if (!isfinite(x))
			return (json_fault_set(f, pos, "number is not finite as a float32"));
		memcpy(&bits, &x, sizeof(bits));
		bytes[0] = (uint8_t)bits;
		bytes[1] = (uint8_t)(bits >> 8);
		bytes[2] = (uint8_t)(bits >> 16);
		bytes[3] = (uint8_t)(bits >> 24);
		buf_add(out, bytes, sizeof(bytes));
		pos = json_space(text, len, (size_t)(after - text));
		if (text[pos] == ',')
			pos = json_space(text, len, pos + 1);
	}
	return (0);
}

int
vector_text_from_array(
    const char *text, size_t len, size_t pos, struct buf *out, struct json_fault *f)
{
	struct buf bytes = BUF_INIT;
	locale_t c;
	int rc;

	/* Decimal points, whatever the program's locale has. */
	if ((c = newlocale(LC_ALL_MASK, "C", (locale_t)0)) == (locale_t)0)
		return (json_fault_set(f, pos, "out of memory"));
	if ((rc = read_floats(text, len, pos, c, &bytes, f)) != 0)
		goto out;
	rc = -1;
	if (bytes.failed || buf_reserve(out, bytes.len / 3 * 4 + 6) != 0)
		json_fault_set(f, pos, "out of memory");
	else if (bytes.len == 0)
		json_fault_set(f, pos, "member 'vector' is empty");
	else {
		buf_addc(out, '"');
		base64_encode(out, (const uint8_t *)bytes.data, bytes.len);
		buf_addc(out, '"');
		rc = 0;
	}
out:
	freelocale(c);
	buf_release(&bytes);
	return (rc);
}

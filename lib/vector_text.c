/* A vector as a user sends it, and as a line stores it: base64 of little-endian float32. */
#include "config.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "le.h"
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

size_t
vector_text_dims(struct span token)
{
	size_t len = token.len - 2, pad = 0;

	while (pad < 2 && token.p[len - pad] == '=')
		pad++;
	return ((len / 4 * 3 - pad) / 4);
}

void
vector_text_floats(struct span token, float *out)
{
	const char *p = token.p + 1;
	uint8_t bytes[12];
	size_t i, n, k, dims = vector_text_dims(token);

	for (i = 0; i < dims; i += n, p += GROUP) {
		n = dims - i < 3 ? dims - i : 3;
		base64_decode(p, (n * 4 + 2) / 3 * 4, bytes);
		for (k = 0; k < n; k++)
			out[i + k] = float_from_bytes(bytes + 4 * k);
	}
}

int
vector_text_numbers(const char *text, size_t len, size_t pos, struct buf *out, struct json_fault *f)
{
	locale_t c;
	float x;
	char *after;
	int rc = -1;

	/* Decimal points, whatever the program's locale has. */
	if ((c = newlocale(LC_ALL_MASK, "C", (locale_t)0)) == (locale_t)0)
		return (json_fault_set(f, pos, "out of memory"));
	for (pos = json_space(text, len, pos + 1); text[pos] != ']';) {
		if (text[pos] != '-' && (text[pos] < '0' || text[pos] > '9')) {
			json_fault_set(f, pos, "member 'vector' has something that is no number");
			goto out;
		}
		x = strtof_l(text + pos, &after, c);
		if (!isfinite(x)) {
			json_fault_set(f, pos, "number is not finite as a float32");
			goto out;
		}
		buf_add(out, &x, sizeof(x));
		pos = json_space(text, len, (size_t)(after - text));
		if (text[pos] == ',')
			pos = json_space(text, len, pos + 1);
	}
	rc = 0;
out:	freelocale(c);
	return (rc);
}

int
vector_text_from_array(
    const char *text, size_t len, size_t pos, struct buf *out, struct json_fault *f)
{
	struct buf floats = BUF_INIT;
	uint32_t bits;
	size_t i;
	int rc = -1;

	if (vector_text_numbers(text, len, pos, &floats, f) != 0)
		goto out;
	if (floats.failed || buf_reserve(out, floats.len / 3 * 4 + 6) != 0)
		json_fault_set(f, pos, "out of memory");
	else if (floats.len == 0)
		json_fault_set(f, pos, "member 'vector' is empty");
	else {
		for (i = 0; i < floats.len; i += sizeof(bits)) {
			memcpy(&bits, floats.data + i, sizeof(bits));
			le32_put(floats.data + i, bits);
		}
		buf_addc(out, '"');
		base64_encode(out, (const uint8_t *)floats.data, floats.len);
		buf_addc(out, '"');
		rc = 0;
	}
out:
	buf_release(&floats);
	return (rc);
}

/* Base64 (RFC 4648 section 4), with padding, one text for one run of bytes. */
#include "config.h"

#include "base64.h"

#include "banned.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define BAD 0xff
#define BAD4 BAD, BAD, BAD, BAD
#define BAD16 BAD4, BAD4, BAD4, BAD4
#define BAD64 BAD16, BAD16, BAD16, BAD16

static const uint8_t digit[256] = {BAD16, BAD16, BAD4, BAD4, BAD, BAD, BAD, 62, BAD, BAD, BAD, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD, BAD4, BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, BAD, BAD4, BAD, 26, 27, 28, 29, 30,
    31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, BAD, BAD4,
    BAD64, BAD64};

static uint8_t
value(char c)
{
	return (digit[(unsigned char)c]);
}

size_t
base64_size(const char *p, size_t len)
{
	uint8_t all = 0;
	size_t i, pad;

	if (len % 4 != 0)
		return (SIZE_MAX);
	if (len == 0)
		return (0);
	pad = p[len - 1] != '=' ? 0 : p[len - 2] != '=' ? 1 : 2;
	for (i = 0; i < len - pad; i++)
		all |= value(p[i]);
	if ((all & 0x80) != 0)
		return (SIZE_MAX);
	/* The bits that stand for nothing must be zero. */
	if ((pad == 1 && (value(p[len - 2]) & 3) != 0) ||
	    (pad == 2 && (value(p[len - 3]) & 15) != 0))
		return (SIZE_MAX);
	return (len / 4 * 3 - pad);
}

void
base64_decode(const char *p, size_t len, uint8_t *out)
{
	unsigned four;

	for (; len >= 4; len -= 4, p += 4) {
		four = (unsigned)(value(p[0]) & 63) << 18 | (unsigned)(value(p[1]) & 63) << 12;
		*out++ = (uint8_t)(four >> 16);
		if (p[2] == '=')
			break;
		four |= (unsigned)(value(p[2]) & 63) << 6;
		*out++ = (uint8_t)(four >> 8);
		if (p[3] == '=')
			break;
		four |= (unsigned)(value(p[3]) & 63);
		*out++ = (uint8_t)four;
	}
}

void
base64_encode(struct buf *out, const uint8_t *bytes, size_t len)
{
	unsigned three;
	size_t i;
	char *to;

	if (len > SIZE_MAX / 4 || buf_reserve(out, (len + 2) / 3 * 4) != 0) {
		out->failed = true;
		return;
	}
	to = out->data + out->len;
	for (i = 0; i + 3 <= len; i += 3) {
		three = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
		*to++ = alphabet[three >> 18];
		*to++ = alphabet[three >> 12 & 63];
		*to++ = alphabet[three >> 6 & 63];
		*to++ = alphabet[three & 63];
	}
	if (i < len) {
		three = (unsigned)bytes[i] << 16 | (i + 1 < len ? (unsigned)bytes[i + 1] << 8 : 0);
		*to++ = alphabet[three >> 18];
		*to++ = alphabet[three >> 12 & 63];
		*to++ = i + 1 < len ? alphabet[three >> 6 & 63] : '=';
		*to++ = '=';
	}
	if (len > 0)
		out->len = (size_t)(to - out->data);
}

/* JSON texts: what strings stand for, and how they are written. */
#include "config.h"

#include <string.h>

#include "json.h"
#include "json_internal.h"

#include "banned.h"

static unsigned
hex4(const char *p)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return (n);
}

static size_t
utf8_encode(unsigned code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return (1);
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return (2);
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return (3);
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return (4);
}

size_t
json_unit(const char *p, char out[4], size_t *ret_len)
{
	unsigned char lead = (unsigned char)p[0];
	unsigned code;

	if (lead != '\\') {
		*ret_len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
		memcpy(out, p, *ret_len);
		return (*ret_len);
	}
	*ret_len = 2;
	switch (p[1]) {
	case 'b':
		out[0] = '\b';
		return (1);
	case 't':
		out[0] = '\t';
		return (1);
	case 'n':
		out[0] = '\n';
		return (1);
	case 'f':
		out[0] = '\f';
		return (1);
	case 'r':
		out[0] = '\r';
		return (1);
	case 'u':
		break;
	default:
		out[0] = p[1];
		return (1);
	}
	code = hex4(p + 2);
	*ret_len = 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		code = 0x10000 + ((code & 0x3ff) << 10 | (hex4(p + 8) & 0x3ff));
		*ret_len = 12;
	}
	return (utf8_encode(code, out));
}

/* The bytes of a token, one after the other. */
struct bytes {
	const char *p;
	const char *end;
	char unit[4];
	size_t at;
	size_t n;
};

static int
next_byte(struct bytes *b)
{
	size_t len;

	if (b->at == b->n) {
		if (b->p == b->end)
			return (-1);
		b->n = json_unit(b->p, b->unit, &len);
		b->p += len;
		b->at = 0;
	}
	return ((unsigned char)b->unit[b->at++]);
}

int
json_name_cmp(struct span a, struct span b)
{
	struct bytes x = {a.p + 1, a.p + a.len - 1, {0}, 0, 0},
		     y = {b.p + 1, b.p + b.len - 1, {0}, 0, 0};
	int c, d;

	do {
		c = next_byte(&x);
		d = next_byte(&y);
	} while (c == d && c != -1);
	return (c < d ? -1 : c > d);
}

const char *
json_shown(struct span token, char out[JSON_SHOWN_SIZE])
{
	const char *p = token.p + 1, *end = token.p + token.len - 1;
	size_t n = 0, k, len;
	char unit[4];

	for (; p < end; p += len) {
		k = json_unit(p, unit, &len);
		if (n + k > 60) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if ((unsigned char)unit[0] < 0x20 || unit[0] == 0x7f ||
		    ((unsigned char)unit[0] == 0xc2 && (unsigned char)unit[1] < 0xa0)) {
			unit[0] = '?';
			k = 1;
		}
		memcpy(out + n, unit, k);
		n += k;
	}
	out[n] = '\0';
	return (out);
}

void
json_unescape(struct span token, struct buf *out)
{
	const char *p = token.p + 1, *end = token.p + token.len - 1, *q;
	char unit[4];
	size_t n, len;

	while ((q = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		buf_add(out, p, (size_t)(q - p));
		n = json_unit(q, unit, &len);
		buf_add(out, unit, n);
		p = q + len;
	}
	buf_add(out, p, (size_t)(end - p));
}

size_t
json_put_char(char *to, unsigned char c)
{
	static const char shorts[] = "btn\0fr"; /* U+0008 to U+000D */
	static const char hexdigits[] = "0123456789abcdef";

	if (c >= 0x20 && c != '"' && c != '\\') {
		to[0] = (char)c;
		return (1);
	}
	to[0] = '\\';
	if (c >= 0x20) {
		to[1] = (char)c;
		return (2);
	}
	if (c >= 8 && c <= 13 && shorts[c - 8] != '\0') {
		to[1] = shorts[c - 8];
		return (2);
	}
	memcpy(to + 1, "u00", 3);
	to[4] = hexdigits[c >> 4];
	to[5] = hexdigits[c & 15];
	return (6);
}

void
json_escape(struct buf *out, struct span text)
{
	size_t i;

	if (text.len > (SIZE_MAX / 2 - 2) / 6 || buf_reserve(out, 6 * text.len + 2) != 0) {
		out->failed = true;
		return;
	}
	out->data[out->len++] = '"';
	for (i = 0; i < text.len; i++)
		out->len += json_put_char(out->data + out->len, (unsigned char)text.p[i]);
	out->data[out->len++] = '"';
}

uint64_t
json_prefix(struct span token)
{
	struct bytes b = {token.p + 1, token.p + token.len - 1, {0}, 0, 0};
	uint64_t x = 0;
	int i, c;

	for (i = 0; i < 8; i++) {
		c = next_byte(&b);
		x = x << 8 | (c == -1 ? 0 : (uint64_t)c);
	}
	return (x);
}

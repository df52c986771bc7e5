/* A growing run of bytes. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

#include "banned.h"

static const char hexdigits[] = "0123456789abcdef";

void
buf_release(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

int
buf_reserve(struct buf *b, size_t more)
{
	size_t cap;
	char *data;

	if (b->failed)
		return (-1);
	if (b->cap - b->len >= more)
		return (0);
	if (more > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		return (-1);
	}
	cap = b->cap < 128 ? 128 : b->cap;
	while (cap - b->len < more)
		cap += cap / 2;
	if ((data = realloc(b->data, cap)) == NULL) {
		b->failed = true;
		return (-1);
	}
	b->data = data;
	b->cap = cap;
	return (0);
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	if (len == 0 || buf_reserve(b, len) != 0)
		return;
	memcpy(b->data + b->len, p, len);
	b->len += len;
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	if (buf_reserve(b, 1) == 0)
		b->data[b->len++] = c;
}

void
buf_addspan(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.len);
}

void
buf_addu64(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void
buf_addhex(struct buf *b, const uint8_t *bytes, size_t len)
{
	size_t i;
	char *p;

	if (buf_reserve(b, 2 * len) != 0)
		return;
	p = b->data + b->len;
	for (i = 0; i < len; i++) {
		*p++ = hexdigits[bytes[i] >> 4];
		*p++ = hexdigits[bytes[i] & 15];
	}
	b->len += 2 * len;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true;
	else if (buf_reserve(b, (size_t)n + 1) == 0) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

const char *
buf_cstr(struct buf *b)
{
	if (buf_reserve(b, 1) != 0)
		return ("");
	b->data[b->len] = '\0';
	return (b->data);
}

char *
buf_next_string(const struct buf *b, const char *before)
{
	size_t at = before == NULL ? 0 : (size_t)(before - b->data) + strlen(before) + 1;

	return (at < b->len ? b->data + at : NULL);
}

bool
span_eq(struct span a, struct span b)
{
	return (a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0));
}

bool
span_is(struct span a, const char *s)
{
	return (span_eq(a, (struct span){s, strlen(s)}));
}

int
span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (c != 0)
		return (c);
	return (a.len < b.len ? -1 : a.len > b.len);
}

/* One more than what a digit is worth, 0 of any other byte: a table has no branches to guess wrong. */
static const uint8_t nibble[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int
hex_decode(const char *hex, size_t n, uint8_t *out)
{
	unsigned hi, lo;
	size_t i;

	for (i = 0; i < n; i++) {
		hi = nibble[(uint8_t)hex[2 * i]];
		lo = nibble[(uint8_t)hex[2 * i + 1]];
		if (hi == 0 || lo == 0)
			return (-1);
		out[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
	}
	return (0);
}

int
decimal_parse(const char *p, size_t len, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i;

	if (len == 0 || len > 20 || (len > 1 && p[0] == '0'))
		return (-1);
	for (i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return (-1);
		if (n > (UINT64_MAX - (uint64_t)(p[i] - '0')) / 10)
			return (-1);
		n = n * 10 + (uint64_t)(p[i] - '0');
	}
	*ret = n;
	return (0);
}

void
decimal_pad(uint64_t n, size_t digits, char *out)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + n % 10);
		n /= 10;
	}
}

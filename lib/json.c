/* JSON texts: validation and the canonical form, but for the hot part; json_hot.h has that. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "json.h"
#include "json_internal.h"

#include "banned.h"

int
json_fault_set(struct json_fault *f, size_t at, const char *fmt, ...)
{
	va_list ap;

	if (f == NULL)
		return (-1);
	f->at = at;
	va_start(ap, fmt);
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return (-1);
}

static inline bool
is_space(unsigned char c)
{
	return (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

static inline bool
is_digit(unsigned char c)
{
	return (c >= '0' && c <= '9');
}

size_t
json_space(const char *text, size_t len, size_t pos)
{
	while (pos < len && is_space((unsigned char)text[pos]))
		pos++;
	return (pos);
}

size_t
json_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t pos = 0, n;

	while (pos < len) {
#ifdef __SSE2__
		if (len - pos >= 16) {
			unsigned mask = (unsigned)_mm_movemask_epi8(
			    _mm_loadu_si128((const __m128i *)(const void *)(p + pos)));

			pos += mask == 0 ? 16 : (size_t)__builtin_ctz(mask);
			if (mask == 0)
				continue;
		}
#endif
		if ((n = json_utf8_char(p + pos, len - pos)) == 0)
			break;
		pos += n;
	}
	return (pos);
}

const unsigned char *
json_locate(struct json_walk *w, size_t at)
{
	size_t near = w->len < JSON_NEAR ? 0 : w->len - JSON_NEAR;

	if (w->len - at >= JSON_NEAR) {
		w->origin = (uintptr_t)w->text;
		w->limit = (const unsigned char *)w->text + near + 1;
		return ((const unsigned char *)w->text + at);
	}
	if (!w->has_tail) {
		memset(w->tail + JSON_NEAR, 0, JSON_NEAR);
		if (w->len >= JSON_NEAR)
			memcpy(w->tail, w->text + near, JSON_NEAR);
		else {
			memset(w->tail, 0, JSON_NEAR);
			if (w->len > 0)
				memcpy(w->tail, w->text, w->len);
		}
		w->has_tail = true;
	}
	w->origin = (uintptr_t)w->tail - near;
	w->limit = w->tail + sizeof(w->tail); /* the zeros stop us before */
	return (w->tail + (at - near));
}

static int
fault_end(struct json_walk *w)
{
	return (json_fault_set(w->f, w->len, "unexpected end of line"));
}

int
json_fault(struct json_walk *w, size_t at, const char *what)
{
	return (at >= w->len ? fault_end(w) : json_fault_set(w->f, at, "%s", what));
}

int
json_fault_name(struct json_walk *w, size_t at)
{
	return (json_fault(w, at,
	    at < w->len && w->text[at] == '}' ? "trailing comma before '}'"
					      : "expected a member name in double quotes"));
}

int
json_fault_value(struct json_walk *w, size_t at)
{
	unsigned char c = at < w->len ? (unsigned char)w->text[at] : 0;

	return (json_fault(w, at,
	    c == 0	    ? "NUL byte"
		: c == '\'' ? "strings need double quotes"
			    : "expected a value"));
}

int
json_fault_control(struct json_walk *w, size_t at)
{
	if (at < w->len && w->text[at] != '\0')
		return (json_fault_set(w->f, at, "control character U+%04X in a string is not escaped",
		    (unsigned char)w->text[at]));
	return (json_fault(w, at, "NUL byte in a string"));
}

int
json_fault_word(struct json_walk *w, size_t at)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *word = words[w->text[at] == 't' ? 0 : w->text[at] == 'f' ? 1 : 2];
	size_t i;

	for (i = 0; word[i] != '\0' && at + i < w->len; i++)
		if (w->text[at + i] != word[i])
			return (json_fault_set(w->f, at, "expected '%s'", word));
	return (fault_end(w));
}

/* One or more digits at ${at}.  Return where they end, 0 with w->f. */
static size_t
digits(struct json_walk *w, size_t at, const char *fault)
{
	size_t from = at;

	while (at < w->len && is_digit((unsigned char)w->text[at]))
		at++;
	if (at > from)
		return (at);
	json_fault(w, at, fault);
	return (0);
}

size_t
json_number(struct json_walk *w, size_t at)
{
	const char *p = w->text;
	size_t len = w->len;

	if (p[at] == '-')
		at++;
	if (at < len && p[at] == '0') {
		at++;
		if (at < len && is_digit((unsigned char)p[at])) {
			json_fault_set(w->f, at - 1, "number has a leading zero");
			return (0);
		}
	} else if ((at = digits(w, at, "expected a digit after '-'")) == 0)
		return (0);
	if (at < len && p[at] == '.' && (at = digits(w, at + 1, "expected a digit after '.'")) == 0)
		return (0);
	if (at < len && (p[at] | 0x20) == 'e') {
		at++;
		if (at < len && (p[at] == '+' || p[at] == '-'))
			at++;
		at = digits(w, at, "expected a digit in the exponent");
	}
	return (at);
}

/* Four hex digits at ${at}. */
static int
hex4(struct json_walk *w, size_t at, unsigned *ret, bool *ret_lower)
{
	unsigned n = 0, i;
	unsigned char c;

	for (i = 0; i < 4; i++) {
		if (at + i >= w->len)
			return (fault_end(w));
		c = (unsigned char)w->text[at + i];
		if (is_digit(c))
			n = n << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (unsigned)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F') {
			n = n << 4 | (unsigned)(c - 'A' + 10);
			*ret_lower = false;
		} else
			return (json_fault_set(w->f, at + i, "expected four hex digits after \\u"));
	}
	*ret = n;
	return (0);
}

/* \uXXXX at ${at}.  Return its length, 0 with w->f. */
static size_t
unicode(struct json_walk *w, size_t at)
{
	const char *p = w->text;
	unsigned code, second;
	bool lower = true;
	size_t n = 6;

	if (hex4(w, at + 2, &code, &lower) != 0)
		return (0);
	if (code == 0) {
		json_fault_set(w->f, at, "\\u0000 is not allowed");
		return (0);
	}
	if (code >= 0xdc00 && code <= 0xdfff)
		goto lone;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (w->len - at < 8 || p[at + 6] != '\\' || p[at + 7] != 'u')
			goto lone;
		if (hex4(w, at + 8, &second, &lower) != 0)
			return (0);
		if (second < 0xdc00 || second > 0xdfff)
			goto lone;
		n = 12;
	}
	if (!lower || code >= 0x20 || code == '\b' || code == '\t' || code == '\n' || code == '\f' || code == '\r')
		w->changed = true;
	return (n);
lone:
	json_fault_set(w->f, at, "lone surrogate");
	return (0);
}

size_t
json_escaped(struct json_walk *w, size_t at, char *o, size_t *ret_out)
{
	size_t n = 2, out, len;
	char unit[4];

	*ret_out = 0;
	if (w->len - at < 2) {
		fault_end(w);
		return (0);
	}
	switch (w->text[at + 1]) {
	case 'u':
		if ((n = unicode(w, at)) == 0)
			return (0);
		break;
	case '/':
		w->changed = true;
		break;
	case '"':
	case '\\':
	case 'b':
	case 't':
	case 'n':
	case 'f':
	case 'r':
		break;
	default:
		json_fault_set(w->f, at, "invalid escape in a string");
		return (0);
	}
	if (o == NULL)
		return (n);
	out = json_unit(w->text + at, unit, &len);
	if (out == 1)
		out = json_put_char(o, (unsigned char)unit[0]);
	else
		memcpy(o, unit, out);
	*ret_out = out;
	return (n);
}

int
json_scan(const char *text, size_t len, size_t *pos, unsigned depth, bool *ret_canonical, struct json_fault *f)
{
	struct json_walk w;

	json_walk_init(&w, text, len, NULL, f);
	w.pos = *pos;
	w.o = NULL;
	if (json_engine()->scan(&w, depth) != 0)
		return (-1);
	*pos = w.pos;
	*ret_canonical = !w.changed;
	return (0);
}

int
json_canonical(const char *text, size_t len, size_t *pos, unsigned depth, struct json_work *work, struct buf *out,
    struct json_fault *f)
{
	struct json_walk w;

	if (buf_reserve(out, len - *pos + JSON_SLACK) != 0)
		return (json_fault_set(f, *pos, "out of memory"));
	json_walk_init(&w, text, len, work, f);
	w.pos = *pos;
	w.o = out->data + out->len;
	if (json_engine()->write(&w, depth) != 0)
		return (-1);
	*pos = w.pos;
	out->len = (size_t)(w.o - out->data);
	return (0);
}

/* JSON texts: validation in one pass, without allocation. */
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

struct scan {
	const unsigned char *p; /* the text */
	size_t len;
	size_t pos;
	bool canonical; /* so far */
	struct json_fault *f;
};

static int scan_value(struct scan *s, unsigned depth);

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

/* RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF. */
size_t
json_utf8_char(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (p[0] < 0x80)
		return (1);
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return (0);
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return (0);
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return (0);
	for (i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return (0);
	return (n);
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

/* The first byte at or after ${pos} that is a quote, a backslash, a control character or not ASCII. */
static inline size_t
skip_plain(const unsigned char *p, size_t pos, size_t len)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
		      space = _mm_set1_epi8(' ');
	__m128i v, m;
	unsigned mask;

	for (; len - pos >= 16; pos += 16) {
		v = _mm_loadu_si128((const __m128i *)(const void *)(p + pos));
		/* As signed bytes, what is not ASCII is below a space too. */
		m = _mm_or_si128(_mm_cmplt_epi8(v, space),
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
		if ((mask = (unsigned)_mm_movemask_epi8(m)) != 0)
			return (pos + (size_t)__builtin_ctz(mask));
	}
#endif
	while (pos < len && p[pos] != '"' && p[pos] != '\\' && p[pos] >= 0x20 && p[pos] < 0x80)
		pos++;
	return (pos);
}

static int
fault_end(struct scan *s)
{
	return (json_fault_set(s->f, s->len, "unexpected end of line"));
}

/* Four hex digits at ${at}. */
static int
scan_hex4(struct scan *s, size_t at, unsigned *ret, bool *ret_lower)
{
	unsigned n = 0, i;
	unsigned char c;

	for (i = 0; i < 4; i++) {
		if (at + i >= s->len)
			return (fault_end(s));
		c = s->p[at + i];
		if (is_digit(c))
			n = n << 4 | (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (unsigned)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F') {
			n = n << 4 | (unsigned)(c - 'A' + 10);
			*ret_lower = false;
		} else
			return (json_fault_set(s->f, at + i, "expected four hex digits after \\u"));
	}
	*ret = n;
	return (0);
}

/* \uXXXX at s->pos. */
static int
scan_unicode(struct scan *s)
{
	unsigned code, second;
	bool lower = true;

	if (scan_hex4(s, s->pos + 2, &code, &lower) != 0)
		return (-1);
	if (code == 0)
		return (json_fault_set(s->f, s->pos, "\\u0000 is not allowed"));
	if (code >= 0xdc00 && code <= 0xdfff)
		return (json_fault_set(s->f, s->pos, "lone surrogate"));
	if (code >= 0xd800 && code <= 0xdbff) {
		if (s->pos + 8 > s->len || s->p[s->pos + 6] != '\\' || s->p[s->pos + 7] != 'u')
			return (json_fault_set(s->f, s->pos, "lone surrogate"));
		if (scan_hex4(s, s->pos + 8, &second, &lower) != 0)
			return (-1);
		if (second < 0xdc00 || second > 0xdfff)
			return (json_fault_set(s->f, s->pos, "lone surrogate"));
		s->pos += 6;
	}
	s->pos += 6;
	if (!lower || code >= 0x20 || code == '\b' || code == '\t' || code == '\n' ||
	    code == '\f' || code == '\r')
		s->canonical = false;
	return (0);
}

/* An escape at s->pos. */
static int
scan_escape(struct scan *s)
{
	if (s->len - s->pos < 2)
		return (fault_end(s));
	switch (s->p[s->pos + 1]) {
	case 'u':
		return (scan_unicode(s));
	case '/':
		s->canonical = false;
		/* FALLTHROUGH */
	case '"':
	case '\\':
	case 'b':
	case 't':
	case 'n':
	case 'f':
	case 'r':
		s->pos += 2;
		return (0);
	default:
		return (json_fault_set(s->f, s->pos, "invalid escape in a string"));
	}
}

/* The string that begins at s->pos with a quote. */
static int
scan_string(struct scan *s, bool *ret_escaped)
{
	const unsigned char *p = s->p;
	size_t n;

	*ret_escaped = false;
	s->pos++;
	for (;;) {
		s->pos = skip_plain(p, s->pos, s->len);
		while (s->pos < s->len && p[s->pos] >= 0x80) {
			if ((n = json_utf8_char(p + s->pos, s->len - s->pos)) == 0)
				return (json_fault_set(s->f, s->pos, "invalid UTF-8"));
			s->pos += n;
		}
		if (s->pos >= s->len)
			return (fault_end(s));
		if (p[s->pos] == '"') {
			s->pos++;
			return (0);
		}
		if (p[s->pos] == '\\') {
			*ret_escaped = true;
			if (scan_escape(s) != 0)
				return (-1);
		} else if (p[s->pos] == 0)
			return (json_fault_set(s->f, s->pos, "NUL byte in a string"));
		else if (p[s->pos] < 0x20)
			return (json_fault_set(s->f, s->pos,
			    "control character U+%04X in a string is not escaped", p[s->pos]));
	}
}

/* One or more digits. */
static int
scan_digits(struct scan *s, const char *where)
{
	if (s->pos >= s->len)
		return (fault_end(s));
	if (!is_digit(s->p[s->pos]))
		return (json_fault_set(s->f, s->pos, "expected a digit %s", where));
	do
		s->pos++;
	while (s->pos < s->len && is_digit(s->p[s->pos]));
	return (0);
}

static int
scan_number(struct scan *s)
{
	if (s->p[s->pos] == '-')
		s->pos++;
	if (s->pos < s->len && s->p[s->pos] == '0') {
		s->pos++;
		if (s->pos < s->len && is_digit(s->p[s->pos]))
			return (json_fault_set(s->f, s->pos - 1, "number has a leading zero"));
	} else if (scan_digits(s, "after '-'") != 0)
		return (-1);
	if (s->pos < s->len && s->p[s->pos] == '.') {
		s->pos++;
		if (scan_digits(s, "after '.'") != 0)
			return (-1);
	}
	if (s->pos < s->len && (s->p[s->pos] | 0x20) == 'e') {
		s->pos++;
		if (s->pos < s->len && (s->p[s->pos] == '+' || s->p[s->pos] == '-'))
			s->pos++;
		if (scan_digits(s, "in the exponent") != 0)
			return (-1);
	}
	return (0);
}

static int
scan_literal(struct scan *s, const char *word, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s->pos + i >= s->len)
			return (fault_end(s));
		if (s->p[s->pos + i] != (unsigned char)word[i])
			return (json_fault_set(s->f, s->pos, "expected '%s'", word));
	}
	s->pos += n;
	return (0);
}

/* Pass over white space, which the canonical form has not; whether anything is left. */
static inline bool
scan_space(struct scan *s)
{
	if (s->pos < s->len && s->p[s->pos] <= ' ') {
		size_t pos = json_space((const char *)s->p, s->len, s->pos);

		if (pos != s->pos)
			s->canonical = false;
		s->pos = pos;
	}
	return (s->pos < s->len);
}

static int
fault_name(struct scan *s)
{
	if (s->p[s->pos] == '}')
		return (json_fault_set(s->f, s->pos, "trailing comma before '}'"));
	return (json_fault_set(s->f, s->pos, "expected a member name in double quotes"));
}

/* A member's name and its colon; keeps an eye on the order of names. */
static int
scan_name(struct scan *s, struct span *last, bool *last_escaped)
{
	struct span name;
	bool escaped;
	int c;

	name.p = (const char *)s->p + s->pos;
	if (scan_string(s, &escaped) != 0)
		return (-1);
	name.len = (size_t)((const char *)s->p + s->pos - name.p);
	if (s->canonical && last->p != NULL) {
		if (escaped || *last_escaped)
			c = json_name_cmp(*last, name);
		else /* the closing quotes must not take part */
			c = span_cmp((struct span){last->p, last->len - 1},
			    (struct span){name.p, name.len - 1});
		if (c >= 0)
			s->canonical = false;
	}
	*last = name;
	*last_escaped = escaped;
	if (!scan_space(s))
		return (fault_end(s));
	if (s->p[s->pos] != ':')
		return (json_fault_set(s->f, s->pos, "expected ':' after a member name"));
	s->pos++;
	return (0);
}

static int
scan_object(struct scan *s, unsigned depth)
{
	struct span last = {NULL, 0};
	bool last_escaped = false;

	s->pos++;
	if (!scan_space(s))
		return (fault_end(s));
	if (s->p[s->pos] == '}') {
		s->pos++;
		return (0);
	}
	if (s->p[s->pos] == ',')
		return (json_fault_set(s->f, s->pos, "expected a member name in double quotes"));
	for (;;) {
		if (s->p[s->pos] != '"')
			return (fault_name(s));
		if (scan_name(s, &last, &last_escaped) != 0 || scan_value(s, depth + 1) != 0)
			return (-1);
		if (!scan_space(s))
			return (fault_end(s));
		if (s->p[s->pos] == '}')
			break;
		if (s->p[s->pos] != ',')
			return (json_fault_set(s->f, s->pos, "expected ',' or '}' after a member"));
		s->pos++;
		if (!scan_space(s))
			return (fault_end(s));
	}
	s->pos++;
	return (0);
}

static int
scan_array(struct scan *s, unsigned depth)
{
	s->pos++;
	if (!scan_space(s))
		return (fault_end(s));
	if (s->p[s->pos] == ']') {
		s->pos++;
		return (0);
	}
	for (;;) {
		if (scan_value(s, depth + 1) != 0)
			return (-1);
		if (!scan_space(s))
			return (fault_end(s));
		if (s->p[s->pos] == ']')
			break;
		if (s->p[s->pos] != ',')
			return (json_fault_set(s->f, s->pos, "expected ',' or ']' in an array"));
		s->pos++;
		if (!scan_space(s))
			return (fault_end(s));
		if (s->p[s->pos] == ']')
			return (json_fault_set(s->f, s->pos, "trailing comma before ']'"));
	}
	s->pos++;
	return (0);
}

static int
scan_value(struct scan *s, unsigned depth)
{
	bool escaped;

	if (!scan_space(s))
		return (fault_end(s));
	switch (s->p[s->pos]) {
	case '"':
		return (scan_string(s, &escaped));
	case '{':
	case '[':
		if (depth > JSON_DEPTH_MAX)
			return (
			    json_fault_set(s->f, s->pos, "nesting deeper than %d", JSON_DEPTH_MAX));
		return (s->p[s->pos] == '{' ? scan_object(s, depth) : scan_array(s, depth));
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return (scan_number(s));
	case 't':
		return (scan_literal(s, "true", 4));
	case 'f':
		return (scan_literal(s, "false", 5));
	case 'n':
		return (scan_literal(s, "null", 4));
	case 0:
		return (json_fault_set(s->f, s->pos, "NUL byte"));
	case '\'':
		return (json_fault_set(s->f, s->pos, "strings need double quotes"));
	default:
		return (json_fault_set(s->f, s->pos, "expected a value"));
	}
}

int
json_scan(const char *text, size_t len, size_t *pos, unsigned depth, bool *ret_canonical,
    struct json_fault *f)
{
	struct scan s = {(const unsigned char *)text, len, *pos, true, f};

	if (scan_value(&s, depth) != 0)
		return (-1);
	*pos = s.pos;
	*ret_canonical = s.canonical;
	return (0);
}

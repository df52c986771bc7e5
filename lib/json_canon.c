/* JSON texts: strings, the canonical form, and walking what is canonical already. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_internal.h"

#include "banned.h"

/* A member of an object that is being written: where it stands in the output, and in the input for messages. */
struct member {
	size_t at;	 /* of its name token, in the output */
	size_t name_len; /* of that token */
	size_t len;	 /* of the whole, without a comma */
	size_t from;	 /* of its name, in the text */
};

struct members {
	struct member *v; /* a stack: those of the innermost object on top */
	size_t n;
	size_t cap;
};

struct canon {
	const char *text; /* valid up to len */
	size_t len;
	size_t pos;
	struct buf *out; /* has room for all that comes */
	struct members stack;
	struct buf spare; /* members on their way to their place */
	struct json_fault *f;
};

static int write_value(struct canon *c);

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

/* Append one byte as it stands in a canonical string.  Return how many that took, at most six. */
static size_t
escape_byte(char *to, unsigned char c)
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
		out->len += escape_byte(out->data + out->len, (unsigned char)text.p[i]);
	out->data[out->len++] = '"';
}

/* The end of the string token at ${p}, which is valid. */
static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return (p + 1);
}

static void
put(struct canon *c, const char *p, size_t n)
{
	memcpy(c->out->data + c->out->len, p, n);
	c->out->len += n;
}

static void
write_string(struct canon *c)
{
	const char *p = c->text + c->pos, *end = string_end(p) - 1, *q;
	char unit[4];
	size_t n, len;

	c->pos += (size_t)(end + 1 - p);
	put(c, p++, 1);
	while ((q = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		put(c, p, (size_t)(q - p));
		n = json_unit(q, unit, &len);
		p = q + len;
		if (n == 1)
			c->out->len += escape_byte(
			    c->out->data + c->out->len, (unsigned char)unit[0]);
		else
			put(c, unit, n);
	}
	put(c, p, (size_t)(end + 1 - p));
}

static int
fault_memory(struct canon *c, size_t at)
{
	return (json_fault_set(c->f, at, "out of memory"));
}

/* Room on the stack for ${more}; beside growth, merge sort needs as much again. */
static int
members_reserve(struct members *m, size_t more)
{
	struct member *v;
	size_t cap = m->cap < 16 ? 16 : m->cap;

	while (cap - m->n < more)
		cap *= 2;
	if (cap == m->cap)
		return (0);
	if ((v = realloc(m->v, cap * sizeof(*v))) == NULL)
		return (-1);
	m->v = v;
	m->cap = cap;
	return (0);
}

static struct span
member_name(const struct canon *c, const struct member *m)
{
	return ((struct span){c->out->data + m->at, m->name_len});
}

static int
member_cmp(const struct canon *c, const struct member *a, const struct member *b)
{
	struct span x = member_name(c, a), y = member_name(c, b);
	size_t n = (x.len < y.len ? x.len : y.len) - 1, i;

	/* Alike bytes are alike names, until an escape begins; then decode. */
	for (i = 1; i < n && x.p[i] == y.p[i] && x.p[i] != '\\'; i++)
		;
	if (i < n && x.p[i] != '\\' && y.p[i] != '\\')
		return ((unsigned char)x.p[i] < (unsigned char)y.p[i] ? -1 : 1);
	x.p += i - 1;
	x.len -= i - 1;
	y.p += i - 1;
	y.len -= i - 1;
	return (json_name_cmp(x, y));
}

/* Merge sort, from short runs to long, between ${v} and the ${n} places behind it: n log n whatever comes. */
static void
members_sort(const struct canon *c, struct member *v, size_t n)
{
	struct member *from = v, *to = v + n, *swap;
	size_t run, i, j, k, mid, end;

	for (run = 1; run < n; run *= 2) {
		for (k = 0; k < n; k = end) {
			i = k;
			mid = j = n - k < run ? n : k + run;
			end = n - mid < run ? n : mid + run;
			while (k < end)
				if (j == end || (i < mid && member_cmp(c, &from[i], &from[j]) <= 0))
					to[k++] = from[i++];
				else
					to[k++] = from[j++];
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
}

/* Put the members from ${base} of the stack, which stand at ${at} in the output, in order; refuse duplicates. */
static int
sort_members(struct canon *c, size_t base, size_t at)
{
	struct member *v;
	size_t n = c->stack.n - base, i;
	char shown[JSON_SHOWN_SIZE];
	bool sorted = true;

	if (n < 2)
		return (0);
	v = c->stack.v + base;
	for (i = 1; i < n && sorted; i++)
		sorted = member_cmp(c, &v[i - 1], &v[i]) < 0;
	if (sorted)
		return (0);
	if (members_reserve(&c->stack, n) != 0)
		return (fault_memory(c, v[0].from));
	v = c->stack.v + base;
	members_sort(c, v, n);
	for (i = 1; i < n; i++)
		if (member_cmp(c, &v[i - 1], &v[i]) == 0)
			return (json_fault_set(c->f, v[i].from, "duplicate member '%s'",
			    json_shown(member_name(c, &v[i]), shown)));
	buf_reset(&c->spare);
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(&c->spare, ',');
		buf_add(&c->spare, c->out->data + v[i].at, v[i].len);
	}
	if (c->spare.failed)
		return (fault_memory(c, v[0].from));
	memcpy(c->out->data + at, c->spare.data, c->spare.len);
	return (0);
}

static void
skip_space(struct canon *c)
{
	while (c->text[c->pos] == ' ' || c->text[c->pos] == '\t' || c->text[c->pos] == '\n' ||
	    c->text[c->pos] == '\r')
		c->pos++;
}

static int
write_member(struct canon *c)
{
	struct member m;

	m.at = c->out->len;
	m.from = c->pos;
	write_string(c);
	m.name_len = c->out->len - m.at;
	skip_space(c);
	c->pos++;
	put(c, ":", 1);
	skip_space(c);
	if (write_value(c) != 0)
		return (-1);
	m.len = c->out->len - m.at;
	if (members_reserve(&c->stack, 1) != 0)
		return (fault_memory(c, m.from));
	c->stack.v[c->stack.n++] = m;
	return (0);
}

static int
write_object(struct canon *c)
{
	size_t base = c->stack.n, at;

	c->pos++;
	put(c, "{", 1);
	at = c->out->len;
	skip_space(c);
	while (c->text[c->pos] != '}') {
		if (c->text[c->pos] == ',') {
			c->pos++;
			put(c, ",", 1);
			skip_space(c);
		}
		if (write_member(c) != 0)
			return (-1);
		skip_space(c);
	}
	if (sort_members(c, base, at) != 0)
		return (-1);
	c->stack.n = base;
	c->pos++;
	put(c, "}", 1);
	return (0);
}

static int
write_array(struct canon *c)
{
	c->pos++;
	put(c, "[", 1);
	skip_space(c);
	while (c->text[c->pos] != ']') {
		if (c->text[c->pos] == ',') {
			c->pos++;
			put(c, ",", 1);
			skip_space(c);
		}
		if (write_value(c) != 0)
			return (-1);
		skip_space(c);
	}
	c->pos++;
	put(c, "]", 1);
	return (0);
}

static void
write_scalar(struct canon *c)
{
	const char *p = c->text + c->pos;
	size_t n = 0;

	/* A number or a word: it ends before what cannot stand in one. */
	while (c->pos + n < c->len && p[n] != ',' && p[n] != ']' && p[n] != '}' && p[n] != ' ' &&
	    p[n] != '\t' && p[n] != '\n' && p[n] != '\r')
		n++;
	put(c, p, n);
	c->pos += n;
}

static int
write_value(struct canon *c)
{
	switch (c->text[c->pos]) {
	case '{':
		return (write_object(c));
	case '[':
		return (write_array(c));
	case '"':
		write_string(c);
		return (0);
	default:
		write_scalar(c);
		return (0);
	}
}

int
json_canonical(const char *text, size_t len, size_t *pos, unsigned depth, struct buf *out,
    struct json_fault *f)
{
	struct canon c = {text, len, *pos, out, {NULL, 0, 0}, BUF_INIT, f};
	size_t end = *pos, before = out->len;
	bool canonical;
	int rc;

	if (json_scan(text, len, &end, depth, &canonical, f) != 0)
		return (-1);
	if (buf_reserve(out, end - *pos) != 0)
		return (json_fault_set(f, *pos, "out of memory"));
	if (canonical) {
		buf_add(out, text + *pos, end - *pos);
		*pos = end;
		return (0);
	}
	c.pos = json_space(text, end, c.pos);
	c.len = end;
	if ((rc = write_value(&c)) == 0)
		*pos = end;
	else
		out->len = before;
	free(c.stack.v);
	buf_release(&c.spare);
	return (rc);
}

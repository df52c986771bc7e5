/* The headers of blocks: their text, and the names that they give. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "event.h"

#include "banned.h"

#define HEX_SIZE (2 * SHA256_SIZE)
#define MEMBERS 15
#define AT(field) offsetof(struct block_header, field)

enum kind { KIND_U64, KIND_HASH, KIND_TIME, KIND_BACKEND, KIND_STRING };

struct member {
	const char *name;
	enum kind kind;
	size_t at;
};

static const struct member members[MEMBERS] = {
    {"height", KIND_U64, AT(height)},
    {"time", KIND_TIME, AT(time_us)},
    {"backend", KIND_BACKEND, AT(backend)},
    {"size", KIND_U64, AT(size)},
    {"head", KIND_HASH, AT(head)},
    {"root", KIND_HASH, AT(root)},
    {"elements", KIND_U64, AT(elements)},
    {"heads", KIND_HASH, AT(heads)},
    {"state", KIND_HASH, AT(state)},
    {"entries", KIND_U64, AT(entries)},
    {"files", KIND_HASH, AT(files)},
    {"embedder", KIND_STRING, AT(embedder)},
    {"vector", KIND_STRING, AT(vector)},
    {"prev", KIND_HASH, AT(prev)},
    {"hash", KIND_HASH, AT(hash)},
};

/* The order of the header line, and that of a canonical object: numbers of members[]. */
static const unsigned line_order[MEMBERS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
static const unsigned canonical_order[MEMBERS] = {2, 6, 11, 9, 10, 14, 4, 7, 0, 13, 5, 3, 8, 1, 12};

static bool
is_absent(const struct block_header *h, const struct member *m)
{
	return (m->at == AT(vector) && h->vector.p == NULL);
}

static void
format_value(const struct block_header *h, const struct member *m, struct buf *out)
{
	const char *p = (const char *)h + m->at;
	char time[TIME_SIZE];

	switch (m->kind) {
	case KIND_U64:
		buf_addu64(out, *(const uint64_t *)(const void *)p);
		break;
	case KIND_HASH:
		buf_addc(out, '"');
		buf_addhex(out, (const uint8_t *)p, SHA256_SIZE);
		buf_addc(out, '"');
		break;
	case KIND_TIME:
		event_time_format(h->time_us, time);
		buf_addc(out, '"');
		buf_adds(out, time);
		buf_addc(out, '"');
		break;
	case KIND_BACKEND:
		buf_addf(out, "\"%s\"", backend_name(h->backend));
		break;
	case KIND_STRING:
		buf_addspan(out, *(const struct span *)(const void *)p);
		break;
	}
}

/* ${n} members from "{" on, without the closing brace. */
static void
format_members(const struct block_header *h, const unsigned *order, unsigned n, struct buf *out)
{
	const struct member *m;
	char before = '{';
	unsigned i;

	for (i = 0; i < n; i++) {
		m = &members[order[i]];
		if (is_absent(h, m))
			continue;
		buf_addc(out, before);
		buf_addc(out, '"');
		buf_adds(out, m->name);
		buf_adds(out, "\":");
		format_value(h, m, out);
		before = ',';
	}
}

void
block_format(struct block_header *h, struct buf *out)
{
	size_t from = out->len;

	format_members(h, line_order, MEMBERS - 1, out);
	if (!out->failed)
		sha256(out->data + from, out->len - from, h->hash);
	buf_adds(out, ",\"hash\":\"");
	buf_addhex(out, h->hash, SHA256_SIZE);
	buf_adds(out, "\"}\n");
}

void
block_canonical(const struct block_header *h, struct buf *out)
{
	format_members(h, canonical_order, MEMBERS, out);
	buf_addc(out, '}');
}

struct cursor {
	struct span text;
	size_t at;
	struct json_fault *f;
};

/* Move behind ${literal} where it stands here. */
static bool
skip(struct cursor *c, const char *literal)
{
	size_t len = strlen(literal);

	if (c->text.len - c->at < len || memcmp(c->text.p + c->at, literal, len) != 0)
		return (false);
	c->at += len;
	return (true);
}

static int
expected(struct cursor *c, const char *what, const char *name)
{
	return (json_fault_set(c->f, c->at, "expected %s '%s' of a block header", what, name));
}

static int
parse_u64(struct cursor *c, uint64_t *ret)
{
	size_t end = c->at;

	while (end < c->text.len && c->text.p[end] >= '0' && c->text.p[end] <= '9')
		end++;
	if (decimal_parse(c->text.p + c->at, end - c->at, ret) != 0)
		return (-1);
	c->at = end;
	return (0);
}

/* A string token, in its canonical form. */
static int
parse_string(struct cursor *c, struct span *ret)
{
	struct json_fault f;
	size_t end = c->at;
	bool canonical;

	if (end == c->text.len || c->text.p[end] != '"')
		return (-1);
	if (json_scan(c->text.p, c->text.len, &end, 2, &canonical, &f) != 0 || !canonical)
		return (-1);
	*ret = (struct span){c->text.p + c->at, end - c->at};
	c->at = end;
	return (0);
}

static int
parse_time(struct span token, int64_t *ret)
{
	char again[TIME_SIZE];

	if (token.len != TIME_SIZE + 1 || event_time_parse(token.p + 1, token.len - 2, ret) != 0)
		return (-1);
	event_time_format(*ret, again);
	return (memcmp(again, token.p + 1, TIME_SIZE - 1) == 0 ? 0 : -1);
}

static int
parse_backend(struct span token, enum backend *ret)
{
	if (span_is(token, "\"btrfs\""))
		*ret = BACKEND_BTRFS;
	else if (span_is(token, "\"copy\""))
		*ret = BACKEND_COPY;
	else
		return (-1);
	return (0);
}

static int
parse_value(struct cursor *c, const struct member *m, struct block_header *h)
{
	char *p = (char *)h + m->at;
	struct span token;

	if (m->kind == KIND_U64)
		return (parse_u64(c, (uint64_t *)(void *)p));
	if (parse_string(c, &token) != 0)
		return (-1);
	switch (m->kind) {
	case KIND_HASH:
		return (token.len == HEX_SIZE + 2
			? hex_decode(token.p + 1, SHA256_SIZE, (uint8_t *)p)
			: -1);
	case KIND_TIME:
		return (parse_time(token, &h->time_us));
	case KIND_BACKEND:
		return (parse_backend(token, &h->backend));
	default:
		*(struct span *)(void *)p = token;
		return (0);
	}
}

static int
parse_members(
    struct span text, const unsigned *order, struct block_header *ret, struct json_fault *f)
{
	struct cursor c = {text, 0, f};
	struct block_header h;
	const struct member *m;
	char key[32];
	unsigned i;

	memset(&h, 0, sizeof(h));
	for (i = 0; i < MEMBERS; i++) {
		m = &members[order[i]];
		snprintf(key, sizeof(key), "%c\"%s\":", i == 0 ? '{' : ',', m->name);
		if (!skip(&c, key)) {
			if (m->at == AT(vector))
				continue;
			return (expected(&c, "the member", m->name));
		}
		if (parse_value(&c, m, &h) != 0)
			return (expected(&c, "a good value of", m->name));
	}
	if (!skip(&c, "}") || c.at != text.len)
		return (json_fault_set(f, c.at, "expected the end of a block header"));
	*ret = h;
	return (0);
}

int
block_parse(struct span line, struct block_header *ret, struct json_fault *f)
{
	return (parse_members(line, line_order, ret, f));
}

int
block_from_canonical(struct span state, struct block_header *ret, struct json_fault *f)
{
	return (parse_members(state, canonical_order, ret, f));
}

void
block_name(const struct block_header *h, char out[BLOCK_NAME_SIZE])
{
	snprintf(out, BLOCK_NAME_SIZE, "block-%06ju-%02x%02x%02x%02x", (uintmax_t)h->height,
	    h->hash[0], h->hash[1], h->hash[2], h->hash[3]);
}

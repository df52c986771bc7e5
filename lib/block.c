/* Blocks: their headers, and which there are. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "event.h"
#include "io.h"

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

/* The height in a block's name; every height has one way to be written. */
static int
parse_name(const char *name, uint64_t *ret_height)
{
	struct block_header h = {0};
	char again[BLOCK_NAME_SIZE];
	const char *dash;
	size_t i, digits;

	if (strncmp(name, "block-", 6) != 0 || (dash = strchr(name + 6, '-')) == NULL ||
	    strlen(dash) != 9)
		return (-1);
	digits = (size_t)(dash - name) - 6;
	for (i = 0; i + 1 < digits && name[6 + i] == '0'; i++)
		;
	if (decimal_parse(name + 6 + i, digits - i, &h.height) != 0 ||
	    hex_decode(dash + 1, 4, h.hash) != 0)
		return (-1);
	block_name(&h, again);
	if (strcmp(again, name) != 0)
		return (-1);
	*ret_height = h.height;
	return (0);
}

static int
fault(struct block *b, const char *why)
{
	snprintf(b->fault, sizeof(b->fault), "%.*s", (int)sizeof(b->fault) - 1, why);
	return (-1);
}

/* Read and check the header of the block in ${dir}, whose name it becomes where it has none; what is wrong with it goes to b->fault. */
static int
read_header(struct block *b, int dir)
{
	struct json_fault f;
	struct err e = {0};
	char name[BLOCK_NAME_SIZE];
	struct span line;

	if (io_slurp(dir, ".ecl/block", BLOCK_HEADER_MAX, &b->line, &e) != 0) {
		b->unread = err_is_mem(&e);
		return (fault(b, e.text));
	}
	if (b->line.len == 0 || b->line.data[b->line.len - 1] != '\n')
		return (fault(b, "its header has no line feed at the end"));
	b->line.len--;
	line = (struct span){b->line.data, b->line.len};
	if (block_parse(line, &b->header, &f) != 0)
		return (fault(b, f.what));
	if (!event_hash_ok(line))
		return (fault(b, "the hash of its header is wrong"));
	block_name(&b->header, name);
	if (b->name[0] == '\0')
		memcpy(b->name, name, sizeof(name));
	if (strcmp(name, b->name) != 0)
		return (fault(b, "its header is that of another block"));
	return (0);
}

static void
read_block(struct block *b, int snap_fd)
{
	struct err e = {0};
	int dir;

	if ((dir = io_open_dir(snap_fd, b->name, &e)) == -1) {
		b->unread = err_is_mem(&e);
		fault(b, e.text);
		return;
	}
	b->good = read_header(b, dir) == 0;
	close(dir);
}

static int
compare_blocks(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->height != y->height)
		return (x->height < y->height ? -1 : 1);
	return (strcmp(x->name, y->name));
}

static struct block *
list_add(struct block_list *l, size_t *cap)
{
	size_t more = *cap == 0 ? 64 : 2 * *cap;
	struct block *p;

	if (l->n == *cap) {
		if ((p = realloc(l->block, more * sizeof(*p))) == NULL)
			return (NULL);
		l->block = p;
		*cap = more;
	}
	memset(&l->block[l->n], 0, sizeof(l->block[l->n]));
	return (&l->block[l->n++]);
}

static int
list_names(struct block_list *l, DIR *dir, uint64_t from, struct err *e)
{
	const struct dirent *d;
	struct block *b;
	uint64_t height;
	size_t cap = 0;

	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (parse_name(d->d_name, &height) != 0 || height < from)
			continue;
		if ((b = list_add(l, &cap)) == NULL)
			return (err_mem(e));
		b->height = height;
		memcpy(b->name, d->d_name,
		    strlen(d->d_name) + 1); /* fits: block_name() makes the same */
	}
	if (errno != 0)
		return (err_sys(e, "cannot read directory '.snapshots'"));
	return (0);
}

int
block_list_names(int snap_fd, uint64_t from, struct block_list *ret, struct err *e)
{
	struct block_list l = {NULL, 0};
	DIR *dir;
	int fd;

	*ret = l;
	if (snap_fd == -1)
		return (0);
	if ((fd = openat(snap_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open directory '.snapshots'"));
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return (err_sys(e, "cannot read directory '.snapshots'"));
	}
	if (list_names(&l, dir, from, e) != 0) {
		closedir(dir);
		block_list_release(&l);
		return (-1);
	}
	closedir(dir);
	if (l.n > 1)
		qsort(l.block, l.n, sizeof(*l.block), compare_blocks);
	*ret = l;
	return (0);
}

int
block_list_header(int snap_fd, struct block *b, struct err *e)
{
	read_block(b, snap_fd);
	return (b->unread ? err_mem(e) : 0);
}

int
block_list_read_from(int snap_fd, uint64_t from, struct block_list *ret, struct err *e)
{
	size_t i;

	if (block_list_names(snap_fd, from, ret, e) != 0)
		return (-1);
	for (i = 0; i < ret->n; i++) {
		if (block_list_header(snap_fd, &ret->block[i], e) != 0) {
			block_list_release(ret);
			return (-1);
		}
	}
	return (0);
}

int
block_open(int snap_fd, const char *name, struct err *e)
{
	struct block b = {0};
	struct err why = {0};
	int fd;

	snprintf(b.name, sizeof(b.name), "%s", name);
	if ((fd = io_open_dir(snap_fd, name, &why)) == -1) {
		if (why.sys == ENOENT)
			return (err_set(e, "the snapshot of block '%s' is gone", name));
		return (err_set(e, "block '%s': %s", name, why.text));
	}
	b.good = read_header(&b, fd) == 0;
	buf_release(&b.line);
	if (b.good)
		return (fd);
	close(fd);
	return (err_set(e, "block '%s' is damaged: %s", name, b.fault));
}

int
block_list_read(int snap_fd, struct block_list *ret, struct err *e)
{
	return (block_list_read_from(snap_fd, 0, ret, e));
}

int
block_list_read_alone(int dir, struct block_list *ret, struct err *e)
{
	struct block_list l = {NULL, 0};
	struct block *b;
	size_t cap = 0;

	*ret = l;
	if (faccessat(dir, ".ecl/block", F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		return (0);
	if ((b = list_add(&l, &cap)) == NULL)
		return (err_mem(e));
	b->good = read_header(b, dir) == 0;
	b->height = b->header.height;
	*ret = l;
	return (0);
}

void
block_list_release(struct block_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		buf_release(&l->block[i].line);
	free(l->block);
	l->block = NULL;
	l->n = 0;
}

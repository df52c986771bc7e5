/* What a block is sent as the difference to: a block that both sides have. */
#include "config.h"

#include <string.h>

#include "io.h"
#include "send.h"

#include "banned.h"

#define LIST_MAX ((size_t)256 << 20) /* bytes of the other side's list */
#define HASH_TOKEN (2 * SHA256_SIZE + 2)

void
send_have_release(struct send_have *h)
{
	buf_release(&h->text);
}

/* A line of JSON: its `hash`, unless `present` says that the block is gone.  Return 0, or -1 with ${f}. */
static int
add_header(struct send_have *h, struct json_work *work, struct span line, struct json_fault *f)
{
	struct buf canonical = BUF_INIT;
	struct span value, present, object;
	size_t pos = 0;
	int rc = -1;

	if (json_canonical(line.p, line.len, &pos, 1, work, &canonical, f) != 0)
		goto out;
	object = (struct span){canonical.data, canonical.len};
	if (json_space(line.p, line.len, pos) != line.len)
		json_fault_set(f, pos, "something stands behind the object");
	else if (json_get(object, "hash", &value) != 1 || value.len != HASH_TOKEN || value.p[0] != '"')
		json_fault_set(f, 0, "not a block: it has no 'hash' of 64 hex digits");
	else {
		rc = 0;
		if (json_get(object, "present", &present) == 1 && span_is(present, "false"))
			goto out;
		buf_add(&h->text, value.p + 1, value.len - 2);
		buf_addc(&h->text, '\0');
	}
out:	buf_release(&canonical);
	return (rc);
}

/* A line without its LF. */
static int
add_line(struct send_have *h, struct json_work *work, struct span line, struct json_fault *f)
{
	const char *slash;

	if (line.len == 0)
		return (0);
	if (line.p[0] == '{')
		return (add_header(h, work, line, f));
	if ((slash = memrchr(line.p, '/', line.len)) != NULL) {
		line.len -= (size_t)(slash + 1 - line.p);
		line.p = slash + 1;
	}
	if (line.len < 8 || line.len >= BLOCK_NAME_SIZE || memcmp(line.p, "block-", 6) != 0 || memchr(line.p, '\0', line.len) != NULL)
		return (json_fault_set(f, 0, "neither the header nor the name of a block"));
	buf_addspan(&h->text, line);
	buf_addc(&h->text, '\0');
	return (0);
}

static int
read_all(int fd, const char *name, struct buf *all, struct err *e)
{
	ssize_t n = -1;

	while (all->len <= LIST_MAX && buf_reserve(all, 65536) == 0 && (n = io_read(fd, all->data + all->len, 65536)) > 0)
		all->len += (size_t)n;
	if (all->failed)
		return (err_mem(e));
	if (all->len > LIST_MAX)
		return (err_set(e, "'%s' is no list of blocks: it has more than %zu bytes", name, LIST_MAX));
	return (n == 0 ? 0 : err_sys(e, "cannot read '%s'", name));
}

int
send_have_read(int fd, const char *name, struct send_have *ret, struct err *e)
{
	struct buf all = BUF_INIT;
	struct json_work work = {0};
	struct json_fault f;
	const char *p, *end, *lf;
	uint64_t number = 1;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if ((rc = read_all(fd, name, &all, e)) != 0)
		goto out;
	for (p = all.data, end = p + all.len; rc == 0 && p < end; p = lf + 1, number++) {
		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
			lf = end;
		if (add_line(ret, &work, (struct span){p, (size_t)(lf - p)}, &f) != 0)
			rc = err_set(e, "%s:%ju:%zu: %s", name, (uintmax_t)number, f.at + 1, f.what);
	}
	if (rc == 0 && ret->text.failed)
		rc = err_mem(e);
out:	json_work_release(&work);
	buf_release(&all);
	return (rc);
}

static bool
has(const struct send_have *have, const struct block *b)
{
	const char *one = NULL;
	struct buf hex = BUF_INIT;
	bool found = false;

	buf_addhex(&hex, b->header.hash, SHA256_SIZE);
	buf_addc(&hex, '\0');
	while (!found && !hex.failed && (one = buf_next_string(&have->text, one)) != NULL)
		found = strcmp(one, b->name) == 0 || strcmp(one, hex.data) == 0;
	buf_release(&hex);
	return (found);
}

const struct block *
send_parent(const struct blocks *b, const struct block *block, const struct send_have *have)
{
	const struct block *other;
	size_t i;

	for (i = b->list.n; i-- > 0;) {
		other = &b->list.block[i];
		if (other->height >= block->height || !other->good || !b->present[i] || other->header.backend != BACKEND_BTRFS)
			continue;
		if (have == NULL || has(have, other))
			return (other);
	}
	return (NULL);
}

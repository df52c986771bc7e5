/* What a block remembers of its own files. */
#include "config.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "files_table.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define MAGIC "eclfile3"
#define HEAD (8 + 16 + 16 + 8 + 8 + SHA256_SIZE + FILES_ID_SIZE + BLOCK_NAME_SIZE + 8)
#define CHANGE_HEAD 5
#define CHANGE_BODY (24 + 2 * SHA256_SIZE)
#define TABLE_MAX ((size_t)1 << 30)

/* The changes behind the head. */
static int
parse_changes(struct files_table *t, uint64_t n)
{
	const uint8_t *p = (const uint8_t *)t->text.data + HEAD, *end = (const uint8_t *)t->text.data + t->text.len - 4;
	struct files_record *r;
	size_t len;

	if (n > (size_t)(end - p) / CHANGE_HEAD || (t->view.change = calloc(n + 1, sizeof(*r))) == NULL)
		return (-1);
	for (t->view.n = 0; t->view.n < n; t->view.n++) {
		r = &t->view.change[t->view.n];
		if (end - p < CHANGE_HEAD)
			return (-1);
		len = le32_get(p);
		r->removed = p[4] != 0;
		p += CHANGE_HEAD;
		if ((size_t)(end - p) < len + (r->removed ? 0 : CHANGE_BODY))
			return (-1);
		r->path = (struct span){(const char *)p, len};
		p += len;
		if (t->view.n > 0 && span_cmp(r[-1].path, r->path) >= 0)
			return (-1);
		if (r->removed)
			continue;
		r->ino = le64_get(p);
		r->ctime_ns = (int64_t)le64_get(p + 8);
		r->size = le64_get(p + 16);
		r->content = p + 24;
		r->leaf = p + 24 + SHA256_SIZE;
		p += CHANGE_BODY;
	}
	return (p == end ? 0 : -1);
}

static int
parse(struct files_table *t, uint8_t base_id[FILES_ID_SIZE])
{
	const char *p = t->text.data;
	struct files_binding *b = &t->bound;

	if (t->text.len < HEAD + 4 || memcmp(p, MAGIC, 8) != 0 ||
	    le32_get(p + t->text.len - 4) != crc32c(0, p, t->text.len - 4))
		return (-1);
	memcpy(b->live, p + 8, 16);
	memcpy(b->hashed, p + 24, 16);
	b->generation = le64_get(p + 40);
	b->entries = le64_get(p + 48);
	memcpy(b->root, p + 56, SHA256_SIZE);
	memcpy(base_id, p + 88, FILES_ID_SIZE);
	memcpy(t->origin, p + 104, sizeof(t->origin));
	if (t->origin[sizeof(t->origin) - 1] != '\0')
		return (-1);
	return (parse_changes(t, le64_get(p + 104 + BLOCK_NAME_SIZE)));
}

/* Whether nobody but the effective user, or root, may write it. */
static bool
is_ours(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0) && (st.st_mode & 022) == 0);
}

/* The base with that id in the index ${dir}. */
static int
open_base(int dir, const uint8_t id[FILES_ID_SIZE], struct files_base **ret)
{
	struct files_base *b;

	if (!is_ours(dir) || files_base_open(dir, &b) != 0)
		return (-1);
	if (is_ours(b->fd) && memcmp(id, b->id, FILES_ID_SIZE) == 0) {
		*ret = b;
		return (0);
	}
	files_base_free(b);
	return (-1);
}

static int
open_index(int snap_fd, const char *name)
{
	char path[BLOCK_NAME_SIZE + 16];

	if (strchr(name, '/') != NULL)
		return (-1);
	snprintf(path, sizeof(path), "%s/.ecl/index", name);
	return (io_open_dir(snap_fd, path, NULL));
}

/* That of the block where it was first, which has been read before; else the block's own. */
static int
find_base(struct files_table *t, int snap_fd, int own, const char *name, const uint8_t id[FILES_ID_SIZE])
{
	int dir, rc = -1;

	if (strcmp(name, t->origin) != 0 && (dir = open_index(snap_fd, t->origin)) != -1) {
		rc = open_base(dir, id, &t->view.base);
		close(dir);
	}
	if (rc == 0)
		return (0);
	snprintf(t->origin, sizeof(t->origin), "%s", name);
	return (open_base(own, id, &t->view.base));
}

int
files_table_open(int snap_fd, const char *name, struct files_table *ret)
{
	uint8_t id[FILES_ID_SIZE];
	int dir, fd, rc = -1;

	memset(ret, 0, sizeof(*ret));
	if ((dir = open_index(snap_fd, name)) == -1)
		return (-1);
	if ((fd = io_open_file(dir, FILES_TABLE, O_RDONLY, 0, NULL)) == -1)
		goto out;
	if (is_ours(dir) && is_ours(fd) && io_slurp(dir, FILES_TABLE, TABLE_MAX, &ret->text, NULL) == 0 && parse(ret, id) == 0 &&
	    find_base(ret, snap_fd, dir, name, id) == 0 && files_view_sort(&ret->view) == 0)
		rc = 0;
	close(fd);
out:	close(dir);
	return (rc);
}

void
files_table_release(struct files_table *t)
{
	files_base_free(t->view.base);
	free(t->view.change);
	free(t->view.by_ino);
	buf_release(&t->text);
	memset(t, 0, sizeof(*t));
}

static void
format(const struct files_left *left, struct buf *out)
{
	const struct files_binding *b = &left->bound;
	const struct files_view *v = &left->view;
	const struct files_record *r;
	uint8_t n[24];
	size_t i;

	buf_adds(out, MAGIC);
	buf_add(out, b->live, 16);
	buf_add(out, b->hashed, 16);
	le64_put(n, b->generation);
	le64_put(n + 8, b->entries);
	buf_add(out, n, 16);
	buf_add(out, b->root, SHA256_SIZE);
	buf_add(out, left->base_id, FILES_ID_SIZE);
	buf_add(out, left->origin, sizeof(left->origin));
	le64_put(n, v->n);
	buf_add(out, n, 8);
	for (i = 0; i < v->n; i++) {
		r = &v->change[i];
		le32_put(n, (uint32_t)r->path.len);
		n[4] = r->removed;
		buf_add(out, n, CHANGE_HEAD);
		buf_addspan(out, r->path);
		if (r->removed)
			continue;
		le64_put(n, r->ino);
		le64_put(n + 8, (uint64_t)r->ctime_ns);
		le64_put(n + 16, r->size);
		buf_add(out, n, 24);
		buf_add(out, r->content, SHA256_SIZE);
		buf_add(out, r->leaf, SHA256_SIZE);
	}
	le32_put(n, out->failed ? 0 : crc32c(0, out->data, out->len));
	buf_add(out, n, 4);
}

int
files_table_take(struct files_table *ret, struct files_left *left, struct files_table *old)
{
	uint8_t id[FILES_ID_SIZE];

	memset(ret, 0, sizeof(*ret));
	format(left, &ret->text);
	if (ret->text.failed || parse(ret, id) != 0)
		return (-1);
	if (left->base.len > 0) {
		if (files_base_take(&left->base, &ret->view.base) != 0)
			return (-1);
	} else {
		ret->view.base = old->view.base;
		old->view.base = NULL;
	}
	return (files_view_sort(&ret->view));
}

/* A new file of a directory, in the place of what is there, with these bytes or those of the file ${shared}. */
static int
put(int dir, const char *name, const struct buf *bytes, int shared, struct err *e)
{
	int fd, rc = 0;

	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove '.ecl/index/%s' of a block", name));
	if ((fd = io_open_file(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0640, e)) == -1)
		return (-1);
	if (shared != -1 ? ioctl(fd, FICLONE, shared) != 0 : io_write(fd, bytes->data, bytes->len) != 0)
		rc = err_sys(e, "cannot write '.ecl/index/%s' of a block", name);
	close(fd);
	return (rc);
}

int
files_table_store(int block_fd, const struct files_left *left, struct err *e)
{
	struct buf out = BUF_INIT;
	int dir, ecl, rc = -1;

	if ((ecl = io_open_dir(block_fd, ".ecl", e)) == -1)
		return (-1);
	if (io_make_dir(ecl, "index", e) != 0 || (dir = io_open_dir(ecl, "index", e)) == -1)
		goto err0;
	format(left, &out);
	if (out.failed)
		err_mem(e);
	else if (put(dir, FILES_BASE, &left->base, left->base.len > 0 ? -1 : left->view.base->fd, e) == 0)
		rc = put(dir, FILES_TABLE, &out, -1, e);
	close(dir);
	buf_release(&out);
err0:	close(ecl);
	return (rc);
}

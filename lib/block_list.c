/* Which blocks there are, and what is wrong with them. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "event.h"
#include "io.h"

#include "banned.h"

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

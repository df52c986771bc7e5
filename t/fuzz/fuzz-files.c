/*
 * What a block remembers of its files.  Any bytes as the table and as its base, with the right checksum and without: refused, or
 * read without harm.  And a base and changes over it made of the bytes: read back as they were written, found by path and by
 * inode, their root that of all the leaves.
 */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "files_table.h"
#include "files_walk.h"
#include "io.h"
#include "le.h"
#include "merkle.h"

#include "fuzz.h"

#include "banned.h"

#define INDEX "b/.ecl/index"
#define MOST 64

static char where[] = "/dev/shm/ecl-fuzz-XXXXXX";
static int dir = -1, block = -1;

static void
leave(void)
{
	unlinkat(dir, INDEX "/" FILES_TABLE, 0);
	unlinkat(dir, INDEX "/" FILES_BASE, 0);
	unlinkat(dir, INDEX, AT_REMOVEDIR);
	unlinkat(dir, "b/.ecl", AT_REMOVEDIR);
	unlinkat(dir, "b", AT_REMOVEDIR);
	rmdir(where);
}

static void
enter(void)
{
	MUST(mkdtemp(where) != NULL);
	MUST((dir = open(where, O_RDONLY | O_DIRECTORY)) != -1);
	MUST(mkdirat(dir, "b", 0700) == 0 && mkdirat(dir, "b/.ecl", 0700) == 0 && mkdirat(dir, INDEX, 0700) == 0);
	MUST((block = openat(dir, "b", O_RDONLY | O_DIRECTORY)) != -1);
	atexit(leave);
}

static void
put(const char *name, const void *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	MUST(fd != -1);
	MUST(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* Everything of a view; where it is ${whole} and not found to be damaged, its root against that of its leaves one by one. */
static void
look(struct files_view *v, bool whole)
{
	struct files_cursor c = {0, 0};
	struct files_record r, found;
	struct files_links links;
	struct merkle tree;
	struct err e = {0, 0, ""};
	uint8_t root[SHA256_SIZE], want[SHA256_SIZE];
	uint64_t n;
	bool met;

	merkle_init(&tree);
	while (files_view_next(v, &c, &r)) {
		merkle_add(&tree, r.leaf);
		MUST(files_view_find(v, r.path, &found) || !whole || v->base->bad);
		met = false;
		files_view_links(v, &links, r.ino);
		while (files_view_link(v, &links, &found))
			met = met || span_eq(found.path, r.path);
		MUST(met || !whole || v->base->bad);
	}
	merkle_root(&tree, want);
	MUST(files_view_root(v, &n, root, &e) == 0);
	if (whole && !v->base->bad)
		MUST(n == tree.size && memcmp(root, want, SHA256_SIZE) == 0);
}

/* Whatever is there now: whether it is taken. */
static bool
open_table(bool whole)
{
	struct files_table t;
	bool taken = files_table_open(dir, "b", &t) == 0;

	if (taken)
		look(&t.view, whole);
	files_table_release(&t);
	return (taken);
}

static void
try_bytes(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;
	uint8_t crc[4];

	put(INDEX "/" FILES_TABLE, data, size);
	put(INDEX "/" FILES_BASE, data, size);
	open_table(false);
	buf_adds(&b, "eclfiles");
	buf_add(&b, data, size);
	le32_put(crc, crc32c(0, b.data, b.len));
	buf_add(&b, crc, 4);
	put(INDEX "/" FILES_TABLE, b.data, b.len);
	open_table(false);
	buf_release(&b);
}

/* Files of few paths, so that changes often are of what the base has, as many as the bytes give: some for the base, some for changes over it. */
static void
make(struct files_walk *w, const uint8_t *data, size_t size, bool change)
{
	struct files_item *it = w->item;
	char path[3];
	size_t i;

	w->n = 0;
	buf_reset(&w->paths);
	for (i = 0; i + 3 <= size && w->n < MOST; i += 3) {
		if ((data[i] & 1) != change)
			continue;
		path[0] = (char)('a' + (data[i] >> 1) % 4);
		path[1] = (data[i + 1] & 1) != 0 ? '/' : '-';
		path[2] = (char)('0' + (data[i + 1] >> 1) % 4);
		it[w->n] = (struct files_item){.path = w->paths.len, .len = 3, .ino = data[i + 2] % 8, .order = w->n, .removed = change && data[i + 2] > 200};
		memset(it[w->n].leaf, data[i + 2], SHA256_SIZE);
		it[w->n].leaf[0] = (uint8_t)i;
		buf_add(&w->paths, path, 3);
		w->n++;
	}
	files_walk_sort(w);
}

static void
try_view(const uint8_t *data, size_t size)
{
	struct files_item items[MOST];
	struct files_record changes[MOST];
	struct files_walk w = {.item = items};
	struct files_builder made = {.n = 0};
	struct files_left left = {.origin = "b"};
	struct err e = {0, 0, ""};
	size_t i;

	make(&w, data, size, false);
	for (i = 0; i < w.n; i++) {
		struct files_record r = files_walk_record(&w, i);

		files_builder_add(&made, &r);
	}
	MUST(files_builder_end(&made, left.bound.root, left.base_id, &left.base, &e) == 0);
	files_builder_release(&made);
	make(&w, data, size, true);
	for (i = 0; i < w.n; i++)
		changes[i] = files_walk_record(&w, i);
	left.view = (struct files_view){.change = changes, .n = w.n};
	MUST(files_table_store(block, &left, &e) == 0);
	MUST(open_table(true));
	/* One byte that is another: not taken, or the damage is seen where it matters. */
	if (size > 0) {
		left.base.data[(size_t)data[0] * 97 % left.base.len] ^= (char)(1 + data[size - 1] % 255);
		put(INDEX "/" FILES_BASE, left.base.data, left.base.len);
		open_table(true);
	}
	buf_release(&left.base);
	buf_release(&w.paths);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (dir == -1)
		enter();
	if (size > 4096)
		return (0);
	try_bytes(data, size);
	try_view(data, size);
	return (0);
}

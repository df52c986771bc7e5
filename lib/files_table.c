/* Which contents the last block's files had. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "files_table.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define MAGIC "eclfile1"
#define MAGIC_SIZE 8
#define KEY_SIZE 24
#define RECORD_SIZE (KEY_SIZE + SHA256_SIZE)
#define SECOND_NS INT64_C(1000000000)
#define TABLE_MAX ((size_t)4 << 30) /* 76 million files */

void
files_table_init(struct files_table *t)
{
	struct timespec now;

	memset(t, 0, sizeof(*t));
	clock_gettime(CLOCK_REALTIME, &now);
	t->snapshot_ns = (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void
files_table_release(struct files_table *t)
{
	buf_release(&t->old);
	buf_release(&t->fresh);
}

void
files_table_load(struct files_table *t, int layer_fd)
{
	struct buf b = BUF_INIT;
	size_t n;

	buf_reset(&t->old);
	if (io_slurp(layer_fd, ".ecl/index/files", TABLE_MAX, &b, NULL) == 0 && b.len >= MAGIC_SIZE + 4 &&
	    memcmp(b.data, MAGIC, MAGIC_SIZE) == 0 && (b.len - MAGIC_SIZE - 4) % RECORD_SIZE == 0 &&
	    le32_get(b.data + b.len - 4) == crc32c(0, b.data, b.len - 4)) {
		n = b.len - MAGIC_SIZE - 4;
		memmove(b.data, b.data + MAGIC_SIZE, n);
		b.len = n;
		t->old = b;
		return;
	}
	buf_release(&b);
}

static void
make_key(const struct stat *st, uint8_t out[KEY_SIZE])
{
	le64_put(out, (uint64_t)st->st_ino);
	le64_put(out + 8, (uint64_t)((int64_t)st->st_ctim.tv_sec * SECOND_NS + st->st_ctim.tv_nsec));
	le64_put(out + 16, (uint64_t)st->st_size);
}

/* By inode number; records of one inode (hard links) are the same. */
static int
by_inode(const void *a, const void *b)
{
	uint64_t x = le64_get(a), y = le64_get(b);

	return (x < y ? -1 : x > y);
}

const uint8_t *
files_table_find(const struct files_table *t, const struct stat *st)
{
	uint8_t key[KEY_SIZE];
	const uint8_t *found;

	if (t->old.len == 0)
		return (NULL);
	make_key(st, key);
	found = bsearch(key, t->old.data, t->old.len / RECORD_SIZE, RECORD_SIZE, by_inode);
	return (found != NULL && memcmp(found, key, KEY_SIZE) == 0 ? found + KEY_SIZE : NULL);
}

void
files_table_add(struct files_table *t, const struct stat *st, const uint8_t hash[SHA256_SIZE])
{
	uint8_t record[RECORD_SIZE];

	make_key(st, record);
	if ((int64_t)le64_get(record + 8) >= t->snapshot_ns - SECOND_NS)
		return;
	memcpy(record + KEY_SIZE, hash, SHA256_SIZE);
	buf_add(&t->fresh, record, sizeof(record));
}

int
files_table_store(struct files_table *t, int layer_fd, struct err *e)
{
	struct buf out = BUF_INIT;
	uint8_t crc[4];
	int fd, rc = -1;

	if (t->fresh.len > 0)
		qsort(t->fresh.data, t->fresh.len / RECORD_SIZE, RECORD_SIZE, by_inode);
	buf_adds(&out, MAGIC);
	buf_add(&out, t->fresh.data, t->fresh.len);
	le32_put(crc, crc32c(0, out.data, out.len));
	buf_add(&out, crc, sizeof(crc));
	if (out.failed || t->fresh.failed) {
		err_mem(e);
		goto out;
	}
	if ((fd = io_open_dir(layer_fd, ".ecl/index", e)) == -1)
		goto out;
	rc = io_publish(fd, "files", out.data, out.len, 0640, false, e);
	close(fd);
out:	buf_release(&out);
	return (rc);
}

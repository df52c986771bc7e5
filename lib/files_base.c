/* All files of a block as they were: the file, read by the chunk. */
#include "config.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "files_base.h"
#include "io.h"
#include "le.h"
#include "merkle.h"

#include "banned.h"

#define MAGIC "eclfile2"
#define HEAD 64
#define HEAD_SUMMED 40
#define CHUNK ((uint64_t)4 << 10)
#define RECORD 56
#define INO 12
#define MOST ((uint64_t)1 << 31) /* files */

static uint64_t
nodes_of(uint64_t n)
{
	uint64_t sum = 0;

	for (; n > 0; n >>= 1)
		sum += n;
	return (sum);
}

static uint64_t
chunks_of(uint64_t bytes)
{
	return ((bytes + CHUNK - 1) / CHUNK);
}

/* Where everything stands, from n and names. */
static void
lay_out(struct files_base *b)
{
	b->tree = b->n * RECORD;
	b->offsets = b->tree + nodes_of(b->n) * SHA256_SIZE;
	b->by_ino = b->offsets + (b->n + 1) * 8;
	b->text = b->by_ino + b->n * INO;
	b->size = b->text + b->names;
	b->body = HEAD + (chunks_of(b->size) * 4 + 7) / 8 * 8;
}

static uint32_t
head_sum(const uint8_t *head, const struct buf *sums)
{
	return (crc32c(crc32c(0, head, HEAD_SUMMED), sums->data, sums->len));
}

/* The head, and the sums of all chunks. */
static int
read_head(struct files_base *b)
{
	uint8_t head[HEAD];
	struct stat st;
	size_t sums;

	if (io_pread(b->fd, head, sizeof(head), 0) != HEAD || memcmp(head, MAGIC, 8) != 0)
		return (-1);
	b->n = le64_get(head + 8);
	b->names = le64_get(head + 16);
	memcpy(b->id, head + 24, FILES_ID_SIZE);
	if (b->n > MOST || b->names > (uint64_t)1 << 40 || fstat(b->fd, &st) != 0)
		return (-1);
	lay_out(b);
	if ((uint64_t)st.st_size != b->body + b->size)
		return (-1);
	sums = (size_t)(chunks_of(b->size) * 4);
	if (buf_reserve(&b->sums, sums) != 0 || io_pread(b->fd, b->sums.data, sums, HEAD) != (ssize_t)sums)
		return (-1);
	b->sums.len = sums;
	return (head_sum(head, &b->sums) == le32_get(head + HEAD_SUMMED) ? 0 : -1);
}

int
files_base_open(int dirfd, struct files_base **ret)
{
	struct files_base *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return (-1);
	if ((b->fd = io_open_file(dirfd, FILES_BASE, O_RDONLY, 0, NULL)) == -1)
		goto err1;
	if (read_head(b) != 0)
		goto err1;
	/* Memory that nobody writes to takes none. */
	b->mem = calloc(1, b->size + 8);
	b->have = calloc(1, chunks_of(b->size) + 1);
	if (b->mem == NULL || b->have == NULL)
		goto err1;
	*ret = b;
	return (0);

err1:	files_base_free(b);
	return (-1);
}

int
files_base_take(struct buf *bytes, struct files_base **ret)
{
	struct files_base *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return (-1);
	b->fd = -1;
	b->n = le64_get(bytes->data + 8);
	b->names = le64_get(bytes->data + 16);
	memcpy(b->id, bytes->data + 24, FILES_ID_SIZE);
	lay_out(b);
	if ((b->have = malloc(chunks_of(b->size) + 1)) == NULL) {
		free(b);
		return (-1);
	}
	memset(b->have, 1, chunks_of(b->size) + 1);
	memmove(bytes->data, bytes->data + b->body, b->size);
	b->mem = (uint8_t *)bytes->data;
	*bytes = (struct buf)BUF_INIT;
	*ret = b;
	return (0);
}

void
files_base_free(struct files_base *b)
{
	if (b == NULL)
		return;
	if (b->fd != -1)
		close(b->fd);
	buf_release(&b->sums);
	free(b->mem);
	free(b->have);
	free(b);
}

static void
read_chunk(struct files_base *b, uint64_t c)
{
	uint64_t at = c * CHUNK, len = b->size - at < CHUNK ? b->size - at : CHUNK;

	b->have[c] = 1;
	if (io_pread(b->fd, b->mem + at, len, b->body + at) == (ssize_t)len &&
	    crc32c(0, b->mem + at, len) == le32_get(b->sums.data + 4 * c))
		return;
	memset(b->mem + at, 0, len);
	b->bad = true;
}

static const uint8_t *
bytes(struct files_base *b, uint64_t at, uint64_t len)
{
	uint64_t c;

	for (c = at / CHUNK; len > 0 && c <= (at + len - 1) / CHUNK; c++)
		if (!b->have[c])
			read_chunk(b, c);
	return (b->mem + at);
}

static struct span
path_of(struct files_base *b, uint64_t i)
{
	const uint8_t *p = bytes(b, b->offsets + i * 8, 16);
	uint64_t from = le64_get(p), to = le64_get(p + 8);

	if (from > to || to > b->names) {
		b->bad = true;
		return ((struct span){"", 0});
	}
	return ((struct span){(const char *)bytes(b, b->text + from, to - from), (size_t)(to - from)});
}

void
files_base_get(struct files_base *b, uint64_t i, struct files_record *ret)
{
	const uint8_t *p = bytes(b, i * RECORD, RECORD);

	*ret = (struct files_record){.path = path_of(b, i),
	    .ino = le64_get(p),
	    .ctime_ns = (int64_t)le64_get(p + 8),
	    .size = le64_get(p + 16),
	    .content = p + 24,
	    .leaf = files_base_nodes(b, 0, i, 1)};
}

bool
files_base_find(struct files_base *b, struct span path, uint64_t *ret)
{
	uint64_t low = 0, high = b->n, mid;
	bool same = false;
	int c;

	while (low < high) {
		mid = low + (high - low) / 2;
		c = span_cmp(path_of(b, mid), path);
		if (c < 0)
			low = mid + 1;
		else {
			high = mid;
			same = c == 0;
		}
	}
	*ret = low;
	return (same);
}

uint64_t
files_base_by_ino(struct files_base *b, uint64_t k)
{
	uint64_t i = le32_get(bytes(b, b->by_ino + k * INO + 8, 4));

	if (i < b->n)
		return (i);
	b->bad = true;
	return (0);
}

uint64_t
files_base_find_ino(struct files_base *b, uint64_t ino)
{
	uint64_t low = 0, high = b->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (le64_get(bytes(b, b->by_ino + mid * INO, 8)) < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return (low);
}

const uint8_t *
files_base_nodes(struct files_base *b, unsigned level, uint64_t i, uint64_t count)
{
	uint64_t at = b->tree;
	unsigned k;

	for (k = 0; k < level; k++)
		at += (b->n >> k) * SHA256_SIZE;
	return (bytes(b, at + i * SHA256_SIZE, count * SHA256_SIZE));
}

void
files_builder_release(struct files_builder *w)
{
	buf_release(&w->records);
	buf_release(&w->tree);
	buf_release(&w->offsets);
	buf_release(&w->names);
}

void
files_builder_add(struct files_builder *w, const struct files_record *r)
{
	uint8_t head[24];

	le64_put(head, r->ino);
	le64_put(head + 8, (uint64_t)r->ctime_ns);
	le64_put(head + 16, r->size);
	buf_add(&w->records, head, sizeof(head));
	buf_add(&w->records, r->content, SHA256_SIZE);
	buf_add(&w->tree, r->leaf, SHA256_SIZE);
	le64_put(head, w->names.len);
	buf_add(&w->offsets, head, 8);
	buf_addspan(&w->names, r->path);
	w->n++;
}

/* The levels above the leaves, and the root: the perfect subtrees that have no brother, from the right. */
static void
grow(struct files_builder *w, uint8_t root[SHA256_SIZE])
{
	uint64_t n, at = 0;
	bool any = false;
	const char *last;

	sha256(NULL, 0, root);
	if (buf_reserve(&w->tree, (nodes_of(w->n) - w->n) * SHA256_SIZE) != 0)
		return;
	for (n = w->n; n > 0; at += n * SHA256_SIZE, n >>= 1) {
		last = w->tree.data + at + (n - 1) * SHA256_SIZE;
		if (n % 2 == 1 && any)
			merkle_node((const uint8_t *)last, root, root);
		else if (n % 2 == 1)
			memcpy(root, last, SHA256_SIZE);
		any = any || n % 2 == 1;
		merkle_pairs((const uint8_t *)w->tree.data + at, n / 2, (uint8_t *)w->tree.data + w->tree.len);
		w->tree.len += n / 2 * SHA256_SIZE;
	}
}

static int
by_inode(const void *a, const void *b)
{
	uint64_t x = le64_get(a), y = le64_get(b);
	uint32_t i = le32_get((const char *)a + 8), k = le32_get((const char *)b + 8);

	return (x != y ? (x < y ? -1 : 1) : i < k ? -1 : i > k);
}

static void
order(struct files_builder *w, struct buf *out)
{
	size_t at = out->len;
	uint8_t entry[INO];
	uint64_t i;

	for (i = 0; i < w->n && !w->records.failed; i++) {
		memcpy(entry, w->records.data + i * RECORD, 8);
		le32_put(entry + 8, (uint32_t)i);
		buf_add(out, entry, sizeof(entry));
	}
	if (!out->failed && w->n > 1)
		qsort(out->data + at, w->n, INO, by_inode);
}

/* The head and the sums, in front of the body at ${b->body} of ${out}. */
static void
seal(const struct files_base *b, struct buf *out)
{
	struct buf sums;
	uint64_t c, at;

	memset(out->data, 0, b->body);
	memcpy(out->data, MAGIC, 8);
	le64_put(out->data + 8, b->n);
	le64_put(out->data + 16, b->names);
	memcpy(out->data + 24, b->id, FILES_ID_SIZE);
	for (c = 0; c < chunks_of(b->size); c++) {
		at = c * CHUNK;
		le32_put(out->data + HEAD + 4 * c,
		    crc32c(0, out->data + b->body + at, b->size - at < CHUNK ? b->size - at : CHUNK));
	}
	sums = (struct buf){out->data + HEAD, chunks_of(b->size) * 4, 0, false};
	le32_put(out->data + HEAD_SUMMED, head_sum((uint8_t *)out->data, &sums));
}

int
files_builder_end(struct files_builder *w, uint8_t ret_root[SHA256_SIZE], uint8_t ret_id[FILES_ID_SIZE], struct buf *out, struct err *e)
{
	struct files_base b = {.n = w->n, .names = w->names.len};
	uint8_t end[8];

	if (w->n > MOST)
		return (err_set(e, "there are more files than can be remembered"));
	if (getrandom(b.id, sizeof(b.id), 0) != (ssize_t)sizeof(b.id))
		return (err_sys(e, "cannot get random bytes"));
	grow(w, ret_root);
	le64_put(end, w->names.len);
	buf_add(&w->offsets, end, sizeof(end));
	lay_out(&b);
	if (buf_reserve(out, b.body + b.size) != 0)
		return (err_mem(e));
	out->len = b.body;
	buf_add(out, w->records.data, w->records.len);
	buf_add(out, w->tree.data, w->tree.len);
	buf_add(out, w->offsets.data, w->offsets.len);
	order(w, out);
	buf_add(out, w->names.data, w->names.len);
	if (w->records.failed || w->tree.failed || w->offsets.failed || w->names.failed || out->failed)
		return (err_mem(e));
	seal(&b, out);
	memcpy(ret_id, b.id, sizeof(b.id));
	return (0);
}

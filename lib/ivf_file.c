/*
 * The file of a similarity segment.
 *
 * FAISS ends an index of inverted lists with (numbers as the machine has them, size_t being u64):
 *   "ilar", u64 nlist, u64 bytes a code, then either
 *     "full", u64 nlist, nlist times u64 rows                       or, where no more than half of the lists have rows,
 *     "sprs", u64 2 * n, n times: u64 list, u64 rows
 *   and for each list that has rows: its codes, its ids (i64)
 * and reads both forms whatever their number.  What stands before it is none of our business.
 */
#include "config.h"

#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "io.h"
#include "ivf_file.h"
#include "le.h"

#include "banned.h"

#define MAGIC "eclivf01"
#define BLOCK (256u << 10)
#define NLIST_MAX (1u << 20)
#define CODE_MAX (1u << 16)

void
ivf_file_release(struct ivf_file *f)
{
	free(f->list);
	f->list = NULL;
}

uint64_t
ivf_file_list_bytes(const struct ivf_file *f, uint32_t i)
{
	return (f->list[i].rows * (uint64_t)(f->code + IVF_ID));
}

static int
short_read(ssize_t n, struct err *e)
{
	return (n < 0 ? err_sys(e, "cannot read") : err_set(e, "it is cut"));
}

int
ivf_file_part(int fd, uint64_t at, uint64_t len, uint32_t crc, void *out, struct err *e)
{
	ssize_t n = io_pread(fd, out, len, at);

	if (n < 0 || (uint64_t)n != len)
		return (short_read(n, e));
	return (crc32c(0, out, len) == crc ? 0 : err_set(e, "its checksum is wrong at byte %llu", (unsigned long long)at));
}

/* The checksum of [at, at + len). */
static int
sum(int fd, uint64_t at, uint64_t len, uint8_t block[BLOCK], uint32_t *ret, struct err *e)
{
	uint32_t crc = 0;
	size_t want;
	ssize_t n;

	for (; len > 0; at += want, len -= want) {
		want = len < BLOCK ? len : BLOCK;
		if ((n = io_pread(fd, block, want, at)) < 0 || (size_t)n != want)
			return (short_read(n, e));
		crc = crc32c(crc, block, want);
	}
	*ret = crc;
	return (0);
}

static size_t
put64(uint8_t *out, uint64_t n)
{
	memcpy(out, &n, sizeof(n));
	return (sizeof(n));
}

void
ivf_file_lists(const struct ivf_file *f, const uint32_t *chosen, const uint32_t *rows, uint32_t n, uint8_t *out)
{
	uint32_t i;

	memcpy(out, "ilar", 4);
	out += 4;
	out += put64(out, f->nlist);
	out += put64(out, f->code);
	memcpy(out, "sprs", 4);
	out += 4;
	out += put64(out, 2 * (uint64_t)n);
	for (i = 0; i < n; i++) {
		out += put64(out, chosen[i]);
		out += put64(out, rows[i]);
	}
}

/* Where the lists begin and FAISS's table of them: the file ends with them, so both follow from the lists' sizes. */
static int
find_parts(int fd, struct ivf_file *f, struct err *e)
{
	uint64_t at, bytes = 0, filled = 0, table;
	uint8_t got[24], want[IVF_LISTS(0)];
	struct stat st;
	uint32_t i;

	for (i = 0; i < f->nlist; i++) {
		bytes += ivf_file_list_bytes(f, i);
		filled += f->list[i].rows != 0;
	}
	table = filled > f->nlist / 2 ? 32 + 8 * (uint64_t)f->nlist : IVF_LISTS(filled);
	if (fstat(fd, &st) != 0)
		return (err_sys(e, "cannot look at what FAISS wrote"));
	if ((uint64_t)st.st_size < bytes + table)
		return (err_set(e, "FAISS wrote less than it should"));
	f->data = at = (uint64_t)st.st_size - bytes;
	f->head = f->data - table;
	ivf_file_lists(f, NULL, NULL, 0, want);
	memcpy(want + 20, filled > f->nlist / 2 ? "full" : "sprs", 4);
	if (io_pread(fd, got, sizeof(got), f->head) != sizeof(got) || memcmp(got, want, sizeof(got)) != 0)
		return (err_set(e, "FAISS wrote its lists in a way that this program does not know"));
	for (i = 0; i < f->nlist; i++) {
		f->list[i].at = at;
		at += ivf_file_list_bytes(f, i);
	}
	return (0);
}

/* The centroids stand in the index as they are: so a query finds the nearest lists before FAISS has read anything. */
static int
find_centroids(int fd, struct ivf_file *f, const float *centroids, struct err *e)
{
	size_t len = f->nlist * (size_t)f->width * sizeof(float);
	uint8_t *head, *at;
	int rc = 0;

	if ((head = malloc(f->head + 1)) == NULL)
		return (err_mem(e));
	if (io_pread(fd, head, f->head, 0) != (ssize_t)f->head)
		rc = err_sys(e, "cannot read what FAISS wrote");
	else if ((at = memmem(head, f->head, centroids, len)) == NULL)
		rc = err_set(e, "FAISS wrote its centroids in a way that this program does not know");
	else
		f->centroids = (uint64_t)(at - head);
	free(head);
	return (rc);
}

int
ivf_file_finish(int fd, struct ivf_file *f, const float *centroids, uint64_t *ret_bytes, uint32_t *ret_crc,
    struct err *e)
{
	size_t len = f->nlist * (size_t)8 + IVF_TAIL;
	uint8_t *block, *table, *p;
	uint64_t end;
	uint32_t i;

	block = malloc(BLOCK);
	table = malloc(len);
	if (block == NULL || table == NULL) {
		err_mem(e);
		goto err1;
	}
	if (find_parts(fd, f, e) != 0 || find_centroids(fd, f, centroids, e) != 0 ||
	    sum(fd, 0, f->data, block, &f->crc, e) != 0)
		goto err1;
	for (i = 0, end = f->data, p = table; i < f->nlist; i++, p += 8) {
		if (sum(fd, f->list[i].at, ivf_file_list_bytes(f, i), block, &f->list[i].crc, e) != 0)
			goto err1;
		end += ivf_file_list_bytes(f, i);
		le32_put(p, f->list[i].rows);
		le32_put(p + 4, f->list[i].crc);
	}
	le64_put(p, f->from);
	le64_put(p + 8, f->to);
	le64_put(p + 16, f->centroids);
	le64_put(p + 24, f->head);
	le64_put(p + 32, f->data);
	le32_put(p + 40, f->width);
	le32_put(p + 44, f->code);
	le32_put(p + 48, f->nlist);
	le32_put(p + 52, f->crc);
	memcpy(p + 56, MAGIC, 8);
	*ret_crc = crc32c(0, table, len - 4);
	le32_put(p + 64, *ret_crc);
	*ret_bytes = end + len;
	if (io_pwrite(fd, table, len, end) != 0) {
		err_sys(e, "cannot write");
		goto err1;
	}
	free(table);
	free(block);
	return (0);

err1:	free(table);
	free(block);
	return (-1);
}

/* All but the lists, of the last bytes. */
static int
parse_tail(const uint8_t *p, uint64_t bytes, uint32_t crc, struct ivf_file *f, struct err *e)
{
	if (memcmp(p + 56, MAGIC, 8) != 0 || le32_get(p + 64) != crc)
		return (err_set(e, "it is damaged, or another than the manifest knows"));
	f->from = le64_get(p);
	f->to = le64_get(p + 8);
	f->centroids = le64_get(p + 16);
	f->head = le64_get(p + 24);
	f->data = le64_get(p + 32);
	f->width = le32_get(p + 40);
	f->code = le32_get(p + 44);
	f->nlist = le32_get(p + 48);
	f->crc = le32_get(p + 52);
	if (f->nlist == 0 || f->nlist > NLIST_MAX || f->code == 0 || f->code > CODE_MAX || f->to <= f->from || f->data > bytes ||
	    f->head > f->data || f->centroids > f->head ||
	    f->head - f->centroids < f->nlist * (uint64_t)f->width * sizeof(float) || bytes - f->data < IVF_TAIL + 8 * (uint64_t)f->nlist)
		return (err_set(e, "its table is damaged"));
	return (0);
}

/* The lists fill what is between data and the table. */
static int
parse_lists(const uint8_t *p, uint64_t bytes, struct ivf_file *f, struct err *e)
{
	uint64_t at = f->data, rows = 0;
	uint32_t i;

	for (i = 0; i < f->nlist; i++, p += 8) {
		f->list[i].rows = le32_get(p);
		f->list[i].crc = le32_get(p + 4);
		f->list[i].at = at;
		at += ivf_file_list_bytes(f, i);
		rows += f->list[i].rows;
	}
	if (rows != f->to - f->from || at != bytes - IVF_TAIL - 8 * (uint64_t)f->nlist)
		return (err_set(e, "its table is damaged"));
	return (0);
}

int
ivf_file_read(int fd, uint64_t bytes, uint32_t crc, struct ivf_file *ret, struct err *e)
{
	struct ivf_file f = {0};
	uint8_t tail[IVF_TAIL], *table = NULL;
	struct stat st;
	size_t len;

	if (fstat(fd, &st) != 0)
		return (err_sys(e, "cannot look at it"));
	if ((uint64_t)st.st_size != bytes || bytes < IVF_TAIL)
		return (err_set(e, "it has %lld bytes in place of %llu", (long long)st.st_size, (unsigned long long)bytes));
	if (io_pread(fd, tail, sizeof(tail), bytes - sizeof(tail)) != sizeof(tail))
		return (err_sys(e, "cannot read"));
	if (parse_tail(tail, bytes, crc, &f, e) != 0)
		return (-1);
	len = f.nlist * (size_t)8 + IVF_TAIL;
	if ((table = malloc(len)) == NULL || (f.list = calloc(f.nlist, sizeof(*f.list))) == NULL) {
		err_mem(e);
		goto err1;
	}
	if (ivf_file_part(fd, bytes - len, len - 4, crc, table, e) != 0 || parse_lists(table, bytes, &f, e) != 0)
		goto err1;
	free(table);
	*ret = f;
	return (0);

err1:	free(table);
	free(f.list);
	return (-1);
}

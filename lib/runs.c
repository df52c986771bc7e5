/* Sorted runs, read; runs.h has the format. */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "event.h"
#include "io.h"
#include "le.h"
#include "runs.h"
#include "runs_impl.h"

#include "banned.h"

#define RUN_DIGITS 12 /* of RUN_NUMBER_MAX */
#define FENCE_MIN 256 /* searches, before it can be worth to read a run's every block */

void
run_name(uint64_t number, char out[RUN_NAME_SIZE])
{
	memcpy(out, "elements-", 9);
	decimal_pad(number, RUN_DIGITS, out + 9);
	memcpy(out + 9 + RUN_DIGITS, ".run", 5);
}

uint64_t
run_bytes(const struct run *r)
{
	return ((1 + r->data_blocks + r->filter_blocks) * RUN_BLOCK);
}

uint32_t
run_block_crc(uint32_t seed, uint64_t number, uint64_t block, const uint8_t *data)
{
	uint8_t place[16];

	le64_put(place, number);
	le64_put(place + 8, block);
	return (crc32c(crc32c(seed, place, sizeof(place)), data, RUN_BODY));
}

uint64_t
run_filter_place(uint64_t number, uint64_t blocks, struct span name, uint64_t *ret_block)
{
	uint64_t key[2] = {number, 0}, hash = siphash(key, name);

	*ret_block = (hash >> 32) % blocks;
	return (hash * UINT64_C(0x9e3779b97f4a7c15));
}

static int
read_block(struct run *r, uint64_t block, uint8_t *data, struct err *e)
{
	char name[RUN_NAME_SIZE];
	ssize_t n;

	run_name(r->number, name);
	if ((n = io_pread(r->fd, data, RUN_BLOCK, block * RUN_BLOCK)) == -1)
		return (err_sys(e, "cannot read '%s'", name));
	if (n != RUN_BLOCK)
		return (err_set(e, "'%s' is too short", name));
	if (run_block_crc(r->seed, r->number, block, data) != le32_get(data + RUN_BODY))
		return (err_set(e, "the checksum of '%s' is wrong in block %" PRIu64, name, block));
	return (0);
}

/* Take the record at ${at}, which check_block() has seen; return the offset behind it. */
static unsigned
read_record(const uint8_t *data, unsigned at, struct run_record *ret)
{
	unsigned len = le16_get(data + at);
	const uint8_t *p = data + at + 2 + len;

	ret->name = (struct span){(const char *)data + at + 2, len};
	ret->id = le32_get(p);
	ret->first = le64_get(p + 4);
	ret->last = le64_get(p + 12);
	ret->last_state = le64_get(p + 20);
	ret->alive = (p[28] & RECORD_ALIVE) != 0;
	return (at + RECORD_FIXED + len);
}

/* Whether the records of a data block stay inside it: a checksum can be right on nonsense. */
static int
check_block(struct run *r, uint64_t block, const uint8_t *data, struct err *e)
{
	unsigned n = le16_get(data), end = BLOCK_HEAD + le16_get(data + 2), at = BLOCK_HEAD, len;
	char name[RUN_NAME_SIZE];

	if (n == 0 || end > RUN_BODY)
		goto wrong;
	for (; n > 0; n--) {
		if (end - at < RECORD_FIXED)
			goto wrong;
		len = le16_get(data + at);
		if (len == 0 || len > ELEMENT_MAX || end - at < RECORD_FIXED + len)
			goto wrong;
		at += RECORD_FIXED + len;
	}
	if (at == end)
		return (0);
wrong:	run_name(r->number, name);
	return (err_set(e, "'%s' is damaged in block %" PRIu64, name, block));
}

static int
read_data(struct run *r, uint64_t block, uint8_t *data, struct err *e)
{
	if (read_block(r, block, data, e) != 0)
		return (-1);
	return (check_block(r, block, data, e));
}

/* A data block by way of the cache. */
static int
get_data(struct run *r, uint64_t block, const uint8_t **ret, struct err *e)
{
	struct run_block *b = &r->cache[(block * UINT64_C(0x9e3779b97f4a7c15)) >> 57];

	if (b->number != block) {
		b->number = 0;
		if (b->data == NULL && (b->data = malloc(RUN_BLOCK)) == NULL)
			return (err_mem(e));
		if (read_data(r, block, b->data, e) != 0)
			return (-1);
		b->number = block;
	}
	*ret = b->data;
	return (0);
}

static int
read_header(struct run *r, struct err *e)
{
	uint8_t data[RUN_BLOCK];
	char name[RUN_NAME_SIZE];
	struct stat st;

	run_name(r->number, name);
	if (read_block(r, 0, data, e) != 0)
		return (-1);
	r->records = le64_get(data + 16);
	r->data_blocks = le64_get(data + 24);
	r->filter_blocks = le64_get(data + 32);
	if (memcmp(data, RUN_MAGIC, 8) != 0 || le64_get(data + 8) != r->number || r->records == 0 || r->data_blocks == 0 ||
	    r->data_blocks > r->records || r->filter_blocks == 0 || r->filter_blocks > UINT32_MAX)
		return (err_set(e, "'%s' is damaged in its header", name));
	if (fstat(r->fd, &st) != 0)
		return (err_sys(e, "cannot stat '%s'", name));
	if ((uint64_t)st.st_size / RUN_BLOCK < r->data_blocks || (uint64_t)st.st_size != run_bytes(r))
		return (err_set(e, "'%s' has the wrong size", name));
	return (0);
}

int
run_open(int dirfd, uint64_t number, uint32_t seed, struct run **ret, struct err *e)
{
	char name[RUN_NAME_SIZE];
	struct run *r;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		err_mem(e);
		goto err0;
	}
	r->number = number;
	r->seed = seed;
	run_name(number, name);
	if ((r->fd = io_open_file(dirfd, name, O_RDONLY, 0, e)) == -1)
		goto err1;
	if (read_header(r, e) != 0)
		goto err2;
	*ret = r;
	return (0);

err2:	close(r->fd);
err1:	free(r);
err0:	return (-1);
}

void
run_free(struct run *r)
{
	uint64_t i;

	if (r == NULL)
		return;
	for (i = 0; i < RUN_CACHE; i++)
		free(r->cache[i].data);
	for (i = 0; r->filter != NULL && i < r->filter_blocks; i++)
		free(r->filter[i]);
	free(r->filter);
	buf_release(&r->fence);
	free(r->fence_at);
	close(r->fd);
	free(r);
}

struct run_place
run_expect(const struct run *r, struct span name)
{
	struct run_place place;
	const uint8_t *data;

	place.bits = run_filter_place(r->number, r->filter_blocks, name, &place.block);
	if (r->filter != NULL && (data = r->filter[place.block]) != NULL) {
		__builtin_prefetch(data + run_filter_bit(place.bits, 0) / 8);
		__builtin_prefetch(data + run_filter_bit(place.bits, 1) / 8);
	}
	return (place);
}

/* Whether a name may be in the run.  Return 1, 0 or -1. */
static int
filter_has(struct run *r, struct run_place place, struct err *e)
{
	uint64_t block = place.block;
	unsigned i;
	uint8_t *data;

	if (r->filter == NULL && (r->filter = calloc(r->filter_blocks, sizeof(*r->filter))) == NULL)
		return (err_mem(e));
	if ((data = r->filter[block]) == NULL) {
		if ((data = malloc(RUN_BLOCK)) == NULL)
			return (err_mem(e));
		if (read_block(r, 1 + r->data_blocks + block, data, e) != 0) {
			free(data);
			return (-1);
		}
		r->filter[block] = data;
	}
	for (i = 0; i < FILTER_PROBES; i++) {
		unsigned bit = run_filter_bit(place.bits, i);

		if ((data[bit / 8] >> bit % 8 & 1) == 0)
			return (0);
	}
	return (1);
}

/* Read all blocks once, so that a search reads but one. */
static int
build_fence(struct run *r, struct err *e)
{
	uint8_t data[RUN_BLOCK];
	struct run_record rec;
	uint64_t i;

	if ((r->fence_at = malloc((r->data_blocks + 1) * sizeof(*r->fence_at))) == NULL)
		return (err_mem(e));
	for (i = 0; i < r->data_blocks; i++) {
		if (read_data(r, i + 1, data, e) != 0)
			goto err1;
		read_record(data, BLOCK_HEAD, &rec);
		r->fence_at[i] = r->fence.len;
		buf_addspan(&r->fence, rec.name);
	}
	r->fence_at[i] = r->fence.len;
	if (!r->fence.failed)
		return (0);
	err_mem(e);
err1:	buf_release(&r->fence);
	free(r->fence_at);
	r->fence_at = NULL;
	return (-1);
}

/* The first name of a block.  It is valid until another one is asked for. */
static int
first_name(struct run *r, uint64_t block, struct span *ret, struct err *e)
{
	struct run_record rec;
	const uint8_t *data;

	if (r->fence_at != NULL) {
		*ret = (struct span){r->fence.data + r->fence_at[block - 1], r->fence_at[block] - r->fence_at[block - 1]};
		return (0);
	}
	if (get_data(r, block, &data, e) != 0)
		return (-1);
	read_record(data, BLOCK_HEAD, &rec);
	*ret = rec.name;
	return (0);
}

/* The last data block whose first name is not above ${name} (the first block where all are). */
static int
find_block(struct run *r, struct span name, uint64_t *ret, struct err *e)
{
	uint64_t lo = 1, hi = r->data_blocks + 1, mid;
	struct span first;

	if (r->fence_at == NULL && ++r->searches > FENCE_MIN + r->data_blocks / 4 && build_fence(r, e) != 0)
		return (-1);
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (first_name(r, mid, &first, e) != 0)
			return (-1);
		if (span_cmp(first, name) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	*ret = lo;
	return (0);
}

int
run_find_at(struct run *r, struct span name, struct run_place place, struct run_record *ret, struct err *e)
{
	const uint8_t *data;
	unsigned at = BLOCK_HEAD, left;
	uint64_t block;
	int rc;

	if ((rc = filter_has(r, place, e)) <= 0)
		return (rc);
	if (find_block(r, name, &block, e) != 0 || get_data(r, block, &data, e) != 0)
		return (-1);
	for (left = le16_get(data); left > 0; left--) {
		at = read_record(data, at, ret);
		if (span_eq(ret->name, name)) {
			ret->name = name;
			return (1);
		}
	}
	return (0);
}

int
run_find(struct run *r, struct span name, struct run_record *ret, struct err *e)
{
	return (run_find_at(r, name, run_expect(r, name), ret, e));
}

int
run_iter_begin(struct run_iter *it, struct run *r, struct span from, struct err *e)
{
	struct run_record rec;
	unsigned next;

	it->run = r;
	if (find_block(r, from, &it->block, e) != 0 || read_data(r, it->block, it->data, e) != 0)
		return (-1);
	it->at = BLOCK_HEAD;
	it->left = le16_get(it->data);
	for (; it->left > 0; it->left--, it->at = next) {
		next = read_record(it->data, it->at, &rec);
		if (span_cmp(rec.name, from) >= 0)
			break;
	}
	return (0);
}

int
run_iter_next(struct run_iter *it, struct run_record *ret, struct err *e)
{
	if (it->left == 0) {
		if (it->block >= it->run->data_blocks)
			return (0);
		if (read_data(it->run, it->block + 1, it->data, e) != 0)
			return (-1);
		it->block++;
		it->at = BLOCK_HEAD;
		it->left = le16_get(it->data);
	}
	it->at = read_record(it->data, it->at, ret);
	it->left--;
	return (1);
}

int
run_check(struct run *r, struct err *e)
{
	struct run_record rec;
	struct run_iter *it;
	struct buf before = BUF_INIT;
	char name[RUN_NAME_SIZE];
	uint8_t data[RUN_BLOCK];
	uint64_t i, n = 0;
	int rc, ret = -1;

	run_name(r->number, name);
	if ((it = malloc(sizeof(*it))) == NULL)
		return (err_mem(e));
	for (i = 0; i < r->filter_blocks; i++)
		if (read_block(r, 1 + r->data_blocks + i, data, e) != 0)
			goto done;
	if (run_iter_begin(it, r, (struct span){"", 0}, e) != 0)
		goto done;
	while ((rc = run_iter_next(it, &rec, e)) == 1) {
		if (n++ > 0 && span_cmp((struct span){before.data, before.len}, rec.name) >= 0) {
			err_set(e, "the names in '%s' are not in order in block %" PRIu64, name, it->block);
			goto done;
		}
		buf_reset(&before);
		buf_addspan(&before, rec.name);
		if (before.failed) {
			err_mem(e);
			goto done;
		}
		if ((rc = filter_has(r, run_expect(r, rec.name), e)) != 1) {
			if (rc == 0)
				err_set(e, "the filter of '%s' lacks a name of block %" PRIu64, name, it->block);
			goto done;
		}
	}
	if (rc == -1)
		goto done;
	if (n != r->records)
		err_set(e, "'%s' has %" PRIu64 " records in place of %" PRIu64, name, n, r->records);
	else
		ret = 0;
done:	buf_release(&before);
	free(it);
	return (ret);
}

/* Sorted runs, written; runs.h has the format. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "le.h"
#include "runs.h"
#include "runs_impl.h"

#include "banned.h"

#define FLUSH_BYTES (256u << 10)

int
run_writer_begin(struct run_writer *w, int dirfd, uint64_t number, uint32_t seed, uint64_t records, struct err *e)
{
	memset(w, 0, sizeof(*w));
	w->dirfd = dirfd;
	w->number = number;
	w->seed = seed;
	w->filter_blocks = (records + FILTER_RECORDS - 1) / FILTER_RECORDS;
	if (w->filter_blocks == 0)
		w->filter_blocks = 1;
	run_name(number, w->name);
	if ((w->filter = calloc(w->filter_blocks, RUN_BLOCK)) == NULL) {
		err_mem(e);
		goto err0;
	}
	/* Nobody has a file of a new number open: one that is there was left by a run that died. */
	if ((w->fd = io_open_file(dirfd, w->name, O_WRONLY | O_CREAT | O_TRUNC, 0640, e)) == -1)
		goto err1;
	return (0);

err1:	free(w->filter);
	w->filter = NULL;
err0:	return (-1);
}

/* Write out what was collected, from data block number ${w->data_blocks} backwards. */
static int
flush(struct run_writer *w, struct err *e)
{
	uint64_t at = (1 + w->data_blocks) * RUN_BLOCK - w->out.len;

	if (w->out.failed)
		return (err_mem(e));
	if (io_pwrite(w->fd, w->out.data, w->out.len, at) != 0)
		return (err_sys(e, "cannot write '%s'", w->name));
	buf_reset(&w->out);
	return (0);
}

static int
end_block(struct run_writer *w, struct err *e)
{
	uint8_t data[RUN_BLOCK];

	if (w->in_block == 0)
		return (0);
	if (w->block.failed)
		return (err_mem(e));
	memset(data, 0, sizeof(data));
	le16_put(data, (uint16_t)w->in_block);
	le16_put(data + 2, (uint16_t)w->block.len);
	memcpy(data + BLOCK_HEAD, w->block.data, w->block.len);
	w->data_blocks++;
	le32_put(data + RUN_BODY, run_block_crc(w->seed, w->number, w->data_blocks, data));
	buf_add(&w->out, data, sizeof(data));
	buf_reset(&w->block);
	w->in_block = 0;
	return (w->out.len < FLUSH_BYTES ? 0 : flush(w, e));
}

static void
filter_add(struct run_writer *w, struct span name)
{
	uint64_t block, bits = run_filter_place(w->number, w->filter_blocks, name, &block);
	uint8_t *data = w->filter + block * RUN_BLOCK;
	unsigned i, bit;

	for (i = 0; i < FILTER_PROBES; i++) {
		bit = run_filter_bit(bits, i);
		data[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

int
run_writer_add(struct run_writer *w, const struct run_record *rec, struct err *e)
{
	size_t len = RECORD_FIXED + rec->name.len;
	uint8_t fixed[RECORD_FIXED];

	if (w->block.len + len > RUN_BODY - BLOCK_HEAD && end_block(w, e) != 0)
		return (-1);
	le16_put(fixed, (uint16_t)rec->name.len);
	le32_put(fixed + 2, rec->id);
	le64_put(fixed + 6, rec->first);
	le64_put(fixed + 14, rec->last);
	le64_put(fixed + 22, rec->last_state);
	fixed[30] = rec->alive ? RECORD_ALIVE : 0;
	buf_add(&w->block, fixed, 2);
	buf_addspan(&w->block, rec->name);
	buf_add(&w->block, fixed + 2, sizeof(fixed) - 2);
	filter_add(w, rec->name);
	w->in_block++;
	w->records++;
	return (0);
}

static void
release(struct run_writer *w)
{
	free(w->filter);
	w->filter = NULL;
	buf_release(&w->out);
	buf_release(&w->block);
}

void
run_writer_abort(struct run_writer *w)
{
	unlinkat(w->dirfd, w->name, 0);
	close(w->fd);
	release(w);
}

int
run_writer_end(struct run_writer *w, bool sync, struct err *e)
{
	uint8_t data[RUN_BLOCK];
	uint64_t i, at;

	if (end_block(w, e) != 0 || flush(w, e) != 0)
		goto err1;
	for (i = 0; i < w->filter_blocks; i++) {
		at = 1 + w->data_blocks + i;
		le32_put(w->filter + i * RUN_BLOCK + RUN_BODY, run_block_crc(w->seed, w->number, at, w->filter + i * RUN_BLOCK));
	}
	memset(data, 0, sizeof(data));
	memcpy(data, RUN_MAGIC, 8);
	le64_put(data + 8, w->number);
	le64_put(data + 16, w->records);
	le64_put(data + 24, w->data_blocks);
	le64_put(data + 32, w->filter_blocks);
	le32_put(data + RUN_BODY, run_block_crc(w->seed, w->number, 0, data));
	if (io_pwrite(w->fd, w->filter, w->filter_blocks * RUN_BLOCK, (1 + w->data_blocks) * RUN_BLOCK) != 0 ||
	    io_pwrite(w->fd, data, sizeof(data), 0) != 0 || (sync ? io_fdatasync : io_write_out)(w->fd) != 0) {
		err_sys(e, "cannot write '%s'", w->name);
		goto err1;
	}
	if (close(w->fd) != 0) {
		err_sys(e, "cannot close '%s'", w->name);
		unlinkat(w->dirfd, w->name, 0);
		release(w);
		return (-1);
	}
	release(w);
	return (0);

err1:	run_writer_abort(w);
	return (-1);
}

/* Columns of the index: fixed-width rows in files of 8 MiB, each full 64 KiB with a CRC-32C (DESIGN 5). */
#ifndef ECL_COLUMN_H_
#define ECL_COLUMN_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/*
 * Rows of a column named "rows" stand in the files `rows-<20 digits: number of the first row>`, each
 * COLUMN_FILE bytes long but for the last.  `rows-<...>.sum` holds one little-endian u32 for every full
 * COLUMN_CHUNK bytes: their CRC-32C.  The CRC of the last, partial chunk stands in the manifest `head`.  What lies
 * behind the rows that `head` counts is not part of the column.
 *
 * Every CRC begins with that of the manifest's seed, the column's name and the chunk's number, so that a chunk of
 * another ledger, column or place is as wrong as a damaged one.
 */
#define COLUMN_CHUNK (64u << 10)
#define COLUMN_FILE (8u << 20)
#define COLUMN_CACHE 16
#define COLUMN_PATH 64

struct column_chunk {
	uint64_t number; /* UINT64_MAX: none */
	uint8_t *data;
};

struct column {
	int dirfd;
	char name[24];
	unsigned width;	   /* bytes a row: a power of two */
	uint32_t seed;	   /* of the manifest */
	uint64_t rows;	   /* that the manifest vouches for */
	uint32_t tail_crc; /* CRC-32C of the bytes of the last, partial chunk; 0 where there is none */
	uint64_t file_no;  /* what fd is open on; UINT64_MAX: none */
	int fd;
	uint8_t sum[COLUMN_FILE / COLUMN_CHUNK * 4]; /* the sums of that file, as far as they were read */
	size_t sums;				     /* bytes of them */
	unsigned cached; /* chunks that are kept: COLUMN_CACHE, or less where whoever opens it asks for each once */
	struct column_chunk cache[COLUMN_CACHE]; /* last used first */
};

/** column_init(c, dirfd, name, width, seed, rows, tail_crc), column_release(c): nothing is opened yet.  ${dirfd} is not owned. */
void column_init(struct column *c, int dirfd, const char *name, unsigned width, uint32_t seed, uint64_t rows,
    uint32_t tail_crc);
void column_release(struct column *c);

/** column_path(c, row, out): the name of the file that holds ${row}. */
void column_path(const struct column *c, uint64_t row, char out[COLUMN_PATH]);

/** column_check_sizes(c): whether all files are there and long enough.  O(number of files). */
bool column_check_sizes(const struct column *c);

/** column_check_end(c): the same of the last file alone.  O(1); what is missing before it is met when it is read. */
bool column_check_end(const struct column *c);

/**
 * column_run(c, row, ret, ret_n, e):
 * The rows that stand in the same chunk as ${row} < c->rows, from the chunk's first row on: ${*ret} points to the
 * chunk's first row, valid until c->cached other chunks were read; ${*ret_n} is the number of rows in it.
 * Return 0, or -1 where the chunk is missing or its checksum is wrong.
 */
int column_run(struct column *c, uint64_t row, const uint8_t **ret, uint64_t *ret_n, struct err *e);

/** column_get(c, row, ret, e): one row (c->width bytes at ${*ret}, valid as above). */
int column_get(struct column *c, uint64_t row, const uint8_t **ret, struct err *e);

/** column_peek(c, row, out, e): one row (c->width bytes), unchecked: for who can tell without a checksum whether it is right.  Return 0 or -1. */
int column_peek(struct column *c, uint64_t row, void *out, struct err *e);

/** column_peek_now(c, row, out): the same without a wait for the disk.  Return 1; 0 where it is not in memory: the system is told to read it; or -1. */
int column_peek_now(struct column *c, uint64_t row, void *out);
/** column_is_cached(c, row), column_read_ahead(c, row, n): as io_is_cached() and io_read_ahead(), of ${n} rows. */
bool column_is_cached(struct column *c, uint64_t row);
void column_read_ahead(struct column *c, uint64_t row, uint64_t n);

/**
 * column_append(c, data, n, sync, e):
 * Write ${n} rows behind the last, update sums, c->rows and c->tail_crc, where ${sync} fdatasync what was written, else have it written (io_write_out()).  Readers
 * see none of it until a manifest names it.  Return 0, or -1 with c->rows as it was.
 */
int column_append(struct column *c, const uint8_t *data, uint64_t n, bool sync, struct err *e);

#endif

/* Sorted runs of the index: immutable files that say what is known of each element (DESIGN 5). */
#ifndef ECL_RUNS_H_
#define ECL_RUNS_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/*
 * `elements-<12 digits>.run`: blocks of RUN_BLOCK bytes, numbers little-endian.  The last four bytes of each block are
 * its CRC-32C, which begins with that of the manifest's seed, the run's number and the block's number (u64 each).
 *   block 0         "eclrun01", then as u64: run number, records, data blocks, filter blocks
 *   data blocks     u16 number of records, u16 bytes of them; records one behind the other, sorted by the bytes of
 *                   their names: name length u16, name, id u32, first u64, last u64, last_state u64 (all ones: none),
 *                   flags u8 (1: alive).  A block begins with a record.
 *   filter blocks   a Bloom filter of the names in each: SipHash-1-3 (key: run number, 0) chooses block and bits
 * A number is never used again for other contents.
 */
#define RUN_BLOCK 4096u
#define RUN_NAME_SIZE 32 /* "elements-000000000012.run" and NUL */
#define RUN_NUMBER_MAX UINT64_C(999999999999)
#define RUN_CACHE 128

struct run_record {
	struct span name;
	uint32_t id;
	uint64_t first, last, last_state;
	bool alive;
};

struct run_block {
	uint64_t number; /* 0: none */
	uint8_t *data;
};

struct run {
	int fd;
	uint64_t number;
	uint32_t seed;
	uint64_t records, data_blocks, filter_blocks;
	struct run_block cache[RUN_CACHE];
	uint8_t **filter; /* its blocks as far as they were read */
	uint64_t searches;
	struct buf fence;   /* the first names of all data blocks, once many searches made that worth reading them */
	size_t *fence_at;   /* where each begins; one more at the end */
};

/** run_name(number, out): the name of its file. */
void run_name(uint64_t number, char out[RUN_NAME_SIZE]);

/** run_bytes(r): the size of its file. */
uint64_t run_bytes(const struct run *r);

/**
 * run_open(dirfd, number, seed, ret, e):
 * Open a run and check its header and size.  Return 0, or -1 (e->sys == ENOENT where it is gone).
 */
int run_open(int dirfd, uint64_t number, uint32_t seed, struct run **ret, struct err *e);
void run_free(struct run *r);

/**
 * run_find(r, name, ret, e):
 * The record of that name; ret->name is ${name}.  Return 1, 0 where there is none, or -1 where a block is damaged.  O(log n).
 */
int run_find(struct run *r, struct span name, struct run_record *ret, struct err *e);

/* Where a run's filter tells of a name. */
struct run_place {
	uint64_t block, bits;
};

/**
 * run_expect(r, name), run_find_at(r, name, place, ret, e):
 * run_find() in two steps: between them the processor fetches what it will look at first.  For who has several runs to search.
 */
struct run_place run_expect(const struct run *r, struct span name);
int run_find_at(struct run *r, struct span name, struct run_place place, struct run_record *ret, struct err *e);

/* Goes through a run in order.  The run must outlive it; so must the record that was returned last. */
struct run_iter {
	struct run *run;
	uint64_t block;
	unsigned at, left; /* in the block: offset of the next record, number of those left */
	uint8_t data[RUN_BLOCK];
};

/** run_iter_begin(it, r, from, e): place ${it} before the first record whose name is not below ${from}.  Return 0 or -1. */
int run_iter_begin(struct run_iter *it, struct run *r, struct span from, struct err *e);

/** run_iter_next(it, ret, e): ret->name is valid until the next call.  Return 1, 0 at the end, or -1. */
int run_iter_next(struct run_iter *it, struct run_record *ret, struct err *e);

/** run_check(r, e): read all of it: checksums, order, numbers, filter.  Return 0, or -1 and what is wrong. */
int run_check(struct run *r, struct err *e);

/* A run being written. */
struct run_writer {
	int dirfd, fd;
	char name[RUN_NAME_SIZE];
	uint64_t number;
	uint32_t seed;
	uint64_t records, data_blocks, filter_blocks;
	struct buf out;	  /* whole blocks to be written */
	struct buf block; /* the one being filled */
	unsigned in_block;
	uint8_t *filter;
};

/** run_writer_begin(w, dirfd, number, seed, records, e): ${records}: how many there will be at most.  Return 0 or -1. */
int run_writer_begin(struct run_writer *w, int dirfd, uint64_t number, uint32_t seed, uint64_t records, struct err *e);

/** run_writer_add(w, rec, e): names must come in order. */
int run_writer_add(struct run_writer *w, const struct run_record *rec, struct err *e);

/** run_writer_end(w, sync, e): write the rest, and where ${sync} fdatasync, else io_write_out().  Return 0, or -1 with the file removed again. */
int run_writer_end(struct run_writer *w, bool sync, struct err *e);

/** run_writer_abort(w): remove the file. */
void run_writer_abort(struct run_writer *w);

#endif

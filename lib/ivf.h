/* Segments of the similarity index: runs of vector rows sealed as FAISS inverted files with small codes. */
#ifndef ECL_IVF_H_
#define ECL_IVF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * A segment is one immutable file: a FAISS index ("IVF<n>,PQ<width / 8>np", inner product) as FAISS writes it, ids =
 * row - from, and behind it our own table of where each inverted list stands and what its bytes' CRC-32C is (ivf_file.h).
 * Nothing of it is believed before its checksum was computed, and FAISS never sees the file: a query reads the
 * centroids, finds the nearest lists, and gives FAISS an index of those alone, less the rows that the query does not
 * want.  So memory and time follow what is probed, and a damaged file is an error, not a crash.
 *
 * FAISS stands in a module that is loaded by the first of these calls (ivf_impl.h).  Where it is missing, and in a build without
 * FAISS (ivf_none.c), ivf_available() is false and the rest is an error: exact scans take its place.
 */
struct ivf;

/** ivf_available(): whether there is FAISS. */
bool ivf_available(void);

/** The rows to be sealed: read(arg, row, n, out, e) gives rows [row, row + n), ${width} bytes each, any number of times. */
struct ivf_rows {
	int (*read)(void *arg, uint64_t row, size_t n, int8_t *out, struct err *e);
	void *arg;
	unsigned width; /* bytes a row: a power of two, 32 to IVF_WIDTH_MAX; dims above what is used are 0 */
};

/**
 * ivf_seal(dir_fd, name, rows, from, to, seed, step, arg, ret_bytes, ret_crc, e):
 * Train and write the segment of rows [${from}, ${to}) (IVF_LEAST to IVF_MAX of them): under the temporary name `.NAME.new`, which
 * a run that died leaves and the next one overwrites, fsynced, then renamed to ${name}, directory fsynced.  The same rows
 * and ${seed} give an index of the same recall.  ${ret_bytes} and ${ret_crc} are for the manifest: nothing else vouches
 * for the file.  step(arg, done, total) hears of the progress in rows, some never 0 and the last ${total}; what it returns
 * ends the work where it is not 0.  It and read() are called by one thread at a time, not always the same.  Uses all cores.
 * O(n sqrt n); a million rows of 256 take 21 s of processor time.  Return 0, or -1 with nothing left behind.
 */
int ivf_seal(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e);

/**
 * ivf_open(dir_fd, name, from, to, width, bytes, crc, ret, e):
 * Open what ivf_seal() wrote, as the manifest knows it: size, table and centroids are checked.  The caller owns ${ret}, which
 * belongs to one thread at a time.  Return 0, or -1 with ${e} (e->sys == ENOENT where it is gone).  Reads half a megabyte at
 * most, for ${width} 256.
 */
int ivf_open(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
    struct ivf **ret, struct err *e);

/** ivf_free(x): NULL is allowed. */
void ivf_free(struct ivf *x);

struct ivf_query {
	const int8_t *q;	/* ${width} bytes */
	size_t k;		/* candidates wanted: IVF_CANDIDATES for ten good results */
	uint64_t lo, hi;	/* only rows in [lo, hi) */
	const uint8_t *wanted;	/* and of those only where bit row - from is set (bit 0 is the lowest of byte 0); NULL: all */
	unsigned nprobe;	/* lists to be probed; 0: the default */
};

/**
 * ivf_search(x, query, ret_row, ret_score, ret_n, e):
 * The ${k} best candidates among the wanted rows of the lists that are probed: absolute rows at ${ret_row}, approximate inner
 * products at ${ret_score}, best first; ${ret_n} of them.  They are to be rescored with their exact rows.  Filters hold
 * inside the search: where few rows are wanted, more lists are probed, so that as many wanted rows are looked at.
 * Return 0, or -1 where a list is damaged.
 */
int ivf_search(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
    struct err *e);

/** ivf_check(x, e): read all lists: checksums, and each row once.  Return 0, or -1 and what is wrong. */
int ivf_check(struct ivf *x, struct err *e);

/* ---- Which runs of rows are to be segments (ivf_plan.c; also without FAISS) ---- */

#define IVF_MIN UINT64_C(50000)	  /* rows: below, an exact scan is as fast (ivf_seal() takes IVF_LEAST, for tests) */
#define IVF_LEAST UINT64_C(10240) /* rows: what training takes */
#define IVF_MAX UINT64_C(1000000) /* rows: above, sealing costs more than a search saves */
#define IVF_SCAN_ROWS UINT64_C(20000000)
#define IVF_CANDIDATES 200	  /* to be asked of each segment for the best ten */
#define IVF_WIDTH_MAX 4096	  /* bytes a row: wider ones would take gigabytes to train with, and are scanned */

struct ivf_run {
	uint64_t from, to; /* rows */
};

/**
 * ivf_plan(rows, at, ret):
 * Of a column of ${rows} rows, the run that begins with row ${at} (0, or where the run before ended) and should be a
 * segment: the largest of 1,000,000, 250,000 and 50,000 rows that is whole and begins at a multiple of its size.  Return false
 * where none is: the rows from ${at} on are to be scanned, fewer than IVF_MIN.  Segments of other runs than planned are to be
 * replaced by those that cover them.  So each row is sealed three times at most, and n rows have at most n / IVF_MAX + 7 segments.
 */
bool ivf_plan(uint64_t rows, uint64_t at, struct ivf_run *ret);

/** ivf_scan_rows(): up to so many wanted rows are searched without segments, which are neither sealed nor asked: $ECL_SCAN_ROWS, or IVF_SCAN_ROWS. */
uint64_t ivf_scan_rows(void);

#endif

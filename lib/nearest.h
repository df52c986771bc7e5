/* The vectors nearest to one, exactly: the best of a scan. */
#ifndef ECL_NEAREST_H_
#define ECL_NEAREST_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "code.h"
#include "err.h"
#include "vectors.h"

/* ---- the best few of many ---- */

struct nearest_hit {
	double score;
	uint64_t seq; /* or the number of a row */
};

/* A heap of the best ${k} that were offered, the worst of them on top.  Of equal scores the newer one is better, so that the result does not depend on the order. */
struct nearest {
	struct nearest_hit *hit;
	size_t n, k, cap;
};

/** nearest_init(b, k), nearest_release(b): for ${k} of them, at least 1; nothing is allocated yet. */
void nearest_init(struct nearest *b, size_t k);
void nearest_release(struct nearest *b);

/** nearest_beats(b, score, seq): whether that would be among them.  O(1). */
static inline bool
nearest_beats(const struct nearest *b, double score, uint64_t seq)
{
	return (b->n < b->k || score > b->hit[0].score || (score == b->hit[0].score && seq > b->hit[0].seq));
}

/** nearest_offer(b, score, seq): take it where it is good enough.  Return 0, or -1 where memory ran out.  O(log k). */
int nearest_offer(struct nearest *b, double score, uint64_t seq);

/** nearest_merge(b, more): offer all that are in ${more}. */
int nearest_merge(struct nearest *b, const struct nearest *more);

/** nearest_sort(b): b->hit in the order of scores, the best first.  It is no heap then, and nothing more can be offered. */
void nearest_sort(struct nearest *b);

/* ---- a scan ---- */

/* Rows [from, to) that could not be read. */
struct nearest_gap {
	uint64_t from, to;
};

struct nearest_scan {
	struct vectors *vectors;
	const int8_t *q;     /* a row of vectors_width() */
	uint64_t from, to;   /* rows; to <= vectors_rows() */
	const uint8_t *wanted; /* bits.h, by row; NULL: all of them */
	const struct code_query *code; /* the rows' codes are compared with it, and the score is the distance below 0: to <= vectors_coded(); NULL: the rows are, with q */
	unsigned threads;    /* 0: as many as there are processors */
	void (*step)(void *arg, uint64_t rows); /* told in the calling thread, now and then, how many rows were done since; NULL: nobody asks */
	void *arg;
	/* What nearest_scan() says: */
	struct nearest_gap *gap; /* in order, none next to another */
	size_t gaps;
	struct err why; /* of one of them */
};

/**
 * nearest_scan(s, best, e):
 * Offer the cosine of s->q and each wanted row to ${best}, with the number of the row.  Chunks without a wanted row are not read.  Few rows are
 * scanned by this thread, many by all processors, with the same result.  Chunks that are damaged are left out, and are in s->gap: to be released with
 * nearest_scan_release().  What vectors_chunk() gave before is no longer valid.  Return 0, or -1 where memory ran out.
 * O(rows * width); 256 bytes: 40 million rows a second and core from the page cache, checksums included; their codes: 250 million.
 */
int nearest_scan(struct nearest_scan *s, struct nearest *best, struct err *e);
void nearest_scan_release(struct nearest_scan *s);

#endif

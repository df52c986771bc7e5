/* The rows that are least like any row before them: exact, and most of them seen to be usual at a glance. */
#ifndef ECL_UNUSUAL_H_
#define ECL_UNUSUAL_H_

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Rows by seq, from 0 on: the first ones stored, in chunks that can be had in any order; the rest one after the other. */
struct unusual_rows {
	unsigned width; /* bytes of a row, as dot.h has them */
	uint64_t stored; /* rows that are */
	unsigned per;	/* stored rows in a chunk, which begins at a multiple of it; the last may have fewer */
	/*
	 * The chunk that begins with ${row}, valid until it is asked for another with the same ${slot}, which is below UNUSUAL_SLOTS.
	 * Return 0 or -1.
	 */
	int (*chunk)(void *arg, uint64_t row, unsigned slot, const int8_t **ret, struct err *e);
	/* Call ${visit} for those from the stored ones on, and below ${to}.  It returns 0, or 1 where it wants no more.  Return 0, 1 where it did, or -1. */
	int (*rest)(void *arg, uint64_t to, int (*visit)(void *visit_arg, uint64_t seq, const int8_t *rows, size_t n), void *visit_arg,
	    struct err *e);
	/* Of the first ones, whole blocks of CODE_BLOCK, the codes (code.h), where there are any. */
	unsigned code_bytes; /* of a row; 0: there are none */
	uint64_t coded;	     /* rows that have them */
	unsigned code_per;   /* such rows in a chunk, as of ${per} */
	/* Those of the ${n} rows of the chunk that begins with ${row}, valid until the next call.  Return 0, or -1: they cannot be read, and the rows are all there is. */
	int (*codes)(void *arg, uint64_t row, size_t n, const uint8_t **ret);
	/* The row before ${row} that it may resemble, as ${like} of unusual_judge() is one; EVENT_NONE: nobody knows.  NULL: nobody ever does. */
	uint64_t (*like)(void *arg, uint64_t row);
	void *arg;
};

#define UNUSUAL_SLOTS 4

struct unusual_hit {
	uint64_t seq;
	double score;	  /* 1 - the largest cosine with a row before it, but above 0 and at most 1: what is as a row before it is not among them */
	uint64_t nearest; /* the row with that cosine, of several the last one; EVENT_NONE: there is none but zeros */
};

struct unusual;

/**
 * unusual_new(rows, k, threads, ret, e):
 * To find the ${k} (at least 1) rows of all those judged that are least like any row before them; of equal scores later rows come first.
 * ${rows} must outlive it.  ${threads} 0: as many as this process may use processors.  To be released with unusual_free().  Return 0 or -1.
 */
int unusual_new(const struct unusual_rows *rows, size_t k, unsigned threads, struct unusual **ret, struct err *e);
void unusual_free(struct unusual *u);

/** unusual_step(u, step, arg): tell now and then how far it is: what is below ${seq} is done. */
void unusual_step(struct unusual *u, void (*step)(void *arg, uint64_t seq), void *arg);

/**
 * unusual_judge(u, seq, like, e):
 * Judge that row too, which comes behind all judged before.  ${like} is a row before it that may resemble it (EVENT_NONE: nobody
 * knows): the better the guess, the less work.  A row of zeros is not judged.  Return 0 or -1.
 *
 * Rows wait in memory until there are some tens of thousands: 16 MiB of them.  A row is compared with stored ones here and there until one is
 * found that is so much like it that it cannot be among the best any more, which is soon for most: what is guessed that it resembles comes
 * first, and what that is guessed to resemble, and so on; then, where there are codes, those that they tell.
 * Only those for which none is found are compared with all.  O(rows before it), at worst.
 */
int unusual_judge(struct unusual *u, uint64_t seq, uint64_t like, struct err *e);

/** unusual_end(u, ret, ret_n, e): what was found, the best first, ${u}'s own; nothing can be judged after it.  Return 0 or -1. */
int unusual_end(struct unusual *u, const struct unusual_hit **ret, size_t *ret_n, struct err *e);

#endif

/* The inside of unusual.h: what its files share. */
#ifndef ECL_UNUSUAL_IMPL_H_
#define ECL_UNUSUAL_IMPL_H_

#include <stdbool.h>

#include "code.h"
#include "nearest.h"
#include "unusual.h"
#include "worker.h"

/* A row that is judged. */
struct candidate {
	uint64_t seq, like;
	uint64_t nearest; /* of those it was compared with; EVENT_NONE: only zeros */
	double best;	  /* the cosine of the two; -2: there is none */
	int32_t self;	  /* its product with itself; 0: it is not judged */
	bool seen;	  /* it looked at all codes */
};

/* Rows that stand one behind the other, for all to be compared with. */
struct run {
	const int8_t *rows;
	uint64_t seq;
	size_t n;
	int32_t *self; /* of each */
	float *inverse; /* of its length; 0: it is all zeros */
	float shortest; /* the largest of these */
};

/* What a candidate is guessed to resemble. */
struct guess {
	uint64_t like;
	uint32_t candidate;
};

#define LOOK_NEAR 8u /* codes that are the nearest to one are not always those of the rows that are */

/* The nearest codes that one has seen. */
struct look_near {
	uint16_t distance[LOOK_NEAR], bar; /* what is farther than that is not among them */
	uint64_t row[LOOK_NEAR];
	size_t n;
};

/* What one thread does: its share of the active ones. */
struct share {
	struct unusual *u;
	size_t from, to;
	int32_t *dot;
	struct worker worker;
};

struct unusual {
	const struct unusual_rows *rows;
	unsigned width;
	size_t k;
	struct nearest top; /* the best so far: scores and seqs */
	struct unusual_hit *found; /* those that were among them when they were found, and at the end those that are */
	size_t founds, found_cap;
	struct candidate *c; /* those that are judged now, in the order of seqs */
	int8_t *row;	     /* of each */
	size_t n, cap;
	uint32_t *active; /* of them, in their order: those that may still be among the best */
	size_t actives;
	struct run run[UNUSUAL_SLOTS];
	size_t runs, run_cap; /* how many are set; rows that one has room for */
	struct look *look; /* NULL: there are no codes */
	void (*job)(struct share *s); /* that is shared */
	struct shop shop;
	struct share *share;
	unsigned shares;
	void (*step)(void *arg, uint64_t seq);
	void *step_arg;
};

static inline int8_t *
row_of(const struct unusual *u, size_t i)
{
	return (u->row + i * u->width);
}

/** score_of(c): what its score is at most; once it was compared with all, what it is. */
static inline double
score_of(const struct candidate *c)
{
	double score = 1 - c->best;

	return (score < 0 ? 0 : score > 1 ? 1 : score);
}

static inline bool
may_be_among(const struct unusual *u, const struct candidate *c)
{
	/* What is as something before it was is not unusual. */
	return (c->self != 0 && score_of(c) > 0 && nearest_beats(&u->top, score_of(c), c->seq));
}

/* unusual_compare.c */

/** compare(u, c, row, r, dot): compare the candidate with the rows of the run that are before it; ${dot} has room for u->run_cap. */
void compare(const struct unusual *u, struct candidate *c, const int8_t *row, const struct run *r, int32_t *dot);

/** compare_guesses(u, guess, n, e): compare candidates with stored rows; ${guess} is sorted.  Return 0 or -1. */
int compare_guesses(struct unusual *u, struct guess *guess, size_t n, struct err *e);

/** share_out(u, job, n): have ${job} done for [from, to) of each share, which are [0, ${n}) together, by all threads.  share_run(share): what a worker does. */
void share_out(struct unusual *u, void (*job)(struct share *s), size_t n);
void share_run(void *share);

/** stride_of(chunks): so far from one chunk to the next, around and around, any stretch is a sample of all. */
uint64_t stride_of(uint64_t chunks);

/** sift(u): leave out those of the active ones that cannot be among the best any more. */
void sift(struct unusual *u);

/** fetch(u, number, slot, e): let run ${slot} be that chunk of the stored rows.  set_runs(u, seq, rows, n): set runs to rows that are not stored, and u->runs; return how many rows there was room for. */
int fetch(struct unusual *u, uint64_t number, unsigned slot, struct err *e);
size_t set_runs(struct unusual *u, uint64_t seq, const int8_t *rows, size_t n);

/** compare_chunks(u, from, to, e): compare the active ones with the stored rows, of which that takes number ${from} up to, not including, ${to} of the chunks, in an order in which any stretch is a sample of all.  compare_rest(u, e): with those that are not stored. */
int compare_chunks(struct unusual *u, uint64_t from, uint64_t to, struct err *e);
int compare_rest(struct unusual *u, struct err *e);

/** tell(u, part): that part of the block is done. */
void tell(const struct unusual *u, double part);

/* unusual_look.c */

/** look_new(rows), look_free(l): NULL where memory ran out; about 10 MiB. */
struct look *look_new(const struct unusual_rows *rows);
void look_free(struct look *l);

/** look_chunks(u): chunks of codes that those of the block can be compared with. */
uint64_t look_chunks(const struct unusual *u);

/**
 * look(u, from, to, e):
 * Compare each of the active ones with those few rows whose codes are the nearest to it, of what takes number ${from} up to, not including, ${to}
 * of the chunks of codes, in an order as that of compare_chunks(), and sift.  Rows alone say what resembles what: codes only guess which to compare.
 * Return 0 or -1.  O(rows * active ones): a tenth of compare_chunks().
 */
int look(struct unusual *u, uint64_t from, uint64_t to, struct err *e);

#endif

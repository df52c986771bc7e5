/* The events of one ledger that are nearest to a vector: by the segments, codes and rows there are, and by the log where there are none. */
#ifndef ECL_SIMILAR_H_
#define ECL_SIMILAR_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "embedder.h"
#include "err.h"
#include "ledger.h"
#include "nearest.h"
#include "vectors.h"

#define SIMILAR_EXACT 1u      /* no segments, no codes: every row is compared */
#define SIMILAR_NO_COMMAND 2u /* EMBEDDER_NO_COMMAND */
#define SIMILAR_SAY_HOW 4u    /* say what is not there, though nothing is wrong with it */

#define SIMILAR_MANY 20000u /* events without a row that are worth a word */

/* What is looked for. */
struct similar_target {
	const char *text;  /* words, or a JSON array of numbers; NULL: an event */
	uint64_t seq;	   /* that event */
	const char *space; /* VECTORS_MADE or VECTORS_GIVEN; NULL: the one for an array that users gave vectors in, else the other */
	unsigned flags;
	void (*say)(void *arg, bool damage, const char *text); /* told what makes the answer slow, though not wrong: damage, or much that has no row; NULL: nobody asks */
	void *arg;
};

struct similar {
	struct ledger *ledger;
	const struct similar_target *target;
	bool words;	     /* a text is looked for */
	bool given;	     /* the space is that of vectors that events brought */
	struct embedder *em; /* NULL: of those; or it cannot be opened, and all events have rows: similar_embedder() */
	struct err no_embedder; /* why not */
	struct vectors *vectors;
	unsigned dims, width;
	int8_t *q; /* what is looked for, as a row */
	int32_t qq;
	float *v;  /* of given vectors: the numbers themselves, by which the score is computed in the end */
	double vv; /* and the product of them with themselves */
	uint64_t from, to;     /* events */
	const uint8_t *wanted; /* bits.h, by seq; NULL: all in that range */
	uint64_t few;	       /* wanted rows: of so many no segment is asked */
	bool exact;	       /* no segments, no codes: SIMILAR_EXACT, or the caller looks for more than he wants */
	uint64_t done;	       /* events, for progress */
	bool warned, told;     /* of damage, of events without a row */
};

/** similar_say_missing(t, n): tell that ${n} events have no row, where these are more than SIMILAR_MANY. */
void similar_say_missing(const struct similar_target *t, uint64_t n);

/** similar_is_text(t): whether words are looked for. */
bool similar_is_text(const struct similar_target *t);

/**
 * similar_open(l, t, ret, e), similar_free(s):
 * Make the row of ${t}, which must outlive ${ret}, for a search in ${l}: of all events, until ret->from, to and wanted are set.  Return 0, or -1:
 * no embedder or another one than made the rows, no such event, nothing in the text to look for, a vector of another dimension.
 */
int similar_open(struct ledger *l, const struct similar_target *t, struct similar **ret, struct err *e);
void similar_free(struct similar *s);

/**
 * similar_nearest(s, k, best, e):
 * Offer the wanted events nearest to what is looked for to ${best}, at least the best ${k} of them: exactly with SIMILAR_EXACT
 * and where few are wanted; else nearly always the best ones.  Rows find given vectors, the numbers in their lines make the score.  There are never fewer than ${k} where so many are wanted.  What is damaged is read
 * from the log instead, with a warning.  Return 0 or -1.
 */
int similar_nearest(struct similar *s, size_t k, struct nearest *best, struct err *e);

/** similar_some(s, seq, n, best, e): the same of these events alone, sorted by seq; of a space of given vectors only those that have one.  Return 0 or -1. */
int similar_some(struct similar *s, const uint64_t *seq, size_t n, struct nearest *best, struct err *e);

#endif

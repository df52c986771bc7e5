/* A batch of lines, checked by themselves and as a chain: what of verification needs nothing but the lines. */
#ifndef ECL_VERIFY_BATCH_H_
#define ECL_VERIFY_BATCH_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "event_skim.h"
#include "merkle.h"

/* What is left to check of a line, and what for. */
struct verify_line {
	uint64_t parent;
	uint64_t key;	   /* of the element's name in the table of elements */
	uint32_t at;	   /* where it begins in the batch's data; the rest: */
	uint32_t name_at;  /* the name: there too, or in the batch's names where it is escaped */
	uint32_t state_at; /* there, where it has a state */
	uint32_t state_len;
	uint16_t name_len;
	bool escaped;
	bool has_state, alive;
	bool block; /* it is an event of ecl:block */
};

struct verify_batch {
	/* What to check. */
	const char *data; /* whole lines, each with its LF; belongs to the caller */
	size_t len;
	uint64_t offset;      /* of the first of them, in the segment */
	bool in_segment;      /* and it matters where segments end */
	bool tree, elements;  /* what is wanted: nodes; all of line, names */
	const uint64_t *seed; /* of the table of elements */

	/* What was found. */
	bool good; /* all lines are, each follows the one before, and none but the first may begin a segment; else nothing is known: */
	uint64_t seq; /* of the first line */
	size_t n;     /* lines */
	int64_t time_us; /* of the last one */
	uint8_t (*hash)[SHA256_SIZE];
	struct verify_line *line;
	struct buf names;
	struct merkle_subtree node[MERKLE_CUT_MAX]; /* the leaves of the lines, as merkle_cut() has them */
	size_t nodes;

	struct event_skim skim;
	size_t cap; /* of hash, line and leaf */
	uint8_t *leaf;
};

/**
 * verify_batch_check(b):
 * Fill in what was found of the lines in b->data, at most 16 MiB of them.  b is zeros at first, may be filled in again and again,
 * and is to be released with verify_batch_release().  Where memory runs out it is not good.  O(len).
 */
void verify_batch_check(struct verify_batch *b);
void verify_batch_release(struct verify_batch *b);

/** verify_batch_name(b, l): the element's name in line ${l}. */
static inline struct span
verify_batch_name(const struct verify_batch *b, const struct verify_line *l)
{
	return ((struct span){(l->escaped ? b->names.data : b->data) + l->name_at, l->name_len});
}

#endif

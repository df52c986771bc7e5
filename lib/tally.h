/* How often each value came. */
#ifndef ECL_TALLY_H_
#define ECL_TALLY_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct tally_value {
	struct span text; /* p == NULL: no value; of tally_sort() */
	uint64_t n;
	size_t at; /* in tally->text */
	size_t len;
	uint32_t tag;
	bool none;
};

/* All zeros is an empty one. */
struct tally {
	struct tally_value *value; /* in the order in which they came first, until they are sorted */
	size_t n, cap;
	uint32_t *slot; /* plus one; 0: free */
	size_t slots;	/* a power of two, or 0 */
	struct buf text;
	uint64_t key[2];
};

/** tally_add(t, text, n): ${n} times more this value (copied; p == NULL: none, which is not the empty one).  Return 0, or -1 when memory ran out.  O(len). */
int tally_add(struct tally *t, struct span text, uint64_t n);

/** tally_list(t), tally_sort(t): fill in all texts, which are valid until the next tally_add(); and put the most frequent first, of equal ones by bytes, no value before all.  Nothing is added to what is sorted. */
void tally_list(struct tally *t);
void tally_sort(struct tally *t);

/** tally_release(t): free what it holds and make it empty. */
void tally_release(struct tally *t);

#endif

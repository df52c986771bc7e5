/* The elements that a run of events touched: what was there before it, and what it left. */
#ifndef ECL_TOUCHED_H_
#define ECL_TOUCHED_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "event.h"
#include "sha256.h"

struct touch {
	size_t name; /* offset in names */
	uint32_t name_len;
	bool alive;	 /* what that state says */
	uint64_t before; /* the parent of its first event of the run; EVENT_NONE: it is new */
	uint64_t last;	 /* its last event */
	uint64_t state;	 /* its last event that has a state; EVENT_NONE: none of the run has */
	uint8_t text[SHA256_SIZE]; /* the hash of that state's text */
};

/* All zeros is an empty one. */
struct touched {
	struct touch *touch;
	size_t n, cap;
	uint32_t *slot; /* number in touch plus one; 0: free */
	size_t slots;	/* a power of two, or 0 */
	struct buf names;
	uint64_t key[2];
};

/** touched_add(t, ev): the next event of the run.  Return 0, or -1 when memory ran out.  O(1). */
int touched_add(struct touched *t, const struct event *ev);

/** touched_find(t, name): what became of that element, or NULL where no event touched it.  Valid until the next touched_add().  O(1). */
const struct touch *touched_find(const struct touched *t, struct span name);

/** touched_release(t): free what it holds and make it empty. */
void touched_release(struct touched *t);

#endif

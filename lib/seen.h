/* A set of element names: which of them a run has seen. */
#ifndef ECL_SEEN_H_
#define ECL_SEEN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* All zeros is a valid empty set. */
struct seen {
	uint32_t *slot; /* offset of the entry in names, plus 1; 0 = free */
	size_t slots;	/* a power of two */
	size_t count;
	uint64_t key[2];
	struct buf names; /* entries: u16 length, bytes */
};

/** seen_add(s, name): put ${name} (at most 65,535 bytes) in.  Return 0, or -1 where memory ran out.  Amortised O(1). */
int seen_add(struct seen *s, struct span name);

/** seen_has(s, name): whether it is in.  O(1). */
bool seen_has(const struct seen *s, struct span name);

/** seen_release(s): free and empty. */
void seen_release(struct seen *s);

#endif

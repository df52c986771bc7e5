/* A set of elements by their numbers: which of them a run has seen. */
#ifndef ECL_SEEN_H_
#define ECL_SEEN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One bit an element.  All zeros is a valid empty set. */
struct seen {
	uint64_t *word;
	size_t words;
};

/** seen_grow(s, id): room for ${id}, a number below 2^32.  Return 0, or -1 where memory ran out. */
int seen_grow(struct seen *s, uint64_t id);

/** seen_add(s, id): put it in.  Return 0, or -1 where memory ran out.  Amortised O(1). */
static inline int
seen_add(struct seen *s, uint64_t id)
{
	if (id / 64 >= s->words && seen_grow(s, id) != 0)
		return (-1);
	s->word[id / 64] |= UINT64_C(1) << (id % 64);
	return (0);
}

/** seen_has(s, id): whether it is in. */
static inline bool
seen_has(const struct seen *s, uint64_t id)
{
	return (id / 64 < s->words && (s->word[id / 64] >> (id % 64) & 1) != 0);
}

/** seen_release(s): free and empty. */
void seen_release(struct seen *s);

#endif

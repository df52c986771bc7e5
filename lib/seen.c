/* A set of elements by their numbers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "seen.h"

#include "banned.h"

int
seen_grow(struct seen *s, uint64_t id)
{
	size_t words = s->words == 0 ? 64 : s->words;
	uint64_t *more;

	while (words <= id / 64)
		words *= 2;
	/* Zeros from the system cost nothing until they are touched: one event of a million elements needs one page. */
	if ((more = calloc(words, sizeof(*more))) == NULL)
		return (-1);
	if (s->words > 0)
		memcpy(more, s->word, s->words * sizeof(*more));
	free(s->word);
	s->word = more;
	s->words = words;
	return (0);
}

void
seen_release(struct seen *s)
{
	free(s->word);
	memset(s, 0, sizeof(*s));
}

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
	if ((more = realloc(s->word, words * sizeof(*more))) == NULL)
		return (-1);
	memset(more + s->words, 0, (words - s->words) * sizeof(*more));
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

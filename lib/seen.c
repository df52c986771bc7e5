/* A set of element names. */
#include "config.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "seen.h"
#include "siphash.h"

#include "banned.h"

static size_t
slot_of(const struct seen *s, struct span name)
{
	return ((size_t)siphash(s->key, name) & (s->slots - 1));
}

static struct span
entry(const struct seen *s, uint32_t at)
{
	uint16_t len;

	memcpy(&len, s->names.data + at, sizeof(len));
	return ((struct span){s->names.data + at + sizeof(len), len});
}

/* The slot that holds ${name}, or the free one where it would go. */
static size_t
find(const struct seen *s, struct span name)
{
	size_t i = slot_of(s, name);

	while (s->slot[i] != 0 && !span_eq(entry(s, s->slot[i] - 1), name))
		i = (i + 1) & (s->slots - 1);
	return (i);
}

static int
grow(struct seen *s)
{
	struct seen more = *s;
	size_t i;

	/* The names come from outside: without a key of its own, a table can be aimed at. */
	if (s->slots == 0 && getrandom(more.key, sizeof(more.key), GRND_NONBLOCK) != (ssize_t)sizeof(more.key))
		more.key[0] = more.key[1] = (uint64_t)(uintptr_t)s;
	more.slots = s->slots == 0 ? 1024 : s->slots * 2;
	if ((more.slot = calloc(more.slots, sizeof(*more.slot))) == NULL)
		return (-1);
	for (i = 0; i < s->slots; i++)
		if (s->slot[i] != 0)
			more.slot[find(&more, entry(s, s->slot[i] - 1))] = s->slot[i];
	free(s->slot);
	*s = more;
	return (0);
}

int
seen_add(struct seen *s, struct span name)
{
	uint16_t len = (uint16_t)name.len;
	size_t i, at = s->names.len;

	if (s->count * 2 >= s->slots && grow(s) != 0)
		return (-1);
	i = find(s, name);
	if (s->slot[i] != 0)
		return (0);
	if (at > UINT32_MAX - 1 - sizeof(len) - name.len)
		return (-1);
	buf_add(&s->names, &len, sizeof(len));
	buf_addspan(&s->names, name);
	if (s->names.failed)
		return (-1);
	s->slot[i] = (uint32_t)at + 1;
	s->count++;
	return (0);
}

bool
seen_has(const struct seen *s, struct span name)
{
	return (s->slots > 0 && s->slot[find(s, name)] != 0);
}

void
seen_release(struct seen *s)
{
	free(s->slot);
	buf_release(&s->names);
	memset(s, 0, sizeof(*s));
}

/* The elements that a run of events touched. */
#include "config.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "siphash.h"
#include "touched.h"

#include "banned.h"

#define SLOTS_FIRST 1024

static struct span
name_of(const struct touched *t, const struct touch *u)
{
	return ((struct span){t->names.data + u->name, u->name_len});
}

/* The slot of that name, or the free one where it belongs. */
static size_t
slot_of(const struct touched *t, struct span name)
{
	size_t at = (size_t)siphash(t->key, name) & (t->slots - 1);

	while (t->slot[at] != 0 && !span_eq(name_of(t, &t->touch[t->slot[at] - 1]), name))
		at = (at + 1) & (t->slots - 1);
	return (at);
}

/* Twice as many slots. */
static int
grow(struct touched *t)
{
	struct touched more = *t;
	size_t i;

	if (t->slots == 0 && getrandom(more.key, sizeof(more.key), GRND_NONBLOCK) != (ssize_t)sizeof(more.key)) {
		more.key[0] = (uint64_t)time(NULL);
		more.key[1] = (uint64_t)(uintptr_t)t;
	}
	more.slots = t->slots == 0 ? SLOTS_FIRST : 2 * t->slots;
	if ((more.slot = calloc(more.slots, sizeof(*more.slot))) == NULL)
		return (-1);
	for (i = 0; i < t->n; i++)
		more.slot[slot_of(&more, name_of(t, &t->touch[i]))] = (uint32_t)i + 1;
	free(t->slot);
	*t = more;
	return (0);
}

/* The element of that name, added where it is new. */
static struct touch *
get(struct touched *t, struct span name, uint64_t before)
{
	size_t at, cap = t->cap == 0 ? SLOTS_FIRST / 2 : 2 * t->cap;
	struct touch *more;

	if (2 * (t->n + 1) > t->slots && grow(t) != 0)
		return (NULL);
	at = slot_of(t, name);
	if (t->slot[at] != 0)
		return (&t->touch[t->slot[at] - 1]);
	if (t->n == UINT32_MAX)
		return (NULL);
	if (t->n == t->cap) {
		if ((more = realloc(t->touch, cap * sizeof(*more))) == NULL)
			return (NULL);
		t->touch = more;
		t->cap = cap;
	}
	t->touch[t->n] = (struct touch){.name = t->names.len, .name_len = (uint32_t)name.len, .before = before, .state = EVENT_NONE};
	buf_addspan(&t->names, name);
	if (t->names.failed) {
		t->names.failed = false;
		return (NULL);
	}
	t->slot[at] = (uint32_t)++t->n;
	return (&t->touch[t->n - 1]);
}

int
touched_add(struct touched *t, const struct event *ev)
{
	struct touch *u;

	if ((u = get(t, ev->element, ev->parent)) == NULL)
		return (-1);
	u->last = ev->seq;
	if (ev->state.p == NULL)
		return (0);
	u->state = ev->seq;
	u->alive = !event_is_gone(ev->state);
	sha256(ev->state.p, ev->state.len, u->text);
	return (0);
}

const struct touch *
touched_find(const struct touched *t, struct span name)
{
	size_t at;

	if (t->slots == 0)
		return (NULL);
	at = slot_of(t, name);
	return (t->slot[at] == 0 ? NULL : &t->touch[t->slot[at] - 1]);
}

void
touched_release(struct touched *t)
{
	free(t->touch);
	free(t->slot);
	buf_release(&t->names);
	memset(t, 0, sizeof(*t));
}

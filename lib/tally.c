/* How often each value came. */
#include "config.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "siphash.h"
#include "tally.h"

#include "banned.h"

#define FIRST_SLOTS 64

/* Slots for twice as many values; nobody who chooses values can know where they go. */
static int
grow(struct tally *t)
{
	size_t slots = t->slots == 0 ? FIRST_SLOTS : t->slots * 2, i, at;
	struct tally_value *value;
	uint32_t *slot;

	if (t->slots == 0 && getrandom(t->key, sizeof(t->key), GRND_NONBLOCK) != (ssize_t)sizeof(t->key))
		t->key[0] = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)t;
	if ((value = realloc(t->value, slots / 2 * sizeof(*value))) == NULL)
		return (-1);
	t->value = value;
	if ((slot = calloc(slots, sizeof(*slot))) == NULL)
		return (-1);
	for (i = 0; i < t->n; i++) {
		for (at = value[i].tag & (slots - 1); slot[at] != 0; at = (at + 1) & (slots - 1))
			;
		slot[at] = (uint32_t)i + 1;
	}
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	t->cap = slots / 2;
	return (0);
}

int
tally_add(struct tally *t, struct span text, uint64_t n)
{
	struct tally_value *v;
	bool none = text.p == NULL;
	uint32_t tag;
	size_t at;

	if (t->n == t->cap && grow(t) != 0)
		return (-1);
	tag = none ? 0 : (uint32_t)siphash(t->key, text);
	for (at = tag & (t->slots - 1); t->slot[at] != 0; at = (at + 1) & (t->slots - 1)) {
		v = &t->value[t->slot[at] - 1];
		if (v->tag == tag && v->none == none && v->len == text.len &&
		    (v->len == 0 || memcmp(t->text.data + v->at, text.p, v->len) == 0)) {
			v->n += n;
			return (0);
		}
	}
	v = &t->value[t->n];
	*v = (struct tally_value){.n = n, .at = t->text.len, .len = text.len, .tag = tag, .none = none};
	buf_addspan(&t->text, text);
	if (t->text.failed)
		return (-1);
	t->slot[at] = (uint32_t)++t->n;
	return (0);
}

void
tally_list(struct tally *t)
{
	struct tally_value *v;
	size_t i;

	for (i = 0; i < t->n; i++) {
		v = &t->value[i];
		v->text = (struct span){v->none ? NULL : v->len == 0 ? "" : t->text.data + v->at, v->len};
	}
}

static int
by_number(const void *a, const void *b)
{
	const struct tally_value *x = a, *y = b;

	if (x->n != y->n)
		return (x->n > y->n ? -1 : 1);
	return (x->none != y->none ? (x->none ? -1 : 1) : span_cmp(x->text, y->text));
}

void
tally_sort(struct tally *t)
{
	tally_list(t);
	if (t->n > 1)
		qsort(t->value, t->n, sizeof(*t->value), by_number);
}

void
tally_release(struct tally *t)
{
	free(t->value);
	free(t->slot);
	buf_release(&t->text);
	memset(t, 0, sizeof(*t));
}

/* The elements that the index holds in memory: a hash table with open addressing. */
#include "config.h"

#include <sys/random.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"
#include "siphash.h"

#include "banned.h"

#define ARENA_FIRST (16u << 10)
#define ARENA_LAST (1u << 20)

/* Names, never moved. */
struct arena {
	struct arena *next;
	size_t len, cap;
	char data[];
};

struct etable *
etable_new(void)
{
	struct etable *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return (NULL);
	/* Without random bytes it is a table all the same, only one that can be aimed at. */
	if (getrandom(t->key, sizeof(t->key), GRND_NONBLOCK) != (ssize_t)sizeof(t->key))
		t->key[0] = t->key[1] = (uint64_t)(uintptr_t)t;
	t->state_limit = STATES_MAX;
	return (t);
}

void
etable_free(struct etable *t)
{
	struct arena *a;
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->n; i++)
		free(t->entry[i].state);
	while ((a = t->arena) != NULL) {
		t->arena = a->next;
		free(a);
	}
	free(t->entry);
	free(t->slot);
	free(t->dirty);
	free(t);
}

uint32_t
etable_find_hinted(const struct etable *t, struct span name, uint32_t hint)
{
	const struct entry *en;
	size_t i;

	if (t->slots == 0)
		return (NO_ENTRY);
	for (i = hint & (t->slots - 1); t->slot[i].entry != 0; i = (i + 1) & (t->slots - 1)) {
		if (t->slot[i].tag != hint)
			continue;
		en = &t->entry[t->slot[i].entry - 1];
		/* Mostly it is this one, and its state is asked for next. */
		__builtin_prefetch(en->state);
		if (en->name_len == name.len && memcmp(en->name, name.p, name.len) == 0)
			return (t->slot[i].entry - 1);
	}
	return (NO_ENTRY);
}

uint32_t
etable_find(const struct etable *t, struct span name, uint32_t *ret_tag)
{
	*ret_tag = (uint32_t)siphash(t->key, name);
	return (etable_find_hinted(t, name, *ret_tag));
}

uint32_t
etable_hint(const struct etable *t, struct span name)
{
	uint32_t tag = (uint32_t)siphash(t->key, name);

	if (t->slots > 0)
		__builtin_prefetch(&t->slot[tag & (t->slots - 1)]);
	return (tag);
}

void
etable_expect(const struct etable *t, uint32_t hint)
{
	const struct entry *en;
	const struct slot *s;

	if (t->slots == 0 || (s = &t->slot[hint & (t->slots - 1)])->entry == 0)
		return;
	en = &t->entry[s->entry - 1];
	/* The entry is read here, so that several such reads are under way at a time. */
	__builtin_prefetch(en->name);
	__builtin_prefetch(en->state);
	if (en->state_len > 64)
		__builtin_prefetch(en->state + 64);
}

static void
put_slot(struct slot *slot, size_t slots, uint32_t tag, uint32_t entry)
{
	size_t i = tag & (slots - 1);

	while (slot[i].entry != 0)
		i = (i + 1) & (slots - 1);
	slot[i] = (struct slot){tag, entry};
}

static int
grow_slots(struct etable *t)
{
	size_t slots = t->slots == 0 ? 256 : t->slots * 2, i;
	struct slot *slot;

	if ((slot = calloc(slots, sizeof(*slot))) == NULL)
		return (-1);
	for (i = 0; i < t->slots; i++)
		if (t->slot[i].entry != 0)
			put_slot(slot, slots, t->slot[i].tag, t->slot[i].entry);
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	return (0);
}

static int
grow_entries(struct etable *t)
{
	size_t cap = t->cap == 0 ? 128 : t->cap * 2;
	struct entry *entry;

	/* Each in a cache line of its own, which realloc() would not promise. */
	if (cap >= NO_ENTRY || (entry = aligned_alloc(sizeof(*entry), cap * sizeof(*entry))) == NULL)
		return (-1);
	if (t->n > 0)
		memcpy(entry, t->entry, t->n * sizeof(*entry));
	free(t->entry);
	t->entry = entry;
	t->cap = cap;
	return (0);
}

static const char *
keep_name(struct etable *t, struct span name)
{
	struct arena *a = t->arena;
	size_t cap;

	if (a == NULL || a->cap - a->len < name.len) {
		cap = a == NULL ? ARENA_FIRST : a->cap < ARENA_LAST ? a->cap * 2 : ARENA_LAST;
		if (cap < name.len)
			cap = name.len;
		if ((a = malloc(sizeof(*a) + cap)) == NULL)
			return (NULL);
		a->next = t->arena;
		a->len = 0;
		a->cap = cap;
		t->arena = a;
	}
	memcpy(a->data + a->len, name.p, name.len);
	a->len += name.len;
	return (a->data + a->len - name.len);
}

uint32_t
etable_add(struct etable *t, struct span name, uint32_t tag)
{
	struct entry *en;

	if (t->n * 4 >= t->slots * 3 && grow_slots(t) != 0)
		return (NO_ENTRY);
	if (t->n == t->cap && grow_entries(t) != 0)
		return (NO_ENTRY);
	en = &t->entry[t->n];
	memset(en, 0, sizeof(*en));
	if ((en->name = keep_name(t, name)) == NULL)
		return (NO_ENTRY);
	en->name_len = (uint16_t)name.len;
	en->state_seq = EVENT_NONE;
	t->n++;
	put_slot(t->slot, t->slots, tag, (uint32_t)t->n);
	return ((uint32_t)t->n - 1);
}

int
etable_dirty(struct etable *t, uint32_t n)
{
	uint32_t *more;
	size_t cap;

	if (t->entry[n].dirty)
		return (0);
	if (t->dirties == t->dirty_cap) {
		cap = t->dirty_cap == 0 ? 128 : t->dirty_cap * 2;
		if ((more = realloc(t->dirty, cap * sizeof(*more))) == NULL)
			return (-1);
		t->dirty = more;
		t->dirty_cap = cap;
	}
	t->dirty[t->dirties++] = n;
	t->entry[n].dirty = true;
	return (0);
}

void
etable_clean(struct etable *t)
{
	size_t i;

	for (i = 0; i < t->dirties; i++)
		t->entry[t->dirty[i]].dirty = false;
	t->dirties = 0;
}

/* An entry as it is, in another table.  Return 0 or -1 (memory). */
static int
copy_entry(struct etable *t, const struct entry *from)
{
	struct entry *en;

	if (t->n == t->cap && grow_entries(t) != 0)
		return (-1);
	en = &t->entry[t->n];
	*en = *from;
	if ((en->name = keep_name(t, entry_name(from))) == NULL)
		return (-1);
	en->dirty = false;
	t->n++;
	return (etable_dirty(t, (uint32_t)t->n - 1));
}

struct etable *
etable_dirty_copy(const struct etable *t, uint32_t **ret_ids)
{
	struct etable *copy = calloc(1, sizeof(*copy));
	uint32_t *ids = malloc((t->n + 1) * sizeof(*ids));
	size_t i;

	if (copy == NULL || ids == NULL)
		goto err1;
	for (i = 0; i < t->n; i++)
		ids[i] = t->entry[i].id;
	for (i = 0; i < t->dirties; i++) {
		if (copy_entry(copy, &t->entry[t->dirty[i]]) != 0)
			goto err1;
		/* States are for who writes events. */
		copy->entry[copy->n - 1].state = NULL;
	}
	*ret_ids = ids;
	return (copy);

err1:	etable_free(copy);
	free(ids);
	return (NULL);
}

struct etable *
etable_only_dirty(struct etable *t, uint32_t **ret_moved)
{
	struct etable *fresh = etable_new();
	uint32_t *moved = malloc((t->n + 1) * sizeof(*moved)), tag;
	size_t i;

	if (fresh == NULL || moved == NULL)
		goto err1;
	memcpy(fresh->key, t->key, sizeof(fresh->key));
	for (i = 0; i < t->dirties; i++) {
		if (fresh->n * 4 >= fresh->slots * 3 && grow_slots(fresh) != 0)
			goto err2;
		tag = (uint32_t)siphash(fresh->key, entry_name(&t->entry[t->dirty[i]]));
		if (copy_entry(fresh, &t->entry[t->dirty[i]]) != 0)
			goto err2;
		put_slot(fresh->slot, fresh->slots, tag, (uint32_t)fresh->n);
		moved[t->dirty[i]] = (uint32_t)fresh->n - 1;
	}
	/* Their states go with them. */
	for (i = 0; i < t->dirties; i++) {
		fresh->state_bytes += t->entry[t->dirty[i]].state_cap;
		t->entry[t->dirty[i]].state = NULL;
	}
	etable_free(t);
	*ret_moved = moved;
	return (fresh);

err2:	for (i = 0; i < fresh->n; i++)
		fresh->entry[i].state = NULL;
err1:	etable_free(fresh);
	free(moved);
	return (NULL);
}

int
etable_keep_state(struct etable *t, uint32_t n, uint64_t seq, struct span state)
{
	struct entry *en = &t->entry[n];
	size_t cap;
	char *p;

	if (state.len > en->state_cap) {
		cap = (state.len + 63) & ~(size_t)63;
		if (cap > UINT32_MAX || (p = malloc(cap)) == NULL)
			return (-1);
		free(en->state);
		t->state_bytes += cap - en->state_cap;
		en->state = p;
		en->state_cap = (uint32_t)cap;
	}
	memcpy(en->state, state.p, state.len);
	en->state_len = (uint32_t)state.len;
	en->state_seq = seq;
	return (0);
}

void
etable_trim(struct etable *t, uint64_t seq)
{
	struct entry *en;
	size_t i;

	if (t->state_bytes <= t->state_limit)
		return;
	for (i = 0; i < t->n; i++) {
		en = &t->entry[i];
		if (en->state == NULL || (en->state_seq != EVENT_NONE && en->state_seq >= seq))
			continue;
		free(en->state);
		t->state_bytes -= en->state_cap;
		en->state = NULL;
		en->state_len = en->state_cap = 0;
		en->state_seq = EVENT_NONE;
	}
	/* Not again before as much has come together once more. */
	t->state_limit = t->state_bytes * 2 > STATES_MAX ? t->state_bytes * 2 : STATES_MAX;
}

#define HEAD_WORDS 3

/* So much of a name stands in the key itself: to look at the name behind it is to wait for memory. */
struct sort_key {
	uint64_t head[HEAD_WORDS]; /* as numbers */
	uint32_t entry;
	uint16_t len;
	const char *name;
};

static uint64_t
name_word(struct span name, size_t at)
{
	uint64_t n = 0;
	size_t i;

	if (at + 8 <= name.len) {
		memcpy(&n, name.p + at, 8);
		return (be64toh(n));
	}
	for (i = at; i < at + 8; i++)
		n = n << 8 | (i < name.len ? (unsigned char)name.p[i] : 0);
	return (n);
}

static int
by_name(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	size_t i;

	for (i = 0; i < HEAD_WORDS; i++)
		if (x->head[i] != y->head[i])
			return (x->head[i] < y->head[i] ? -1 : 1);
	return (span_cmp((struct span){x->name, x->len}, (struct span){y->name, y->len}));
}

int
etable_sorted(const struct etable *t, struct span prefix, struct span after, uint32_t **ret, size_t *ret_n)
{
	struct sort_key *key;
	struct span name;
	uint32_t *list;
	size_t i, j, skip, n = 0, shared = SIZE_MAX;

	*ret = NULL;
	*ret_n = 0;
	if (t->dirties == 0)
		return (0);
	key = malloc(t->dirties * sizeof(*key));
	list = malloc(t->dirties * sizeof(*list));
	if (key == NULL || list == NULL) {
		free(key);
		free(list);
		return (-1);
	}
	for (i = 0; i < t->dirties; i++) {
		name = entry_name(&t->entry[t->dirty[i]]);
		if (name.len < prefix.len || (prefix.len > 0 && memcmp(name.p, prefix.p, prefix.len) != 0))
			continue;
		if (after.p != NULL && span_cmp(name, after) <= 0)
			continue;
		key[n++] = (struct sort_key){{0}, t->dirty[i], (uint16_t)name.len, name.p};
		/* What all names begin with ("interface:") says nothing. */
		for (skip = 0; skip < shared && skip < name.len && skip < key[0].len && name.p[skip] == key[0].name[skip]; skip++)
			;
		shared = skip;
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < HEAD_WORDS; j++)
			key[i].head[j] = name_word((struct span){key[i].name + shared, key[i].len - shared}, 8 * j);
	qsort(key, n, sizeof(*key), by_name);
	for (i = 0; i < n; i++)
		list[i] = key[i].entry;
	free(key);
	*ret = list;
	*ret_n = n;
	return (0);
}

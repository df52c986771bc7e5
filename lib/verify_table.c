/* The elements met while a log is verified: a hash table that is sorted when a block asks for it. */
#include "config.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event.h"
#include "merkle.h"
#include "sha256_many.h"
#include "siphash.h"
#include "verify_table.h"

#include "banned.h"

#define CHUNK_SIZE 65536

#define GRAIN 32 /* elements begin at multiples of this: half a line of the cache */

/* Memory that is given back all at once, so that elements stay where they are. */
struct verify_chunk {
	char data[CHUNK_SIZE];
	struct verify_chunk *next;
	size_t used;
};

void
verify_table_init(struct verify_table *t)
{
	memset(t, 0, sizeof(*t));
	if (getrandom(t->seed, sizeof(t->seed), GRND_NONBLOCK) != (ssize_t)sizeof(t->seed)) {
		t->seed[0] = (uint64_t)time(NULL);
		t->seed[1] = (uint64_t)(uintptr_t)t;
	}
}

static void
free_chunks(struct verify_chunk *c)
{
	struct verify_chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
}

void
verify_table_release(struct verify_table *t)
{
	free_chunks(t->chunk);
	free(t->slot);
	free(t->sorted);
	memset(t, 0, sizeof(*t));
}

static void *
take(struct verify_chunk **chunk, size_t len)
{
	struct verify_chunk *c = *chunk;
	void *p;

	len = (len + GRAIN - 1) / GRAIN * GRAIN;
	if (c == NULL || CHUNK_SIZE - c->used < len) {
		if ((c = aligned_alloc((size_t)2 * GRAIN, (sizeof(*c) + 2 * GRAIN - 1) / (2 * GRAIN) * (2 * GRAIN))) == NULL)
			return (NULL);
		c->next = *chunk;
		c->used = 0;
		*chunk = c;
	}
	p = c->data + c->used;
	c->used += len;
	return (p);
}

static int
grow(struct verify_table *t)
{
	size_t slots = t->slots == 0 ? 1024 : t->slots * 2, i, k;
	struct verify_element **sorted;
	struct verify_slot *slot;

	if ((sorted = realloc(t->sorted, slots * sizeof(struct verify_element *))) == NULL)
		return (-1);
	t->sorted = sorted;
	if ((slot = calloc(slots, sizeof(*slot))) == NULL)
		return (-1);
	for (i = 0; i < t->slots; i++) {
		if (t->slot[i].element == NULL)
			continue;
		for (k = t->slot[i].hash & (slots - 1); slot[k].element != NULL; k = (k + 1) & (slots - 1))
			;
		slot[k] = t->slot[i];
	}
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	return (0);
}

static struct verify_element *
add(struct verify_table *t, struct verify_slot *slot, uint64_t hash, struct span name)
{
	struct verify_element *el;

	if ((el = take(&t->chunk, sizeof(*el) + name.len)) == NULL)
		return (NULL);
	memset(el, 0, sizeof(*el));
	memcpy(el->name, name.p, name.len);
	el->name_len = (uint16_t)name.len;
	el->last = EVENT_NONE;
	el->own = event_reserved(name);
	slot->hash = hash;
	slot->element = el;
	t->sorted[t->n++] = el;
	return (el);
}

uint64_t
verify_table_key(const uint64_t seed[2], struct span name)
{
	return (siphash(seed, name));
}

void
verify_table_prefetch(const struct verify_table *t, uint64_t key)
{
	if (t->slots > 0)
		__builtin_prefetch(&t->slot[key & (t->slots - 1)]);
}

void
verify_table_prefetch_element(const struct verify_table *t, uint64_t key)
{
	const struct verify_element *el = t->slots > 0 ? t->slot[key & (t->slots - 1)].element : NULL;

	if (el != NULL)
		__builtin_prefetch(el, 1);
}

struct verify_element *
verify_table_get(struct verify_table *t, struct span name)
{
	return (verify_table_get_by_key(t, verify_table_key(t->seed, name), name));
}

struct verify_element *
verify_table_get_by_key(struct verify_table *t, uint64_t hash, struct span name)
{
	struct verify_element *el;
	size_t k;

	if (t->n >= t->slots / 2 && grow(t) != 0)
		return (NULL);
	for (k = hash & (t->slots - 1); (el = t->slot[k].element) != NULL; k = (k + 1) & (t->slots - 1))
		if (t->slot[k].hash == hash && el->name_len == name.len &&
		    memcmp(el->name, name.p, name.len) == 0)
			return (el);
	return (add(t, &t->slot[k], hash, name));
}

static int
cmp(const struct verify_element *a, const struct verify_element *b)
{
	return (span_cmp((struct span){a->name, a->name_len}, (struct span){b->name, b->name_len}));
}

static int
cmp_pointers(const void *a, const void *b)
{
	return (cmp(*(struct verify_element *const *)a, *(struct verify_element *const *)b));
}

int
verify_table_sort(struct verify_table *t)
{
	size_t fresh = t->n - t->n_sorted, to = t->n, i = t->n_sorted, k = fresh;
	struct verify_element **copy;

	if (fresh == 0)
		return (0);
	qsort(t->sorted + t->n_sorted, fresh, sizeof(struct verify_element *), cmp_pointers);
	if ((copy = malloc(fresh * sizeof(struct verify_element *))) == NULL)
		return (-1);
	memcpy(copy, t->sorted + t->n_sorted, fresh * sizeof(struct verify_element *));
	/* Merge from the end, where there is room. */
	while (k > 0) {
		if (i > 0 && cmp(t->sorted[i - 1], copy[k - 1]) > 0)
			t->sorted[--to] = t->sorted[--i];
		else
			t->sorted[--to] = copy[--k];
	}
	free(copy);
	t->n_sorted = t->n;
	return (0);
}

#define LEAVES 32 /* at a time */

/* 0x00, then what is the data of the element's leaf.  Return its length. */
static size_t
leaf_message(const struct verify_element *el, uint8_t out[ELEMENT_MAX + 10])
{
	size_t k, len = 0;

	out[len++] = 0x00;
	memcpy(out + len, el->name, el->name_len);
	len += el->name_len;
	out[len++] = 0x00;
	for (k = 0; k < 8; k++)
		out[len++] = (uint8_t)(el->last >> (56 - 8 * k));
	return (len);
}

void
verify_table_heads(const struct verify_table *t, uint8_t out[SHA256_SIZE])
{
	uint8_t data[LEAVES][ELEMENT_MAX + 10], leaf[LEAVES][SHA256_SIZE];
	struct merkle_subtree cut[MERKLE_CUT_MAX];
	struct sha256_msg msg[LEAVES];
	size_t i, k, n, cuts;
	struct merkle tree;

	merkle_init(&tree);
	for (i = 0; i < t->n; i += n) {
		n = t->n - i < LEAVES ? t->n - i : LEAVES;
		for (k = 0; k < n; k++)
			msg[k] = (struct sha256_msg){data[k], leaf_message(t->sorted[i + k], data[k]), leaf[k]};
		sha256_many(msg, n);
		cuts = merkle_cut(i, leaf[0], n, cut);
		for (k = 0; k < cuts; k++)
			merkle_add_subtree(&tree, cut[k].hash, cut[k].size);
	}
	merkle_root(&tree, out);
}

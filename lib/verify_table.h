/* The elements met while a log is verified: the verifier's own, so that no index is believed. */
#ifndef ECL_VERIFY_TABLE_H_
#define ECL_VERIFY_TABLE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "sha256.h"

/* With most names, 64 bytes: what a look-up reads and writes is one line of the cache. */
struct verify_element {
	uint64_t last;		/* seq of its last event; EVENT_NONE: just added */
	uint64_t state_segment; /* where its last state stands: number of the segment, offset, length */
	uint64_t state_offset;
	uint32_t state_len;
	uint16_t name_len;
	bool alive; /* that state is there and not null */
	bool own;   /* it belongs to ecl */
	char name[];
};

struct verify_slot {
	uint64_t hash;
	struct verify_element *element;
};

struct verify_chunk;

struct verify_table {
	uint64_t seed[2]; /* so that nobody can choose names that collide */
	struct verify_slot *slot;
	size_t slots; /* a power of two */
	size_t n;
	struct verify_chunk *chunk; /* of elements */
	struct verify_element **sorted; /* by name, the first n_sorted; then as they came */
	size_t n_sorted, cap;
};

/** verify_table_init(t), verify_table_release(t): empty; takes no memory yet. */
void verify_table_init(struct verify_table *t);
void verify_table_release(struct verify_table *t);

/** verify_table_get(t, name): the element of that name, added where it is new.  NULL when memory ran out.  O(1). */
struct verify_element *verify_table_get(struct verify_table *t, struct span name);

/**
 * verify_table_key(seed, name), verify_table_get_by_key(t, key, name):
 * The same in two parts; the first, with the seed of the table, may be done by any thread.
 */
uint64_t verify_table_key(const uint64_t seed[2], struct span name);
struct verify_element *verify_table_get_by_key(struct verify_table *t, uint64_t key, struct span name);

/**
 * verify_table_prefetch(t, key), verify_table_prefetch_element(t, key):
 * What a look-up is going to read should be in the cache soon: its slot, then (some look-ups later) the element.
 */
void verify_table_prefetch(const struct verify_table *t, uint64_t key);
void verify_table_prefetch_element(const struct verify_table *t, uint64_t key);

/** verify_table_sort(t): bring t->sorted into the order of bytes.  Return 0, or -1 when memory ran out.  O(n). */
int verify_table_sort(struct verify_table *t);

/** verify_table_heads(t, out): `heads` of DESIGN 6.  The table is sorted. */
void verify_table_heads(const struct verify_table *t, uint8_t out[SHA256_SIZE]);

#endif

/* JSON texts: the members of an object in order. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_internal.h"

#include "banned.h"

#define CHUNK 32 /* bytes that are copied together */

void
json_work_release(struct json_work *work)
{
	free(work->members);
	free(work->keys);
	buf_release(&work->spare);
	memset(work, 0, sizeof(*work));
}

int
json_room(struct json_work *work, size_t n)
{
	size_t cap = work->cap < 32 ? 32 : work->cap;
	struct json_member *v;

	while (cap <= n)
		cap *= 2;
	if ((v = realloc(work->members, cap * sizeof(*v))) == NULL)
		return (-1);
	work->members = v;
	work->cap = cap;
	return (0);
}

/* Whoever shares a prefix shorter than eight bytes is the same. */
int
json_name_order(const struct json_name *a, const struct json_name *b)
{
	if (a->prefix != b->prefix)
		return (a->prefix < b->prefix ? -1 : 1);
	if ((a->prefix & 0xff) == 0)
		return (0);
	if (a->escaped || b->escaped)
		return (json_name_cmp((struct span){a->p, a->len}, (struct span){b->p, b->len}));
	/* The closing quotes must not take part. */
	return (span_cmp((struct span){a->p + 1, a->len - 2}, (struct span){b->p + 1, b->len - 2}));
}

static inline bool
is_after(const struct json_key *a, const struct json_key *b)
{
	if (a->prefix != b->prefix)
		return (a->prefix > b->prefix);
	return (json_name_order(&a->m->name, &b->m->name) > 0);
}

static void
insertion_sort(struct json_key *v, size_t n)
{
	struct json_key key;
	size_t i, k;

	for (i = 1; i < n; i++) {
		key = v[i];
		for (k = i; k > 0 && is_after(&v[k - 1], &key); k--)
			v[k] = v[k - 1];
		v[k] = key;
	}
}

/* From short runs to long, between ${v} and the ${n} places behind it: n log n whatever comes.  Return where they are. */
static struct json_key *
merge_sort(struct json_key *v, size_t n)
{
	struct json_key *from = v, *to = v + n, *swap;
	size_t run, i, j, k, mid, end;

	for (k = 0; k < n; k += JSON_FEW)
		insertion_sort(v + k, n - k < JSON_FEW ? n - k : JSON_FEW);
	for (run = JSON_FEW; run < n; run *= 2) {
		for (k = 0; k < n; k = end) {
			i = k;
			mid = j = n - k < run ? n : k + run;
			end = n - mid < run ? n : mid + run;
			while (k < end)
				if (j == end || (i < mid && !is_after(&from[i], &from[j])))
					to[k++] = from[i++];
				else
					to[k++] = from[j++];
		}
		swap = from;
		from = to;
		to = swap;
	}
	return (from);
}

/* May spoil CHUNK bytes behind both. */
static inline char *
copy(char *to, const char *from, size_t n)
{
	size_t i;

	for (i = 0; i < n; i += CHUNK)
		memcpy(to + i, from + i, CHUNK);
	return (to + n);
}

static int
fault_memory(struct json_walk *w, const struct json_member *m)
{
	return (json_fault_set(w->f, (size_t)(m->name.p - w->text), "out of memory"));
}

/*
 * Objects that follow each other are mostly alike: try the order that the last one of as many members had.  It is
 * right where each prefix is above the one before; then no two are the same, and all members are there.
 */
static bool
guess(const struct json_work *work, const struct json_member *v, struct json_key *keys, size_t n)
{
	const uint8_t *order = work->order[n];
	size_t i;

	for (i = 0; i < n; i++) {
		keys[i] = (struct json_key){v[order[i]].name.prefix, &v[order[i]]};
		if (i > 0 && keys[i].prefix <= keys[i - 1].prefix)
			return (false);
	}
	return (true);
}

/* The members in order.  Return where they are, or NULL with w->f. */
static struct json_key *
sort(struct json_walk *w, const struct json_member *v, struct json_key *few, size_t n)
{
	struct json_work *work = w->work;
	struct json_key *keys = few;
	char shown[JSON_SHOWN_SIZE];
	size_t i;

	if (n > JSON_FEW && work->keys_cap < 2 * n) {
		if ((keys = realloc(work->keys, 2 * work->cap * sizeof(*keys))) == NULL) {
			fault_memory(w, v);
			return (NULL);
		}
		work->keys = keys;
		work->keys_cap = 2 * work->cap;
	}
	if (n > JSON_FEW)
		keys = work->keys;
	for (i = 0; i < n; i++)
		keys[i] = (struct json_key){v[i].name.prefix, &v[i]};
	if (n > JSON_FEW)
		keys = merge_sort(keys, n);
	else
		insertion_sort(keys, n);
	for (i = 1; i < n; i++)
		if (keys[i].prefix == keys[i - 1].prefix && !is_after(&keys[i], &keys[i - 1])) {
			json_fault_set(w->f, (size_t)(keys[i].m->name.p - w->text), "duplicate member '%s'",
			    json_shown((struct span){keys[i].m->name.p, keys[i].m->name.len}, shown));
			return (NULL);
		}
	if (n <= JSON_FEW)
		for (i = 0; i < n; i++)
			work->order[n][i] = (uint8_t)(keys[i].m - v);
	return (keys);
}

int
json_sort(struct json_walk *w, size_t base, size_t n, char *start, char *end)
{
	const struct json_member *v = w->work->members + base;
	struct buf *spare = &w->work->spare;
	struct json_key few[JSON_FEW], *keys = few;
	char *o = start;
	size_t i;

	n -= base;
	if ((n > JSON_FEW || !guess(w->work, v, few, n)) && (keys = sort(w, v, few, n)) == NULL)
		return (-1);
	buf_reset(spare);
	if (buf_reserve(spare, (size_t)(end - start) + CHUNK) != 0)
		return (fault_memory(w, v));
	copy(spare->data, start, (size_t)(end - start));
	for (i = 0; i < n; i++) {
		if (i > 0)
			*o++ = ',';
		o = copy(o, spare->data + (keys[i].m->at - start), keys[i].m->len);
	}
	return (0);
}

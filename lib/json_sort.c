/* JSON texts: the members of an object in order. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_internal.h"

#include "banned.h"

#define FEW 16	 /* members that are sorted by insertion */
#define RANKED 8 /* members that are sorted by counting those below */
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

/*
 * Without a branch that might be guessed wrong: how many are below each is its place.  Return 0, or -1 where two
 * prefixes are the same.
 */
static int
rank_sort(struct json_key *v, size_t n)
{
	unsigned char place[RANKED] = {0};
	struct json_key sorted[RANKED];
	unsigned below, same = 0;
	size_t i, k;

	for (i = 1; i < n; i++)
		for (k = 0; k < i; k++) {
			below = v[k].prefix < v[i].prefix;
			same |= v[k].prefix == v[i].prefix;
			place[i] = (unsigned char)(place[i] + below);
			place[k] = (unsigned char)(place[k] + !below);
		}
	if (same)
		return (-1);
	for (i = 0; i < n; i++)
		sorted[place[i]] = v[i];
	memcpy(v, sorted, n * sizeof(*v));
	return (0);
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

	for (k = 0; k < n; k += FEW)
		insertion_sort(v + k, n - k < FEW ? n - k : FEW);
	for (run = FEW; run < n; run *= 2) {
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

int
json_sort(struct json_walk *w, size_t base, size_t n, char *start, char *end)
{
	struct json_work *work = w->work;
	struct json_member *v = work->members + base;
	struct json_key few[FEW], *keys = few;
	char shown[JSON_SHOWN_SIZE], *o;
	size_t i;

	n -= base;
	if (n > FEW) {
		if (work->keys_cap < 2 * n) {
			if ((keys = realloc(work->keys, 2 * work->cap * sizeof(*keys))) == NULL)
				return (fault_memory(w, v));
			work->keys = keys;
			work->keys_cap = 2 * work->cap;
		}
		keys = work->keys;
	}
	for (i = 0; i < n; i++)
		keys[i] = (struct json_key){v[i].name.prefix, &v[i]};
	if (n > FEW)
		keys = merge_sort(keys, n);
	else if (n > RANKED || rank_sort(keys, n) != 0)
		insertion_sort(keys, n);
	for (i = 1; i < n; i++)
		if (keys[i].prefix == keys[i - 1].prefix && !is_after(&keys[i], &keys[i - 1]))
			return (json_fault_set(w->f, (size_t)(keys[i].m->name.p - w->text), "duplicate member '%s'",
			    json_shown((struct span){keys[i].m->name.p, keys[i].m->name.len}, shown)));
	buf_reset(&work->spare);
	if (buf_reserve(&work->spare, (size_t)(end - start) + CHUNK) != 0)
		return (fault_memory(w, v));
	copy(work->spare.data, start, (size_t)(end - start));
	for (o = start, i = 0; i < n; i++) {
		if (i > 0)
			*o++ = ',';
		o = copy(o, work->spare.data + (keys[i].m->at - start), keys[i].m->len);
	}
	return (0);
}

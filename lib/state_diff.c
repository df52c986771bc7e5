/* What differs between two states. */
#include "config.h"

#include <string.h>

#include "json.h"
#include "state_diff.h"

#include "banned.h"

struct diff {
	int (*visit)(void *arg, const struct state_change *c);
	void *arg;
	struct buf path;
};

static const struct span nothing = {NULL, 0};

static int compare(struct diff *d, struct span before, struct span after, unsigned depth);

static bool
is_object(struct span value)
{
	return (value.p != NULL && value.len >= 2 && value.p[0] == '{');
}

static bool
is_array(struct span value)
{
	return (value.p != NULL && value.len >= 2 && value.p[0] == '[');
}

static int
give(struct diff *d, struct span before, struct span after)
{
	struct state_change c = {{d->path.data, d->path.len}, before, after};

	return (d->path.failed ? -1 : d->visit(d->arg, &c));
}

/* Whether the name can stand in a path without its quotes. */
static bool
is_plain(struct span token)
{
	size_t i;

	for (i = 1; i + 1 < token.len; i++) {
		if ((unsigned char)token.p[i] <= ' ' || strchr(".[]\"\\:,{}", token.p[i]) != NULL)
			return (false);
	}
	return (token.len > 2);
}

static int
compare_member(
    struct diff *d, struct span name, struct span before, struct span after, unsigned depth)
{
	size_t len = d->path.len;
	int rc;

	if (span_eq(before, after))
		return (0);
	if (len > 0)
		buf_addc(&d->path, '.');
	if (is_plain(name))
		buf_add(&d->path, name.p + 1, name.len - 2);
	else
		buf_addspan(&d->path, name);
	rc = compare(d, before, after, depth);
	d->path.len = len;
	return (rc);
}

struct member {
	struct span object, name, value;
	size_t pos;
	int there;
};

static void
next_member(struct member *m)
{
	m->there = json_member(m->object, &m->pos, &m->name, &m->value);
}

static int
compare_objects(struct diff *d, struct span before, struct span after, unsigned depth)
{
	struct member b = {.object = before}, a = {.object = after};
	int order, rc = 0;

	next_member(&b);
	next_member(&a);
	while (rc == 0 && (b.there || a.there)) {
		order = !b.there ? 1 : !a.there ? -1 : json_name_cmp(b.name, a.name);
		rc = compare_member(d, order <= 0 ? b.name : a.name, order <= 0 ? b.value : nothing,
		    order >= 0 ? a.value : nothing, depth);
		if (order <= 0)
			next_member(&b);
		if (order >= 0)
			next_member(&a);
	}
	return (rc);
}

static int
compare_item(struct diff *d, size_t index, struct span before, struct span after, unsigned depth)
{
	size_t len = d->path.len;
	int rc;

	if (before.p != NULL && after.p != NULL && span_eq(before, after))
		return (0);
	buf_addf(&d->path, "[%zu]", index);
	rc = compare(d, before, after, depth);
	d->path.len = len;
	return (rc);
}

/* The items of one array that differ from the other's: from ${first} on, ${n} of them. */
struct items {
	struct span array;
	size_t first, n;
	size_t pos;  /* of the first */
	size_t left; /* bytes from the first on, 0 at the end */
};

static void
skip_equal(struct items *b, struct items *a)
{
	struct span x, y;
	size_t next_b = 0, next_a = 0;

	for (;;) {
		b->pos = next_b;
		a->pos = next_a;
		b->left = json_item(b->array, &next_b, &x)
		    ? (size_t)(b->array.p + b->array.len - x.p)
		    : 0;
		a->left = json_item(a->array, &next_a, &y)
		    ? (size_t)(a->array.p + a->array.len - y.p)
		    : 0;
		if (b->left == 0 || a->left == 0 || !span_eq(x, y))
			return;
		b->first++;
		a->first++;
	}
}

/* How many items there are up to those that stand in the last ${same} bytes. */
static void
count_items(struct items *s, size_t same)
{
	struct span item;
	size_t pos = s->pos;

	while (
	    json_item(s->array, &pos, &item) && (size_t)(s->array.p + s->array.len - item.p) > same)
		s->n++;
}

static bool
begins_item(char before)
{
	return (before == ',' || before == '[');
}

/*
 * How many bytes at the end are equal items.  Where an item begins in one of them, the other has the same bytes from there on,
 * and in these all quotes and brackets close but the array's own: so it begins there in both, if a comma or the array's
 * bracket stands before it in both.
 */
static size_t
equal_end(const struct items *b, const struct items *a)
{
	const char *p = b->array.p + b->array.len - 1, *q = a->array.p + a->array.len - 1;
	size_t most = b->left < a->left ? b->left : a->left, n = 0;

	while (n < most && *p == *q) {
		p--;
		q--;
		n++;
	}
	return (n > 0 && (n < most || !begins_item(*p) || !begins_item(*q)) ? n - 1 : n);
}

static int
compare_arrays(struct diff *d, struct span before, struct span after, unsigned depth)
{
	struct items b = {.array = before}, a = {.array = after};
	struct span x = nothing, y = nothing;
	size_t i, same;
	int rc = 0;

	skip_equal(&b, &a);
	same = equal_end(&b, &a);
	count_items(&b, same);
	count_items(&a, same);
	if (b.n > STATE_DIFF_ITEMS || a.n > STATE_DIFF_ITEMS)
		return (give(d, before, after));
	for (i = 0; rc == 0 && i < b.n; i++) {
		json_item(before, &b.pos, &x);
		if (b.n == a.n)
			json_item(after, &a.pos, &y);
		rc = compare_item(d, b.first + i, x, y, depth);
	}
	for (i = 0; rc == 0 && b.n != a.n && i < a.n; i++) {
		json_item(after, &a.pos, &y);
		rc = compare_item(d, a.first + i, nothing, y, depth);
	}
	return (rc);
}

static int
compare(struct diff *d, struct span before, struct span after, unsigned depth)
{
	if (depth < JSON_DEPTH_MAX && is_object(before) && is_object(after))
		return (compare_objects(d, before, after, depth + 1));
	if (depth < JSON_DEPTH_MAX && is_array(before) && is_array(after))
		return (compare_arrays(d, before, after, depth + 1));
	return (give(d, before, after));
}

int
state_diff(struct span before, struct span after,
    int (*visit)(void *arg, const struct state_change *c), void *arg)
{
	struct diff d = {visit, arg, BUF_INIT};
	int rc;

	if (before.p == NULL && after.p == NULL)
		return (0);
	if (before.p != NULL && after.p != NULL && span_eq(before, after))
		return (0);
	rc = compare(&d, before, after, 0);
	buf_release(&d.path);
	return (rc);
}

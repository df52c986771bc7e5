/* The difference of two states: known ones, and that it leads from the one to the other, for small values of all shapes. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>

#include "json.h"
#include "state_diff.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define PAIRS 200000

static int
write_change(void *arg, const struct state_change *c)
{
	struct buf *out = arg;

	buf_addspan(out, c->path);
	buf_addc(out, '|');
	buf_addspan(out, c->before);
	buf_addc(out, '|');
	buf_addspan(out, c->after);
	buf_addc(out, ';');
	return (0);
}

static struct span
text(const char *s)
{
	return ((struct span){s, s == NULL ? 0 : strlen(s)});
}

static void
test_known(void)
{
	static const struct {
		const char *before, *after, *want;
	} cases[] = {
	    {NULL, NULL, ""},
	    {NULL, "{\"a\":1}", "||{\"a\":1};"},
	    {"{\"a\":1}", NULL, "|{\"a\":1}|;"},
	    {"null", "{}", "|null|{};"},
	    {"{\"a\":1}", "{\"a\":1}", ""},
	    {"{\"mtu\":1500,\"state\":\"down\"}", "{\"mtu\":9000,\"state\":\"up\"}",
		"mtu|1500|9000;state|\"down\"|\"up\";"},
	    {"{\"a\":1,\"c\":3}", "{\"b\":2,\"c\":3}", "a|1|;b||2;"},
	    {"{\"a\":{\"ip\":1,\"n\":0}}", "{\"a\":{\"ip\":2,\"n\":0}}", "a.ip|1|2;"},
	    {"{\"a\":{\"x\":1}}", "{\"a\":{}}", "a.x|1|;"},
	    {"{\"a\":{}}", "{\"a\":[]}", "a|{}|[];"},
	    {"{\"a\":{\"x\":1}}", "{\"a\":7}", "a|{\"x\":1}|7;"},
	    {"1e400", "1e401", "|1e400|1e401;"},
	    {"{\"n\":18446744073709551616}", "{\"n\":18446744073709551617}",
		"n|18446744073709551616|18446744073709551617;"},
	    {"{\"n\":1}", "{\"n\":1.0}", "n|1|1.0;"},
	    {"{\"n\":null}", "{}", "n|null|;"},
	    {"{\"a.b\":1}", "{\"a.b\":2}", "\"a.b\"|1|2;"},
	    {"{\"\":{\"a b\":1}}", "{\"\":{\"a b\":2}}", "\"\".\"a b\"|1|2;"},
	    {"{\"a\\\"\":1,\"b\":1}", "{\"a\\\"\":1,\"b\":2}", "b|1|2;"},
	    {"{\"\\n\":1}", "{\"\\t\":1}", "\"\\t\"||1;\"\\n\"|1|;"},
	    {"{\"\\n\":1}", "{\"\\n\":2,\" \":1}", "\"\\n\"|1|2;\" \"||1;"},
	    {"{\"~\":1}", "{\"\xc3\xa9\":1}", "~|1|;\xc3\xa9||1;"},
	    /* arrays */
	    {"[1,2]", "[1,3]", "[1]|2|3;"},
	    {"[1,2]", "[1,2,3]", "[2]||3;"},
	    {"[]", "[1]", "[0]||1;"},
	    {"[1]", "[]", "[0]|1|;"},
	    {"[1]", "[2,1]", "[0]||2;"},
	    {"[2,1]", "[1]", "[0]|2|;"},
	    {"[1]", "[21]", "[0]|1|21;"},
	    {"[1,1]", "[1,1,1]", "[2]||1;"},
	    {"[1,2,1,2]", "[1,2]", "[2]|1|;[3]|2|;"},
	    {"[1,2,3,4]", "[1,9,4]", "[1]|2|;[2]|3|;[1]||9;"},
	    {"[1,[2]]", "[1,[3]]", "[1][0]|2|3;"},
	    {"[\"a,b\",\"c\"]", "[\"b\",\"c\"]", "[0]|\"a,b\"|\"b\";"},
	    {"[\"x\",\"]\"]", "[\"y\",\"]\"]", "[0]|\"x\"|\"y\";"},
	    {"[\"\\\"\",1]", "[\"\\\\\",1]", "[0]|\"\\\"\"|\"\\\\\";"},
	    {"{\"r\":[{\"to\":1,\"via\":2}]}", "{\"r\":[{\"to\":1,\"via\":3}]}", "r[0].via|2|3;"},
	    {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]",
		"[0,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,0]",
		"|[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]|[0,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,0];"},
	    {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]",
		"[1,2,3,4,5,6,7,8,0,10,11,12,13,14,15,16,17,18]", "[8]|9|0;"},
	};
	struct buf got = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&got);
		if (state_diff(text(cases[i].before), text(cases[i].after), write_change, &got) !=
		    0)
			buf_adds(&got, "failed");
		is_bytes(got.data == NULL ? "" : got.data, got.len, cases[i].want, cases[i].want);
	}
	buf_release(&got);
}

/* Values of all shapes, made anew or by a change of one, and what differs applied to the one must give the other. */

static const char *const names[] = {"a", "b", "", "c.d", "e]", "\"", "\\", "\n"};

static json_t *
make(struct random *r, unsigned depth)
{
	json_t *v;
	size_t n, i;

	switch (random_below(r, depth == 0 ? 3 : 6)) {
	case 0:
		return (json_integer(random_below(r, 3)));
	case 1:
		return (json_string(names[random_below(r, 8)]));
	case 2:
		return (json_null());
	case 3:
		v = json_object();
		for (n = random_below(r, 4), i = 0; i < n; i++)
			json_object_set_new(v, names[random_below(r, 8)], make(r, depth - 1));
		return (v);
	default:
		v = json_array();
		for (n = random_below(r, random_below(r, 20) == 0 ? 40 : 5), i = 0; i < n; i++)
			json_array_append_new(v, make(r, depth - 1));
		return (v);
	}
}

static json_t *
change(struct random *r, const json_t *v)
{
	json_t *copy = json_deep_copy(v);
	size_t n = json_is_array(copy) ? json_array_size(copy) : 0, at;

	if (json_is_object(copy) && random_below(r, 2) == 0)
		json_object_set_new(copy, names[random_below(r, 8)], make(r, 1));
	else if (json_is_object(copy))
		json_object_del(copy, names[random_below(r, 8)]);
	else if (json_is_array(copy)) {
		at = random_below(r, (uint32_t)n + 1);
		if (random_below(r, 2) == 0)
			json_array_insert_new(copy, at, make(r, 1));
		else if (at < n && random_below(r, 2) == 0)
			json_array_remove(copy, at);
		else if (at < n)
			json_array_set_new(copy, at, change(r, json_array_get(copy, at)));
	} else {
		json_decref(copy);
		copy = make(r, 2);
	}
	return (copy);
}

static struct span
canonical(const json_t *v, struct buf *out)
{
	char *dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	struct json_work work = {0};
	struct json_fault f;
	size_t pos = 0;

	buf_reset(out);
	if (dump == NULL || json_canonical(dump, strlen(dump), &pos, 1, &work, out, &f) != 0)
		exit(99);
	json_work_release(&work);
	free(dump);
	return ((struct span){out->data, out->len});
}

/* The next step of a path: a name (returned, to be freed) or an index. */
static json_t *
step(struct span *path, size_t *ret_index)
{
	const char *p = path->p, *end = p + path->len, *start;
	json_t *name;

	if (p < end && *p == '[') {
		for (*ret_index = 0, p++; p < end && *p != ']'; p++)
			*ret_index = *ret_index * 10 + (size_t)(*p - '0');
		name = NULL;
		p++;
	} else {
		p += p < end && *p == '.';
		start = p;
		if (p < end && *p == '"') {
			for (p++; p < end && *p != '"'; p++)
				p += *p == '\\';
			p++;
			name = json_loadb(start, (size_t)(p - start), JSON_DECODE_ANY, NULL);
		} else {
			while (p < end && *p != '.' && *p != '[')
				p++;
			name = json_stringn(start, (size_t)(p - start));
		}
	}
	path->len -= (size_t)(p - path->p);
	path->p = p;
	return (name);
}

struct patch {
	json_t *root;
	json_t *array; /* the one that lost items last, */
	size_t lost;   /* and how many */
	const char *wrong;
};

static json_t *
load(struct span value)
{
	return (value.p == NULL ? NULL : json_loadb(value.p, value.len, JSON_DECODE_ANY, NULL));
}

static void
apply_item(struct patch *p, json_t *array, size_t index, const json_t *before, json_t *after)
{
	if (before != NULL && after == NULL) {
		if (p->array != array)
			p->lost = 0;
		p->array = array;
		index -= p->lost++;
	}
	if (before != NULL && !json_equal(json_array_get(array, index), before))
		p->wrong = "an item was something else before";
	if (before != NULL && after == NULL)
		json_array_remove(array, index);
	else if (before == NULL)
		json_array_insert(array, index, after);
	else
		json_array_set(array, index, after);
}

static void
apply_member(struct patch *p, json_t *object, const char *name, const json_t *before, json_t *after)
{
	const json_t *was = json_object_get(object, name);

	if ((was == NULL) != (before == NULL) || (was != NULL && !json_equal(was, before)))
		p->wrong = "a member was something else before";
	if (after == NULL)
		json_object_del(object, name);
	else
		json_object_set(object, name, after);
}

static int
apply(void *arg, const struct state_change *c)
{
	struct patch *p = arg;
	json_t *before = load(c->before), *after = load(c->after), *at = p->root, *name = NULL;
	struct span path = c->path;
	size_t index = 0;

	if (before == NULL && after == NULL)
		p->wrong = "a change from nothing to nothing";
	else if (before != NULL && after != NULL && json_equal(before, after))
		p->wrong = "a change to the same";
	if (path.len == 0) {
		json_decref(p->root);
		p->root = json_incref(after);
	}
	while (path.len > 0) {
		json_decref(name);
		name = step(&path, &index);
		if (path.len > 0)
			at = name != NULL ? json_object_get(at, json_string_value(name))
					  : json_array_get(at, index);
	}
	if (c->path.len > 0 && name != NULL)
		apply_member(p, at, json_string_value(name), before, after);
	else if (c->path.len > 0)
		apply_item(p, at, index, before, after);
	json_decref(name);
	json_decref(before);
	json_decref(after);
	return (p->wrong != NULL);
}

static void
test_applied(void)
{
	struct random r = {20261121};
	struct buf x = BUF_INIT, y = BUF_INIT;
	const char *wrong = NULL;
	struct patch p;
	json_t *before, *after;
	size_t i, times;

	for (i = 0; i < PAIRS && wrong == NULL; i++) {
		before = make(&r, 3);
		after = random_below(&r, 4) == 0 ? make(&r, 3) : change(&r, before);
		for (times = random_below(&r, 3); times > 0; times--) {
			p.root = change(&r, after);
			json_decref(after);
			after = p.root;
		}
		p = (struct patch){.root = json_deep_copy(before)};
		if (state_diff(canonical(before, &x), canonical(after, &y), apply, &p) != 0 ||
		    p.wrong != NULL)
			wrong = p.wrong == NULL ? "state_diff() failed" : p.wrong;
		else if (!json_equal(p.root, after))
			wrong = "what came of it is another value";
		if (wrong != NULL)
			printf("# %.*s\n# %.*s\n", (int)x.len, x.data, (int)y.len, y.data);
		json_decref(p.root);
		json_decref(before);
		json_decref(after);
	}
	ok(wrong == NULL, "what differs leads from the one to the other%s%s",
	    wrong == NULL ? "" : ": ", wrong == NULL ? "" : wrong);
	buf_release(&x);
	buf_release(&y);
}

static int
stop(void *arg, const struct state_change *c)
{
	(void)c;
	return (++*(int *)arg == 2 ? 7 : 0);
}

static void
test_limits(void)
{
	struct buf x = BUF_INIT, y = BUF_INIT, got = BUF_INIT;
	int i, n = 0;

	ok(state_diff(text("[1,2,3]"), text("[4,5,6]"), stop, &n) == 7 && n == 2,
	    "a visitor can stop it");
	for (i = 0; i < 1000; i++) {
		buf_adds(&x, "[");
		buf_adds(&y, "[");
	}
	buf_adds(&x, "1");
	buf_adds(&y, "2");
	for (i = 0; i < 1000; i++) {
		buf_adds(&x, "]");
		buf_adds(&y, "]");
	}
	ok(state_diff((struct span){x.data, x.len}, (struct span){y.data, y.len}, write_change,
	       &got) == 0 &&
		got.len == 64 * 3 + 2 * (2000 - 128 + 1) + 3,
	    "below 64 levels the rest is one value");
	buf_release(&x);
	buf_release(&y);
	buf_release(&got);
}

int
main(void)
{
	test_known();
	test_applied();
	test_limits();
	return (tap_done());
}

/* Filters: what is glanced at in a line is what parsing it finds, and a line that is damaged is no reason to look beyond it. */
#include "config.h"

#include <stdlib.h>

#include "event.h"
#include "filter.h"
#include "glance.h"
#include "random.h"
#include "tap.h"

static const char *const names[] = {"a", "file:/etc/passwd", "say \"no\"", "back\\", "\\\"", "\xc3\xa9", "{\"a\":[", ",\"action\":\"x"};
static const char *const actions[] = {"create", "modify", "x", "a.b-c_9"};
static const char *const states[] = {NULL, "null", "1", "\"\"", "\"}\\\"{\"", "{}", "[]", "{\"a\":[{\"b\":\"]}\"},[1,2]],\"c\":\",\\\"actor\\\":\\\"x\\\"\"}",
    "[\"\\\\\",{\"actor\":\"x\"}]", "true"};
static const char *const actors[] = {NULL, "\"\"", "\"root\"", "\"a \\\"b\\\" \\\\\"", "\"\\u0001\""};
static const char *const metas[] = {NULL, "{\"actor\":\"x\"}", "\",\\\"actor\\\":\\\"x\\\"\""};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(r, a) span_of((a)[random_below((r), COUNT(a))])

static struct span
span_of(const char *s)
{
	return ((struct span){s, s == NULL ? 0 : strlen(s)});
}

static void
random_line(struct random *r, struct buf *out)
{
	struct event ev = {.seq = random_below(r, 100000), .login = EVENT_NO_LOGIN, .parent = EVENT_NONE};

	ev.time_us = random_below(r, 1u << 31);
	ev.element = PICK(r, names);
	ev.action = PICK(r, actions);
	ev.state = PICK(r, states);
	ev.actor = PICK(r, actors);
	ev.meta = PICK(r, metas);
	buf_reset(out);
	event_format(&ev, out);
	out->len--; /* its LF */
}

static bool
same(struct span a, struct span b)
{
	return ((a.p == NULL) == (b.p == NULL) && (a.p == NULL || span_eq(a, b)));
}

/*
 * Whether a glance finds what parsing does, where the line is one; where it is none, it may find anything that stands in the line.
 * The copy ends where the line does, so that the sanitizers see who reads on.
 */
static bool
agrees(const char *p, size_t len)
{
	struct buf scratch = BUF_INIT;
	char *copy = malloc(len + (len == 0));
	struct span line = {copy, len}, actor;
	struct json_fault f;
	struct glance g;
	struct event ev;
	bool good, yes = true;

	memcpy(copy, p, len);
	good = event_parse(line, &ev, &f) == 0;
	if (glance_line(line, &g) != 0)
		yes = !good;
	else if (glance_actor(line, &g, &actor) != 0)
		yes = !good;
	else if (good)
		yes = g.seq == ev.seq && same(g.action, ev.action) && same(actor, ev.actor) &&
		    same(glance_text(g.element, &scratch), ev.element);
	else
		yes = g.action.p + g.action.len < copy + len && (actor.p == NULL || (actor.p > copy && actor.p + actor.len <= copy + len));
	buf_release(&scratch);
	free(copy);
	return (yes);
}

static void
test_glance(void)
{
	static const char likely[] = "\"\\{}[],:0";
	struct random r = {20261121};
	struct buf line = BUF_INIT;
	bool whole = true, cut = true, changed = true;
	unsigned i, k;
	size_t at;
	char was;

	for (i = 0; i < 2000; i++) {
		random_line(&r, &line);
		whole = whole && agrees(line.data, line.len);
		for (k = 0; k < 40; k++) {
			at = random_below(&r, (uint32_t)line.len);
			was = line.data[at];
			line.data[at] = k < 30 ? likely[random_below(&r, sizeof(likely) - 1)] : (char)random_below(&r, 256);
			changed = changed && agrees(line.data, line.len);
			line.data[at] = was;
		}
		for (at = 0; i < 50 && at < line.len; at++)
			cut = cut && agrees(line.data, at);
	}
	ok(whole, "lines are glanced at as they are parsed");
	ok(cut, "so are those that are cut off anywhere");
	ok(changed, "and those with a byte changed");
	buf_release(&line);
}

static void
test_pass(void)
{
	static const struct {
		const char *glob, *action, *actor;
		int passes;
	} cases[] = {
	    {NULL, NULL, NULL, 1},
	    {"file:*", NULL, NULL, 1},
	    {"file:/etc/[ab]", NULL, NULL, 1},
	    {"file:/etc/[bc]", NULL, NULL, 0},
	    {"ecl:*", NULL, NULL, 0},
	    {NULL, "modify", NULL, 1},
	    {NULL, "modif", NULL, 0},
	    {NULL, NULL, "say \"x\"", 1},
	    {NULL, NULL, "say", 0},
	    {"file:*", "modify", "say \"x\"", 1},
	    {"*", "modify", "x", 0},
	};
	struct event ev = {.element = SPAN("file:/etc/a"), .action = SPAN("modify"), .state = SPAN("{\"actor\":\"x\"}"),
	    .actor = SPAN("\"say \\\"x\\\"\""), .login = EVENT_NO_LOGIN, .parent = EVENT_NONE};
	struct buf line = BUF_INIT;
	struct filter f;
	struct err e;
	size_t i;

	event_format(&ev, &line);
	for (i = 0; i < COUNT(cases); i++) {
		f = (struct filter){0};
		if (cases[i].glob != NULL)
			filter_add(&f, cases[i].glob);
		f.action = span_of(cases[i].action);
		if (cases[i].actor != NULL)
			filter_set_actor(&f, cases[i].actor);
		ok(filter_line(&f, (struct span){line.data, line.len - 1}, &e) == cases[i].passes && filter_empty(&f) == (i == 0),
		    "case %zu %s", i, cases[i].passes ? "passes" : "does not pass");
		filter_release(&f);
	}
	ok(filter_line(&(struct filter){.action = SPAN("x")}, SPAN("{\"seq\":1}"), &e) == -1, "what is no event is an error");
	buf_release(&line);
}

int
main(void)
{
	test_glance();
	test_pass();
	return (tap_done());
}

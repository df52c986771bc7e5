/* Input lines: what is taken, how it is rewritten, what is refused, where and why. */
#include "config.h"

#include <jansson.h>
#include <locale.h>
#include <stdlib.h>

#include "input.h"

#include "random.h"
#include "tap.h"
#include "vector_text.h"

#include "banned.h"

static struct json_work work;

static struct span
span_of(const char *s)
{
	return ((struct span){s, strlen(s)});
}

static void
show_span(struct buf *b, const char *name, struct span s)
{
	if (s.p == NULL)
		return;
	buf_addf(b, " %s=", name);
	buf_addspan(b, s);
}

/* An input as text: the members that are there. */
static void
show(const struct input *in, struct buf *b)
{
	char time[TIME_SIZE];

	buf_adds(b,
	    in->kind == INPUT_BLANK	  ? "blank"
		: in->kind == INPUT_EVENT ? "event"
					  : "complete");
	show_span(b, "element", in->element);
	show_span(b, "action", in->action);
	show_span(b, "state", in->state);
	show_span(b, "actor", in->actor);
	show_span(b, "cause", in->cause);
	show_span(b, "meta", in->meta);
	show_span(b, "vector", in->vector);
	show_span(b, "glob", in->glob);
	if (in->has_time) {
		event_time_format(in->time_us, time);
		buf_addf(b, " time=%s", time);
	}
}

static void
test_taken(void)
{
	static const struct {
		const char *line, *want;
	} t[] = {
	    {"", "blank"},
	    {" \t\r", "blank"},
	    {"{\"element\":\"a\",\"state\":1}", "event element=a state=1"},
	    {"{\"state\":1,\"element\":\"a\"}", "event element=a state=1"},
	    {" { \"element\" : \"a\" , \"state\" : 1 } \r", "event element=a state=1"},
	    {"{\"element\":\"a\",\"state\":null}", "event element=a state=null"},
	    {"{\"element\":\"a\",\"state\":{\"b\": 1,\"a\":[ ]}}",
		"event element=a state={\"a\":[],\"b\":1}"},
	    {"{\"element\":\"a\",\"state\":\"\\u0041\"}", "event element=a state=\"A\""},
	    {"{\"element\":\"a\",\"state\":1e400}", "event element=a state=1e400"},
	    {"{\"element\":\"a\",\"action\":\"restart\"}", "event element=a action=restart"},
	    {"{\"element\":\"a\",\"action\":\"restart\",\"state\":null}",
		"event element=a action=restart state=null"},
	    {"{\"element\":\"a\",\"action\":\"r\\u0065start\"}", "event element=a action=restart"},
	    {"{\"element\":\"a\",\"action\":\"delete\"}",
		"event element=a action=delete state=null"},
	    {"{\"element\":\"a\",\"action\":\"delete\",\"state\":null}",
		"event element=a action=delete state=null"},
	    {"{\"element\":\"a\",\"action\":\"create\",\"state\":false}",
		"event element=a action=create state=false"},
	    {"{\"\\u0065lement\":\"a\",\"st\\u0061te\":1}", "event element=a state=1"},
	    {"{\"element\":\"q\\\"\\\\\\u00e9\\/\",\"state\":1}",
		"event element=q\"\\\xc3\xa9/ state=1"},
	    {"{\"element\":\"a\",\"state\":1,\"actor\":\"x\",\"cause\":\"\\u0079\\n\",\"meta\":{\"b\":1,\"a\":2}}",
		"event element=a state=1 actor=\"x\" cause=\"y\\n\" meta={\"a\":2,\"b\":1}"},
	    {"{\"element\":\"a\",\"state\":1,\"meta\":null}", "event element=a state=1 meta=null"},
	    {"{\"element\":\"a\",\"state\":1,\"vector\":\"AACAPwAAAEA=\"}",
		"event element=a state=1 vector=\"AACAPwAAAEA=\""},
	    {"{\"element\":\"a\",\"state\":1,\"vector\":\"AACAP\\u0077AAAEA=\"}",
		"event element=a state=1 vector=\"AACAPwAAAEA=\""},
	    {"{\"element\":\"a\",\"state\":1,\"vector\":[1,2]}",
		"event element=a state=1 vector=\"AACAPwAAAEA=\""},
	    {"{\"vector\":[ 1.0e0 , 20e-1 ],\"state\":{\"b\":1,\"a\":0},\"element\":\"\\u0061\"}",
		"event element=a state={\"a\":0,\"b\":1} vector=\"AACAPwAAAEA=\""},
	    {"{\"element\":\"a\",\"state\":1,\"vector\":[0.1,-0.0,1e-50,16777217,3.4028235e38]}",
		"event element=a state=1 vector=\"zczMPQAAAIAAAAAAAACAS///f38=\""},
	    {"{\"seq\":12,\"time\":\"2026-11-21T10:00:00.123456Z\",\"element\":\"a\",\"action\":\"modify\",\"state\":1,\"uid\":0,\"login\":1,"
	     "\"parent\":null,\"prev\":\"x\",\"hash\":{\"any\": true}}",
		"event element=a action=modify state=1 time=2026-11-21T10:00:00.123456Z"},
	    {"{\"element\":\"a\",\"state\":1,\"time\":\"2026-11-21 11:00:00+01:00\"}",
		"event element=a state=1 time=2026-11-21T10:00:00.000000Z"},
	    {"{\"element\":\"a\",\"state\":1,\"time\":\"2026-11-21\\u005410:00:00Z\"}",
		"event element=a state=1 time=2026-11-21T10:00:00.000000Z"},
	    {"{\"complete\":\"interface:*\"}", "complete glob=interface:*"},
	    {" { \"complete\" : \"\\u002a\" } ", "complete glob=*"},
	    {"{\"element\":\"eclipse:x\",\"state\":1}", "event element=eclipse:x state=1"},
	    {"{\"element\":\"ECL:x\",\"state\":1}", "event element=ECL:x state=1"},
	};
	struct buf scratch = BUF_INIT, have = BUF_INIT;
	struct json_fault f = {0, ""};
	struct input in;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&have);
		buf_reset(&scratch);
		if (input_parse(span_of(t[i].line), true, &work, &scratch, &in, &f) != 0)
			buf_addf(&have, "%s at %zu", f.what, f.at);
		else
			show(&in, &have);
		is_bytes(have.data, have.len, t[i].want, t[i].line);
	}
	ok(input_parse(span_of("{\"element\":\"a\",\"state\":1,\"time\":[1, 2]}"), false, &work, &scratch,
	       &in, &f) == 0 &&
		!in.has_time,
	    "without keep_time any JSON will do for a time");
	buf_release(&scratch);
	buf_release(&have);
}

#define E "{\"element\":\"a\","
#define S "{\"element\":\"a\",\"state\":1,"

static void
test_refused(void)
{
	static const struct {
		const char *line;
		size_t at;
		const char *what;
	} t[] = {
	    {"x", 0, "expected '{': a line is one JSON object"},
	    {"[1]", 0, "expected '{': a line is one JSON object"},
	    {"\xef\xbb\xbf{}", 0, "byte order mark: a line is UTF-8 without one"},
	    {"{", 1, "unexpected end of line"},
	    {"{}", 0, "no member 'element'"},
	    {"{\"state\":1}", 0, "no member 'element'"},
	    {"{\"element\":\"a\"}", 0, "neither 'action' nor 'state'"},
	    {" {'element': 'a'}", 2,
		"expected a member name in double quotes: this looks like a Python dict, not JSON (ansible: use 'to_json | string')"},
	    {"{u'element': u'a'}", 1,
		"expected a member name in double quotes: this looks like a Python dict, not JSON (ansible: use 'to_json | string')"},
	    {"{element:1}", 1, "expected a member name in double quotes"},
	    {S "}", 25, "trailing comma before '}'"},
	    {S "\"elment\":1}", 25, "unknown member 'elment'"},
	    {S "\"a\\u001b\\u0065\":1}", 25, "unknown member 'a?e'"},
	    {S "\"\":1}", 25, "unknown member ''"},
	    {S "\"state\":1}", 25, "duplicate member 'state'"},
	    {S "\"st\\u0061te\":1}", 25, "duplicate member 'state'"},
	    {S "\"seq\":1,\"seq\":1}", 33, "duplicate member 'seq'"},
	    {S "\"meta\":{\"x\":1,\"x\":1}}", 39, "duplicate member 'x'"},
	    {S "\"hash\":{\"x\":1,\"x\":1}}", 39, "duplicate member 'x'"},
	    {S "\"hash\":01}", 32, "number has a leading zero"},
	    {S "\"uid\"1}", 30, "expected ':' after a member name"},
	    {S "\"uid\":1", 32, "unexpected end of line"},
	    {S "\"uid\":", 31, "unexpected end of line"},
	    {S "\"uid\":1;}", 32, "expected ',' or '}' after a member"},
	    {S "\"uid\":1}}", 33, "expected the end of the line after the object"},
	    {S "\"uid\":1} {}", 34, "expected the end of the line after the object"},
	    {S "\"actor\":null}", 33, "member 'actor' is not a string"},
	    {S "\"actor\":5}", 33, "member 'actor' is not a string"},
	    {S "\"cause\":null}", 33, "member 'cause' is not a string"},
	    {S "\"vector\":null}", 34, "member 'vector' is neither base64 nor an array of numbers"},
	    {S "\"vector\":[]}", 34, "member 'vector' is empty"},
	    {S "\"vector\":\"\"}", 34, "member 'vector' is empty"},
	    {S "\"vector\":\"AAAA\"}", 34, "member 'vector' is not made of float32 numbers"},
	    {S "\"vector\":\"AAAAAA=\"}", 34, "member 'vector' is not canonical base64"},
	    {S "\"vector\":\"AAAAAB==\"}", 34, "member 'vector' is not canonical base64"},
	    {S "\"vector\":\"AAAA=AAA\"}", 34, "member 'vector' is not canonical base64"},
	    {S "\"vector\":\"AACAfw==\"}", 34, "member 'vector' has a number that is not finite"},
	    {S "\"vector\":\"AAAAAAAAwH8=\"}", 34,
		"member 'vector' has a number that is not finite"},
	    {S "\"vector\":[1,1e39]}", 37, "number is not finite as a float32"},
	    {S "\"vector\":[1,\"x\"]}", 37, "member 'vector' has something that is no number"},
	    {S "\"vector\":[[1]]}", 35, "member 'vector' has something that is no number"},
	    {S "\"vector\":[1,]}", 37, "trailing comma before ']'"},
	    {S "\"time\":\"yesterday\"}", 32,
		"member 'time' is not an RFC 3339 time such as 2026-11-21T10:00:00Z"},
	    {S "\"time\":1}", 32, "member 'time' is not a string"},
	    {E "\"action\":1}", 24, "member 'action' is not a string"},
	    {E "\"action\":\"\"}", 24, "bad action: an empty action"},
	    {E "\"action\":\"Restart\"}", 24,
		"bad action: an action has letters a-z, digits, '_', '.' and '-' only"},
	    {E "\"action\":null}", 24, "member 'action' is not a string"},
	    {E "\"action\":\"create\"}", 24, "'create' and 'modify' need a state that is not null"},
	    {E "\"action\":\"modify\",\"state\":null}", 24,
		"'create' and 'modify' need a state that is not null"},
	    {E "\"action\":\"delete\",\"state\":1}", 24, "'delete' takes no state but null"},
	    {"{\"element\":1,\"state\":1}", 11, "member 'element' is not a string"},
	    {"{\"element\":\"\",\"state\":1}", 11, "bad element: an empty name"},
	    {"{\"element\":\"a\\nb\",\"state\":1}", 11,
		"bad element: a control character in a name"},
	    {"{\"element\":\"a\\u0085b\",\"state\":1}", 11,
		"bad element: a control character in a name"},
	    {"{\"element\":\"a\nb\",\"state\":1}", 13,
		"control character U+000A in a string is not escaped"},
	    {"{\"element\":\"a\xff\",\"state\":1}", 13, "invalid UTF-8"},
	    {"{\"element\":\"ecl:layer\",\"state\":1}", 11,
		"elements that begin with 'ecl:' belong to ecl"},
	    {"{\"element\":\"\\u0065cl:layer\",\"state\":1}", 11,
		"elements that begin with 'ecl:' belong to ecl"},
	    {"{\"complete\":\"ecl:*\"}", 12, "elements that begin with 'ecl:' belong to ecl"},
	    {"{\"complete\":\"\"}", 12, "a pattern has 1 to 512 bytes"},
	    {"{\"complete\":1}", 12, "member 'complete' is not a string"},
	    {"{\"complete\":\"a\",\"state\":1}", 12, "'complete' stands alone in its line"},
	    {"{\"complete\":\"a\",\"seq\":1}", 12, "'complete' stands alone in its line"},
	};
	struct buf scratch = BUF_INIT, have = BUF_INIT, want = BUF_INIT;
	struct json_fault f;
	struct input in;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(&f, 0, sizeof(f));
		buf_reset(&have);
		buf_reset(&want);
		if (input_parse(span_of(t[i].line), true, &work, &scratch, &in, &f) == 0)
			buf_adds(&have, "taken");
		else
			buf_addf(&have, "%zu: %s", f.at, f.what);
		buf_addf(&want, "%zu: %s", t[i].at, t[i].what);
		is_bytes(have.data, have.len, buf_cstr(&want), t[i].line);
	}
	ok(input_parse(SPAN("\0"), true, &work, &scratch, &in, &f) == -1 &&
		strcmp(f.what, "NUL byte") == 0,
	    "NUL");
	buf_release(&scratch);
	buf_release(&have);
	buf_release(&want);
}

static void
test_lengths(void)
{
	struct buf line = BUF_INIT, scratch = BUF_INIT;
	struct json_fault f = {0, ""};
	struct input in;
	int i;

	buf_adds(&line, "{\"element\":\"a\",\"state\":\"");
	while (line.len < EVENT_INPUT_MAX - 2)
		buf_addc(&line, 'x');
	buf_adds(&line, "\"}");
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == 0,
	    "a line of a million bytes");
	buf_addc(&line, ' ');
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == -1,
	    "not one more");
	buf_reset(&line);
	buf_adds(&line, "{\"element\":\"a\",\"state\":1,\"vector\":[1");
	for (i = 0; i < 200000; i++)
		buf_adds(&line, ",2");
	buf_adds(&line, "]}");
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == -1,
	    "nor a vector that grows over that: %s", f.what);
	buf_reset(&line);
	buf_adds(&line, "{\"element\":\"a\",\"state\":1,\"vector\":[1");
	for (i = 1; i < (int)VECTOR_DIMS_MAX; i++)
		buf_adds(&line, ",2");
	buf_adds(&line, "]}");
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == 0 &&
		vector_text_dims(in.vector) == VECTOR_DIMS_MAX && in.vector_at == 34,
	    "a vector of %u numbers", VECTOR_DIMS_MAX);
	line.len -= 2;
	buf_adds(&line, ",2]}");
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == -1 && f.at == 34,
	    "and no more: %s", f.what);
	buf_reset(&line);
	buf_adds(&line, "{\"element\":\"");
	for (i = 0; i < ELEMENT_MAX; i++)
		buf_adds(&line, "\\u0061");
	buf_adds(&line, "\",\"state\":1}");
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == 0 &&
		in.element.len == ELEMENT_MAX,
	    "a name of 512 bytes, all of it escaped");
	buf_reset(&line);
	buf_adds(&line, "{\"element\":\"a\",\"state\":");
	for (i = 0; i < JSON_DEPTH_MAX - 1; i++)
		buf_adds(&line, "[");
	for (i = 0; i < JSON_DEPTH_MAX - 1; i++)
		buf_adds(&line, "]");
	buf_addc(&line, '}');
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == 0,
	    "depth 64, the line's own object counted");
	line.len -= JSON_DEPTH_MAX;
	for (i = 0; i < JSON_DEPTH_MAX + 1; i++)
		buf_adds(&line, i == 0 ? "[" : "]");
	buf_addc(&line, '}');
	ok(input_parse((struct span){line.data, line.len}, true, &work, &scratch, &in, &f) == -1,
	    "not 65");
	buf_release(&line);
	buf_release(&scratch);
}

static void
test_no_copy(void)
{
	static const char
	    line[] = "{\"element\":\"a\",\"state\":{\"a\":1},\"actor\":\"x\",\"meta\":[1]}";
	struct buf scratch = BUF_INIT;
	struct json_fault f = {0, ""};
	struct input in;

	ok(input_parse(SPAN(line), false, &work, &scratch, &in, &f) == 0 && scratch.len == 0,
	    "what is canonical is not kept twice");
	ok(in.state.p > line && in.state.p < line + sizeof(line) && in.element.p > line,
	    "and points into the line");
	buf_release(&scratch);
}

#define TENS "1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,8,7,"

/* Many lines in one buffer, as a batch has them: spans stay good, and room that was there is enough. */
static void
test_many(void)
{
	static char text[300][400];
	static struct input in[300];
	struct buf scratch = BUF_INIT, want = BUF_INIT;
	struct json_fault f = {0, ""};
	unsigned i, bad = 0, moved = 0;
	char *data, name[16];
	size_t before, cap;

	buf_reserve(&scratch, 300 * input_room(400));
	data = scratch.data;
	for (i = 0; i < 300; i++) {
		if (i % 3 == 0)
			snprintf(text[i], sizeof(text[i]),
			    "{\"element\":\"\\u0061%u\",\"state\":{\"b\": %u,\"a\": [ ]},\"actor\":\"\\u0041\",\"seq\": {\"x\" : 1}}", i, i);
		else if (i % 3 == 1)
			snprintf(text[i], sizeof(text[i]),
			    "{\"element\":\"a%u\",\"vector\":[ " TENS TENS TENS TENS TENS TENS "1],\"state\":{\"a\":[],\"b\":%u},\"actor\":\"A\"}", i, i);
		else
			snprintf(text[i], sizeof(text[i]),
			    "{\"element\":\"a%u\",\"state\":{\"b\": %u,\"a\":[]}, \"actor\":\"A\", \"meta\":{\"x\":1,\"x\":2}}", i, i);
		scratch.cap = cap = scratch.len + input_room(strlen(text[i]));
		before = scratch.len;
		if (input_parse(span_of(text[i]), false, &work, &scratch, &in[i], &f) != 0)
			bad += i % 3 != 2 || scratch.len != before;
		moved += scratch.data != data || scratch.cap != cap;
	}
	ok(bad == 0, "what is refused leaves nothing behind");
	ok(moved == 0, "with input_room() to spare the buffer stays where it is");
	for (i = 0; i < 300; i++) {
		if (i % 3 == 2)
			continue;
		buf_reset(&want);
		buf_addf(&want, "{\"a\":[],\"b\":%u}", i);
		snprintf(name, sizeof(name), "a%u", i);
		bad += !span_eq(in[i].state, (struct span){want.data, want.len}) || !span_is(in[i].element, name) ||
		    !span_is(in[i].actor, "\"A\"") || (i % 3 == 1) != (in[i].vector.p != NULL);
	}
	ok(bad == 0, "300 lines in one buffer");
	buf_release(&scratch);
	buf_release(&want);
}

static void
test_locale(void)
{
	struct buf scratch = BUF_INIT;
	struct json_fault f = {0, ""};
	struct input in;

	if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL) {
		ok(true, "decimal points in other locales # SKIP no such locale here");
		return;
	}
	ok(input_parse(SPAN(S "\"vector\":[1.5]}"), false, &work, &scratch, &in, &f) == 0 &&
		span_is(in.vector, "\"AADAPw==\""),
	    "decimal points in other locales");
	setlocale(LC_ALL, "C");
	buf_release(&scratch);
}

/* Members in any order, spaced and escaped in any way, are the same input. */
static void
test_orders(void)
{
	static const char *const parts[] = {"\"element\":\"file:/a\"", "\"action\":\"modify\"",
	    "\"state\":{\"a\":1,\"b\":[true,\"\xc3\xa9\"]}", "\"actor\":\"me\"",
	    "\"cause\":\"why \\\"not\\\"\"", "\"meta\":{\"x\":{}}", "\"vector\":\"AACAPw==\"",
	    "\"time\":\"2026-11-21T10:00:00Z\"", "\"seq\":1", "\"uid\":2", "\"login\":3",
	    "\"parent\":4", "\"prev\":\"5\"", "\"hash\":\"6\""};
	static const char *const others[] = {"\"\\u0065lement\" :\"\\u0066ile:\\/a\"",
	    "\"action\": \"modif\\u0079\"", "\"state\":{\"b\":[ true,\"\\u00E9\"], \"a\":1}",
	    " \"actor\":\"m\\u0065\"", "\"c\\u0061use\":\"why \\u0022not\\u0022\"",
	    "\"meta\":{\"x\":{ }}", "\"vector\":[1.0]", "\"time\":\"2026-11-21 12:30:00+02:30\"",
	    "\"seq\":null", "\"uid\":{}", "\"login\":[ ]", "\"parent\":\"\"", "\"prev\":\"\"",
	    "\"hash\":0"};
	const char *want =
	    "event element=file:/a action=modify state={\"a\":1,\"b\":[true,\"\xc3\xa9\"]} actor=\"me\" cause=\"why \\\"not\\\"\" "
	    "meta={\"x\":{}} vector=\"AACAPw==\" time=2026-11-21T10:00:00.000000Z";
	struct buf line = BUF_INIT, scratch = BUF_INIT, have = BUF_INIT;
	struct random r = {11};
	struct json_fault f = {0, ""};
	struct input in;
	unsigned i, k, n, bad = 0, order[14];
	char *exact;

	for (i = 0; i < 5000; i++) {
		for (k = 0; k < 14; k++) {
			n = random_below(&r, k + 1);
			order[k] = order[n];
			order[n] = k;
		}
		buf_reset(&line);
		buf_adds(&line, "{");
		for (k = 0; k < 14; k++)
			buf_addf(&line, "%s%s", k ? "," : "",
			    random_below(&r, 2) ? parts[order[k]] : others[order[k]]);
		buf_adds(&line, "}");
		exact = malloc(line.len);
		memcpy(exact, line.data, line.len);
		buf_reset(&have);
		buf_reset(&scratch);
		if (input_parse((struct span){exact, line.len}, true, &work, &scratch, &in, &f) != 0)
			buf_adds(&have, f.what);
		else
			show(&in, &have);
		if (!span_is((struct span){have.data, have.len}, want) && bad++ < 5)
			printf("# %s\n# %s\n", buf_cstr(&line), buf_cstr(&have));
		free(exact);
	}
	ok(bad == 0, "5,000 ways to say the same");
	buf_release(&line);
	buf_release(&scratch);
	buf_release(&have);
}

/* What is taken is good JSON without duplicates to jansson too, and makes an event that parses. */
static const char *
check(struct span line, struct buf *scratch, struct buf *out)
{
	struct json_fault f = {0, ""};
	struct input in;
	struct event ev, back;
	json_error_t error;
	json_t *theirs;

	buf_reset(scratch);
	if (input_parse(line, true, &work, scratch, &in, &f) != 0)
		return (f.at <= line.len && f.what[0] != '\0' ? NULL : "a fault without words");
	if (in.kind != INPUT_EVENT)
		return (NULL);
	theirs = json_loadb(line.p, line.len, JSON_REJECT_DUPLICATES, &error);
	if (theirs == NULL && json_error_code(&error) != json_error_numeric_overflow)
		return ("taken, but not by jansson");
	json_decref(theirs);
	memset(&ev, 0, sizeof(ev));
	ev.element = in.element;
	ev.action = in.action.p != NULL ? in.action
	    : event_is_gone(in.state)	? SPAN("delete")
					: SPAN("modify");
	ev.state = in.state;
	ev.actor = in.actor;
	ev.cause = in.cause;
	ev.meta = in.meta;
	ev.vector = in.vector;
	buf_reset(out);
	event_format(&ev, out);
	return (event_parse((struct span){out->data, out->len - 1}, &back, &f) == 0
		? NULL
		: "taken, but makes no event");
}

static void
test_mutations(void)
{
	static const char *const lines[] = {
	    "{\"element\":\"interface:eth0\",\"state\":{\"mtu\":9000,\"duplex\":\"full\"},\"actor\":\"ansible\",\"cause\":\"CHG\"}",
	    "{\"element\": \"a\", \"action\": \"delete\", \"meta\": {\"b\": [1, 2], \"a\": \"\\u00e9\"}, \"time\": \"2026-11-21T10:00:00Z\"}",
	    "{\"vector\":[1,2.5e0,-3],\"element\":\"q\\\"\",\"state\":\"x\",\"seq\":1}",
	    "{\"vector\":\"AACAPwAAAEA=\",\"element\":\"q\",\"state\":null,\"hash\":{}}",
	    "{\"complete\":\"interface:*\"}"};
	static const char likely[] = "{}[]:,\"\\/ubn0159ae+-. \t\x80\xc3\xa9=ASs";
	struct buf line = BUF_INIT, scratch = BUF_INIT, out = BUF_INIT;
	struct random r = {77};
	const char *what;
	unsigned i, k, n, bad = 0;
	size_t at;
	char *exact;

	for (i = 0; i < 200000; i++) {
		buf_reset(&line);
		buf_adds(&line, lines[random_below(&r, 5)]);
		for (n = 1 + random_below(&r, 3), k = 0; k < n; k++) {
			at = random_below(&r, (uint32_t)line.len);
			if (random_below(&r, 3) == 0) {
				memmove(line.data + at, line.data + at + 1, line.len - at - 1);
				line.len--;
			} else
				line.data[at] = likely[random_below(&r, sizeof(likely) - 1)];
		}
		exact = malloc(line.len);
		memcpy(exact, line.data, line.len);
		if ((what = check((struct span){exact, line.len}, &scratch, &out)) != NULL &&
		    bad++ < 5)
			printf("# %s: %s\n", what, buf_cstr(&line));
		free(exact);
	}
	ok(bad == 0, "200,000 mutations");
	buf_release(&line);
	buf_release(&scratch);
	buf_release(&out);
}

int
main(void)
{
	test_taken();
	test_refused();
	test_lengths();
	test_no_copy();
	test_many();
	test_orders();
	test_locale();
	test_mutations();
	json_work_release(&work);
	return (tap_done());
}

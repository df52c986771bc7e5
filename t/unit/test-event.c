/* Events: lines there and back, strictness, times, names. */
#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "event.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static bool
same(const struct event *a, const struct event *b)
{
	return (a->seq == b->seq && a->time_us == b->time_us && span_eq(a->element, b->element) &&
	    span_eq(a->action, b->action) && span_eq(a->state, b->state) &&
	    span_eq(a->actor, b->actor) && span_eq(a->cause, b->cause) &&
	    span_eq(a->meta, b->meta) && span_eq(a->vector, b->vector) &&
	    (a->state.p == NULL) == (b->state.p == NULL) &&
	    (a->meta.p == NULL) == (b->meta.p == NULL) && a->uid == b->uid &&
	    a->login == b->login && a->parent == b->parent &&
	    memcmp(a->prev, b->prev, SHA256_SIZE) == 0 &&
	    memcmp(a->hash, b->hash, SHA256_SIZE) == 0);
}

static struct event
sample(void)
{
	struct event ev;

	memset(&ev, 0, sizeof(ev));
	ev.seq = 12;
	event_time_parse("2026-11-21T10:00:00.123456Z", 27, &ev.time_us);
	ev.element = SPAN("interface:eth0");
	ev.action = SPAN("modify");
	ev.state = SPAN("{\"mtu\":9000}");
	ev.actor = SPAN("\"ansible\"");
	ev.cause = SPAN("\"CHG-1042\"");
	ev.meta = SPAN("{\"a\":[1,2]}");
	ev.vector = SPAN("\"AACAPwAAAEA=\"");
	ev.login = 1000;
	ev.parent = 4;
	return (ev);
}

static struct span
line_of(const struct buf *b)
{
	return ((struct span){b->data, b->len - 1});
}

static void
test_format(void)
{
	struct event ev = sample(), back;
	struct buf line = BUF_INIT, want = BUF_INIT;
	struct json_fault f = {0, ""};
	uint8_t hash[SHA256_SIZE];

	event_format(&ev, &line);
	buf_adds(&want,
	    "{\"seq\":12,\"time\":\"2026-11-21T10:00:00.123456Z\",\"element\":\"interface:eth0\",\"action\":\"modify\","
	    "\"state\":{\"mtu\":9000},\"actor\":\"ansible\",\"cause\":\"CHG-1042\",\"meta\":{\"a\":[1,2]},"
	    "\"vector\":\"AACAPwAAAEA=\",\"uid\":0,\"login\":1000,\"parent\":4,\"prev\":\"" ZEROS
	    "\"");
	sha256(want.data, want.len, hash);
	buf_adds(&want, ",\"hash\":\"");
	buf_addhex(&want, hash, sizeof(hash));
	buf_adds(&want, "\"}\n");
	is_bytes(line.data, line.len, buf_cstr(&want), "the line, member by member");
	ok(memcmp(hash, ev.hash, sizeof(hash)) == 0, "its hash");
	ok(event_hash_ok(line_of(&line)), "which holds");
	ok(event_parse(line_of(&line), &back, &f) == 0 && same(&ev, &back), "and back: %s", f.what);
	event_format(&ev, &line);
	ok(line.len == 2 * want.len, "a second line goes behind the first");
	buf_release(&line);
	buf_release(&want);
}

/* Names with what JSON escapes, and as long as they may be. */
static void
test_names(void)
{
	static const char *const names[] = {
	    "a", "file:/a \"b\" \\c\\\\", "\"", "\\", "\xc3\xa9\xf0\x9f\x98\x80\"", "file:/a/b"};
	struct event ev = sample(), back;
	struct buf line = BUF_INIT;
	struct json_fault f = {0, ""};
	char longest[ELEMENT_MAX];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ev.element = (struct span){names[i], strlen(names[i])};
		buf_reset(&line);
		event_format(&ev, &line);
		ok(event_parse(line_of(&line), &back, &f) == 0 && same(&ev, &back) &&
			event_hash_ok(line_of(&line)),
		    "element %s", names[i]);
	}
	memset(longest, '"', sizeof(longest));
	ev.element = (struct span){longest, sizeof(longest)};
	buf_reset(&line);
	event_format(&ev, &line);
	ok(event_parse(line_of(&line), &back, &f) == 0 && same(&ev, &back),
	    "the longest name, all of it escaped");
	buf_release(&line);
}

static void
random_event(struct random *r, struct event *ev)
{
	static const struct span names[] = {
	    SPAN("a"), SPAN("kind:name"), SPAN("q\"\\"), SPAN("\xd0\xb6"), SPAN("ecl:layer")};
	static const struct span states[] = {
	    SPAN("1"), SPAN("{}"), SPAN("{\"a\":null}"), SPAN("[\"\xd0\xb6\\n\"]"), SPAN("\"x\"")};
	static const struct span actions[] = {
	    SPAN("create"), SPAN("modify"), SPAN("delete"), SPAN("restart"), SPAN("a-b_c.9")};
	static const struct span strings[] = {
	    SPAN("\"\""), SPAN("\"x \\\" \\\\ \\u0001\""), SPAN("\"\xd0\xb6\"")};
	static const struct span vectors[] = {
	    SPAN("\"AAAAAA==\""), SPAN("\"AACAPwAAAEA=\""), SPAN("\"AACAPwAAAEAAAIA/\"")};
	unsigned bits = random_below(r, 64);
	size_t i;

	memset(ev, 0, sizeof(*ev));
	ev->seq = r->s >> random_below(r, 64);
	ev->time_us = (int64_t)(r->s >> 12) % INT64_C(100000000000000000);
	ev->element = names[random_below(r, 5)];
	ev->action = actions[random_below(r, 5)];
	if (span_is(ev->action, "delete"))
		ev->state = SPAN("null");
	else if (bits & 1 || ev->action.len == 6)
		ev->state = states[random_below(r, 5)];
	if (bits & 2)
		ev->actor = strings[random_below(r, 3)];
	if (bits & 4)
		ev->cause = strings[random_below(r, 3)];
	if (bits & 8)
		ev->meta = random_below(r, 2) ? SPAN("null") : states[random_below(r, 5)];
	if (bits & 16)
		ev->vector = vectors[random_below(r, 3)];
	ev->uid = (uint32_t)r->s;
	ev->login = bits & 32 ? (uint32_t)(r->s >> 32) : EVENT_NO_LOGIN;
	ev->parent = random_below(r, 3) ? r->s >> random_below(r, 60) : EVENT_NONE;
	for (i = 0; i < SHA256_SIZE; i++)
		ev->prev[i] = (uint8_t)random_below(r, 256);
}

static void
test_random(void)
{
	struct random r = {99};
	struct event ev, back;
	struct buf line = BUF_INIT, again = BUF_INIT;
	struct json_fault f = {0, ""};
	unsigned i, bad = 0;

	for (i = 0; i < 20000; i++) {
		random_event(&r, &ev);
		buf_reset(&line);
		buf_reset(&again);
		event_format(&ev, &line);
		if (event_parse(line_of(&line), &back, &f) != 0 || !same(&ev, &back)) {
			if (bad++ < 5)
				printf("# %s at %zu of %s", f.what, f.at, buf_cstr(&line));
			continue;
		}
		event_format(&back, &again);
		bad += !span_eq(line_of(&line), line_of(&again));
	}
	ok(bad == 0, "20,000 random events there and back");
	buf_release(&line);
	buf_release(&again);
}

/* Any other byte anywhere is refused, or read as another event whose hash does not hold. */
static void
test_changes(void)
{
	struct event ev = sample(), back;
	struct buf line = BUF_INIT, again = BUF_INIT;
	struct json_fault f;
	unsigned bad = 0, loose = 0, taken = 0, c;
	size_t i;
	char was;

	event_format(&ev, &line);
	for (i = 0; i < line.len - 1; i++) {
		was = line.data[i];
		for (c = 0; c < 256; c++) {
			if ((char)c == was)
				continue;
			line.data[i] = (char)c;
			if (event_hash_ok(line_of(&line)))
				bad++;
			if (event_parse(line_of(&line), &back, &f) != 0) {
				bad += f.at > line.len;
				continue;
			}
			taken++;
			bad += same(&ev, &back);
			buf_reset(&again);
			event_format(&back, &again);
			/* The same bytes again, but for the hash, which format computes. */
			loose += again.len != line.len ||
			    memcmp(again.data, line.data, line.len - 1 - EVENT_TAIL) != 0;
		}
		line.data[i] = was;
	}
	ok(bad == 0, "a changed byte is refused or changes the event, and breaks the hash");
	ok(loose == 0, "what is taken has one text only");
	ok(taken > 1000, "and %u changes are taken", taken);
	for (bad = 0, i = 0; i < line.len - 1; i++) {
		struct span cut = {line.data, i};
		char *exact = malloc(i + (i == 0));

		if (i > 0)
			memcpy(exact, line.data, i);
		cut.p = exact;
		bad += event_parse(cut, &back, &f) == 0 || event_hash_ok(cut);
		free(exact);
	}
	ok(bad == 0, "every truncation is refused");
	ok(event_parse((struct span){line.data, line.len}, &back, &f) == -1,
	    "so is a line with its LF");
	buf_release(&line);
	buf_release(&again);
}

static void
test_refused(void)
{
	static const struct {
		const char *from, *to, *why;
	} t[] = {
	    {"\"seq\":12", "\"seq\":012", "a leading zero in seq"},
	    {"\"seq\":12", "\"seq\":-1", "a negative seq"},
	    {"\"seq\":12", "\"seq\":18446744073709551615", "the seq that means none"},
	    {"\"seq\":12", "\"seq\":18446744073709551616", "a seq too large"},
	    {"\"seq\":12,", "\"seq\":12, ", "white space"},
	    {"10:00:00.123456Z", "10:00:00.12345Z", "five decimals"},
	    {"10:00:00.123456Z", "10:00:00.1234567Z", "seven decimals"},
	    {"T10:00", " 10:00", "a space in the time"},
	    {"10:00:00.123456Z", "10:00:60.123456Z", "a leap second"},
	    {"2026-11-21", "2026-02-29", "a day that is not"},
	    {"\"interface:eth0\"", "\"\"", "an empty name"},
	    {"\"interface:eth0\"", "\"a\\nb\"", "a control character in a name"},
	    {"\"interface:eth0\"", "\"a\x7f\"", "DEL in a name"},
	    {"\"interface:eth0\"", "\"a\xc2\x85\"", "NEL in a name"},
	    {"\"interface:eth0\"", "\"interface\\u003aeth0\"", "an escape that is not canonical"},
	    {"\"interface:eth0\"", "\"file:\\/x\"", "an escaped slash"},
	    {"\"interface:eth0\"", "null", "an element that is no string"},
	    {"\"modify\"", "\"Modify\"", "a capital in an action"},
	    {"\"modify\"", "\"\"", "an empty action"},
	    {"\"modify\"", "\"mod\\u0069fy\"", "an escape in an action"},
	    {"\"modify\"", "\"delete\"", "a delete with a state"},
	    {"\"state\":{\"mtu\":9000},", "", "a modify without a state"},
	    {"{\"mtu\":9000}", "null", "a modify to null"},
	    {"{\"mtu\":9000}", "{\"mtu\": 9000}", "white space in a state"},
	    {"{\"mtu\":9000}", "{\"b\":1,\"a\":2}", "members out of order"},
	    {"{\"mtu\":9000}", "{\"a\":1,\"a\":2}", "duplicate members"},
	    {"{\"mtu\":9000}", "{\"mtu\":09000}", "a bad number"},
	    {"{\"mtu\":9000}", "{\"mtu\":9000}}", "a brace too many"},
	    {"\"ansible\"", "5", "an actor that is no string"},
	    {"\"ansible\"", "\"\\u0041\"", "an actor that is not canonical"},
	    {"\"ansible\"", "\"\xff\"", "an actor that is not UTF-8"},
	    {"\"CHG-1042\"", "null", "a cause that is null"},
	    {"\"actor\":\"ansible\",\"cause\":\"CHG-1042\"",
		"\"cause\":\"CHG-1042\",\"actor\":\"ansible\"", "actor behind cause"},
	    {"AACAPwAAAEA=", "", "an empty vector"},
	    {"AACAPwAAAEA=", "AACAPwAAAEB=", "base64 with idle bits set"},
	    {"AACAPwAAAEA=", "AACAPwAAAEA", "base64 without padding"},
	    {"AACAPwAAAEA=", "AACAPwAAAA==", "seven bytes of vector"},
	    {"AACAPwAAAEA=", "AACA-wAAAEA=", "base64 of another alphabet"},
	    {"\"AACAPwAAAEA=\"", "null", "a vector that is null"},
	    {"\"uid\":0", "\"uid\":00", "a uid with two zeros"},
	    {"\"uid\":0", "\"uid\":4294967296", "a uid too large"},
	    {"\"uid\":0,", "", "no uid"},
	    {"\"login\":1000", "\"login\":4294967295", "the login that means none"},
	    {"\"login\":1000", "\"login\":null", "a login that is null"},
	    {"\"parent\":4", "\"parent\":18446744073709551615", "the parent that means none"},
	    {"\"parent\":4", "\"parent\":-4", "a negative parent"},
	    {"\"parent\":4", "\"parent\":", "no parent"},
	    {"\"parent\":4,", "\"parent\":4,\"x\":1,", "an unknown member"},
	    {"\"prev\":\"0", "\"prev\":\"A", "capitals in a hash"},
	    {"\"prev\":\"0", "\"prev\":\"", "a hash of 63 digits"},
	    {"\"prev\":\"0", "\"prev\":\"00", "a hash of 65 digits"},
	};
	struct event ev = sample(), back;
	struct buf line = BUF_INIT, changed = BUF_INIT;
	struct json_fault f;
	const char *at;
	size_t i;

	event_format(&ev, &line);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		at = strstr(buf_cstr(&line), t[i].from);
		buf_reset(&changed);
		buf_add(&changed, line.data, (size_t)(at - line.data));
		buf_adds(&changed, t[i].to);
		at += strlen(t[i].from);
		buf_add(&changed, at, (size_t)(line.data + line.len - at));
		memset(&f, 0, sizeof(f));
		ok(event_parse(line_of(&changed), &back, &f) == -1 && f.what[0] != '\0' &&
			f.at <= changed.len,
		    "%s: %s at %zu", t[i].why, f.what, f.at);
	}
	buf_release(&line);
	buf_release(&changed);
}

static void
test_length(void)
{
	struct event ev = sample(), back;
	struct buf line = BUF_INIT, state = BUF_INIT;
	struct json_fault f = {0, ""};
	size_t i;

	event_format(&ev, &line);
	buf_addc(&state, '"');
	for (i = line.len - ev.state.len + 2; i <= EVENT_LINE_MAX; i++)
		buf_addc(&state, 'x');
	buf_addc(&state, '"');
	ev.state = (struct span){state.data, state.len};
	buf_reset(&line);
	event_format(&ev, &line);
	ok(line.len == EVENT_LINE_MAX + 1 && event_parse(line_of(&line), &back, &f) == 0,
	    "a line of %d bytes", EVENT_LINE_MAX);
	state.data[state.len - 1] = 'x';
	buf_addc(&state, '"');
	ev.state = (struct span){state.data, state.len};
	buf_reset(&line);
	event_format(&ev, &line);
	ok(event_parse(line_of(&line), &back, &f) == -1, "one more is refused");
	buf_release(&line);
	buf_release(&state);
}

static void
test_time_text(void)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01T00:00:00.000001Z", 1},
	    {"1969-12-31T23:59:59.999999Z", -1},
	    {"2026-11-21T10:00:00.123456Z", INT64_C(1795255200123456)},
	    {"2026-11-21 10:00:00.123456Z", INT64_C(1795255200123456)},
	    {"2026-11-21T11:00:00.123456789+01:00", INT64_C(1795255200123456)},
	    {"2026-11-21T04:30:00.1-05:30", INT64_C(1795255200100000)},
	    {"2026-11-21T10:00:00-00:00", INT64_C(1795255200000000)},
	    {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
	    {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
	    {"0001-01-01T00:00:00Z", INT64_C(-62135596800000000)},
	    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
	};
	static const char *const bad[] = {"", "2026-11-21", "2026-11-21T10:00Z",
	    "2026-11-21T10:00:00", "2026-11-21t10:00:00Z", "2026-11-21T10:00:00z",
	    "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00.1234567890Z", "2026-11-21T10:00:60Z",
	    "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z", "2026-11-31T10:00:00Z",
	    "2026-02-29T10:00:00Z", "1900-02-29T10:00:00Z", "2026-00-21T10:00:00Z",
	    "2026-13-21T10:00:00Z", "2026-11-00T10:00:00Z", "0000-11-21T10:00:00Z",
	    "2026-11-21T10:00:00+0100", "2026-11-21T10:00:00+01", "2026-11-21T10:00:00+24:00",
	    "2026-11-21T10:00:00+01:60", "2026-11-21T10:00:00 Z", "2026-11-21T10:00:00ZZ",
	    " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00,5Z", "2026/11/21T10:00:00Z",
	    "+026-11-21T10:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
	    "2026-11-21T1x:00:00Z", "2026-11-21T10:00:00.12345xZ"};
	int64_t us;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(event_time_parse(good[i].text, strlen(good[i].text), &us) == 0 &&
			us == good[i].us,
		    "time %s", good[i].text);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(event_time_parse(bad[i], strlen(bad[i]), &us) == -1, "no time: '%s'", bad[i]);
}

static void
test_time_all(void)
{
	struct random r = {5};
	char have[TIME_SIZE], want[64];
	int64_t us, back, day;
	unsigned i, bad = 0;
	struct tm tm;
	time_t t;

	/* Every day that has a text, against gmtime_r(3). */
	for (day = -719162; day <= 2932896; day++) {
		us = (day * 86400 + random_below(&r, 86400)) * 1000000 + random_below(&r, 1000000);
		event_time_format(us, have);
		t = (time_t)(day * 86400 + ((us - day * INT64_C(86400000000)) / 1000000));
		gmtime_r(&t, &tm);
		bad += (have[0] - '0') * 1000 + (have[1] - '0') * 100 + (have[2] - '0') * 10 +
			    have[3] - '0' !=
			tm.tm_year + 1900 ||
		    (have[5] - '0') * 10 + have[6] - '0' != tm.tm_mon + 1 ||
		    (have[8] - '0') * 10 + have[9] - '0' != tm.tm_mday;
		bad += event_time_parse(have, TIME_SIZE - 1, &back) != 0 || back != us;
		if (day % 1000 == 0) {
			i = (unsigned)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
			bad += memcmp(have + 4, want + (i - 15), 15) != 0;
		}
	}
	ok(bad == 0, "every day from 0001 to 9999, there and back");
	event_time_format(INT64_MIN, have);
	is_bytes(have, strlen(have), "0001-01-01T00:00:00.000000Z",
	    "the smallest number is the first time");
	event_time_format(INT64_MAX, have);
	is_bytes(have, strlen(have), "9999-12-31T23:59:59.999999Z", "the largest the last");
}

static void
test_rules(void)
{
	char name[ELEMENT_MAX + 1], action[ACTION_MAX + 1];

	memset(name, 'n', sizeof(name));
	memset(action, 'a', sizeof(action));
	ok(event_name_fault((struct span){name, ELEMENT_MAX}) == NULL, "a name of 512 bytes");
	ok(event_name_fault((struct span){name, ELEMENT_MAX + 1}) != NULL, "not of 513");
	ok(event_name_fault(SPAN("")) != NULL, "not of none");
	ok(event_name_fault(SPAN("a b\xc2\xa0\xe2\x82\xac")) == NULL,
	    "spaces and letters beyond ASCII");
	ok(event_name_fault(SPAN("a\xc2\x80")) != NULL &&
		event_name_fault(SPAN("a\xc2\x9f")) != NULL,
	    "no C1 controls");
	ok(event_name_fault(SPAN("a\tb")) != NULL && event_name_fault(SPAN("a\0b")) != NULL &&
		event_name_fault(SPAN("a\x7f")) != NULL,
	    "no C0 controls");
	ok(event_name_fault(SPAN("a\xff")) != NULL && event_name_fault(SPAN("a\xc2")) != NULL,
	    "UTF-8 only");
	ok(event_action_fault((struct span){action, ACTION_MAX}) == NULL, "an action of 64 bytes");
	ok(event_action_fault((struct span){action, ACTION_MAX + 1}) != NULL, "not of 65");
	ok(event_action_fault(SPAN("az09_.-")) == NULL, "what an action is made of");
	ok(event_action_fault(SPAN("A")) && event_action_fault(SPAN("a b")) &&
		event_action_fault(SPAN("")) && event_action_fault(SPAN("a\0")) &&
		event_action_fault(SPAN("\xc3\xa9")),
	    "and what not");
	ok(event_reserved(SPAN("ecl:layer")) && event_reserved(SPAN("ecl:")) &&
		!event_reserved(SPAN("ecl")) && !event_reserved(SPAN("eclx:a")),
	    "what is reserved");
	ok(event_is_gone(SPAN("null")) && !event_is_gone(SPAN("\"null\"")) &&
		!event_is_gone((struct span){NULL, 0}),
	    "what is gone");
}

/* ---- what is read many bytes at a time, against what reads one after the other ---- */

static struct random fast_rnd = {7};

/* A line of which one member is ${text}, the others being right. */
static bool
parses(const char *before, const char *text, size_t len, const char *after)
{
	struct buf line = BUF_INIT;
	struct json_fault f;
	struct event ev;
	bool good;

	buf_adds(&line, before);
	buf_add(&line, text, len);
	buf_adds(&line, after);
	good = event_parse((struct span){line.data, line.len}, &ev, &f) == 0;
	buf_release(&line);
	return (good);
}

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BEGINS "{\"seq\":1,\"time\":\"2026-11-21T10:00:00.123456Z\",\"element\":"
#define ENDS ",\"uid\":0,\"parent\":null,\"prev\":\"" HEX64 "\",\"hash\":\""

static bool
name_is_right(struct span token)
{
	struct buf name = BUF_INIT;
	struct json_fault f;
	size_t pos = 0;
	bool canonical, right;

	if (json_scan(token.p, token.len, &pos, 2, &canonical, &f) != 0 || !canonical || pos != token.len)
		return (false);
	json_unescape(token, &name);
	right = event_name_fault((struct span){name.data, name.len}) == NULL;
	buf_release(&name);
	return (right);
}

static void
test_fast_names(void)
{
	static const char odd[] = "\"\\\x01\x1f\x20\x7f\x80\xc2\xa0\xffnu0/";
	unsigned n, bad = 0, right = 0;
	char token[600];
	size_t len, i;
	bool want;

	for (n = 0; n < 60000; n++) {
		len = random_below(&fast_rnd, 20) == 0 ? 505 + random_below(&fast_rnd, 12) : random_below(&fast_rnd, 40);
		token[0] = '"';
		for (i = 1; i <= len; i++)
			token[i] = (char)('!' + random_below(&fast_rnd, 94));
		for (i = 1; i <= len; i++)
			token[i] = token[i] == '"' || token[i] == '\\' ? 'a' : token[i];
		for (i = random_below(&fast_rnd, 3); i > 0 && len > 0; i--)
			token[1 + random_below(&fast_rnd, (uint32_t)len)] = odd[random_below(&fast_rnd, sizeof(odd) - 1)];
		token[len + 1] = '"';
		/* A quote within ends the token: then the rest is no `,"action"'. */
		want = name_is_right((struct span){token, len + 2});
		right += want;
		bad += parses(BEGINS, token, len + 2, ",\"action\":\"x\"" ENDS HEX64 "\"}") != want;
	}
	ok(bad == 0 && right > 10000, "names: %u of %u are right, as json_scan() and event_name_fault() say", right, n);
}

static void
test_fast_times(void)
{
	static const char alphabet[] = "0123456789-:.TZ +/;";
	char time[] = "2024-02-29T23:59:59.123456Z";
	unsigned n, bad = 0, right = 0;
	int64_t us, fast;
	bool want;

	for (n = 0; n < 400000; n++) {
		char text[sizeof(time)];

		memcpy(text, time, sizeof(time));
		for (unsigned k = 1 + random_below(&fast_rnd, 3); k > 0; k--)
			text[random_below(&fast_rnd, sizeof(time) - 1)] = alphabet[random_below(&fast_rnd, random_below(&fast_rnd, 4) == 0 ? sizeof(alphabet) - 1 : 10)];
		want = text[10] == 'T' && text[19] == '.' && text[26] == 'Z' && event_time_parse(text, sizeof(time) - 1, &us) == 0;
		if (want && (right++ & 1) == 0)
			memcpy(time, text, sizeof(time)); /* go on from there */
		if ((event_time_read(text, &fast) == 0) != want || (want && fast != us))
			bad++;
	}
	ok(bad == 0 && right > 10000, "times: %u of %u are right, as event_time_parse() says", right, n);
}

static void
test_fast_hashes(void)
{
	unsigned at, c, bad = 0;
	uint8_t want[SHA256_SIZE];
	struct json_fault f;
	struct event ev;
	char line[512];
	size_t len;
	bool right;

	len = (size_t)snprintf(line, sizeof(line), "%s", BEGINS "\"e\",\"action\":\"x\"" ENDS HEX64 "\"}");
	for (at = 0; at < 64; at++)
		for (c = 0; c < 256; c++) {
			char *p = line + len - 66 + at, was = *p;

			*p = (char)c;
			right = hex_decode(line + len - 66, SHA256_SIZE, want) == 0;
			if ((event_parse((struct span){line, len}, &ev, &f) == 0) != right ||
			    (right && memcmp(ev.hash, want, SHA256_SIZE) != 0))
				bad++;
			*p = was;
		}
	ok(bad == 0, "hashes: each of 256 bytes in each of 64 places, as hex_decode() says");
}

static void
test_fast_numbers(void)
{
	static const struct {
		const char *text;
		bool right;
	} numbers[] = {{"0", true}, {"00", false}, {"01", false}, {"", false}, {"1", true}, {"9999999999999999999", true},
	    {"18446744073709551614", true}, {"18446744073709551615", false}, {"18446744073709551616", false},
	    {"99999999999999999999", false}, {"100000000000000000000", false}, {"-1", false}, {"1.0", false}};
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ok(parses("{\"seq\":", numbers[i].text, strlen(numbers[i].text),
		       ",\"time\":\"2026-11-21T10:00:00.123456Z\",\"element\":\"e\",\"action\":\"x\"" ENDS HEX64 "\"}") == numbers[i].right,
		    "the seq '%s' is %s", numbers[i].text, numbers[i].right ? "taken" : "refused");
}

int
main(void)
{
	test_format();
	test_names();
	test_random();
	test_changes();
	test_refused();
	test_length();
	test_time_text();
	test_time_all();
	test_rules();
	test_fast_names();
	test_fast_times();
	test_fast_hashes();
	test_fast_numbers();
	return (tap_done());
}

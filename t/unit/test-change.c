/* How changes look: on one line, with less room, below their row, with colours. */
#include "config.h"

#include <stdlib.h>

#include "change.h"
#include "cli.h"
#include "json.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define UP "{\"mtu\":9000,\"state\":\"up\"}"
#define DOWN "{\"mtu\":1500,\"state\":\"down\"}"
#define LONG_A "{\"h\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX\",\"n\":1}"
#define LONG_B "{\"h\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaY\",\"n\":2}"

static struct span
text(const char *s)
{
	return ((struct span){s, s == NULL ? 0 : strlen(s)});
}

static void
test_line(void)
{
	static const struct {
		const char *before, *after;
		size_t room;
		bool color;
		const char *want;
	} cases[] = {
	    {DOWN, UP, 80, false, "mtu: 1500 -> 9000, state: \"down\" -> \"up\""},
	    {DOWN, UP, 40, false, "mtu: 1500 -> 9000, state: \"down\" -> \"up\""},
	    {DOWN, UP, 39, false, "mtu: 1500 -> 9000, state: \"down\" -> \"u\xe2\x80\xa6"},
	    {DOWN, UP, 1, false, "\xe2\x80\xa6"},
	    {DOWN, UP, 0, false, ""},
	    {DOWN, DOWN, 80, false, ""},
	    {NULL, UP, 80, false, "+ " UP},
	    {"null", UP, 80, false, "+ " UP},
	    {UP, "null", 80, false, "- " UP},
	    {UP, NULL, 80, false, "- " UP},
	    {NULL, "null", 80, false, ""},
	    {NULL, UP, 12, false, "+ {\"mtu\":90\xe2\x80\xa6"},
	    {"1", "1e400", 80, false, "1 -> 1e400"},
	    {"{\"a\":1,\"b\":1}", "{\"b\":1,\"c\":2}", 80, false, "- a: 1, + c: 2"},
	    {"{\"a\":\"\x1b\"}", "{\"a\":\"\xe2\x80\xae\"}", 80, false,
		"a: \"\\x1b\" -> \"\\u{202e}\""},
	    {LONG_A, LONG_B, 60, false,
		"h: \xe2\x80\xa6"
		"aaaX\" -> \xe2\x80\xa6"
		"aaaY\", n: 1 -> 2"},
	    {"\"\xe6\xbc\xa2\xe5\xad\x97\"", NULL, 6, false, "- \"\xe6\xbc\xa2\xe2\x80\xa6"},
	    {"\"\xe6\xbc\xa2\xe5\xad\x97\"", NULL, 7, false, "- \"\xe6\xbc\xa2\xe2\x80\xa6"},
	    {DOWN, UP, 80, true,
		"mtu: \033[31m1500\033[0m -> \033[32m9000\033[0m, state: \033[31m\"down\"\033[0m -> \033[32m\"up\"\033[0m"},
	};
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		change_line(text(cases[i].before), text(cases[i].after), cases[i].room,
		    cases[i].color, &out);
		is_bytes(out.data == NULL ? "" : out.data, out.len, cases[i].want, cases[i].want);
		ok(cases[i].color || cli_columns((struct span){out.data, out.len}) <= cases[i].room,
		    "and has room");
	}
	ok(change_columns(text(DOWN), text(UP)) == 40, "change_columns() is the whole width");
	buf_release(&out);
}

static void
test_block(void)
{
	static const struct {
		const char *before, *after;
		size_t width;
		bool color;
		const char *want;
	} cases[] = {
	    {DOWN, UP, 80, false, "    mtu: 1500 -> 9000\n    state: \"down\" -> \"up\"\n"},
	    {NULL, UP, 80, false, "    + mtu: 9000\n    + state: \"up\"\n"},
	    {UP, "null", 80, false, "    - mtu: 9000\n    - state: \"up\"\n"},
	    {NULL, "7", 80, false, "    + 7\n"},
	    {DOWN, UP, 0, false, "    mtu: 1500 -> 9000\n    state: \"down\" -> \"up\"\n"},
	    {"{\"x\":\"abcdefghijklmnopqrstuvwxyz\"}", "{\"x\":7}", 30, false,
		"    x:\n      - \"abcdefghijklmnopqrstu\n        vwxyz\"\n      + 7\n"},
	    {"{}", "{\"x\":\"abcdefghijklmnopqrstuvwxyz\"}", 30, false,
		"    + x: \"abcdefghijklmnopqrst\n      uvwxyz\"\n"},
	    {"{\"t\":\"1\\n2\\n3\\n4\\n\"}", "{\"t\":\"1\\nx\\u001b\\n3\\n4\\n5\"}", 80, false,
		"    t:\n      line 2:\n      - 2\n      + x\\x1b\n      line 5:\n      + 5\n      \\ no line feed at the end\n"},
	    {"{}", "{\"t\":\"1\\nabcdefghijklmnopqrstuvwxyz\\n\"}", 30, false,
		"    t:\n      line 1:\n      + 1\n      + abcdefghijklmnopqrstuv\n        wxyz\n"},
	    {"{\"t\":\"1\\n\"}", "{\"t\":1}", 80, false, "    t: \"1\\n\" -> 1\n"},
	    {"{\"t\":\"\\\\n\"}", "{\"t\":\"b\"}", 80, false, "    t: \"\\\\n\" -> \"b\"\n"},
	    {"{\"x\":1}", "{}", 30, true,
		"    \033[31m- \033[0m\033[31mx\033[0m\033[31m: \033[0m\033[31m1\033[0m\n"},
	};
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		change_block(text(cases[i].before), text(cases[i].after), cases[i].width,
		    cases[i].color, &out);
		is_bytes(out.data == NULL ? "" : out.data, out.len, cases[i].want, "a block");
	}
	buf_release(&out);
}

/* Whatever stands in the states, no line is wider than it may be, and nothing in it drives the terminal. */
static void
test_widths(void)
{
	static const char *const parts[] = {"a", "bb", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80",
	    "e\xcc\x81", "\\u001b", "\\n", "\xe2\x80\xae", ".", "\\\""};
	struct buf state[2] = {BUF_INIT, BUF_INIT}, out = BUF_INIT;
	struct random r = {20261121};
	struct span line, rest;
	size_t i, k, n, room, end;
	const char *wrong = NULL;

	for (i = 0; i < 20000 && wrong == NULL; i++) {
		for (k = 0; k < 2; k++) {
			buf_reset(&state[k]);
			buf_addf(&state[k], "{\"k\":\"");
			for (n = random_below(&r, 30); n > 0; n--)
				buf_adds(&state[k], parts[random_below(&r, 10)]);
			buf_addf(&state[k], "\",\"n\":%u}", random_below(&r, 100));
		}
		room = 1 + random_below(&r, 80);
		buf_reset(&out);
		change_line((struct span){state[0].data, state[0].len},
		    (struct span){state[1].data, state[1].len}, room, false, &out);
		if (cli_columns((struct span){out.data, out.len}) > room)
			wrong = "a line is too wide";
		buf_reset(&out);
		room += 40;
		change_block((struct span){state[0].data, state[0].len},
		    (struct span){state[1].data, state[1].len}, room, false, &out);
		for (rest = (struct span){out.data, out.len}; rest.len > 0;
		     rest.p += end + 1, rest.len -= end + 1) {
			end = (size_t)((const char *)memchr(rest.p, '\n', rest.len) - rest.p);
			line = (struct span){rest.p, end};
			if (cli_columns(line) > room)
				wrong = "a line of a block is too wide";
			if (memchr(line.p, 0x1b, line.len) != NULL)
				wrong = "an escape";
		}
	}
	ok(wrong == NULL, "random states: %s", wrong == NULL ? "all lines fit" : wrong);
	buf_release(&state[0]);
	buf_release(&state[1]);
	buf_release(&out);
}

int
main(void)
{
	test_line();
	test_block();
	test_widths();
	return (tap_done());
}

/* Words of a query in an event; identifiers in a name; text shortened around words. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "lexical.h"
#include "tap.h"

#include "banned.h"

static struct lexical lx;

static struct span
text(const char *s)
{
	return ((struct span){s, strlen(s)});
}

static void
query(const char *s)
{
	struct err e;

	lexical_release(&lx);
	if (lexical_init(&lx, text(s), NULL, &e) != 0)
		ok(false, "memory");
}

static double
score(const char *element, const char *action, const char *state)
{
	return (lexical_score(&lx, text(element), text(action), state == NULL ? (struct span){NULL, 0} : text(state)));
}

static void
test_score(void)
{
	double one, two, often, late;

	query("disk full");
	one = score("disk:sda", "modify", "{\"n\":1}");
	two = score("disk:sda", "modify", "{\"n\":\"full\"}");
	often = score("disk:sda", "modify", "{\"n\":\"full full full\"}");
	late = score("disk:sda", "modify", "{\"n\":\"full of many other things that were not asked for at all\"}");
	ok(one > 0 && two > one && two < 1, "two words are more than one");
	ok(often > two && often < 1, "often is more than once");
	ok(late < two && late > one, "in a long text a word is less");
	ok(score("x:y", "delete", NULL) == 0, "none is nothing");
	ok(score("a:b", "full", NULL) > 0, "the action counts, too");
	ok(score("DISK:a", "x", "{\"Fulls\":1}") > score("DISK:a", "x", "{\"n\":1}"), "case and endings do not matter, names of members count");
	ok(score("a:b", "x", "{\"a\":\"\\\"disk\\nfull\\\"\"}") > 0, "escapes part words");
	query("disk disk disk full full");
	ok(score("disk:sda", "modify", "{\"n\":\"full\"}") == two, "a word that is said twice is one word");
	query("...");
	ok(score("disk:sda", "modify", "{}") == 0 && lx.words == 0 && lx.names == 0, "a query without words");
}

static void
test_model(void)
{
	struct model *m;
	struct lexical rare = {0};
	struct err e;

	if (model_open(NULL, &m, &e) != 0) {
		ok(false, "the model: %s", e.text);
		return;
	}
	ok(lexical_init(&rare, text("the qzxjkw"), m, &e) == 0 &&
		lexical_score(&rare, text("qzxjkw"), text("a"), text("1")) > 2 * lexical_score(&rare, text("the"), text("a"), text("1")),
	    "with a model, a rare word is worth more than a common one");
	lexical_release(&rare);
	model_free(m);
}

static bool
is_name(const char *q, const char *want)
{
	query(q);
	return (want == NULL ? lx.names == 0 : lx.names > 0 && span_is(lx.name[0], want));
}

static void
test_identifiers(void)
{
	static const struct {
		const char *query, *want;
	} cases[] = {
	    {"eth0", "eth0"},
	    {"  is (eth0) down?", "eth0"},
	    {"\"CHG-1042\",", "CHG-1042"},
	    {"/etc/passwd", "/etc/passwd"},
	    {"/etc/", "/etc"},
	    {"/srv", "/srv"},
	    {"service:nginx", "service:nginx"},
	    {"web-1.example.com.", "web-1.example.com"},
	    {"10.0.0.1", "10.0.0.1"},
	    {"caf\303\251:x", "caf\303\251:x"},
	    {"disk full", NULL},
	    {"7", NULL},
	    {"don't panic!", NULL},
	    {"- -- / :", NULL},
	    {"full, really full.", NULL},
	    {"", NULL},
	};
	size_t i, bad = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!is_name(cases[i].query, cases[i].want)) {
			printf("# '%s'\n", cases[i].query);
			bad++;
		}
	}
	ok(bad == 0, "what is an identifier, and what belongs to it");
	query("a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7 b8 b9 c1 c2 c3");
	ok(lx.names == LEXICAL_NAMES && lx.words == 21, "no more identifiers than there is room for");
}

static bool
holds(const char *q, const char *name)
{
	query(q);
	return (lexical_holds(&lx, text(name)));
}

static void
test_holds(void)
{
	ok(holds("eth0 down", "interface:eth0") && holds("ETH0", "interface:eth0") && holds("eth0", "interface:eth0.7") &&
		holds("eth0", "eth0") && holds("eth0", "x:eth01/eth0"),
	    "a name holds an identifier");
	ok(!holds("eth0", "interface:eth01") && !holds("eth0", "interface:veth0") && !holds("eth0", "interface:eth0-old") &&
		!holds("eth0", "interface:eth0_1") && !holds("eth0", "eth") && !holds("eth0", "") && !holds("eth0", "\303\251eth0"),
	    "but no part of a longer word");
	ok(holds("/etc/passwd", "file:/etc/passwd") && !holds("/etc/passwd", "file:/etc/passwd-") &&
		!holds("/etc/passwd", "file:/srv/etc/passwd") && holds("/etc/", "file:/etc/passwd"),
	    "paths");
	ok(!holds("disk full", "disk:full"), "words that are no identifiers name nothing");
}

/* What excerpt_art makes of it in so many columns, without colour. */
static void
shows(const char *q, const char *s, size_t room, const char *want)
{
	struct buf data = BUF_INIT, out = BUF_INIT;
	struct span mark[8];
	size_t n;

	query(q);
	n = lexical_marks(&lx, text(s), true, mark, 8);
	excerpt_pack(text(s), mark, n, &data);
	excerpt_art.line((struct span){data.data, data.len}, room, false, &out);
	is_bytes(out.data == NULL ? "" : out.data, out.len, want, "an excerpt");
	buf_release(&data);
	buf_release(&out);
}

static void
test_excerpts(void)
{
	static const char *const s = "{\"a\":\"one two three four five six seven eight nine ten\"}";
	static const char *const evil = "a b\033c d";
	struct buf data = BUF_INIT, out = BUF_INIT;

	shows("five", s, 100, s);
	shows("nothing", s, 20, "{\"a\":\"one two three\xe2\x80\xa6");
	shows("one", s, 20, "{\"a\":\"one two three\xe2\x80\xa6");
	shows("ten", s, 20, "\xe2\x80\xa6" "en eight nine ten\"}");
	shows("five", s, 20, "\xe2\x80\xa6" "e four five six se\xe2\x80\xa6");
	shows("two six seven", s, 20, "\xe2\x80\xa6ive six seven eigh\xe2\x80\xa6");
	shows("five", s, 2, "\xe2\x80\xa6");
	shows("x", "\xe4\xbd\xa0\xe4\xbd\xa0\xe4\xbd\xa0\xe4\xbd\xa0 x", 8, "\xe2\x80\xa6\xe4\xbd\xa0\xe4\xbd\xa0 x ");

	excerpt_pack(text(evil), &(struct span){evil + 2, 3}, 1, &data);
	excerpt_art.line((struct span){data.data, data.len}, 80, true, &out);
	is_bytes(out.data, out.len, "a \033[1;31mb\\x1bc\033[0m d", "what is highlighted cannot drive a terminal");
	buf_release(&data);
	buf_release(&out);
}

int
main(void)
{
	test_score();
	test_model();
	test_identifiers();
	test_holds();
	test_excerpts();
	lexical_release(&lx);
	return (tap_done());
}

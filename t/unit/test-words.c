/* Words of a text, of JSON, of any bytes. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tap.h"
#include "words.h"

#include "banned.h"

/* The words of a text, each with a space behind it. */
static const char *
all(const char *text, bool json)
{
	static char out[4096];
	struct words w;
	size_t n = 0;

	words_begin(&w, (struct span){text, strlen(text)}, json);
	while (words_next(&w)) {
		memcpy(out + n, w.word, w.len);
		n += w.len;
		out[n++] = ' ';
	}
	out[n] = '\0';
	return (out);
}

static void
has(const char *text, bool json, const char *want)
{
	const char *got = all(text, json);

	is_bytes(got, strlen(got), want, text);
}

static void
test_parting(void)
{
	has("", false, "");
	has(" -/,", false, "");
	has("interface:eth0", false, "interfac eth0 ");
	has("/etc/passwd", false, "etc passwd ");
	has("CHG-1042 x", false, "chg 1042 x ");
	has("na\xc3\xafve caf\xc3\xa9s", false, "na\xc3\xafve caf\xc3\xa9s ");
	has("a\\nb", false, "a nb ");
	has("{\"a\\nb\":\"c\\\\d\\u001fe\"}", true, "a b c d e ");
	has("\\u00", true, "");
	has("x\\", true, "x ");
	has("\\\"quoted\\\"", true, "quot ");
}

static void
test_stems(void)
{
	has("libraries library", false, "library library ");
	has("policies policy bus status glass", false, "policy policy bus status glass ");
	has("running restarted configures configured", false, "runn restart configur configur ");
	has("file files ring red bee", false, "file file ring red bee ");
	has("sha256s v1s", false, "sha256s v1s ");
	has("Interfaces", false, "interfac ");
}

static void
test_places(void)
{
	static const char text[] = "Services: re-started";
	struct words w;

	words_begin(&w, SPAN(text), false);
	ok(words_next(&w) && w.at.p == text && w.at.len == 8,
	    "a word stands where it stands, whole");
	ok(words_next(&w) && w.at.p == text + 10 && w.at.len == 2, "and the next");
	ok(words_next(&w) && w.at.p == text + 13 && w.at.len == 7, "and the last");
	ok(!words_next(&w) && !words_next(&w), "behind the last is none");
	words_begin(&w, (struct span){NULL, 0}, true);
	ok(!words_next(&w), "nothing has no words");
}

static void
test_long(void)
{
	char text[200];
	struct words w;

	memset(text, '7', sizeof(text));
	words_begin(&w, (struct span){text, sizeof(text)}, false);
	ok(words_next(&w) && w.len == WORDS_MAX && w.at.len == sizeof(text),
	    "a long word is cut, its place is not");
	ok(!words_next(&w), "and no second one is made of the rest");
}

/* In memory that ends where the text does: the sanitizers and valgrind see what is read behind it. */
static void
test_bounds(void)
{
	static const char *const pieces[] = {
	    "\\", "\\u", "u00e9", "\"", "ies", "ing", "\xc3", "\xff", "A", "9", " ", "ss"};
	struct random rnd = {5};
	struct words w;
	size_t i, n, k, bad = 0;
	char *text;

	for (i = 0; i < 20000; i++) {
		text = malloc(64);
		for (n = 0, k = random_below(&rnd, 9); k > 0; k--) {
			const char
			    *piece = pieces[random_below(&rnd, sizeof(pieces) / sizeof(*pieces))];

			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		text = realloc(text, n + (n == 0));
		words_begin(&w, (struct span){text, n}, i & 1);
		for (k = 0; words_next(&w); k++)
			bad += w.len == 0 || w.len > WORDS_MAX || w.at.p < text ||
			    w.at.p + w.at.len > text + n || w.len > w.at.len;
		bad += k > n || w.next != w.end;
		free(text);
	}
	ok(bad == 0, "words of any bytes lie inside the text");
}

/* The words of a text as its bytes say, one after the other; written for this test. */
static size_t
plainly(const char *p, size_t len, bool json, struct span *out)
{
	size_t i = 0, n = 0, from;

	while (i < len) {
		if (isalnum((uint8_t)p[i]) || (uint8_t)p[i] >= 0x80) {
			for (from = i; i < len && (isalnum((uint8_t)p[i]) || (uint8_t)p[i] >= 0x80); i++)
				;
			out[n++] = (struct span){p + from, i - from};
		} else if (json && p[i] == '\\')
			i += i + 1 < len && p[i + 1] == 'u' ? 6 : 2;
		else
			i++;
	}
	return (n);
}

/* Texts of several lengths, with words, gaps and escapes of all lengths at all places. */
static void
test_blocks(void)
{
	static const char letters[] = "abzAZ059\xc3\xa9\xff", others[] = " -/:@[`{\"\\\\\\\x7f\n";
	static struct span want[1000];
	struct random rnd = {6};
	size_t i, n, k, len, run, bad = 0;
	struct words w;
	char *text;

	for (i = 0; i < 30000; i++) {
		len = random_below(&rnd, 300);
		text = malloc(len + 1);
		for (k = 0; k < len;)
			for (run = random_below(&rnd, random_below(&rnd, 8) == 0 ? 130 : 8); run > 0 && k < len; run--, k++)
				text[k] = k % 2 == run % 2 || run > 8 ? letters[random_below(&rnd, sizeof(letters) - 1)]
								       : others[random_below(&rnd, sizeof(others) - 1)];
		for (k = 0; k + 1 < len; k++)
			if (text[k] == '\\' && random_below(&rnd, 2) == 0)
				text[k + 1] = 'u';
		text = realloc(text, len + (len == 0));
		n = plainly(text, len, i & 1, want);
		words_begin(&w, (struct span){text, len}, i & 1);
		for (k = 0; words_next(&w); k++)
			bad += k >= n || w.at.p != want[k].p || w.at.len != want[k].len ||
			    w.word[0] != (isupper((uint8_t)want[k].p[0]) ? want[k].p[0] | 0x20 : want[k].p[0]);
		bad += k != n;
		free(text);
	}
	ok(bad == 0, "words of any length, at any place, are those that a look at each byte finds");
}

int
main(void)
{
	test_parting();
	test_stems();
	test_places();
	test_long();
	test_bounds();
	test_blocks();
	return (tap_done());
}

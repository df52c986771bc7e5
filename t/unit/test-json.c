/* JSON: verdicts and values against jansson, the canonical form, strings, messages, cost. */
#include "config.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "json.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

#define MUTATIONS 100000

/* Good and bad texts, each of which jansson has a verdict on too. */
static const struct span texts[] = {
    /* words */
    SPAN("null"),
    SPAN("true"),
    SPAN("false"),
    SPAN("nul"),
    SPAN("nulll"),
    SPAN("True"),
    SPAN("None"),
    SPAN("NULL"),
    SPAN("t"),
    SPAN("fals"),
    SPAN("falsE"),
    SPAN("undefined"),
    SPAN("NaN"),
    SPAN("Infinity"),
    SPAN("-Infinity"),
    SPAN("nan"),
    SPAN(""),
    SPAN(" "),
    SPAN("\t\r\n "),
    SPAN(" null "),
    SPAN("null null"),
    SPAN("\vnull"),
    SPAN("null\f"),
    SPAN("null\0"),
    SPAN("\0"),
    SPAN("\xef\xbb\xbf"
	 "1"),
    SPAN("\xc2\xa0"
	 "1"),
    /* numbers */
    SPAN("0"),
    SPAN("-0"),
    SPAN("1"),
    SPAN("-1"),
    SPAN("+1"),
    SPAN("00"),
    SPAN("01"),
    SPAN("-01"),
    SPAN("-"),
    SPAN("--1"),
    SPAN("1."),
    SPAN(".1"),
    SPAN("1.0"),
    SPAN("-1.5"),
    SPAN("1.5.2"),
    SPAN("1e5"),
    SPAN("1E5"),
    SPAN("1e+5"),
    SPAN("1e-5"),
    SPAN("1e"),
    SPAN("1e+"),
    SPAN("1e-"),
    SPAN("1.e1"),
    SPAN("0e0"),
    SPAN("0.0"),
    SPAN("-0.0"),
    SPAN("0.10"),
    SPAN("1.25e2"),
    SPAN("0x10"),
    SPAN("1_000"),
    SPAN("1,000"),
    SPAN("1 000"),
    SPAN("123456789012"),
    SPAN("9223372036854775807"),
    SPAN("18446744073709551615"),
    SPAN("1e400"),
    SPAN("-1e400"),
    SPAN("1e-400"),
    SPAN("123456789012345678901234567890"),
    SPAN("3.141592653589793238462643383279"),
    SPAN("1a"),
    SPAN("0a"),
    SPAN("1e5.5"),
    SPAN("-a"),
    SPAN("1ee5"),
    SPAN("1e05"),
    /* strings */
    SPAN("\"\""),
    SPAN("\"a\""),
    SPAN("\"a"),
    SPAN("a\""),
    SPAN("\""),
    SPAN("'a'"),
    SPAN("\"a\"b"),
    SPAN("\"\\\""),
    SPAN("\"\\\"\""),
    SPAN("\"\\\\\""),
    SPAN("\"\\/\""),
    SPAN("\"/\""),
    SPAN("\"\\b\\f\\n\\r\\t\""),
    SPAN("\"\\a\""),
    SPAN("\"\\v\""),
    SPAN("\"\\x41\""),
    SPAN("\"\\'\""),
    SPAN("\"\\0\""),
    SPAN("\"\\u0041\""),
    SPAN("\"\\U0041\""),
    SPAN("\"\\u004\""),
    SPAN("\"\\u00e9\""),
    SPAN("\"\\u00E9\""),
    SPAN("\"\\u00g9\""),
    SPAN("\"\\u\""),
    SPAN("\"\\u0000\""),
    SPAN("\"\\u0001\""),
    SPAN("\"\\u000a\""),
    SPAN("\"\\u000A\""),
    SPAN("\"\\u001f\""),
    SPAN("\"\\u001F\""),
    SPAN("\"\\u0020\""),
    SPAN("\"\\u007f\""),
    SPAN("\"\x7f\""),
    SPAN("\"\\u0022\""),
    SPAN("\"\\u005c\""),
    SPAN("\"\\u002f\""),
    SPAN("\"\\ud83d\\ude00\""),
    SPAN("\"\\uD83D\\uDE00\""),
    SPAN("\"\\ud83d\""),
    SPAN("\"\\ude00\""),
    SPAN("\"\\ud83d\\ud83d\""),
    SPAN("\"\\ud83dx\""),
    SPAN("\"\\ud83d\\n\""),
    SPAN("\"\\ud83d\\u0041\""),
    SPAN("\"\\ude00\\ud83d\""),
    SPAN("\"\\ud83d\\ude0\""),
    SPAN("\"\\udbff\\udfff\""),
    SPAN("\"\\ud800\\udc00\""),
    SPAN("\"\\uffff\""),
    SPAN("\"\\ufeff\""),
    SPAN("\"\n\""),
    SPAN("\"\t\""),
    SPAN("\"\x01\""),
    SPAN("\"\x1f\""),
    SPAN("\"\0\""),
    SPAN("\"a\0b\""),
    SPAN("\"\\"),
    SPAN("\"\\u00"),
    SPAN("\"0123456789abcdef0123456789abcdef\""),
    SPAN("\"0123456789abcde\\f0123456789abcdef\""),
    SPAN("\"0123456789abcdef\x01\""),
    SPAN("\"0123456789abcdef"),
    /* UTF-8 */
    SPAN("\"\xc3\xa9\""),
    SPAN("\"\xe2\x82\xac\""),
    SPAN("\"\xf0\x9f\x98\x80\""),
    SPAN("\"\xd0\xb6\xd0\xb6\xd0\xb6\xd0\xb6 \xd0\xb6\""),
    SPAN("\"\xc2\x80\""),
    SPAN("\"\xdf\xbf\""),
    SPAN("\"\xe0\xa0\x80\""),
    SPAN("\"\xef\xbf\xbf\""),
    SPAN("\"\xf4\x8f\xbf\xbf\""),
    SPAN("\"\xf4\x90\x80\x80\""),
    SPAN("\"\xf5\x80\x80\x80\""),
    SPAN("\"\xc0\x80\""),
    SPAN("\"\xc1\xbf\""),
    SPAN("\"\xe0\x9f\xbf\""),
    SPAN("\"\xf0\x8f\xbf\xbf\""),
    SPAN("\"\xed\xa0\x80\""),
    SPAN("\"\xed\xbf\xbf\""),
    SPAN("\"\xed\x9f\xbf\""),
    SPAN("\"\xee\x80\x80\""),
    SPAN("\"\x80\""),
    SPAN("\"\xbf\""),
    SPAN("\"\xc3\""),
    SPAN("\"\xe2\x82\""),
    SPAN("\"\xf0\x9f\x98\""),
    SPAN("\"\xc3("),
    SPAN("\"\xe2(\xa1\""),
    SPAN("\"\xff\""),
    SPAN("\"\xfe\""),
    SPAN("\"\xf8\x88\x80\x80\x80\""),
    SPAN("\"\xc3"),
    SPAN("\"\xf0\x9f"),
    SPAN("\"0123456789abcdef\xff\""),
    /* arrays */
    SPAN("[]"),
    SPAN("[ ]"),
    SPAN("[1]"),
    SPAN("[1,2]"),
    SPAN("[ 1 , 2 ]"),
    SPAN("[1,]"),
    SPAN("[,1]"),
    SPAN("[,]"),
    SPAN("[1 2]"),
    SPAN("[1"),
    SPAN("["),
    SPAN("]"),
    SPAN("[1}"),
    SPAN("[[[]]]"),
    SPAN("[[1,[2,[3]]],{}]"),
    SPAN("[]]"),
    SPAN("[][]"),
    SPAN("[null,true,false,\"x\",-1.5e3]"),
    SPAN("[1:2]"),
    SPAN("[\"a\":1]"),
    SPAN("[1,,2]"),
    SPAN("[tru]"),
    SPAN("[\n1\n]"),
    SPAN("[1,"),
    SPAN("[[]"),
    SPAN("[\"a\",\"b\"]"),
    SPAN("[1]x"),
    /* objects */
    SPAN("{}"),
    SPAN("{ }"),
    SPAN("{\"a\":1}"),
    SPAN("{ \"a\" : 1 }"),
    SPAN("{\"a\":1,\"b\":2}"),
    SPAN("{\"b\":2,\"a\":1}"),
    SPAN("{\"a\":1,\"a\":1}"),
    SPAN("{\"a\":1,\"b\":2,\"a\":3}"),
    SPAN("{\"a\":1,\"\\u0061\":2}"),
    SPAN("{\"\\u0061\":1}"),
    SPAN("{\"a\"}"),
    SPAN("{\"a\":}"),
    SPAN("{a:1}"),
    SPAN("{'a':1}"),
    SPAN("{\"a\" 1}"),
    SPAN("{\"a\":1,}"),
    SPAN("{,}"),
    SPAN("{,\"a\":1}"),
    SPAN("{\"a\":1 \"b\":2}"),
    SPAN("{\"a\":1;\"b\":2}"),
    SPAN("{\"a\":1"),
    SPAN("{\"a\":"),
    SPAN("{\"a\""),
    SPAN("{\""),
    SPAN("{"),
    SPAN("}"),
    SPAN("{\"a\":1]"),
    SPAN("{1:2}"),
    SPAN("{null:1}"),
    SPAN("{\"\":1}"),
    SPAN("{\"\":1,\"\":2}"),
    SPAN("{\"a\":{\"b\":1,\"b\":2}}"),
    SPAN("{\"a\":{\"b\":{\"c\":[{\"d\":1,\"d\":2}]}}}"),
    SPAN("[{\"x\":1},{\"x\":1}]"),
    SPAN("{\"x\":{\"x\":{\"x\":1}}}"),
    SPAN("{\"a\":1,\"aa\":2,\"ab\":3,\"b\":4}"),
    SPAN("{\"aa\":1,\"a\":2}"),
    SPAN("{\"a\\\"\":1,\"a!\":2,\"a#\":3}"),
    SPAN("{\"a\\\\\":1,\"a]\":2,\"a[\":3}"),
    SPAN("{\"\xc3\xa9\":1,\"e\":2,\"z\":3}"),
    SPAN("{\"\xef\xbf\xbf\":1,\"\xf0\x90\x80\x80\":2}"),
    SPAN("{\"\xf0\x90\x80\x80\":1,\"\xef\xbf\xbf\":2}"),
    SPAN("{\"\\n\":1,\"\\t\":2,\"\\u0001\":3,\"a\":4}"),
    SPAN("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"),
    SPAN("{\"a\":[],\"b\":{},\"c\":\"\",\"d\":null}"),
    SPAN(
	"{\"mtu\":9000,\"duplex\":\"full\",\"v6\":[{\"addr\":\"fe80::1\",\"len\":64},{\"len\":64,\"addr\":\"::1\"}],\"up\":true}"),
    SPAN("{\"a\":1}{\"b\":2}"),
    SPAN("{\"a\":1} x"),
    SPAN("{\"a\":/* */1}"),
    SPAN("// x\n1"),
    SPAN("{\"a\":1}//"),
    SPAN("{\"a\":+1}"),
    SPAN("{\"\xff\":1}"),
    SPAN("{\"a\\u0000\":1}"),
    SPAN("{\"z\":1,\"y\":{\"q\":1,\"p\":[3,2,{\"n\":0,\"m\":1}]},\"x\":\"\\u00e9\\/\"}"),
};

static struct json_work work;

#define TEXTS (sizeof(texts) / sizeof(texts[0]))

/* json_canonical() of a whole text with white space around. */
static int
canonical(struct span text, struct buf *out, struct json_fault *f)
{
	size_t pos = json_space(text.p, text.len, 0);

	if (json_canonical(text.p, text.len, &pos, 1, &work, out, f) != 0)
		return (-1);
	pos = json_space(text.p, text.len, pos);
	return (pos == text.len ? 0 : json_fault_set(f, pos, "text behind"));
}

/* What the engine ${name} makes of a text: verdict, canonical form, end, message, and what json_scan() says. */
static void
answer(const char *name, struct span text, struct buf *out)
{
	struct json_fault f = {0, ""};
	bool is_canonical = false;
	size_t pos = 0, before, scanned = 0;
	int rc;

	buf_reset(out);
	if (json_use(name) != 0)
		return;
	rc = json_canonical(text.p, text.len, &pos, 1, &work, out, &f);
	before = out->len;
	buf_addf(out, " = %d to %zu: %zu %s", rc, pos, f.at, f.what);
	f = (struct json_fault){0, ""};
	rc = json_scan(text.p, text.len, &scanned, 1, &is_canonical, &f);
	buf_addf(out, "; %d %d to %zu: %zu %s", rc, is_canonical, scanned, f.at, f.what);
	if (before != 0 && (rc != 0 || scanned != pos))
		buf_adds(out, " (scan and canonical form differ)");
}

static const char *const engines[] = {"portable", "sse2", "avx2"};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))

/* Whether all engines give the same answer; the best is chosen again behind it. */
static bool
engines_agree(struct span text)
{
	static struct buf first, other;
	bool same = true;
	size_t i;

	answer(engines[0], text, &first);
	for (i = 1; i < ENGINES; i++) {
		answer(engines[i], text, &other);
		if (other.len > 0 && !span_eq((struct span){first.data, first.len}, (struct span){other.data, other.len})) {
			printf("# %s: %s\n# %s: %s\n", engines[0], buf_cstr(&first), engines[i], buf_cstr(&other));
			same = false;
		}
	}
	return (same);
}

/* The canonical form once more, from jansson's tree, with every number as 0. */
static int
by_bytes(const void *a, const void *b)
{
	return (strcmp(*(const char *const *)a, *(const char *const *)b));
}

static void
dump_string(const char *s, struct buf *out)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			buf_addf(out, "\\%c", *s);
		else if ((unsigned char)*s >= 0x20)
			buf_addc(out, *s);
		else if (strchr("\b\t\n\f\r", *s) != NULL)
			buf_addf(out, "\\%c", "btn_fr"[*s - '\b']);
		else
			buf_addf(out, "\\u%04x", *s);
	buf_addc(out, '"');
}

static void
dump(json_t *v, struct buf *out)
{
	const char *key, **keys;
	size_t i, n = 0;
	json_t *member;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		keys = calloc(json_object_size(v) + 1, sizeof(*keys));
		json_object_foreach(v, key, member) keys[n++] = key;
		qsort(keys, n, sizeof(*keys), by_bytes);
		buf_addc(out, '{');
		for (i = 0; i < n; i++) {
			if (i > 0)
				buf_addc(out, ',');
			dump_string(keys[i], out);
			buf_addc(out, ':');
			dump(json_object_get(v, keys[i]), out);
		}
		buf_addc(out, '}');
		free(keys);
		break;
	case JSON_ARRAY:
		buf_addc(out, '[');
		for (i = 0; i < json_array_size(v); i++) {
			if (i > 0)
				buf_addc(out, ',');
			dump(json_array_get(v, i), out);
		}
		buf_addc(out, ']');
		break;
	case JSON_STRING:
		dump_string(json_string_value(v), out);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		buf_addc(out, '0');
		break;
	default:
		buf_adds(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
		break;
	}
}

/* ${text} with every number outside strings as 0. */
static void
without_numbers(struct span text, struct buf *out)
{
	bool inside = false;
	size_t i;

	for (i = 0; i < text.len; i++) {
		if (!inside && (text.p[i] == '-' || (text.p[i] >= '0' && text.p[i] <= '9'))) {
			while (i + 1 < text.len && strchr("0123456789+-.eE", text.p[i + 1]) != NULL)
				i++;
			buf_addc(out, '0');
			continue;
		}
		if (inside && text.p[i] == '\\')
			buf_addc(out, text.p[i++]);
		else if (text.p[i] == '"')
			inside = !inside;
		buf_addc(out, text.p[i]);
	}
}

static bool
is_excused(const json_error_t *error)
{
	return (json_error_code(error) == json_error_numeric_overflow ||
	    json_error_code(error) == json_error_stack_overflow);
}

static const char *
compare_accepted(struct span text, struct buf *ours, json_t *theirs)
{
	struct buf want = BUF_INIT, have = BUF_INIT, again = BUF_INIT;
	struct span form = {ours->data, ours->len};
	size_t pos = json_space(text.p, text.len, 0), end, start = pos;
	bool is_canonical;
	const char *what = NULL;

	if (theirs != NULL) {
		dump(theirs, &want);
		without_numbers(form, &have);
		if (!span_eq(
			(struct span){want.data, want.len}, (struct span){have.data, have.len}))
			what = "another canonical form than jansson's tree has";
	}
	if (canonical(form, &again, NULL) != 0 ||
	    !span_eq(form, (struct span){again.data, again.len}))
		what = "the canonical form of a canonical form is another";
	if (json_scan(text.p, text.len, &pos, 1, &is_canonical, NULL) != 0)
		what = "json_scan() refuses what json_canonical() takes";
	else if (is_canonical != span_eq(form, (struct span){text.p + start, pos - start}))
		what = "json_scan() is wrong about what is canonical";
	end = 0;
	if (json_scan(form.p, form.len, &end, 1, &is_canonical, NULL) != 0 || !is_canonical ||
	    end != form.len)
		what = "json_scan() does not know a canonical form";
	if (form.len > text.len)
		what = "the canonical form is longer";
	buf_release(&want);
	buf_release(&have);
	buf_release(&again);
	return (what);
}

/* What is wrong with our answer to ${text}, or NULL. */
static const char *
compare(struct span text)
{
	struct buf ours = BUF_INIT;
	struct json_fault f = {0, ""};
	json_error_t error;
	json_t *theirs = json_loadb(
	    text.p, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	const char *what = NULL;

	if (canonical(text, &ours, &f) == 0) {
		if (theirs == NULL && !is_excused(&error))
			what = "we take what jansson refuses";
		else
			what = compare_accepted(text, &ours, theirs);
	} else if (f.at < text.len && text.p[f.at] == '\0')
		what = NULL; /* to jansson a NUL outside strings is the end of the text */
	else if (theirs != NULL && strstr(f.what, "nesting") == NULL)
		what = "we refuse what jansson takes";
	else if (f.at > text.len || f.what[0] == '\0')
		what = "a fault outside the text, or without words";
	if (!engines_agree(text))
		what = "the engines differ";
	json_decref(theirs);
	buf_release(&ours);
	return (what);
}

static void
show(struct span text)
{
	size_t i;

	printf("# ");
	for (i = 0; i < text.len; i++)
		printf(
		    text.p[i] < 32 || text.p[i] > 126 ? "\\x%02x" : "%c", (unsigned char)text.p[i]);
	putchar('\n');
}

static void
test_table(void)
{
	const char *what;
	size_t i;

	for (i = 0; i < TEXTS; i++) {
		what = compare(texts[i]);
		if (!ok(what == NULL, "text %zu%s%s", i, what ? ": " : "", what ? what : ""))
			show(texts[i]);
	}
}

static void
mutate(struct random *r, struct buf *b)
{
	static const char likely
	    [] = "{}[]:,\"\\/ubfnrt0123456789aAeE+-. \t\n\x7f\x80\xbf\xc3\xe2\xed\xf0\xf4\xff";
	struct span other;
	size_t at, n;

	at = b->len == 0 ? 0 : random_below(r, (uint32_t)b->len);
	switch (random_below(r, 6)) {
	case 0: /* change a byte */
		if (b->len > 0)
			b->data[at] = likely[random_below(r, sizeof(likely) - 1)];
		break;
	case 1: /* any byte */
		if (b->len > 0)
			b->data[at] = (char)random_below(r, 256);
		break;
	case 2: /* take some out */
		n = b->len - at < 3 ? b->len - at : random_below(r, 3);
		memmove(b->data + at, b->data + at + n, b->len - at - n);
		b->len -= n;
		break;
	case 3: /* put one in */
		buf_addc(b, ' ');
		memmove(b->data + at + 1, b->data + at, b->len - at - 1);
		b->data[at] = likely[random_below(r, sizeof(likely) - 1)];
		break;
	case 4: /* the head of this, the tail of another */
		other = texts[random_below(r, TEXTS)];
		b->len = at;
		n = other.len == 0 ? 0 : random_below(r, (uint32_t)other.len);
		buf_add(b, other.p + n, other.len - n);
		break;
	default: /* twice the same */
		n = random_below(r, 12);
		n = n < b->len - at ? n : b->len - at;
		buf_reserve(b, n);
		memmove(b->data + at + n, b->data + at, b->len - at);
		b->len += n;
		break;
	}
}

static void
test_mutations(void)
{
	struct random r = {20261121};
	struct buf b = BUF_INIT;
	const char *what;
	unsigned i, k, bad = 0, good = 0, n;
	char *exact;

	for (i = 0; i < MUTATIONS; i++) {
		buf_reset(&b);
		buf_addspan(&b, texts[random_below(&r, TEXTS)]);
		n = 1 + random_below(&r, 3);
		for (k = 0; k < n; k++)
			mutate(&r, &b);
		/* Of exactly its size, so that a sanitizer sees what reads too far. */
		exact = malloc(b.len + (b.len == 0));
		if (b.len > 0)
			memcpy(exact, b.data, b.len);
		if ((what = compare((struct span){exact, b.len})) != NULL && bad++ < 10) {
			printf("# %s\n", what);
			show((struct span){exact, b.len});
		}
		good += json_utf8(exact, b.len) == b.len;
		free(exact);
	}
	ok(bad == 0, "%d mutations: the verdicts and values of jansson", MUTATIONS);
	ok(good > MUTATIONS / 4, "most of them are not garbage");
	buf_release(&b);
}

/* A quote, an escape, what is not ASCII and what is refused, at every offset and in every length around the engines' steps. */
static void
test_offsets(void)
{
	static const struct span middles[] = {SPAN(""), SPAN("\\n"), SPAN("\\u0041"), SPAN("\\u001F"), SPAN("\xc3\xa9"),
	    SPAN("\xf0\x9f\x98\x80"), SPAN("\\ud83d\\ude00"), SPAN("\\ud83d"), SPAN("\x80"), SPAN("\xe2\x82"), SPAN("\x1f"),
	    SPAN("\0"), SPAN("\\"), SPAN("\"")};
	static const struct span ends[] = {SPAN(""), SPAN(""), SPAN("\""), SPAN("\""), SPAN("\\"), SPAN("\\"), SPAN("\xe2\x82"),
	    SPAN("\xf0\x9f\x98"), SPAN("\\u00e"), SPAN("\":"), SPAN("\","), SPAN("\" "), SPAN("\"] "), SPAN("\":1"), SPAN("\"]"),
	    SPAN("\":true}"), SPAN("\",nul"), SPAN("\":fals")};
	struct buf b = BUF_INIT;
	unsigned before, behind, bad = 0, n = 0;
	size_t i, cut;
	char *exact;

	for (i = 0; i < sizeof(middles) / sizeof(middles[0]); i++)
		for (before = 0; before < 140; before++)
			for (behind = 0; behind < 100; behind += before % 16 == 0 ? 1 : 33) {
				buf_reset(&b);
				while (b.len < before)
					buf_addc(&b, ' ');
				buf_adds(&b, "[\"");
				for (cut = 0; cut < before; cut++)
					buf_addc(&b, (char)('a' + cut % 26));
				buf_addspan(&b, middles[i]);
				for (cut = 0; cut < behind; cut++)
					buf_addc(&b, (char)('A' + cut % 26));
				buf_adds(&b, "\",12]");
				/* Whole, and cut off somewhere; of exactly its size. */
				for (cut = 0; cut < 2; cut++, n++) {
					if (cut == 1)
						b.len -= 1 + (before + behind) % (b.len - before - 1);
					exact = malloc(b.len);
					memcpy(exact, b.data, b.len);
					if (!engines_agree((struct span){exact, b.len}) && bad++ < 5)
						show((struct span){exact, b.len});
					free(exact);
				}
			}
	ok(bad == 0, "%u strings of every length at every offset: the engines agree", n);
	for (bad = 0, before = 0; before < 300; before++)
		for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			buf_reset(&b);
			buf_adds(&b, i % 2 ? "{\"" : "[\"");
			for (cut = 0; cut < before; cut++)
				buf_addc(&b, (char)('a' + cut % 26));
			buf_addspan(&b, ends[i]);
			exact = malloc(b.len);
			memcpy(exact, b.data, b.len);
			bad += !engines_agree((struct span){exact, b.len});
			free(exact);
		}
	ok(bad == 0, "texts that end in or behind a string: the engines agree");
	for (bad = 0, n = 1; n < 200; n++) {
		buf_reset(&b);
		for (cut = 0; cut < n; cut++)
			buf_addc(&b, cut == 0 && n % 3 == 0 ? '-' : cut == n / 2 && n % 2 == 0 ? '.' : (char)('1' + cut % 9));
		exact = malloc(b.len);
		memcpy(exact, b.data, b.len);
		bad += !engines_agree((struct span){exact, b.len}) || (b.len > 2 && compare((struct span){exact, b.len}) != NULL);
		free(exact);
	}
	ok(bad == 0, "numbers of every length: the engines agree");
	ok(json_use("abacus") == -1, "an unknown engine is refused");
	buf_release(&b);
}

static void
test_canonical(void)
{
	static const struct {
		const char *text, *want;
	} t[] = {
	    {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
	    {" { \"b\" : [ 1 , 2 ] , \"a\" : { \"d\" : 1 , \"c\" : 2 } } ",
		"{\"a\":{\"c\":2,\"d\":1},\"b\":[1,2]}"},
	    {"[1.0,1,-0,1E5,1e400,18446744073709551615,0.10]",
		"[1.0,1,-0,1E5,1e400,18446744073709551615,0.10]"},
	    {"\"\\u0041\\u00e9\\ud83d\\ude00\\/\"", "\"A\xc3\xa9\xf0\x9f\x98\x80/\""},
	    {"\"\\u0008\\u0009\\u000A\\u000c\\u000D\\u000b\\u001F\\u007f\"",
		"\"\\b\\t\\n\\f\\r\\u000b\\u001f\x7f\""},
	    {"\"\\u0022\\u005C\\\"\\\\\"", "\"\\\"\\\\\\\"\\\\\""},
	    {"{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}"},
	    {"{\"a]\":1,\"a\\\\\":2,\"a[\":3}", "{\"a[\":3,\"a\\\\\":2,\"a]\":1}"},
	    {"{\"a\":1,\"\\n\":2,\"\\u0001\":3,\" \":4,\"\\\"\":5,\"!\":6}",
		"{\"\\u0001\":3,\"\\n\":2,\" \":4,\"!\":6,\"\\\"\":5,\"a\":1}"},
	    {"{\"\xf0\x90\x80\x80\":1,\"\xef\xbf\xbf\":2,\"\xc3\xa9\":3,\"z\":4}",
		"{\"z\":4,\"\xc3\xa9\":3,\"\xef\xbf\xbf\":2,\"\xf0\x90\x80\x80\":1}"},
	    {"[ ]", "[]"},
	    {"{ }", "{}"},
	    {"{\"c\":{\"z\":1,\"y\":2},\"b\":{\"x\":1,\"w\":2},\"a\":[{\"v\":1,\"u\":2}]}",
		"{\"a\":[{\"u\":2,\"v\":1}],\"b\":{\"w\":2,\"x\":1},\"c\":{\"y\":2,\"z\":1}}"},
	};
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&out);
		canonical((struct span){t[i].text, strlen(t[i].text)}, &out, NULL);
		is_bytes(out.data, out.len, t[i].want, "canonical form");
	}
	buf_release(&out);
}

static void
test_faults(void)
{
	static const struct {
		struct span text;
		size_t at;
		const char *what;
	} t[] = {
	    {SPAN("{\"a\" 1}"), 5, "expected ':' after a member name"},
	    {SPAN("{\"x\":1,\"a\":2,\"x\":3}"), 13, "duplicate member 'x'"},
	    {SPAN("{\"a\":{\"b\":1,\"\\u0062\":2}}"), 12, "duplicate member 'b'"},
	    {SPAN("{\"\\u001b[2J\\u009b\":1,\"\\u001b[2J\\u009b\":2}"), 21,
		"duplicate member '?[2J?'"},
	    {SPAN("[1,02]"), 3, "number has a leading zero"},
	    {SPAN("[-]"), 2, "expected a digit after '-'"},
	    {SPAN("[1.]"), 3, "expected a digit after '.'"},
	    {SPAN("[1e]"), 3, "expected a digit in the exponent"},
	    {SPAN("\"ab\xff\""), 3, "invalid UTF-8"},
	    {SPAN("\"\xed\xa0\x80\""), 1, "invalid UTF-8"},
	    {SPAN("\"a\\ud83d\""), 2, "lone surrogate"},
	    {SPAN("\"\\ude00\""), 1, "lone surrogate"},
	    {SPAN("\"a\\u0000\""), 2, "\\u0000 is not allowed"},
	    {SPAN("\"a\\u00x0\""), 6, "expected four hex digits after \\u"},
	    {SPAN("\"a\\x\""), 2, "invalid escape in a string"},
	    {SPAN("\"a\tb\""), 2, "control character U+0009 in a string is not escaped"},
	    {SPAN("\"a\0b\""), 2, "NUL byte in a string"},
	    {SPAN("[\0]"), 1, "NUL byte"},
	    {SPAN("{\"a\":1"), 6, "unexpected end of line"},
	    {SPAN("\"abc"), 4, "unexpected end of line"},
	    {SPAN("tru"), 3, "unexpected end of line"},
	    {SPAN("[trux]"), 1, "expected 'true'"},
	    {SPAN("[None]"), 1, "expected a value"},
	    {SPAN("['a']"), 1, "strings need double quotes"},
	    {SPAN("[1,]"), 3, "trailing comma before ']'"},
	    {SPAN("{\"a\":1,}"), 7, "trailing comma before '}'"},
	    {SPAN("{'a':1}"), 1, "expected a member name in double quotes"},
	    {SPAN("{,}"), 1, "expected a member name in double quotes"},
	    {SPAN("{\"a\":1;}"), 6, "expected ',' or '}' after a member"},
	    {SPAN("[1;]"), 2, "expected ',' or ']' in an array"},
	};
	struct buf out = BUF_INIT;
	struct json_fault f;
	size_t i, pos;

	buf_adds(&out, "kept");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		memset(&f, 0, sizeof(f));
		pos = 0;
		ok(json_canonical(t[i].text.p, t[i].text.len, &pos, 1, &work, &out, &f) == -1 &&
			f.at == t[i].at && pos == 0,
		    "at %zu: %s", t[i].at, t[i].what);
		is_bytes(f.what, strlen(f.what), t[i].what, "in these words");
	}
	is_bytes(out.data, out.len, "kept", "nothing of what was refused is left behind");
	buf_release(&out);
}

/* A long name is cut between characters. */
static void
test_long_name(void)
{
	struct buf text = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
	struct json_fault f = {0, ""};
	int i, k;

	buf_adds(&text, "{");
	for (k = 0; k < 2; k++) {
		buf_adds(&text, k ? ",\"x" : "\"x");
		for (i = 0; i < 100; i++)
			buf_adds(&text, "\xe2\x82\xac");
		buf_adds(&text, "\":1");
	}
	buf_adds(&text, "}");
	buf_adds(&want, "duplicate member 'x");
	for (i = 0; i < 19; i++)
		buf_adds(&want, "\xe2\x82\xac");
	buf_adds(&want, "...'");
	canonical((struct span){text.data, text.len}, &out, &f);
	is_bytes(f.what, strlen(f.what), buf_cstr(&want),
	    "a long name in a message is cut at a character");
	buf_release(&text);
	buf_release(&out);
	buf_release(&want);
}

static void
test_depth(void)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct json_fault f = {0, ""};
	size_t pos;
	bool is_canonical;
	int depth, i;

	for (depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		buf_reset(&text);
		for (i = 0; i < depth; i++)
			buf_adds(&text, i % 2 ? "[" : "{\"a\":");
		buf_adds(&text, "1");
		for (i = depth; i-- > 0;)
			buf_adds(&text, i % 2 ? "]" : "}");
		pos = 0;
		ok((json_scan(text.data, text.len, &pos, 1, &is_canonical, &f) == 0) ==
			(depth == JSON_DEPTH_MAX),
		    "depth %d", depth);
		pos = 0;
		ok(json_scan(text.data, text.len, &pos, 2, &is_canonical, &f) == -1,
		    "depth %d from 2", depth);
	}
	is_bytes(f.what, strlen(f.what), "nesting deeper than 64", "in these words");
	ok(f.at == 32 * 5 + 31, "at the brace that is too much");
	pos = 0;
	ok(json_scan("1", 1, &pos, 65, &is_canonical, &f) == 0, "a number at any depth");
	buf_reset(&text);
	for (i = 0; i < 1000000; i++)
		buf_addc(&text, '[');
	ok(canonical((struct span){text.data, text.len}, &out, &f) == -1, "a million brackets");
	buf_release(&text);
	buf_release(&out);
}

static void
members(struct buf *b, unsigned n, unsigned step, const char *prefix)
{
	unsigned i;

	buf_reset(b);
	buf_addc(b, '{');
	for (i = 0; i < n; i++)
		buf_addf(b, "%s\"%s%u\":%u", i ? "," : "", prefix,
		    (unsigned)((uint64_t)i * step % n), i % 10);
	buf_addc(b, '}');
}

/* Processor time of the canonical form of ${n} members, the best of three. */
static double
cost(unsigned n)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	double best = 1e9, t;
	clock_t start;
	int i;

	members(&text, n, 77773, "k");
	for (i = 0; i < 3; i++) {
		buf_reset(&out);
		start = clock();
		canonical((struct span){text.data, text.len}, &out, NULL);
		t = (double)(clock() - start) / CLOCKS_PER_SEC;
		best = t < best ? t : best;
	}
	buf_release(&text);
	buf_release(&out);
	return (best);
}

static void
test_many_members(void)
{
	static const char *const prefixes[] = {"", "\\u0041", "\\\\", "k"};
	struct buf text = BUF_INIT, out = BUF_INIT, again = BUF_INIT;
	struct json_fault f = {0, ""};
	double few = cost(5000), many = cost(100000);
	size_t i;

	for (i = 0; i < 4; i++) {
		members(&text, 100000, 77773, prefixes[i]);
		buf_reset(&out);
		buf_reset(&again);
		ok(canonical((struct span){text.data, text.len}, &out, &f) == 0 &&
			canonical((struct span){out.data, out.len}, &again, &f) == 0 &&
			out.len == again.len && memcmp(out.data, again.data, out.len) == 0,
		    "100,000 members out of order, names like '%s1'", prefixes[i]);
		text.len--;
		buf_addf(&text, ",\"%s99999\":1}", prefixes[i]);
		ok(canonical((struct span){text.data, text.len}, &out, &f) == -1 &&
			strncmp(f.what, "duplicate member", 16) == 0,
		    "one of them twice");
	}
	/* Twenty times the members: n log n makes it 27 times the time, n^2 400. */
	ok(many < 150 * (few + 1e-4), "in n log n: %.4f s and %.4f s", few, many);
	buf_release(&text);
	buf_release(&out);
	buf_release(&again);
}

/* All orders of up to six names, long ones alike in their first eight bytes among them, and one of them twice. */
static void
test_few_members(void)
{
	static const char *const names[] = {"", "a", "abcdefgh", "abcdefgh1", "abcdefgh\\u0032", "b\\n"};
	static const char *const want = "{\"\":0,\"a\":1,\"abcdefgh\":2,\"abcdefgh1\":3,\"abcdefgh2\":4,\"b\\n\":5}";
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct json_fault f = {0, ""};
	unsigned i, k, left[6], n, rest, pick, bad = 0;

	for (i = 0; i < 720; i++) {
		buf_reset(&text);
		buf_reset(&out);
		for (k = 0; k < 6; k++)
			left[k] = k;
		for (n = 6, rest = i; n > 0; rest /= n--) {
			pick = rest % n;
			buf_addf(&text, "%s\"%s\":%u", n == 6 ? "{" : ",", names[left[pick]], left[pick]);
			memmove(left + pick, left + pick + 1, (5 - pick) * sizeof(left[0]));
		}
		buf_addc(&text, '}');
		bad += canonical((struct span){text.data, text.len}, &out, &f) != 0 ||
		    !span_is((struct span){out.data, out.len}, want);
		text.len--;
		buf_addf(&text, ",\"%s\":6}", names[i % 6]);
		buf_reset(&out);
		bad += canonical((struct span){text.data, text.len}, &out, &f) == 0 ||
		    strncmp(f.what, "duplicate member", 16) != 0 || f.at <= text.len / 2;
	}
	ok(bad == 0, "six members in all 720 orders, and each of them twice");
	buf_release(&text);
	buf_release(&out);
}

static bool
naive_utf8(const unsigned char *p, size_t n)
{
	static const unsigned least[5] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned code;
	size_t i, k, len;

	for (i = 0; i < n; i += len) {
		len = p[i] < 0x80	    ? 1
		    : (p[i] & 0xe0) == 0xc0 ? 2
		    : (p[i] & 0xf0) == 0xe0 ? 3
		    : (p[i] & 0xf8) == 0xf0 ? 4
					    : 0;
		if (len == 0 || len > n - i)
			return (false);
		code = len == 1 ? p[i] : p[i] & (0x7fu >> len);
		for (k = 1; k < len; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return (false);
			code = code << 6 | (p[i + k] & 0x3f);
		}
		if ((len > 1 && code < least[len]) || code > 0x10ffff ||
		    (code >= 0xd800 && code <= 0xdfff))
			return (false);
	}
	return (true);
}

static void
test_utf8(void)
{
	static const char edges[] =
	    "a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff";
	const unsigned n = sizeof(edges) - 1;
	struct random r = {3};
	unsigned i, bad = 0;
	size_t prefix;
	char s[40];

	for (i = 0; i < n * n * n * n; i++) {
		s[0] = edges[i % n];
		s[1] = edges[i / n % n];
		s[2] = edges[i / n / n % n];
		s[3] = edges[i / n / n / n];
		bad += (json_utf8(s, 4) == 4) != naive_utf8((const unsigned char *)s, 4);
	}
	ok(bad == 0, "UTF-8: all fours of bytes at the edges");
	for (bad = 0, i = 0; i < 100000; i++) {
		memset(s, 'a', sizeof(s));
		memcpy(s + random_below(&r, 36), "\xf0\x9f\x98\x80", 4);
		memcpy(s + random_below(&r, 38), "\xe2\x82\xac", 3);
		prefix = json_utf8(s, sizeof(s));
		bad += !naive_utf8((const unsigned char *)s, prefix) ||
		    (prefix < sizeof(s) && naive_utf8((const unsigned char *)s, prefix + 1));
	}
	ok(bad == 0, "UTF-8: the longest prefix");
	ok(json_utf8("", 0) == 0, "UTF-8: nothing");
}

static void
test_strings(void)
{
	struct buf token = BUF_INIT, text = BUF_INIT;
	char all[300];
	size_t i, n = 0;

	for (i = 1; i < 128; i++)
		all[n++] = (char)i;
	memcpy(all + n, "\xc2\x80\xe2\x82\xac\xf0\x9f\x98\x80", 9);
	n += 9;
	json_escape(&token, (struct span){all, n});
	json_unescape((struct span){token.data, token.len}, &text);
	ok(text.len == n && memcmp(text.data, all, n) == 0, "unescape() undoes escape()");
	buf_reset(&text);
	ok(canonical((struct span){token.data, token.len}, &text, NULL) == 0 &&
		text.len == token.len && memcmp(text.data, token.data, text.len) == 0,
	    "escape() writes canonical strings");
	buf_reset(&text);
	json_unescape(SPAN("\"\\u0041\\ud83d\\ude00\\u00E9\\/\\b\""), &text);
	is_bytes(text.data, text.len, "A\xf0\x9f\x98\x80\xc3\xa9/\b",
	    "unescape() takes what is not canonical");
	buf_reset(&text);
	json_escape(&text, SPAN(""));
	is_bytes(text.data, text.len, "\"\"", "the empty string");
	buf_release(&token);
	buf_release(&text);
}

static void
test_walk(void)
{
	const struct span object = SPAN(
	    "{\"a\":{\"b\":[1,{\"}\":\"]\\\"\"}]},\"c,:\":\"x\\\\\",\"d\":-1,\"e\":[]}");
	struct buf seen = BUF_INIT;
	struct span name, value;
	size_t pos = 0, n = 0;

	while (json_member(object, &pos, &name, &value)) {
		buf_addspan(&seen, name);
		buf_addc(&seen, '=');
		buf_addspan(&seen, value);
		buf_addc(&seen, ';');
		n++;
	}
	ok(n == 4, "four members");
	is_bytes(seen.data, seen.len,
	    "\"a\"={\"b\":[1,{\"}\":\"]\\\"\"}]};\"c,:\"=\"x\\\\\";\"d\"=-1;\"e\"=[];",
	    "the members of an object");
	ok(json_get(object, "d", &value) == 1 && span_is(value, "-1"), "a member by name");
	ok(json_get(object, "b", &value) == 0, "not the members of members");
	pos = 0;
	ok(json_member(SPAN("{}"), &pos, &name, &value) == 0, "no members");
	ok(json_member(SPAN("[1,2]"), &pos, &name, &value) == 0, "no object");
	ok(json_member(SPAN("\"{\""), &pos, &name, &value) == 0, "a string is none either");
	ok(json_member((struct span){NULL, 0}, &pos, &name, &value) == 0, "nothing is none either");
	buf_release(&seen);
}

/* What the fuzzer found worth keeping. */
static void
test_corpus(void)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	const char *top = getenv("top_srcdir");
	unsigned n = 0, bad = 0;
	struct dirent *d;
	FILE *f;
	DIR *dir;
	int c;

	buf_addf(&path, "%s/t/fuzz/corpus-json", top != NULL ? top : ".");
	if ((dir = opendir(buf_cstr(&path))) == NULL) {
		ok(true, "the fuzzer's corpus # SKIP cannot open '%s'", buf_cstr(&path));
		buf_release(&path);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/t/fuzz/corpus-json/%s", top != NULL ? top : ".", d->d_name);
		if ((f = fopen(buf_cstr(&path), "rb")) == NULL)
			continue;
		buf_reset(&text);
		while ((c = getc(f)) != EOF)
			buf_addc(&text, (char)c);
		fclose(f);
		n++;
		if (compare((struct span){text.data, text.len}) != NULL && bad++ < 5)
			show((struct span){text.data, text.len});
	}
	closedir(dir);
	ok(n > 50 && bad == 0, "the fuzzer's corpus: %u texts", n);
	buf_release(&path);
	buf_release(&text);
}

int
main(void)
{
	size_t i;

	ok(TEXTS > 150, "%zu texts", TEXTS);
	test_table();
	for (i = 0; i < ENGINES; i++) {
		if (json_use(engines[i]) != 0) {
			ok(true, "engine %s # SKIP not on this processor", engines[i]);
			continue;
		}
		printf("# engine %s\n", engines[i]);
		test_canonical();
		test_faults();
		test_few_members();
	}
	test_offsets();
	test_long_name();
	test_depth();
	test_utf8();
	test_strings();
	test_walk();
	test_many_members();
	test_mutations();
	test_corpus();
	json_work_release(&work);
	return (tap_done());
}

/* Lines at a glance: what is taken, event_parse() takes too, and says the same of it; most lines of a log are taken. */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "cpu.h"
#include "event_skim.h"
#include "hash_text.h"
#include "random.h"
#include "tap.h"

#define LINES 400
#define ROUNDS 15
#define MUTATIONS 25

static struct random rnd = {20261123};

/* ---- a log of many forms ---- */

#define LONG "longer than what is looked at together, and nothing in it that would have to be looked at. "

/* Each `#' is a number. */
static const char *const formats[] = {
    "{\"address\":\"10.#.0.#\",\"mtu\":#,\"up\":true}",
    "{\"address\":\"10.#.0.#\",\"mtu\":#,\"up\":false}",
    "{\"a\":[{\"b\":\"#\",\"c\":-#.5},[],null],\"d\":{\"e\":{\"f\":#}}}",
    "{\"\\\"\\\\\":\"#\",\"long name, longer than any one piece of a form may be, and then some more\":#,\"z\":\"#\"}",
    "\"a string #\\n# #\"",
    "#",
    "[#,#,#]",
    "{\"caf\303\251\":\"#\",\"n\":\"\303\251 #\",\"o\":\"\\u0001#\"}",
    "{\"e\":#e5,\"f\":0.#,\"g\":#}",
    "{\"text\":\"" LONG LONG LONG " #\",\"z\":-#}",
    "{}",
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

struct text {
	struct buf buf;
	size_t at[LINES + 1];
};

static struct span
span_of(const char *text)
{
	return ((struct span){text, text == NULL ? 0 : strlen(text)});
}

static unsigned
any(void)
{
	static const uint32_t below[] = {10, 100, 1000, 100000, 1000000000};

	return (random_below(&rnd, below[random_below(&rnd, 5)]));
}

static const char *
fill(const char *format, char *out, size_t size)
{
	size_t n = 0;

	for (; *format != '\0'; format++)
		n += (size_t)(*format == '#' ? snprintf(out + n, size - n, "%u", any()) : snprintf(out + n, size - n, "%c", *format));
	return (out);
}

static void
make(struct text *t, uint64_t first, unsigned forms)
{
	char state[512], actor[64], name[64];
	uint8_t hash[SHA256_SIZE] = {7};
	int64_t time_us = 1795276495999000 + any();
	struct event ev;
	size_t i;

	buf_reset(&t->buf);
	for (i = 0; i < LINES; i++) {
		unsigned form = random_below(&rnd, forms);

		memset(&ev, 0, sizeof(ev));
		ev.seq = first + i;
		ev.time_us = time_us += form % 3 == 0 ? 0 : any() % 70000000;
		ev.element = span_of(fill(form % 7 == 6 ? "a \"#\"" : form % 11 == 10 ? "ecl:#" : "service:#", name, sizeof(name)));
		ev.action = span_of(form % 4 == 0 ? "create" : form % 4 == 1 ? "modify" : form % 4 == 2 ? "delete" : "re-started.1");
		ev.state = span_of(form % 4 == 2 ? "null" : form % 8 == 7 ? NULL : fill(formats[form % FORMATS], state, sizeof(state)));
		ev.actor = span_of(form % 5 == 0 ? fill("\"user #\"", actor, sizeof(actor)) : NULL);
		ev.cause = span_of(form % 6 == 0 ? "\"why\"" : NULL);
		ev.meta = span_of(form % 9 == 0 ? "{\"n\":[1,\"x\"]}" : NULL);
		ev.vector = span_of(form % 13 == 12 ? "\"AACAPwAAAEA=\"" : NULL);
		ev.uid = form % 2 == 0 ? 0 : 1000;
		ev.login = form % 2 == 0 ? EVENT_NO_LOGIN : 1000;
		ev.parent = random_below(&rnd, 9) == 0 ? EVENT_NONE : any();
		memcpy(ev.prev, hash, SHA256_SIZE);
		t->at[i] = t->buf.len;
		event_format(&ev, &t->buf);
		memcpy(hash, ev.hash, SHA256_SIZE);
	}
	t->at[i] = t->buf.len;
}

/* ---- what is done to a line ---- */

/* Some bytes of the line at ${p} are other ones: ${*len} of them, with the LF, in ${out}. */
static void
mutate(const char *p, size_t *len, char *out)
{
	static const char chars[] = "\"\\{}[],:0123456789-.eE \t\n\0\x1f!ntf\x7f\x80\xc3\xa9zZ";
	size_t at = random_below(&rnd, (uint32_t)*len), n;

	memcpy(out, p, *len);
	switch (random_below(&rnd, 7)) {
	case 0:
		out[at] = (char)(out[at] ^ (1 << random_below(&rnd, 8)));
		break;
	case 1:
	case 2:
		out[at] = chars[random_below(&rnd, sizeof(chars) - 1)];
		break;
	case 3:
		memmove(out + at, out + at + 1, --*len - at);
		break;
	case 4:
		memmove(out + at + 1, out + at, (*len)++ - at);
		out[at] = chars[random_below(&rnd, sizeof(chars) - 1)];
		break;
	case 5:
		n = random_below(&rnd, 600); /* more than a name may have */
		memmove(out + at + n, out + at, *len - at);
		memset(out + at, 'n', n);
		*len += n;
		break;
	default:
		n = 1 + random_below(&rnd, 40);
		n = n < *len - at ? n : *len - at;
		memset(out + at, chars[random_below(&rnd, sizeof(chars) - 1)], n);
	}
}

static bool
same(struct span a, struct span b)
{
	return (a.len == b.len && (a.p == b.p || (a.p != NULL && b.p != NULL && memcmp(a.p, b.p, a.len) == 0)));
}

/*
 * Whether the line at ${p}, of which the skimmer says that it follows, is one, follows that at ${before}, and is what it says; but for its own
 * hash, which becomes zeros.
 */
static bool
agrees(char *p, size_t len, const struct event *ev, const struct event *before)
{
	struct json_fault f;
	struct event strict;

	memset(p + len - 2 - HASH_TEXT, '0', HASH_TEXT);
	if (p[len] != '\n' || event_parse((struct span){p, len}, &strict, &f) != 0)
		return (false);
	return (strict.seq == before->seq + 1 && strict.time_us >= before->time_us && memcmp(strict.prev, before->hash, SHA256_SIZE) == 0 &&
	    ev->seq == strict.seq && ev->time_us == strict.time_us && ev->parent == strict.parent && same(ev->element, strict.element) &&
	    same(ev->action, strict.action) && same(ev->state, strict.state));
}

/* Lines of ${t} one after the other, each tried in other forms first.  The numbers of those taken, and wrongly. */
static void
skim(const struct text *t, struct event_skim *s, unsigned *taken, unsigned *wrong)
{
	const size_t line_before = offsetof(struct event_skim, form);
	static char changed[4096];
	static struct event_skim copy;
	struct event before, ev;
	struct json_fault f;
	size_t i, k, len, n;

	event_skim_reset(s);
	for (i = 0; i < LINES; i++) {
		const char *p = t->buf.data + t->at[i];

		n = t->at[i + 1] - t->at[i];
		for (k = 0; i > 0 && k < MUTATIONS; k++) {
			len = n;
			mutate(p, &len, changed);
			memset(changed + len, ' ', 300); /* what is behind it */
			memcpy(&copy, s, line_before);
			if (event_skim(s, (struct span){changed, len - 1}, len + 300, &ev))
				*wrong += !agrees(changed, len - 1, &ev, &before);
			memcpy(s, &copy, line_before);
		}
		if (event_skim(s, (struct span){p, n - 1}, t->buf.len - t->at[i], &ev)) {
			*taken += 1;
			memcpy(changed, p, n);
			*wrong += !agrees(changed, n - 1, &ev, &before);
		} else if (event_parse((struct span){p, n - 1}, &ev, &f) == 0)
			event_skim_learn(s, (struct span){p, n - 1}, &ev);
		else
			abort();
		if (event_parse((struct span){p, n - 1}, &before, &f) != 0)
			abort();
	}
}

static void
test_log(uint64_t first, unsigned forms, unsigned percent)
{
	static struct event_skim s;
	struct text t = {.buf = BUF_INIT};
	unsigned i, taken = 0, wrong = 0;

	memset(&s, 0, sizeof(s));
	for (i = 0; i < ROUNDS; i++) {
		make(&t, first, forms);
		skim(&t, &s, &taken, &wrong);
	}
	ok(wrong == 0, "%u forms from event %" PRIu64 " on: what is taken is right", forms, first);
	ok(!cpu_has_avx2() || taken * 100 >= percent * ROUNDS * LINES, "%u forms from event %" PRIu64 " on: %u%% are taken", forms, first,
	    taken * 100 / (ROUNDS * LINES));
	buf_release(&t.buf);
}

/* Each end of a line: nothing behind it is read (a sanitizer sees). */
static void
test_ends(void)
{
	static struct event_skim s;
	struct text t = {.buf = BUF_INIT};
	struct json_fault f;
	unsigned taken = 0;
	struct event ev;
	size_t cut;
	char *copy;

	make(&t, 5, 1);
	for (cut = t.at[2]; cut <= t.at[4]; cut++) {
		if ((copy = malloc(cut)) == NULL)
			abort();
		memcpy(copy, t.buf.data, cut);
		memset(&s, 0, sizeof(s));
		if (event_parse((struct span){copy, t.at[1] - 1}, &ev, &f) != 0)
			abort();
		event_skim_learn(&s, (struct span){copy, t.at[1] - 1}, &ev);
		taken += event_skim(&s, (struct span){copy + t.at[1], t.at[2] - t.at[1] - 1}, cut - t.at[1], &ev);
		free(copy);
	}
	ok(taken > 0 || !cpu_has_avx2(), "a line with any number of bytes behind it");
	buf_release(&t.buf);
}

/* The shortest line: who looks for the end of one begins behind EVENT_LINE_MIN bytes. */
static void
test_shortest(void)
{
	struct event ev = {.element = {"e", 1}, .action = {"a", 1}, .login = EVENT_NO_LOGIN, .time_us = 1795276495999000};
	struct buf line = BUF_INIT;

	event_format(&ev, &line);
	ok(!line.failed && line.len > EVENT_LINE_MIN, "no line is as short as %d bytes", EVENT_LINE_MIN);
	buf_release(&line);
}

/* hash_text.h: all values of a byte, and every digit changed. */
static void
test_hash_text(void)
{
	char text[HASH_TEXT], want[HASH_TEXT + 1];
	uint8_t hash[SHA256_SIZE];
	unsigned i, k, bad = 0;

	for (k = 0; k < 256; k += SHA256_SIZE) {
		for (i = 0; i < SHA256_SIZE; i++) {
			hash[i] = (uint8_t)(k + i);
			snprintf(want + (size_t)2 * i, 3, "%02x", hash[i]);
		}
		hash_text_put(text, hash);
		bad += memcmp(text, want, HASH_TEXT) != 0 || !hash_text_is(want, hash);
		for (i = 0; i < HASH_TEXT; i++) {
			want[i] ^= 1;
			bad += hash_text_is(want, hash);
			want[i] ^= 1;
		}
	}
	ok(bad == 0, "hashes as text");
}

int
main(void)
{
	static const uint64_t firsts[] = {0, 95, 999900, UINT64_C(999999999999700), UINT64_C(9999999999999700)};
	size_t i;

	for (i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
		test_log(firsts[i], 1, i == 4 ? 0 : 95);
	test_log(1, 4, 80);
	test_log(1, 91, 20);
	test_ends();
	test_shortest();
	test_hash_text();
	return (tap_done());
}

/* Lines that differ: few examples by hand, many by putting the hunks in again. */
#include "config.h"

#include "line_diff.h"

#include "random.h"
#include "tap.h"

#include "banned.h"

static int
show(void *arg, const struct line_hunk *h)
{
	struct buf *out = arg;

	buf_addf(out, "%zu<", h->line);
	buf_addspan(out, h->before);
	buf_addc(out, '>');
	buf_addspan(out, h->after);
	buf_addc(out, ';');
	return (0);
}

/* An edit of the text before, step by step. */
struct edit {
	struct span before; /* what is left of it */
	struct buf after;
	size_t lines;	    /* in after */
	size_t changed;	    /* lines in hunks */
	bool bad;
};

static void
keep_line(struct edit *t)
{
	size_t n = 0;

	while (n < t->before.len && t->before.p[n++] != '\n')
		;
	buf_add(&t->after, t->before.p, n);
	t->before.p += n;
	t->before.len -= n;
	t->lines++;
}

static size_t
count(struct span s)
{
	size_t i, n = 0;

	for (i = 0; i < s.len; i++)
		n += s.p[i] == '\n' || i + 1 == s.len;
	return (n);
}

static int
apply(void *arg, const struct line_hunk *h)
{
	struct edit *t = arg;

	while (t->lines + 1 < h->line && t->before.len > 0)
		keep_line(t);
	t->bad |= t->lines + 1 != h->line || t->before.p != h->before.p || h->before.len > t->before.len || h->before.len + h->after.len == 0;
	if (t->bad)
		return (1);
	t->before.p += h->before.len;
	t->before.len -= h->before.len;
	buf_addspan(&t->after, h->after);
	t->lines += count(h->after);
	t->changed += count(h->before) + count(h->after);
	return (0);
}

/* Random texts of few different lines; ${edits} changes from one to the other.  Return whether the hunks make it. */
static bool
try(struct random *rnd, size_t lines, size_t edits, bool few)
{
	struct buf before = BUF_INIT, after = BUF_INIT;
	struct edit t = {.lines = 0};
	size_t i, len, changed = 0;
	bool good;

	for (i = 0; i < lines; i++) {
		len = i + 1 == lines && random_below(rnd, 3) == 0 ? 1 : 2;
		buf_addf(&before, "%u%s", (unsigned)random_below(rnd, 5), len == 1 ? "" : "\n");
		if (random_below(rnd, lines) < edits) {
			switch (random_below(rnd, 3)) {
			case 0:
				changed++;
				continue;
			case 1:
				buf_adds(&after, "new\n");
				changed++;
				break;
			default:
				buf_adds(&after, "other\n");
				changed += 2;
				continue;
			}
		}
		buf_add(&after, before.data + before.len - len, len);
	}
	t.before = (struct span){before.data, before.len};
	good = line_diff(t.before, (struct span){after.data, after.len}, apply, &t) == 0 && !t.bad;
	while (good && t.before.len > 0)
		keep_line(&t);
	good = good && t.after.len == after.len && (after.len == 0 || memcmp(t.after.data, after.data, after.len) == 0);
	buf_release(&before);
	buf_release(&after);
	buf_release(&t.after);
	return (good && (!few || t.changed <= changed));
}

int
main(void)
{
	static const char *const cases[][3] = {
	    {"", "", ""},
	    {"a\n", "a\n", ""},
	    {"", "a\nb\n", "1<>a\nb\n;"},
	    {"a\nb\n", "", "1<a\nb\n>;"},
	    {"a\nb\nc\n", "a\nx\nc\n", "2<b\n>x\n;"},
	    {"a\nb\nc\n", "a\nc\n", "2<b\n>;"},
	    {"a\nc\n", "a\nb\nc\n", "2<>b\n;"},
	    {"a\nb", "a\nb\n", "2<b>b\n;"},
	    {"1\n2\n3\n4\n5\n", "1\nx\n3\n4\ny\n5\n", "2<2\n>x\n;5<>y\n;"},
	    {"\n\n\n", "\n\n", "3<\n>;"},
	};
	struct random rnd = {11};
	struct buf out = BUF_INIT;
	size_t i, bad = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		line_diff((struct span){cases[i][0], strlen(cases[i][0])}, (struct span){cases[i][1], strlen(cases[i][1])}, show, &out);
		is_bytes(buf_cstr(&out), out.len, cases[i][2], "by hand");
	}
	buf_release(&out);
	for (i = 0; i < 2000; i++)
		bad += !try(&rnd, 1 + random_below(&rnd, 40), random_below(&rnd, 10), true);
	ok(bad == 0, "2,000 random edits: the hunks make the text after, and are no longer than the edits");
	ok(try(&rnd, 60000, 30000, false), "60,000 lines that differ everywhere are not compared one by one");
	return (tap_done());
}

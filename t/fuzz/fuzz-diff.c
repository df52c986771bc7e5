/*
 * Two JSON values, with a byte of 0 between them: nothing differs where their canonical forms are equal, and only there;
 * a difference is between two texts that stand in them.
 */
#include "config.h"

#include <string.h>

#include "json.h"
#include "state_diff.h"

#include "fuzz.h"

#include "banned.h"

struct both {
	struct span before, after;
};

static void
check_within(struct span part, struct span whole)
{
	MUST(part.p == NULL ||
	    (part.p >= whole.p && part.p + part.len <= whole.p + whole.len && part.len > 0));
}

static int
check(void *arg, const struct state_change *c)
{
	const struct both *b = arg;
	struct json_fault f;
	bool canonical;
	size_t pos = 0;

	check_within(c->before, b->before);
	check_within(c->after, b->after);
	MUST(c->before.p != NULL || c->after.p != NULL);
	MUST(c->before.p == NULL || c->after.p == NULL || !span_eq(c->before, c->after));
	if (c->before.p != NULL)
		MUST(json_scan(c->before.p, c->before.len, &pos, 1, &canonical, &f) == 0 &&
		    canonical && pos == c->before.len);
	pos = 0;
	if (c->after.p != NULL)
		MUST(json_scan(c->after.p, c->after.len, &pos, 1, &canonical, &f) == 0 &&
		    canonical && pos == c->after.len);
	return (0);
}

static int
count(void *arg, const struct state_change *c)
{
	(void)c;
	++*(size_t *)arg;
	return (0);
}

static bool
form(const char *text, size_t len, struct buf *out)
{
	static struct json_work work;
	struct json_fault f;
	size_t pos = 0;

	return (json_canonical(text, len, &pos, 1, &work, out, &f) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
	struct buf x = BUF_INIT, y = BUF_INIT;
	struct both b;
	size_t n = 0;

	if (zero == NULL || !form((const char *)data, (size_t)(zero - data), &x) ||
	    !form((const char *)zero + 1, size - (size_t)(zero - data) - 1, &y))
		goto done;
	b = (struct both){{x.data, x.len}, {y.data, y.len}};
	MUST(state_diff(b.before, b.after, check, &b) == 0);
	MUST(state_diff(b.before, b.after, count, &n) == 0);
	MUST((n == 0) == span_eq(b.before, b.after));
done:
	buf_release(&x);
	buf_release(&y);
	return (0);
}

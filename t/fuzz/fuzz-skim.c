/*
 * Any bytes in the line that would follow one that was read: where it is taken at a glance, it is one, by the strict reader too.  The first byte
 * says which lines they are; the second whether the rest stands in place of all between name and uid, or what to change (two bytes of place, one
 * of value).
 */
#include "config.h"

#include <string.h>

#include "event_skim.h"

#include "fuzz.h"

#include "banned.h"

static struct event_skim skim; /* forms stay from one input to the next, as in a log */

static const char *const states[] = {"{\"a\":\"x\",\"b\":[1,{\"c\":-2.5}],\"d\":true}", "\"text\"", "5", "{}", "{\"\\n\":\"\\n\",\"\303\251\":\"y\"}"};

/* The line ${seq} of a log in which the state is always ${n}. */
static void
make(struct buf *out, uint64_t seq, size_t n, uint8_t hash[SHA256_SIZE])
{
	struct event ev = {.seq = seq, .time_us = 1795276495000000 + (int64_t)seq, .element = SPAN("service:name"), .action = SPAN("modify")};

	ev.state = (struct span){states[n], strlen(states[n])};
	if (n % 2 == 0)
		ev.actor = SPAN("\"who\"");
	ev.login = EVENT_NO_LOGIN;
	ev.parent = seq == 0 ? EVENT_NONE : seq - 1;
	memcpy(ev.prev, hash, SHA256_SIZE);
	event_format(&ev, out);
	memcpy(hash, ev.hash, SHA256_SIZE);
}

static bool
same(struct span a, struct span b)
{
	return (a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0) && (a.p == NULL) == (b.p == NULL));
}

/* The line that would follow, with what the fuzzer wants in it, in memory of just its size. */
static char *
change(struct span line, const uint8_t *data, size_t size, size_t *ret_len)
{
	const char *from = memmem(line.p, line.len, "\",\"action", 9), *to = memmem(line.p, line.len, ",\"uid\"", 6);
	size_t front = (size_t)(from - line.p), back = line.len - (size_t)(to - line.p), at;
	char *out = malloc(line.len + size);

	MUST(out != NULL);
	if (data[1] % 2 == 0) {
		*ret_len = front + size - 2 + back;
		memcpy(out, line.p, front);
		memcpy(out + front, data + 2, size - 2);
		memcpy(out + front + size - 2, to, back);
	} else {
		*ret_len = line.len;
		memcpy(out, line.p, line.len);
		for (at = 2; at + 3 <= size; at += 3)
			out[(size_t)(data[at] << 8 | data[at + 1]) % line.len] = (char)data[at + 2];
	}
	return (realloc(out, *ret_len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char space[300]; /* so that the end of the text is no reason */
	char *line, *lf;
	uint8_t hash[SHA256_SIZE] = {1};
	struct buf log = BUF_INIT;
	struct event before, ev, strict;
	struct json_fault f;
	size_t n, first, len;

	if (size < 2)
		return (0);
	n = data[0] % (sizeof(states) / sizeof(states[0]));
	make(&log, data[0], n, hash);
	first = log.len;
	make(&log, data[0] + 1u, n, hash);
	MUST(!log.failed && event_parse((struct span){log.data, first - 1}, &before, &f) == 0);
	event_skim_reset(&skim);
	event_skim_learn(&skim, (struct span){log.data, first - 1}, &before);
	buf_add(&log, space, data[1] < 200 ? sizeof(space) : 0);
	line = change((struct span){log.data + first, log.len - first}, data, size, &len);
	if (len > EVENT_LINE_MIN && (lf = memchr(line + EVENT_LINE_MIN, '\n', len - EVENT_LINE_MIN)) != NULL &&
	    event_skim(&skim, (struct span){line, (size_t)(lf - line)}, len, &ev)) {
		n = (size_t)(lf - line);
		memset(line + n - 66, '0', 64); /* its own hash may be any bytes */
		MUST(event_parse((struct span){line, n}, &strict, &f) == 0);
		MUST(strict.seq == before.seq + 1 && strict.time_us >= before.time_us && memcmp(strict.prev, before.hash, SHA256_SIZE) == 0);
		MUST(ev.seq == strict.seq && ev.time_us == strict.time_us && ev.parent == strict.parent);
		MUST(same(ev.element, strict.element) && same(ev.action, strict.action) && same(ev.state, strict.state));
	}
	free(line);
	buf_release(&log);
	return (0);
}

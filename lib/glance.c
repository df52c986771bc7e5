/* What a stored line says, as far as it is asked for: found without parsing the rest of it. */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "event.h"
#include "glance.h"
#include "json.h"

#include "banned.h"

/* Moves ${*p} behind ${text}, whose length the compiler knows. */
#define SKIP(p, end, text) \
	((size_t)((end) - *(p)) >= sizeof(text) - 1 && memcmp(*(p), text, sizeof(text) - 1) == 0 && (*(p) += sizeof(text) - 1, true))

/* The string whose first quote is at ${*p}; moves ${*p} behind its last. */
static int
take_string(const char **p, const char *end, struct span *ret)
{
	const char *start = *p, *q;

	if (start >= end || *start != '"' || (q = memchr(start + 1, '"', (size_t)(end - start - 1))) == NULL)
		return (-1);
	/* Seldom: a quote that may be part of the string. */
	if (q[-1] == '\\') {
		for (q = start + 1; q < end && *q != '"'; q++)
			if (*q == '\\')
				q++;
		if (q >= end)
			return (-1);
	}
	*p = q + 1;
	*ret = (struct span){start, (size_t)(*p - start)};
	return (0);
}

int
glance_line(struct span line, struct glance *ret)
{
	const char *p = line.p, *end = line.p + line.len, *start;
	struct span action;

	if (!SKIP(&p, end, "{\"seq\":"))
		return (-1);
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		;
	if (decimal_parse(start, (size_t)(p - start), &ret->seq) != 0 ||
	    !SKIP(&p, end, ",\"time\":\"") || end - p < TIME_SIZE)
		return (-1);
	ret->time = (struct span){p, TIME_SIZE - 1};
	p += TIME_SIZE - 1;
	if (!SKIP(&p, end, "\",\"element\":") || take_string(&p, end, &ret->element) != 0 ||
	    !SKIP(&p, end, ",\"action\":") || take_string(&p, end, &action) != 0)
		return (-1);
	ret->action = (struct span){action.p + 1, action.len - 2};
	return (0);
}

/* Behind the value at ${p}; where it is none, somewhere before ${end}. */
static const char *
skip_value(const char *p, const char *end)
{
	struct span string;
	size_t depth = 0;

	for (; p < end; p++) {
		switch (*p) {
		case '"':
			if (take_string(&p, end, &string) != 0)
				return (end);
			p--;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth-- <= 1)
				return (p + 1);
			break;
		case ',':
			if (depth == 0)
				return (p);
			break;
		default:
			break;
		}
	}
	return (end);
}

/* The state, where there is one.  Return what stands behind it. */
static const char *
take_state(struct span line, const struct glance *g, struct span *ret)
{
	const char *p = g->action.p + g->action.len + 1, *end = line.p + line.len, *start;

	*ret = (struct span){NULL, 0};
	if (!SKIP(&p, end, ",\"state\":"))
		return (p);
	start = p;
	p = skip_value(p, end);
	*ret = (struct span){start, (size_t)(p - start)};
	return (p);
}

void
glance_state(struct span line, const struct glance *g, struct span *ret)
{
	(void)take_state(line, g, ret);
}

/* Moves ${*end} before a number, or `null`, and before ${text} that must stand there. */
static bool
skip_back(const char *start, const char **end, const char *text)
{
	const char *p = *end;
	size_t len = strlen(text);

	if (p - start >= 4 && memcmp(p - 4, "null", 4) == 0)
		p -= 4;
	while (p > start && p[-1] >= '0' && p[-1] <= '9')
		p--;
	if ((size_t)(p - start) < len || memcmp(p - len, text, len) != 0)
		return (false);
	*end = p - len;
	return (true);
}

/* What stands before the numbers that ecl itself writes.  NULL: they are not there. */
static const char *
before_uid(struct span line)
{
	const char *p;

	if (line.len < EVENT_TAIL + EVENT_TAIL)
		return (NULL);
	p = line.p + line.len - EVENT_TAIL - (EVENT_TAIL - 1); /* `,"prev":"<64 hex>"` is one shorter than the tail, which ends the object */
	if (!skip_back(line.p, &p, ",\"parent\":"))
		return (NULL);
	(void)skip_back(line.p, &p, ",\"login\":");
	return (skip_back(line.p, &p, ",\"uid\":") ? p : NULL);
}

/* An actor behind which stands nothing else of the user's, and which has no escapes. */
static bool
last_actor(struct span line, const char *last, struct span *ret)
{
	static const char member[] = ",\"actor\":";
	const size_t len = sizeof(member) - 1;
	const char *p;

	if (last - line.p < 2 || last[-1] != '"')
		return (false);
	for (p = last - 1; p > line.p && p[-1] != '"' && p[-1] != '\\'; p--)
		;
	/* It ends where the last of the line's own members does, so it is none within one of them. */
	if ((size_t)(p - line.p) <= len || p[-1] != '"' || memcmp(p - 1 - len, member, len) != 0)
		return (false);
	*ret = (struct span){p - 1, (size_t)(last - p) + 1};
	return (true);
}

int
glance_actor(struct span line, const struct glance *g, struct span *ret)
{
	const char *last = before_uid(line), *p, *end = line.p + line.len;
	struct span state;

	*ret = (struct span){NULL, 0};
	if (last != NULL && last_actor(line, last, ret))
		return (0);
	/* Sooner seen than where the state ends. */
	p = g->action.p + g->action.len;
	if (last != NULL && (last < p || memmem(p, (size_t)(last - p), ",\"actor\":", 9) == NULL))
		return (0);
	p = take_state(line, g, &state);
	if (!SKIP(&p, end, ",\"actor\":"))
		return (0);
	return (take_string(&p, end, ret));
}

static bool
is_base64(char c)
{
	return ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=');
}

void
glance_vector(struct span line, struct span *ret)
{
	static const char member[] = ",\"vector\":";
	const size_t len = sizeof(member) - 1;
	const char *p = before_uid(line), *last;

	*ret = (struct span){NULL, 0};
	if (p == NULL || p - line.p < 3 || p[-1] != '"')
		return;
	/* A quote inside of another string has a backslash before it, and so would those of this name. */
	for (last = --p; p > line.p && is_base64(p[-1]); p--)
		;
	if ((size_t)(p - line.p) > len && p[-1] == '"' && memcmp(p - 1 - len, member, len) == 0)
		*ret = (struct span){p - 1, (size_t)(last - p) + 2};
}

struct span
glance_text(struct span token, struct buf *scratch)
{
	if (memchr(token.p, '\\', token.len) == NULL)
		return ((struct span){token.p + 1, token.len - 2});
	buf_reset(scratch);
	json_unescape(token, scratch);
	return ((struct span){scratch->data, scratch->len});
}

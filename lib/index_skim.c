/*
 * The index: what it needs of a line, without reading all of it.  A line of the usual form is understood from both
 * ends; whatever is unusual, or wrong, is left to event_parse(), which says what is wrong.
 */
#include "config.h"

#include <string.h>

#include "glance.h"
#include "index_impl.h"
#include "le.h"

#include "banned.h"

#define HEX ((size_t)2 * SHA256_SIZE)
#define PREV_AT (EVENT_TAIL + 9 + HEX + 1) /* of `,"prev":"<64 hex>"`, from the end */
#define TIME_LEN ((size_t)TIME_SIZE - 1)
#define SECOND_LEN 19 /* of "2026-11-21T10:00:00" */
#define BYTES(n) (UINT64_C(0x0101010101010101) * (n))

/* Eight hex digits as four bytes; ${*bad} gets bits where one is none.  All bytes of a word at a time. */
static inline uint32_t
eight_digits(const char *p, uint64_t *bad)
{
	uint64_t c = le64_get(p), letter, digit, n;

	/* Sums of bytes below 128 stay in their bytes: the top bit says whether the sum reached 128. */
	digit = (c + BYTES(128 - '0')) & ~(c + BYTES(128 - '9' - 1));
	letter = (c + BYTES(128 - 'a')) & ~(c + BYTES(128 - 'f' - 1));
	*bad |= (c | ~(digit | letter)) & BYTES(0x80);
	n = (c & BYTES(0x0f)) + (c >> 6 & BYTES(1)) * 9;
	n = (n << 4 | n >> 8) & UINT64_C(0x00ff00ff00ff00ff);
	n = (n | n >> 8) & UINT64_C(0x0000ffff0000ffff);
	return ((uint32_t)(n | n >> 16));
}

static bool
read_hash(const char *hex, uint8_t out[SHA256_SIZE])
{
	uint64_t bad = 0;
	size_t i;

	for (i = 0; i < SHA256_SIZE / 4; i++)
		le32_put(out + 4 * i, eight_digits(hex + 8 * i, &bad));
	return (bad == 0);
}

/* A number of at most 19 digits, without leading zeros; NULL where there is none, else behind it. */
static const char *
read_number(const char *p, const char *end, uint64_t *ret)
{
	const char *first = p;
	uint64_t n = 0;

	while (p < end && *p >= '0' && *p <= '9')
		n = n * 10 + (uint64_t)(*p++ - '0');
	if (p == first || p - first > 19 || (*first == '0' && p - first > 1))
		return (NULL);
	*ret = n;
	return (p);
}

/* The parent, whose text ends at ${end}. */
static bool
read_parent(const char *line, const char *end, uint64_t *ret)
{
	static const char member[] = ",\"parent\":";
	const char *p = end;

	if (end - line > 4 && memcmp(end - 4, "null", 4) == 0) {
		p = end - 4;
		*ret = EVENT_NONE;
	} else {
		while (p > line && p[-1] >= '0' && p[-1] <= '9')
			p--;
		if (read_number(p, end, ret) != end)
			return (false);
	}
	return ((size_t)(p - line) >= sizeof(member) - 1 && memcmp(p - (sizeof(member) - 1), member, sizeof(member) - 1) == 0);
}

/* A name without escapes and in ASCII; NULL where it is another, else behind its closing quote. */
static const char *
read_name(const char *p, const char *end, struct span *ret)
{
	const char *first = p;

	while (p < end && *p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	if (p == end || *p != '"' || p == first || p - first > ELEMENT_MAX)
		return (NULL);
	*ret = (struct span){first, (size_t)(p - first)};
	return (p + 1);
}

/* Whether ${n} bytes, a constant, are the same.  Two words that may overlap: memcmp() would be called. */
static inline bool
same(const char *p, const char *text, size_t n)
{
	if (n >= 8 && n <= 16)
		return (((le64_get(p) ^ le64_get(text)) | (le64_get(p + n - 8) ^ le64_get(text + n - 8))) == 0);
	if (n >= 4 && n <= 8)
		return (((le32_get(p) ^ le32_get(text)) | (le32_get(p + n - 4) ^ le32_get(text + n - 4))) == 0);
	return (memcmp(p, text, n) == 0);
}

/* Pass over ${text}. */
#define TAKE(p, end, text) \
	((size_t)((end) - (p)) >= sizeof(text) - 1 && same((p), text, sizeof(text) - 1) ? ((p) += sizeof(text) - 1, true) : false)

/* The time at ${p}, in the form that ecl writes.  Lines of one second are many: its date is read once. */
static bool
read_time(struct skim *s, const char *p, int64_t *ret_us)
{
	int64_t us = 0;
	size_t i;

	if (p[10] != 'T' || p[SECOND_LEN] != '.' || p[TIME_LEN - 1] != 'Z')
		return (false);
	if (s->second[0] == '\0' || memcmp(p, s->second, SECOND_LEN) != 0) {
		if (event_time_parse(p, TIME_LEN, ret_us) != 0)
			return (false);
		memcpy(s->second, p, SECOND_LEN);
		s->second_us = *ret_us - *ret_us % 1000000;
		return (true);
	}
	for (i = SECOND_LEN + 1; i < TIME_LEN - 1; i++) {
		if (p[i] < '0' || p[i] > '9')
			return (false);
		us = us * 10 + (p[i] - '0');
	}
	*ret_us = s->second_us + us;
	return (true);
}

bool
index_skim(struct skim *s, struct span line, const char before[2 * SHA256_SIZE], uint8_t *hash, struct fed *ret)
{
	const char *p = line.p, *end = line.p + line.len;
	struct glance g;
	struct span actor;

	if (line.len < PREV_AT + 64)
		return (false);
	/* From the end. */
	end -= EVENT_TAIL;
	if (!same(end, ",\"hash\":\"", 9) || memcmp(end + 9 + HEX, "\"}", 2) != 0 || (hash != NULL && !read_hash(end + 9, hash)))
		return (false);
	end = line.p + line.len - PREV_AT;
	if (!same(end, ",\"prev\":\"", 9) || memcmp(end + 9, before, HEX) != 0 || end[9 + HEX] != '"' ||
	    !read_parent(line.p, end, &ret->parent))
		return (false);
	/* From the beginning. */
	if (!TAKE(p, end, "{\"seq\":") || (p = read_number(p, end, &ret->seq)) == NULL || !TAKE(p, end, ",\"time\":\"") ||
	    (size_t)(end - p) < TIME_LEN || !read_time(s, p, &ret->time_us))
		return (false);
	p += TIME_LEN;
	if (!TAKE(p, end, "\",\"element\":\"") || (p = read_name(p, end, &ret->name)) == NULL || !TAKE(p, end, ",\"action\":\""))
		return (false);
	g.action.p = p;
	if ((p = memchr(p, '"', (size_t)(end - p))) == NULL || p - g.action.p > ACTION_MAX)
		return (false);
	g.action.len = (size_t)(p++ - g.action.p);
	if (glance_actor(line, &g, &actor) != 0)
		return (false);
	ret->flags = ROW_SAYS | index_action_flags(g.action) | index_actor_flags(actor) | (event_reserved(ret->name) ? ROW_OWN : 0);
	if (TAKE(p, end, ",\"state\":"))
		ret->flags |= TAKE(p, end, "null,") ? ROW_STATE | ROW_GONE : ROW_STATE;
	return (true);
}

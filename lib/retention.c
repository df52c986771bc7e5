/* Which blocks are kept. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "retention.h"

#include "banned.h"

#define SECOND_US 1000000
#define HOUR 3600
#define DAY 86400

/* By enum retention_rule. */
static const char *const names[RETENTION_RULES] = {"last", "hourly", "daily", "weekly", "monthly", "yearly"};

static int
parse_count(struct span text, uint64_t *ret)
{
	if (span_is(text, "*")) {
		*ret = RETENTION_ALL;
		return (0);
	}
	return (decimal_parse(text.p, text.len, ret));
}

/* Why that is no count. */
static const char *
count_fault(struct span text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			break;
	if (text.len == 0 || i < text.len)
		return ("is neither a number nor '*'");
	return (text.p[0] == '0' ? "begins with a zero" : "is too large a number: '*' keeps all");
}

/* One rule, which begins at ${column}. */
static int
add_rule(struct retention *r, struct span text, size_t column, struct err *e)
{
	const char *equals = memchr(text.p, '=', text.len);
	struct span name = {text.p, equals == NULL ? text.len : (size_t)(equals - text.p)}, count;
	unsigned rule;

	for (rule = 0; rule < RETENTION_RULES; rule++)
		if (span_is(name, names[rule]))
			break;
	if (rule == RETENTION_RULES)
		return (err_set(e, "column %zu: '%.*s' is none of last, hourly, daily, weekly, monthly and yearly", column,
		    (int)(name.len < 40 ? name.len : 40), name.p));
	if (equals == NULL)
		return (err_set(e, "column %zu: '%s' needs a number, as in '%s=7', or '*' for all", column + name.len, names[rule], names[rule]));
	count = (struct span){equals + 1, text.len - name.len - 1};
	if (parse_count(count, &r->keep[rule]) != 0)
		return (err_set(e, "column %zu: '%.*s' %s", column + name.len + 1, (int)(count.len < 40 ? count.len : 40), count.p,
		    count_fault(count)));
	if ((r->given & 1u << rule) != 0)
		return (err_set(e, "column %zu: '%s' is given twice", column, names[rule]));
	r->given |= 1u << rule;
	return (0);
}

int
retention_add(struct retention *r, const char *text, struct err *e)
{
	const char *p = text;
	size_t len;

	for (;; p += len + 1) {
		len = strcspn(p, ",");
		if (add_rule(r, (struct span){p, len}, (size_t)(p - text) + 1, e) != 0)
			return (-1);
		if (p[len] == '\0')
			return (0);
	}
}

bool
retention_keeps(const struct retention *r)
{
	unsigned rule;

	for (rule = 0; rule < RETENTION_RULES; rule++)
		if (r->keep[rule] > 0)
			return (true);
	return (false);
}

void
retention_begin(struct retention_walk *w, const struct retention *r)
{
	memset(w, 0, sizeof(*w));
	w->r = r;
	memcpy(w->left, r->keep, sizeof(w->left));
}

static int64_t
floor_div(int64_t n, int64_t by)
{
	return (n / by - (n % by < 0));
}

/* The clock on the wall at ${time_us}, as ${ret}, and the numbers of its hour, day... */
static void
numbers(bool local, int64_t time_us, struct tm *ret, int64_t number[RETENTION_RULES], int64_t *ret_offset)
{
	time_t t = (time_t)floor_div(time_us, SECOND_US);
	int64_t wall;

	memset(ret, 0, sizeof(*ret));
	(void)(local ? localtime_r(&t, ret) : gmtime_r(&t, ret));
	*ret_offset = ret->tm_gmtoff;
	wall = (int64_t)t + *ret_offset;
	number[RETENTION_LAST] = 0;
	number[RETENTION_HOURLY] = floor_div(wall, HOUR);
	number[RETENTION_DAILY] = floor_div(wall, DAY);
	number[RETENTION_WEEKLY] = floor_div(number[RETENTION_DAILY] + 3, 7); /* 1970-01-01 was a Thursday */
	number[RETENTION_MONTHLY] = (int64_t)ret->tm_year * 12 + ret->tm_mon;
	number[RETENTION_YEARLY] = ret->tm_year;
}

/* How the hour, the day... of a block is written. */
static size_t
format_when(unsigned rule, const struct tm *tm, char *out, size_t size)
{
	switch (rule) {
	case RETENTION_HOURLY:
		return (strftime(out, size, "%Y-%m-%dT%H", tm));
	case RETENTION_DAILY:
		return (strftime(out, size, "%Y-%m-%d", tm));
	case RETENTION_WEEKLY:
		return (strftime(out, size, "%G-W%V", tm));
	case RETENTION_MONTHLY:
		return (strftime(out, size, "%Y-%m", tm));
	default:
		return (strftime(out, size, "%Y", tm));
	}
}

static void
add_reason(struct retention_walk *w, unsigned rule, const struct tm *tm, struct buf *reason)
{
	char when[64];

	if (reason->len > 0)
		buf_adds(reason, ", ");
	buf_adds(reason, names[rule]);
	buf_addc(reason, ' ');
	if (rule == RETENTION_LAST)
		buf_addu64(reason, w->r->keep[rule] - w->left[rule]);
	else if (format_when(rule, tm, when, sizeof(when)) > 0)
		buf_adds(reason, when);
}

bool
retention_next(struct retention_walk *w, int64_t time_us, struct buf *reason)
{
	int64_t number[RETENTION_RULES], offset;
	bool kept = false, same;
	struct tm tm;
	unsigned rule;

	numbers(w->r->local, time_us, &tm, number, &offset);
	for (rule = 0; rule < RETENTION_RULES; rule++) {
		same = w->begun && rule != RETENTION_LAST && number[rule] == w->last[rule] && (rule != RETENTION_HOURLY || offset == w->last_offset);
		if (same || w->left[rule] == 0)
			continue;
		w->left[rule]--;
		add_reason(w, rule, &tm, reason);
		kept = true;
	}
	memcpy(w->last, number, sizeof(w->last));
	w->last_offset = offset;
	w->begun = true;
	return (kept);
}

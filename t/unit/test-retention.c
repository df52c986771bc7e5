/* Retention: rules and what is refused of them; which of many times are kept, and why. */
#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "event.h"
#include "retention.h"

#include "tap.h"

#include "banned.h"

#define US INT64_C(1000000)

static int64_t
utc(const char *text)
{
	int64_t us;

	if (event_time_parse(text, strlen(text), &us) != 0)
		abort();
	return (us);
}

static void
refused(const char *text, const char *why)
{
	struct retention r = {0};
	struct err e = {0, 0, ""};

	if (!ok(retention_add(&r, text, &e) == -1 && strcmp(e.text, why) == 0, "'%s' is refused: %s", text, why))
		printf("#  got: %s\n", e.text);
}

static void
specs(void)
{
	struct retention r = {0};
	struct err e = {0, 0, ""};

	ok(retention_add(&r, "last=10,hourly=48,daily=31,weekly=8,monthly=12,yearly=*", &e) == 0 && r.keep[RETENTION_LAST] == 10 &&
		r.keep[RETENTION_HOURLY] == 48 && r.keep[RETENTION_DAILY] == 31 && r.keep[RETENTION_WEEKLY] == 8 && r.keep[RETENTION_MONTHLY] == 12 &&
		r.keep[RETENTION_YEARLY] == RETENTION_ALL && retention_keeps(&r),
	    "all rules, in any order");
	ok(retention_add(&r, "daily=1", &e) == -1, "a rule of a call before cannot be given again");
	memset(&r, 0, sizeof(r));
	ok(!retention_keeps(&r) && retention_add(&r, "daily=0", &e) == 0 && !retention_keeps(&r), "none of anything keeps nothing");
	ok(retention_add(&r, "yearly=1", &e) == 0 && retention_keeps(&r), "rules add up");
	refused("", "column 1: '' is none of last, hourly, daily, weekly, monthly and yearly");
	refused("last=1,,daily=2", "column 8: '' is none of last, hourly, daily, weekly, monthly and yearly");
	refused("last=1,", "column 8: '' is none of last, hourly, daily, weekly, monthly and yearly");
	refused("last=1,dayly=2", "column 8: 'dayly' is none of last, hourly, daily, weekly, monthly and yearly");
	refused("Daily=2", "column 1: 'Daily' is none of last, hourly, daily, weekly, monthly and yearly");
	refused("daily", "column 6: 'daily' needs a number, as in 'daily=7', or '*' for all");
	refused("last=3,daily=", "column 14: '' is neither a number nor '*'");
	refused("daily=-1", "column 7: '-1' is neither a number nor '*'");
	refused("daily= 1", "column 7: ' 1' is neither a number nor '*'");
	refused("daily=**", "column 7: '**' is neither a number nor '*'");
	refused("daily=1=2", "column 7: '1=2' is neither a number nor '*'");
	refused("daily=99999999999999999999", "column 7: '99999999999999999999' is too large a number: '*' keeps all");
	refused("daily=07", "column 7: '07' begins with a zero");
	refused("daily=1,last=2,daily=3", "column 16: 'daily' is given twice");
}

/* Of ${n} times from the newest on, those with a reason in ${want} are kept, for that reason; NULL: not kept. */
static void
kept(const char *spec, bool local, const char *const (*time)[2], size_t n, const char *name)
{
	struct retention r = {.local = local};
	struct retention_walk w;
	struct buf reason = BUF_INIT;
	bool right = retention_add(&r, spec, NULL) == 0;
	size_t i;

	retention_begin(&w, &r);
	for (i = 0; i < n; i++) {
		const char *want = time[i][1];

		buf_reset(&reason);
		if (retention_next(&w, utc(time[i][0]), &reason) == (want != NULL) && strcmp(buf_cstr(&reason), want == NULL ? "" : want) == 0)
			continue;
		right = false;
		printf("#  %s: %s\n", time[i][0], buf_cstr(&reason));
	}
	ok(right, "%s: %s", spec, name);
	buf_release(&reason);
}

#define KEPT(spec, local, name, ...)                                                          \
	do {                                                                                  \
		static const char *const t_[][2] = {__VA_ARGS__};                             \
		kept(spec, local, t_, sizeof(t_) / sizeof(t_[0]), name);                      \
	} while (0)

static void
rules(void)
{
	KEPT("last=2", false, "the last ones", {"2026-11-21T10:00:00Z", "last 1"}, {"2026-11-21T10:00:00Z", "last 2"}, {"2026-11-21T09:00:00Z", NULL});
	KEPT("hourly=2", false, "the newest of an hour; an hour without any does not count", {"2026-11-21T10:59:59.999999Z", "hourly 2026-11-21T10"},
	    {"2026-11-21T10:00:00Z", NULL}, {"2026-11-21T07:59:59.999999Z", "hourly 2026-11-21T07"}, {"2026-11-21T06:59:59Z", NULL});
	KEPT("daily=2", false, "the day ends at midnight, UTC", {"2026-11-21T00:00:00Z", "daily 2026-11-21"}, {"2026-11-20T23:59:59.999999Z", "daily 2026-11-20"},
	    {"2026-11-20T00:00:00Z", NULL}, {"2026-11-19T23:00:00Z", NULL});
	KEPT("weekly=*", false, "ISO weeks begin on Monday, also over the turn of a year", {"2026-01-05T00:00:00Z", "weekly 2026-W02"},
	    {"2026-01-04T23:59:59Z", "weekly 2026-W01"}, {"2025-12-29T00:00:00Z", NULL}, {"2025-12-28T23:59:59Z", "weekly 2025-W52"},
	    {"2021-01-03T12:00:00Z", "weekly 2020-W53"}, {"2020-12-31T12:00:00Z", NULL});
	KEPT("monthly=2,yearly=2", false, "months and years", {"2026-02-01T00:00:00Z", "monthly 2026-02, yearly 2026"}, {"2026-01-31T23:59:59Z", "monthly 2026-01"},
	    {"2025-12-31T23:59:59Z", "yearly 2025"}, {"2025-11-30T00:00:00Z", NULL}, {"2024-12-31T00:00:00Z", NULL});
	KEPT("monthly=*", false, "the same month of another year is another one", {"2026-02-01T00:00:00Z", "monthly 2026-02"}, {"2025-02-01T00:00:00Z", "monthly 2025-02"});
	KEPT("last=1,daily=2,yearly=*", false, "each rule looks at all of them", {"2026-11-21T10:00:00Z", "last 1, daily 2026-11-21, yearly 2026"},
	    {"2026-11-21T09:00:00Z", NULL}, {"2026-11-20T10:00:00Z", "daily 2026-11-20"}, {"2026-11-19T10:00:00Z", NULL}, {"2025-12-31T10:00:00Z", "yearly 2025"});
	KEPT("daily=0,last=1", false, "zero keeps none", {"2026-11-21T10:00:00Z", "last 1"}, {"2026-11-20T10:00:00Z", NULL});
	KEPT("daily=*", false, "before 1970, where a clock was never set", {"1970-01-01T00:00:00Z", "daily 1970-01-01"}, {"1969-12-31T23:59:59.5Z", "daily 1969-12-31"},
	    {"1969-12-31T00:00:00Z", NULL});
}

static void
zones(void)
{
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	KEPT("daily=*", true, "the day ends at midnight in Berlin", {"2026-11-20T23:00:00Z", "daily 2026-11-21"}, {"2026-11-20T22:59:59Z", "daily 2026-11-20"},
	    {"2026-11-19T23:00:00Z", NULL});
	KEPT("daily=*", false, "without --local it does not", {"2026-11-20T23:00:00Z", "daily 2026-11-20"}, {"2026-11-20T22:59:59Z", NULL});
	KEPT("hourly=*", true, "the hour that comes twice in autumn is two", {"2026-10-25T02:30:00Z", "hourly 2026-10-25T03"}, {"2026-10-25T01:30:00Z", "hourly 2026-10-25T02"},
	    {"2026-10-25T00:45:00Z", "hourly 2026-10-25T02"}, {"2026-10-25T00:30:00Z", NULL});
	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	KEPT("hourly=*", true, "hours of a zone that is half an hour off", {"2026-11-21T10:30:00Z", "hourly 2026-11-21T16"}, {"2026-11-21T10:29:59Z", "hourly 2026-11-21T15"},
	    {"2026-11-21T09:30:00Z", NULL});
}

int
main(void)
{
	specs();
	rules();
	zones();
	return (tap_done());
}

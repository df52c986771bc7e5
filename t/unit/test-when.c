/* WHEN: times in several zones, ages, seqs, blocks; what is refused. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "event.h"
#include "when.h"

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
zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

/* ${text}, said at ${now}, is ${want}; NULL: refused. */
static void
is_time(const char *text, const char *now, const char *want)
{
	char shown[TIME_SIZE] = "refused";
	int64_t us;
	int rc;

	rc = when_time(text, utc(now), &us);
	if (rc == 0)
		event_time_format(us, shown);
	if (!ok(want == NULL ? rc != 0 : rc == 0 && us == utc(want), "'%s' in %s is %s", text,
		getenv("TZ"), want == NULL ? "refused" : want))
		printf("#  got: %s\n", shown);
}

static void
times(void)
{
	const char *now = "2026-11-21T12:34:56.789012Z";

	zone("UTC");
	is_time("2026-11-21T10:00:00Z", now, "2026-11-21T10:00:00Z");
	is_time("2026-11-21T10:00:00.123456Z", now, "2026-11-21T10:00:00.123456Z");
	is_time("2026-11-21T10:00:00.1Z", now, "2026-11-21T10:00:00.1Z");
	is_time("2026-11-21T10:00:00.123456789Z", now, "2026-11-21T10:00:00.123456Z");
	is_time("2026-11-21t10:00:00z", now, "2026-11-21T10:00:00Z");
	is_time("2026-11-21 10:00:00+01:00", now, "2026-11-21T09:00:00Z");
	is_time("2026-11-21T10:00-05:30", now, "2026-11-21T15:30:00Z");
	is_time("2026-11-21T00:00:00+14:00", now, "2026-11-20T10:00:00Z");
	is_time("2026-11-21", now, "2026-11-21T00:00:00Z");
	is_time("2026-11-21 10:00", now, "2026-11-21T10:00:00Z");
	is_time("2026-11-21T10:00:07", now, "2026-11-21T10:00:07Z");
	is_time("2026-11-21 10:00:07.5", now, "2026-11-21T10:00:07.5Z");
	is_time("2028-02-29", now, "2028-02-29T00:00:00Z");
	is_time("10:00", now, "2026-11-21T10:00:00Z");
	is_time("10:00:30", now, "2026-11-21T10:00:30Z");
	is_time("today", now, "2026-11-21T00:00:00Z");
	is_time("yesterday", now, "2026-11-20T00:00:00Z");
	is_time("yesterday 17:30", now, "2026-11-20T17:30:00Z");
	is_time("now", now, now);
	is_time("yesterday", "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z");
	is_time("1970-01-01T00:00:00Z", now, "1970-01-01T00:00:00Z");
}

static void
zones(void)
{
	zone("Europe/Berlin");
	is_time("2026-11-21 10:00", "2026-11-21T12:00:00Z", "2026-11-21T09:00:00Z");
	is_time("2026-07-21 10:00", "2026-11-21T12:00:00Z", "2026-07-21T08:00:00Z");
	is_time("2026-11-21T10:00:00Z", "2026-11-21T12:00:00Z", "2026-11-21T10:00:00Z");
	is_time("today", "2026-11-20T23:30:00Z", "2026-11-20T23:00:00Z");
	is_time("10:00", "2026-11-20T23:30:00Z", "2026-11-21T09:00:00Z");
	is_time("yesterday", "2026-03-30T10:00:00Z",
	    "2026-03-28T23:00:00Z"); /* a day of 23 hours between */
	is_time("today", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z");
	is_time("2026-03-29 02:30", "2026-11-21T12:00:00Z", "2026-03-29T01:30:00Z"); /* skipped */
	is_time("2026-10-25 02:30", "2026-11-21T12:00:00Z",
	    "2026-10-25T00:30:00Z"); /* the first of two */
	is_time("2026-10-25 03:00", "2026-11-21T12:00:00Z", "2026-10-25T02:00:00Z");
	zone("America/Sao_Paulo");
	is_time("2018-11-04", "2026-11-21T12:00:00Z",
	    "2018-11-04T03:00:00Z"); /* a day without a midnight */
	zone("Asia/Kathmandu");
	is_time("2026-11-21 10:00", "2026-11-21T12:00:00Z", "2026-11-21T04:15:00Z");
	is_time("today", "2026-11-21T18:30:00Z", "2026-11-21T18:15:00Z");
	zone("Pacific/Kiritimati");
	is_time("2026-11-21", "2026-11-21T12:00:00Z", "2026-11-20T10:00:00Z");
	zone("America/New_York");
	is_time("2026-03-08 12:00", "2026-11-21T12:00:00Z", "2026-03-08T16:00:00Z");
	is_time("2026-11-01 01:30", "2026-11-21T12:00:00Z", "2026-11-01T05:30:00Z");
	is_time("2026-11-01 12:00", "2026-11-21T12:00:00Z", "2026-11-01T17:00:00Z");
	is_time("2d", "2026-11-02T12:00:00Z",
	    "2026-10-31T12:00:00Z"); /* ages are hours, not calendars */
	zone("UTC");
}

static void
ages(void)
{
	const char *now = "2026-11-21T12:00:00.5Z";

	is_time("90s", now, "2026-11-21T11:58:30.5Z");
	is_time("15m", now, "2026-11-21T11:45:00.5Z");
	is_time("2h", now, "2026-11-21T10:00:00.5Z");
	is_time("3d", now, "2026-11-18T12:00:00.5Z");
	is_time("1w", now, "2026-11-14T12:00:00.5Z");
	is_time("0s", now, now);
	is_time("99999999999999999999w", now, NULL);
	is_time("9223372036854775807s", now, NULL);
	is_time("1y", now, NULL);
	is_time("-1h", now, NULL);
	is_time("1h30m", now, NULL);
}

static void
refused(void)
{
	static const char *const bad[] = {"", " ", "tomorrow", "todayish", "2026-02-29",
	    "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-1", "26-01-01", "2026-11-21T",
	    "2026-11-21 ", "2026-11-21T24:00", "2026-11-21T10", "2026-11-21T10:60", "10:00Z",
	    "1:00", "10:0", "10:00:", "10:00:00.", "10:00:00.1234567890", "2026-11-21T10:00:00ZZ",
	    "2026-11-21T10:00:00+1", "2026-11-21T10:00:00+25:00", "2026-11-21X10:00", "2026-11-21Z",
	    "42", "block-7", "deadbeef", "hash:12", "now 10:00", "12345678d9", "\xff"};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_time(bad[i], "2026-11-21T12:00:00Z", NULL);
}

/* A log of 42 events and three blocks, the last of them damaged. */
static struct block block[3];
static const struct block_list list = {block, 3};
static struct log events;

static void
make_blocks(void)
{
	size_t i;

	events.end.size = 42;
	for (i = 0; i < 3; i++) {
		block[i].height = i + 6;
		block[i].good = i < 2;
		block[i].header.height = i + 6;
		block[i].header.size = 10 * (i + 1);
		block[i].header.time_us = (int64_t)(i + 1) * 100 * US;
		memset(block[i].header.hash, 0xab, SHA256_SIZE);
		block[i].header.hash[3] = (uint8_t)(0xc0 + i);
		snprintf(block[i].name, sizeof(block[i].name), "block-%06zu-ababab%02x", i + 6,
		    (unsigned)(0xc0 + i));
	}
	snprintf(block[2].fault, sizeof(block[2].fault), "no header");
}

static void
is_size(const char *text, uint64_t want, uint64_t want_from)
{
	struct err e = {0};
	uint64_t size = 0, from = 0;
	int rc;

	rc = when_size(text, &events, &list, 0, &size, &e);
	ok(rc == 0 && size == want, "'%s' is size %" PRIu64 " (%s)", text, want, e.text);
	rc = when_from(text, &events, &list, 0, &from, &e);
	ok(rc == 0 && from == want_from, "from '%s' is seq %" PRIu64 " (%s)", text, want_from,
	    e.text);
}

static void
no_size(const char *text, const char *want)
{
	struct err e = {0};
	uint64_t size;

	ok(when_size(text, &events, &list, 0, &size, &e) == -1 && e.exit == EXIT_ERROR,
	    "'%s' is refused", text);
	is_bytes(e.text, strlen(e.text), want, "and that is said");
}

static void
sizes(void)
{
	struct err e = {0};
	uint64_t from;

	is_size("0", 1, 0);
	is_size("41", 42, 41);
	is_size("007", 8, 7);
	is_size("block-6", 10, 10);
	is_size("block-000007", 20, 20);
	is_size("block-000007-abababc1", 20, 20);
	is_size("abababc0", 10, 10);
	is_size("ABABABC0ab", 10, 10);
	is_size("hash:abababc1", 20, 20);
	no_size("42", "no event 42: the log ends at 41");
	no_size("99999999999999999999999", "no event 99999999999999999999999: the log ends at 41");
	no_size("block-9", "no block 'block-9'");
	no_size("block-7-abababc0", "no block 'block-7-abababc0'");
	no_size("deadbeef", "no block 'deadbeef'");
	no_size("hash:abab",
	    "'hash:abab' is more than one block: 'block-000006-abababc0' and 'block-000007-abababc1'");
	no_size("block-8", "block 'block-000008-abababc2' is damaged: no header");
	no_size("block-000008-abababc2", "block 'block-000008-abababc2' is damaged: no header");
	no_size("block-x",
	    "'block-x' is neither a seq, a block, a time nor an age (as in 42, block-7, "
	    "2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00, yesterday, 15m)");
	ok(when_from("42", &events, &list, 0, &from, &e) == 0 && from == 42,
	    "from the event to come");
	ok(when_from("43", &events, &list, 0, &from, &e) == -1, "but not from one behind it");
	ok(when_size("block-6", &events, NULL, 0, &from, &e) == -1,
	    "a block cannot be named without blocks");
	events.end.size = 15;
	no_size("block-7",
	    "block 'block-000007-abababc1' has 20 events, but the log has 15; run 'ecl-verify'");
	events.end.size = 0;
	no_size("0", "no event 0: the log is empty");
	events.end.size = 42;
}

static void
is_block(const char *text, const struct block *want)
{
	const struct block *b = NULL;
	struct err e = {0};
	int rc = when_block(text, &events, &list, 250 * US, &b, &e);

	ok(want == NULL ? rc == -1 : rc == 0 && b == want, "the block of '%s' is %s", text,
	    want == NULL ? "none" : want->name);
}

static void
blocks(void)
{
	is_block("block-6", &block[0]);
	is_block("8", NULL);
	is_block("9", &block[0]);
	is_block("18", &block[0]);
	is_block("41", &block[1]);
	is_block("42", NULL);
	is_block("now", &block[1]);
	is_block("51s", &block[0]);
	is_block("151s", NULL);
	ok(when_is_block("block-7") && when_is_block("hash:12") && when_is_block("1234567a") &&
		!when_is_block("12345678") && !when_is_block("15m") && !when_is_block("block-x"),
	    "what names a block is known by its form");
}

int
main(void)
{
	times();
	zones();
	ages();
	refused();
	make_blocks();
	sizes();
	blocks();
	return (tap_done());
}

/* WHEN: seqs, blocks, times and ages. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "when.h"

#include "banned.h"

#define HASH_MIN 8 /* hex digits of a hash prefix that stands without `hash:` */
#define HASH_HEX (2 * SHA256_SIZE)
#define DAY 86400
#define SECOND_US 1000000
#define AGE_MAX_S (INT64_MAX / SECOND_US / 4)

enum kind { KIND_NONE, KIND_SEQ, KIND_BLOCK, KIND_TIME };

struct point {
	enum kind kind;
	uint64_t seq;
	bool has_height; /* of a block: its height, the beginning of its hash, or both */
	uint64_t height;
	const char *hash;
	size_t hash_len;
	int64_t time_us;
};

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static size_t
digits(const char *p)
{
	return (strspn(p, "0123456789"));
}

/* A number with leading zeros; what is too large becomes UINT64_MAX, which is no seq. */
static uint64_t
number(const char *p, size_t len)
{
	uint64_t n;

	for (; len > 1 && *p == '0'; len--)
		p++;
	return (decimal_parse(p, len, &n) == 0 ? n : UINT64_MAX);
}

/* Days since 1970-01-01 of a day of the Gregorian calendar. */
static int64_t
days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year, era;
	unsigned in_era, in_year;

	era = (y >= 0 ? y : y - 399) / 400;
	in_era = (unsigned)(y - era * 400);
	in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return (era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468);
}

static unsigned
days_in_month(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return (29);
	return (days[month - 1]);
}

/* Seconds that local time is ahead of UTC at ${utc}. */
static int64_t
offset_at(int64_t utc)
{
	struct tm tm;
	time_t t = (time_t)utc;

	return (localtime_r(&t, &tm) == NULL ? 0 : tm.tm_gmtoff);
}

/*
 * From what a clock on the wall shows, written as if it were UTC.  A time that comes twice is the first; one that
 * is skipped counts on from before the skip, so that a day without a midnight begins where it begins.
 */
static int64_t
from_local(int64_t wall)
{
	int64_t before = offset_at(wall - DAY), after = offset_at(wall + DAY);

	if (offset_at(wall - before) != before && offset_at(wall - after) == after)
		return (wall - after);
	return (wall - before);
}

/* ${n} digits at ${*p}, at most ${max}; moves ${*p} behind them. */
static int
field(const char **p, unsigned n, unsigned max, unsigned *ret)
{
	unsigned value = 0;

	for (; n > 0; n--, (*p)++) {
		if (!is_digit(**p))
			return (-1);
		value = value * 10 + (unsigned)(**p - '0');
	}
	*ret = value;
	return (value > max ? -1 : 0);
}

/* YYYY-MM-DD */
static int
parse_date(const char **p, int64_t *ret_days)
{
	unsigned year, month, day;

	if (field(p, 4, 9999, &year) != 0 || *(*p)++ != '-' || field(p, 2, 12, &month) != 0 ||
	    month == 0 || *(*p)++ != '-' || field(p, 2, 31, &day) != 0 || day == 0 ||
	    day > days_in_month(year, month))
		return (-1);
	*ret_days = days_of(year, month, day);
	return (0);
}

/* HH:MM, HH:MM:SS, HH:MM:SS.123456, as microseconds of the day */
static int
parse_clock(const char **p, int64_t *ret_us)
{
	unsigned hour, minute, second = 0, n = 0;
	int64_t us = 0;

	if (field(p, 2, 23, &hour) != 0 || *(*p)++ != ':' || field(p, 2, 59, &minute) != 0)
		return (-1);
	if (**p == ':') {
		(*p)++;
		if (field(p, 2, 60, &second) != 0)
			return (-1);
		if (**p == '.') {
			for ((*p)++; is_digit(**p) && n < 9; (*p)++, n++)
				us = n < 6 ? us * 10 + (**p - '0') : us;
			if (n == 0)
				return (-1);
			for (; n < 6; n++)
				us *= 10;
		}
	}
	*ret_us = ((int64_t)hour * 3600 + minute * 60 + second) * SECOND_US + us;
	return (0);
}

/* Z, +HH:MM or -HH:MM, as seconds */
static int
parse_zone(const char **p, int64_t *ret)
{
	unsigned hour, minute;
	char sign = *(*p)++;

	*ret = 0;
	if (sign == 'Z' || sign == 'z')
		return (0);
	if ((sign != '+' && sign != '-') || field(p, 2, 23, &hour) != 0 || *(*p)++ != ':' ||
	    field(p, 2, 59, &minute) != 0)
		return (-1);
	*ret = (sign == '-' ? -1 : 1) * ((int64_t)hour * 3600 + minute * 60);
	return (0);
}

/* 90s, 15m, 2h, 3d, 1w */
static int
parse_age(const char *p, int64_t now_us, int64_t *ret_us)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, DAY, 7 * DAY};
	size_t len = digits(p);
	const char *unit;
	uint64_t n;

	if (len == 0 || p[len] == '\0' || p[len + 1] != '\0' ||
	    (unit = strchr(units, p[len])) == NULL)
		return (-1);
	n = number(p, len);
	if (n > (uint64_t)(AGE_MAX_S / seconds[unit - units]))
		return (-1);
	*ret_us = now_us - (int64_t)n * seconds[unit - units] * SECOND_US;
	return (0);
}

static bool
skip_word(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len) != 0)
		return (false);
	*p += len;
	return (true);
}

static int
parse_time(const char *p, int64_t now_us, int64_t *ret_us)
{
	int64_t now = now_us / SECOND_US, days, clock_us = 0, zone;
	bool named = false, alone = false;

	if (strcmp(p, "now") == 0) {
		*ret_us = now_us;
		return (0);
	}
	days = (now + offset_at(now)) / DAY;
	if (skip_word(&p, "yesterday")) {
		named = true;
		days--;
	} else if (skip_word(&p, "today"))
		named = true;
	else if (digits(p) == 2 && p[2] == ':')
		alone = true;
	else if (parse_date(&p, &days) != 0)
		return (-1);
	if (!alone && *p != '\0' && *p != 'T' && *p != 't' && *p != ' ')
		return (-1);
	if (*p != '\0') {
		p += alone ? 0 : 1;
		if (parse_clock(&p, &clock_us) != 0)
			return (-1);
		if (*p != '\0' && !named && !alone) {
			if (parse_zone(&p, &zone) != 0 || *p != '\0')
				return (-1);
			*ret_us = (days * DAY - zone) * SECOND_US + clock_us;
			return (0);
		}
		if (*p != '\0')
			return (-1);
	}
	*ret_us = from_local(days * DAY + clock_us / SECOND_US) * SECOND_US + clock_us % SECOND_US;
	return (0);
}

/* The beginning of a hash: ${len} hex digits, up to the end of the text. */
static int
parse_hash(const char *p, struct point *ret)
{
	size_t len = strspn(p, "0123456789abcdefABCDEF");

	if (len == 0 || len > HASH_HEX || p[len] != '\0')
		return (-1);
	ret->hash = p;
	ret->hash_len = len;
	return (0);
}

/* block-7, block-000007-1a2b3c4d: what stands behind `block-` */
static int
parse_block(const char *p, struct point *ret)
{
	size_t len = digits(p);

	if (len == 0)
		return (-1);
	ret->has_height = true;
	ret->height = number(p, len);
	if (p[len] == '\0')
		return (0);
	return (p[len] == '-' ? parse_hash(p + len + 1, ret) : -1);
}

static int
parse_point(const char *text, int64_t now_us, struct point *ret)
{
	size_t len = strlen(text);

	memset(ret, 0, sizeof(*ret));
	if (len > 0 && digits(text) == len) {
		ret->kind = KIND_SEQ;
		ret->seq = number(text, len);
	} else if (strncmp(text, "block-", 6) == 0)
		ret->kind = parse_block(text + 6, ret) == 0 ? KIND_BLOCK : KIND_NONE;
	else if (strncmp(text, "hash:", 5) == 0)
		ret->kind = parse_hash(text + 5, ret) == 0 ? KIND_BLOCK : KIND_NONE;
	else if (len >= HASH_MIN && parse_hash(text, ret) == 0)
		ret->kind = KIND_BLOCK;
	else if (parse_age(text, now_us, &ret->time_us) == 0 ||
	    parse_time(text, now_us, &ret->time_us) == 0)
		ret->kind = KIND_TIME;
	return (ret->kind == KIND_NONE ? -1 : 0);
}

static int
point_of(const char *text, int64_t now_us, struct point *ret, struct err *e)
{
	if (parse_point(text, now_us, ret) == 0)
		return (0);
	return (err_set(e,
	    "'%s' is neither a seq, a block, a time nor an age (as in 42, block-7, "
	    "2026-11-21T10:00:00Z, '2026-11-21 10:00', 10:00, yesterday, 15m)",
	    text));
}

static bool
block_fits(const struct block *b, const struct point *p)
{
	char hex[HASH_HEX + 1];
	size_t i;

	if (p->has_height && b->height != p->height)
		return (false);
	if (p->hash == NULL)
		return (true);
	if (!b->good)
		return (p->has_height && strlen(b->name) >= p->hash_len &&
		    strcasecmp(b->name + strlen(b->name) - p->hash_len, p->hash) == 0);
	for (i = 0; i < HASH_HEX; i++)
		hex[i] = "0123456789abcdef"[b->header.hash[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	return (strncasecmp(hex, p->hash, p->hash_len) == 0);
}

static int
find_block(const char *text, const struct point *p, const struct block_list *blocks,
    const struct block **ret, struct err *e)
{
	const struct block *found = NULL, *damaged = NULL, *b;
	size_t i;

	if (blocks == NULL)
		return (err_set(e, "a block cannot be named here: '%s'", text));
	for (i = 0; i < blocks->n; i++) {
		b = &blocks->block[i];
		if (!block_fits(b, p))
			continue;
		if (!b->good)
			damaged = b;
		else if (found == NULL)
			found = b;
		else
			return (err_set(e, "'%s' is more than one block: '%s' and '%s'", text,
			    found->name, b->name));
	}
	if (found == NULL && damaged != NULL)
		return (err_set(e, "block '%s' is damaged: %s", damaged->name, damaged->fault));
	if (found == NULL)
		return (err_set(e, "no block '%s'", text));
	*ret = found;
	return (0);
}

/* ${seq} must be below ${limit}: the log's end, or one more where the event to come counts too. */
static int
check_seq(const char *text, uint64_t seq, uint64_t limit, const struct log *log, struct err *e)
{
	if (seq < limit)
		return (0);
	if (log->end.size == 0)
		return (err_set(e, "no event %s: the log is empty", text));
	return (err_set(e, "no event %s: the log ends at %" PRIu64, text, log->end.size - 1));
}

static int
block_size(const char *text, const struct point *p, const struct log *log,
    const struct block_list *blocks, uint64_t *ret, struct err *e)
{
	const struct block *b;

	if (find_block(text, p, blocks, &b, e) != 0)
		return (-1);
	if (b->header.size > log->end.size)
		return (err_set(e,
		    "block '%s' has %" PRIu64 " events, but the log has %" PRIu64
		    "; run 'ecl-verify'",
		    b->name, b->header.size, log->end.size));
	*ret = b->header.size;
	return (0);
}

static int
time_size(struct log *log, int64_t us, uint64_t *ret, struct err *e)
{
	*ret = 0;
	return (log->end.size == 0 || us < 0 ? 0 : log_size_at(log, us, ret, e));
}

int
when_size(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us,
    uint64_t *ret_size, struct err *e)
{
	struct point p;

	if (point_of(text, now_us, &p, e) != 0)
		return (-1);
	if (p.kind == KIND_BLOCK)
		return (block_size(text, &p, log, blocks, ret_size, e));
	if (p.kind == KIND_TIME)
		return (time_size(log, p.time_us, ret_size, e));
	if (check_seq(text, p.seq, log->end.size, log, e) != 0)
		return (-1);
	*ret_size = p.seq + 1;
	return (0);
}

int
when_from(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us,
    uint64_t *ret_seq, struct err *e)
{
	struct point p;

	if (point_of(text, now_us, &p, e) != 0)
		return (-1);
	if (p.kind == KIND_BLOCK)
		return (block_size(text, &p, log, blocks, ret_seq, e));
	if (p.kind == KIND_TIME)
		return (time_size(log, p.time_us - 1, ret_seq, e));
	if (check_seq(text, p.seq, log->end.size + 1, log, e) != 0)
		return (-1);
	*ret_seq = p.seq;
	return (0);
}

int
when_block(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us,
    const struct block **ret_block, struct err *e)
{
	const struct block *last = NULL, *b;
	struct point p;
	size_t i;

	if (point_of(text, now_us, &p, e) != 0)
		return (-1);
	if (p.kind == KIND_BLOCK)
		return (find_block(text, &p, blocks, ret_block, e));
	if (p.kind == KIND_SEQ && check_seq(text, p.seq, log->end.size, log, e) != 0)
		return (-1);
	for (i = 0; blocks != NULL && i < blocks->n; i++) {
		b = &blocks->block[i];
		if (b->good &&
		    (p.kind == KIND_SEQ ? b->header.size <= p.seq + 1
					: b->header.time_us <= p.time_us))
			last = b;
	}
	if (last == NULL)
		return (err_set(e, "no block at or before '%s'", text));
	*ret_block = last;
	return (0);
}

int
when_time(const char *text, int64_t now_us, int64_t *ret_us)
{
	struct point p;

	if (parse_point(text, now_us, &p) != 0 || p.kind != KIND_TIME)
		return (-1);
	*ret_us = p.time_us;
	return (0);
}

bool
when_parses(const char *text)
{
	struct point p;

	return (parse_point(text, 0, &p) == 0);
}

bool
when_is_block(const char *text)
{
	struct point p;

	return (parse_point(text, 0, &p) == 0 && p.kind == KIND_BLOCK);
}

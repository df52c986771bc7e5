/* Times as RFC 3339 text, and as microseconds since 1970. */
#include "config.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "event.h"

#include "banned.h"

#define SECOND INT64_C(1000000)

/* The first and the last microsecond that four digits of year can name. */
#define TIME_FIRST (INT64_C(-62135596800) * SECOND)
#define TIME_LAST (INT64_C(253402300799) * SECOND + 999999)

static const uint8_t month_days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

/* Days since 1970-01-01, in the Gregorian calendar counted from March: a leap day ends its year. */
static int64_t
days_from_date(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned era = y / 400, of_era = y % 400;
	unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return (
	    (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468);
}

static void
date_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	unsigned z = (unsigned)(days + 719468); /* from 0000-03-01: positive in our range */
	unsigned era = z / 146097, of_era = z % 146097;
	unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * of_year + 2) / 153;

	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = era * 400 + y + (*month <= 2);
}

static inline char *
put_two(char *p, unsigned n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
	return (p + 2);
}

void
event_time_format(int64_t us, char out[TIME_SIZE])
{
	unsigned year, month, day, second, rest;
	int64_t days;
	char *p = out;

	us = us < TIME_FIRST ? TIME_FIRST : us > TIME_LAST ? TIME_LAST : us;
	/* Rounded down, also before 1970. */
	days = (us - TIME_FIRST) / (86400 * SECOND) + TIME_FIRST / (86400 * SECOND);
	us -= days * 86400 * SECOND;
	second = (unsigned)(us / SECOND);
	rest = (unsigned)(us % SECOND);
	date_from_days(days, &year, &month, &day);
	p = put_two(p, year / 100);
	p = put_two(p, year % 100);
	*p++ = '-';
	p = put_two(p, month);
	*p++ = '-';
	p = put_two(p, day);
	*p++ = 'T';
	p = put_two(p, second / 3600);
	*p++ = ':';
	p = put_two(p, second / 60 % 60);
	*p++ = ':';
	p = put_two(p, second % 60);
	*p++ = '.';
	p = put_two(p, rest / 10000);
	p = put_two(p, rest / 100 % 100);
	p = put_two(p, rest % 100);
	*p++ = 'Z';
	*p = '\0';
}

/* Two digits as a number; over 99 where they are none. */
static inline unsigned
two(const char *p)
{
	unsigned a = (unsigned char)p[0] - (unsigned)'0', b = (unsigned char)p[1] - (unsigned)'0';

	return (a <= 9 && b <= 9 ? a * 10 + b : 100);
}

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* `YYYY-MM-DDThh:mm:ss`, 19 characters, as seconds since 1970. */
static int
parse_seconds(const char *p, int64_t *ret)
{
	unsigned century = two(p), of_century = two(p + 2), month = two(p + 5), day = two(p + 8);
	unsigned hour = two(p + 11), minute = two(p + 14), second = two(p + 17), year;

	if (p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' ||
	    p[16] != ':')
		return (-1);
	if (century > 99 || of_century > 99 || hour > 23 || minute > 59 || second > 59)
		return (-1);
	year = century * 100 + of_century;
	if (year == 0 || month == 0 || month > 12 || day == 0 || day > month_days[month - 1])
		return (-1);
	if (month == 2 && day == 29 && !is_leap(year))
		return (-1);
	*ret = days_from_date(year, month, day) * 86400 +
	    (int64_t)(hour * 3600 + minute * 60 + second);
	return (0);
}

/* `Z` or `+hh:mm`, in seconds east. */
static int
parse_offset(const char *p, size_t len, int64_t *ret)
{
	unsigned hour, minute;

	*ret = 0;
	if (len == 1 && p[0] == 'Z')
		return (0);
	if (len != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':')
		return (-1);
	hour = two(p + 1);
	minute = two(p + 4);
	if (hour > 23 || minute > 59)
		return (-1);
	*ret = (int64_t)(hour * 3600 + minute * 60);
	if (p[0] == '-')
		*ret = -*ret;
	return (0);
}

int
event_time_parse(const char *p, size_t len, int64_t *ret_us)
{
	int64_t seconds, east, us = 0;
	size_t at = 19, digits = 0;

	if (len < 20 || parse_seconds(p, &seconds) != 0)
		return (-1);
	if (p[at] == '.') {
		for (at++; at < len && p[at] >= '0' && p[at] <= '9'; at++, digits++)
			if (digits < 6)
				us = us * 10 + (p[at] - '0');
		if (digits == 0 || digits > 9)
			return (-1);
		for (; digits < 6; digits++)
			us *= 10;
	}
	if (parse_offset(p + at, len - at, &east) != 0)
		return (-1);
	us += (seconds - east) * SECOND;
	if (us < TIME_FIRST || us > TIME_LAST)
		return (-1);
	*ret_us = us;
	return (0);
}

#ifdef __SSE2__

/* Sixteen characters as the digits that ${zeros} has zeros for; ${*bad} is set where they are none, or another character is not as there. */
static inline __m128i
digits16(const char *p, const char *zeros, const char *most, unsigned *bad)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i d = _mm_sub_epi8(x, _mm_loadu_si128((const __m128i *)(const void *)zeros));

	*bad |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(
		    _mm_min_epu8(d, _mm_loadu_si128((const __m128i *)(const void *)most)), d)) ^ 0xffffu;
	return (d);
}

/* Digits 2i and 2i + 1 as a number, in 16 bits each. */
static inline __m128i
twos(__m128i d)
{
	return (_mm_add_epi16(_mm_mullo_epi16(_mm_and_si128(d, _mm_set1_epi16(0xff)), _mm_set1_epi16(10)), _mm_srli_epi16(d, 8)));
}

#else

/* Two digits as a number; ${*bad} is set where they are none. */
static inline unsigned
two_more(const char *p, unsigned *bad)
{
	unsigned a = (unsigned char)p[0] - (unsigned)'0', b = (unsigned char)p[1] - (unsigned)'0';

	*bad |= (unsigned)(a > 9) | (unsigned)(b > 9);
	return (a * 10 + b);
}

#endif

int
event_time_read(const char *p, int64_t *ret_us)
{
	unsigned bad = 0, year, month, day, hour, minute, second, us;

#ifdef __SSE2__
	__m128i date = digits16(p, "0000-00-00T00:00", "\x9\x9\x9\x9\0\x9\x9\0\x9\x9\0\x9\x9\0\x9\x9", &bad);
	__m128i time = digits16(p + 11, "00:00:00.000000Z", "\x9\x9\0\x9\x9\0\x9\x9\0\x9\x9\x9\x9\x9\x9\0", &bad);
	__m128i even = twos(date), odd = twos(_mm_srli_si128(date, 1));

	year = (unsigned)_mm_extract_epi16(even, 0) * 100 + (unsigned)_mm_extract_epi16(even, 1);
	month = (unsigned)_mm_extract_epi16(odd, 2);
	day = (unsigned)_mm_extract_epi16(even, 4);
	even = twos(time);
	odd = twos(_mm_srli_si128(time, 1));
	hour = (unsigned)_mm_extract_epi16(even, 0);
	minute = (unsigned)_mm_extract_epi16(odd, 1);
	second = (unsigned)_mm_extract_epi16(even, 3);
	us = (unsigned)_mm_extract_epi16(odd, 4) * 10000 + (unsigned)_mm_extract_epi16(odd, 5) * 100 + (unsigned)_mm_extract_epi16(odd, 6);
#else
	year = two_more(p, &bad) * 100;
	year += two_more(p + 2, &bad);
	month = two_more(p + 5, &bad);
	day = two_more(p + 8, &bad);
	hour = two_more(p + 11, &bad);
	minute = two_more(p + 14, &bad);
	second = two_more(p + 17, &bad);
	us = two_more(p + 20, &bad) * 10000;
	us += two_more(p + 22, &bad) * 100;
	us += two_more(p + 24, &bad);
	bad |= (unsigned)(p[4] ^ '-') | (unsigned)(p[7] ^ '-') | (unsigned)(p[10] ^ 'T') | (unsigned)(p[13] ^ ':') |
	    (unsigned)(p[16] ^ ':') | (unsigned)(p[19] ^ '.') | (unsigned)(p[26] ^ 'Z');
#endif
	if (bad != 0 || year == 0 || month - 1 > 11 || day - 1 >= month_days[month - 1] || hour > 23 || minute > 59 || second > 59)
		return (-1);
	if (month == 2 && day == 29 && !is_leap(year))
		return (-1);
	*ret_us = (days_from_date(year, month, day) * 86400 + (int64_t)(hour * 3600 + minute * 60 + second)) * SECOND + (int64_t)us;
	return (0);
}

/* Text for the eyes of people: nothing in it may drive the terminal, and columns must line up in any locale. */
#include "config.h"

#include <string.h>
#include <time.h>

#include "cli.h"

#include "banned.h"

struct range {
	uint32_t first, last;
};

/* clang-format off */

/* Drawn over the character before them, or not at all. */
static const struct range narrow[] = {
	{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x5bf, 0x5bf}, {0x5c1, 0x5c2}, {0x5c4, 0x5c5}, {0x5c7, 0x5c7},
	{0x610, 0x61a}, {0x64b, 0x65f}, {0x670, 0x670}, {0x6d6, 0x6dc}, {0x6df, 0x6e4}, {0x6e7, 0x6e8}, {0x6ea, 0x6ed},
	{0x730, 0x74a}, {0x7a6, 0x7b0}, {0x816, 0x819}, {0x8d3, 0x8e1}, {0x8e3, 0x902}, {0x93a, 0x93a}, {0x93c, 0x93c},
	{0x941, 0x948}, {0x94d, 0x94d}, {0x951, 0x957}, {0x981, 0x981}, {0x9bc, 0x9bc}, {0x9c1, 0x9c4}, {0x9cd, 0x9cd},
	{0xe31, 0xe31}, {0xe34, 0xe3a}, {0xe47, 0xe4e}, {0xeb1, 0xeb1}, {0xeb4, 0xebc}, {0xec8, 0xecd}, {0x1160, 0x11ff},
	{0x135d, 0x135f}, {0x1ab0, 0x1ace}, {0x1dc0, 0x1dff}, {0x200b, 0x200d}, {0x2060, 0x2064}, {0x20d0, 0x20f0},
	{0x302a, 0x302d}, {0x3099, 0x309a}, {0xa66f, 0xa672}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
	{0x1f3fb, 0x1f3ff}, {0xe0001, 0xe007f}, {0xe0100, 0xe01ef},
};

/* Two columns: East Asian, and pictures. */
static const struct range wide[] = {
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x23f0, 0x23f0}, {0x23f3, 0x23f3},
	{0x25fd, 0x25fe}, {0x2614, 0x2615}, {0x2648, 0x2653}, {0x267f, 0x267f}, {0x2693, 0x2693}, {0x26a1, 0x26a1},
	{0x26aa, 0x26ab}, {0x26bd, 0x26be}, {0x26c4, 0x26c5}, {0x26ce, 0x26ce}, {0x26d4, 0x26d4}, {0x26ea, 0x26ea},
	{0x26f2, 0x26f3}, {0x26f5, 0x26f5}, {0x26fa, 0x26fa}, {0x26fd, 0x26fd}, {0x2705, 0x2705}, {0x270a, 0x270b},
	{0x2728, 0x2728}, {0x274c, 0x274c}, {0x274e, 0x274e}, {0x2753, 0x2755}, {0x2757, 0x2757}, {0x2795, 0x2797},
	{0x27b0, 0x27b0}, {0x27bf, 0x27bf}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55}, {0x2e80, 0x303e},
	{0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0xa4cf}, {0xa960, 0xa97c}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe10, 0xfe19}, {0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6}, {0x16fe0, 0x18cff}, {0x1aff0, 0x1b2ff},
	{0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320},
	{0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3},
	{0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4}, {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc},
	{0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596},
	{0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2},
	{0x1f6d5, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f93a},
	{0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

/* clang-format on */

/* The first character of ${text} (not empty), how many bytes it has; 0 bytes: not UTF-8. */
static size_t
decode(struct span text, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)text.p;
	size_t n, i;
	uint32_t c;

	if (p[0] < 0x80) {
		*ret = p[0];
		return (1);
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > text.len)
		return (0);
	c = p[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (0);
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return (0);
	*ret = c;
	return (n);
}

static bool
within(const struct range *ranges, size_t n, uint32_t c)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (c > ranges[mid].last)
			low = mid + 1;
		else
			high = mid;
	}
	return (low < n && c >= ranges[low].first);
}

static size_t
width(uint32_t c)
{
	if (c < 0x300)
		return (1);
	if (within(narrow, sizeof(narrow) / sizeof(narrow[0]), c))
		return (0);
	return (within(wide, sizeof(wide) / sizeof(wide[0]), c) ? 2 : 1);
}

static bool
is_control(uint32_t c)
{
	return (c < 0x20 || (c >= 0x7f && c <= 0x9f));
}

static bool
is_bidi(uint32_t c)
{
	return (c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069));
}

void
cli_printable(struct span text, struct buf *out)
{
	uint32_t c;
	size_t n;

	for (; text.len > 0; text.p += n, text.len -= n) {
		if ((n = decode(text, &c)) == 0) {
			n = 1;
			buf_addf(out, "\\x%02x", (unsigned char)text.p[0]);
		} else if (c < 0x80 && is_control(c))
			buf_addf(out, "\\x%02x", (unsigned)c);
		else if (is_control(c) || is_bidi(c))
			buf_addf(out, "\\u{%x}", (unsigned)c);
		else
			buf_add(out, text.p, n);
	}
}

size_t
cli_cut(struct span text, size_t columns, size_t *ret_columns)
{
	size_t at = 0, used = 0, n, w;
	uint32_t c;

	while (at < text.len) {
		if ((n = decode((struct span){text.p + at, text.len - at}, &c)) == 0) {
			n = 1;
			c = '?';
		}
		if ((w = width(c)) > columns - used)
			break;
		used += w;
		at += n;
	}
	*ret_columns = used;
	return (at);
}

size_t
cli_columns(struct span text)
{
	size_t columns;

	cli_cut(text, SIZE_MAX, &columns);
	return (columns);
}

void
cli_time_local(int64_t us, struct buf *out)
{
	int64_t seconds = us / 1000000 - (us % 1000000 < 0);
	time_t t = (time_t)seconds;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL) {
		buf_addf(out, "@%lld", (long long)seconds);
		return;
	}
	buf_addf(out, "%04lld-%02d-%02d %02d:%02d:%02d", (long long)tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

#define MINUTE INT64_C(60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static void
add_age(int64_t seconds, struct buf *out)
{
	static const struct {
		int64_t below, unit;
		const char *one, *many;
	} ages[] = {
	    {MINUTE, 1, "s", "s"},
	    {HOUR, MINUTE, "min", "min"},
	    {DAY, HOUR, "h", "h"},
	    {60 * DAY, DAY, "day", "days"},
	    {730 * DAY, 30 * DAY, "month", "months"},
	    {INT64_MAX, 365 * DAY, "year", "years"},
	};
	size_t i = 0;

	while (seconds >= ages[i].below)
		i++;
	seconds /= ages[i].unit;
	buf_addf(out, "%lld %s ago", (long long)seconds, seconds == 1 ? ages[i].one : ages[i].many);
}

void
cli_time_short(int64_t us, int64_t now_us, struct buf *out)
{
	size_t at = out->len;

	cli_time_local(us, out);
	if (out->failed || us > now_us || now_us - us >= DAY * 1000000)
		return;
	/* Without the date: the age says as much. */
	if (out->len > at + 8) {
		memmove(out->data + at, out->data + out->len - 8, 8);
		out->len = at + 8;
	}
	buf_adds(out, ", ");
	add_age((now_us - us) / 1000000, out);
}

void
cli_time_long(int64_t us, int64_t now_us, struct buf *out)
{
	cli_time_local(us, out);
	if (us > now_us)
		return;
	buf_adds(out, " (");
	add_age((now_us - us) / 1000000, out);
	buf_addc(out, ')');
}

int64_t
cli_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void
cli_json_string(struct span text, struct buf *out)
{
	uint32_t c;
	size_t n;

	buf_addc(out, '"');
	for (; text.len > 0; text.p += n, text.len -= n) {
		if ((n = decode(text, &c)) == 0) {
			n = 1;
			buf_adds(out, "\\ufffd");
		} else if (is_control(c) || is_bidi(c))
			buf_addf(out, "\\u%04x", (unsigned)c);
		else {
			if (c == '"' || c == '\\')
				buf_addc(out, '\\');
			buf_add(out, text.p, n);
		}
	}
	buf_addc(out, '"');
}

/* ---- commands ---- */

void
cli_root_words(const struct cli *cli, struct buf *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_";
	const char *p = cli->root;

	if (!cli->root_given)
		return;
	buf_adds(out, " -d ");
	if (*p != '\0' && p[strspn(p, plain)] == '\0') {
		buf_adds(out, p);
		return;
	}
	buf_addc(out, '\'');
	for (; *p != '\0'; p++)
		if (*p == '\'')
			buf_adds(out, "'\\''");
		else
			buf_addc(out, *p);
	buf_addc(out, '\'');
}

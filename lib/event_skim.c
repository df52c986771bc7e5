/*
 * Stored lines that are like those before them.
 *
 * Most lines differ from one before them in strings and numbers only.  A form is a line that was parsed, with the user's strings
 * and numbers cut out: a line that has the same bytes between them, and plain strings and simple numbers in their places, is as
 * canonical as that one.  For all that a rule may speak of stays in the form as it was: the names of members, so that they are
 * in order and none is there twice; how deep values are nested; words; the action, so that it goes with the state; uid and login.  A
 * line with a vector makes no form: no other line has the same one.
 */
#include "config.h"

#include <string.h>

#if defined(__x86_64__)
#define SKIM_X86 1
#include <immintrin.h>
#endif

#include "cpu.h"
#include "event_skim.h"
#include "le.h"

#include "banned.h"

#define HEX ((size_t)2 * SHA256_SIZE)
#define TIME_LEN ((size_t)TIME_SIZE - 1)
#define WAYS 2		/* forms that a line is tried with */
#define TRUST 4		/* failures after which a form is replaced */
#define NEAR 64		/* bytes that are read from where they were asked for, at most: up to the LF, and so much behind it */

#define ELEMENT "\",\"element\":\""
#define ACTION "\",\"action\":\""
#define STATE "\",\"state\":"
#define PREV ",\"prev\":\""
#define HASH "\",\"hash\":\""
#define END "\"}\n"
#define LEN(literal) (sizeof(literal) - 1)
#define TAIL (LEN(PREV) + HEX + LEN(HASH) + HEX + LEN(END) - 1) /* what follows the parent, without LF */

void
event_skim_reset(struct event_skim *s)
{
	s->known = false;
}

#ifdef SKIM_X86

#define SKIM __attribute__((target("avx2,bmi,bmi2")))
#define SKIM_INLINE static inline __attribute__((always_inline)) SKIM
#define UNLIKELY(x) __builtin_expect((x), 0)

/* Which WAYS forms a line is tried with: by its action, and the first name in its state.  ${p} is behind the element's name. */
static inline struct skim_form *
forms_of(struct event_skim *s, const char *p)
{
	uint64_t a = le64_get(p + LEN(ACTION)), b = p[28] == '{' ? le64_get(p + 29) : 0;

	return (&s->form[(((a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd)) >> 61) * WAYS]);
}

/* ---- forms ---- */

/* Bytes of a line that every other one of the form has, too. */
static bool
add_literal(struct skim_form *f, const char *p, size_t len)
{
	struct skim_piece *piece;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (f->n == SKIM_PIECES)
			return (false);
		n = len < SKIM_LITERAL ? len : SKIM_LITERAL;
		piece = &f->piece[f->n++];
		memset(piece, 0, sizeof(*piece));
		memcpy(piece->text, p, n);
		piece->mask = (uint32_t)((UINT64_C(1) << n) - 1);
		piece->len = (uint8_t)n;
	}
	return (true);
}

/* The end of the string whose first character is at ${p}. */
static const char *
string_end(const char *p)
{
	for (; *p != '"'; p++)
		p += *p == '\\';
	return (p);
}

/*
 * The value ${s}, of which literals have come up to ${*from}: its strings and numbers are cut out, and ${*from} is behind the last of
 * them.
 */
static bool
add_value(struct skim_form *f, struct span s, const char **from)
{
	const char *p = s.p, *end = s.p + s.len, *to;

	while (p < end) {
		if (*p == '"') {
			to = string_end(++p);
			if (to + 1 < end && to[1] == ':') {
				p = to + 1; /* a name */
				continue;
			}
			if (!add_literal(f, *from, (size_t)(p - *from)))
				return (false);
			f->piece[f->n - 1].kind = SKIM_TEXT;
			*from = to;
			p = to + 1;
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			if (!add_literal(f, *from, (size_t)(p - *from)))
				return (false);
			f->piece[f->n - 1].kind = SKIM_NUMBER;
			while (p < end && *p != ',' && *p != '}' && *p != ']')
				p++;
			*from = p;
		} else
			p++;
	}
	return (true);
}

/* The form of the line of ${ev}, from ${p} behind the element's name to ${end}, where the parent's number begins. */
static bool
make_form(struct skim_form *f, const char *p, const char *end, const struct event *ev)
{
	const struct span *value[] = {&ev->state, &ev->actor, &ev->cause, &ev->meta};
	const char *from = p;
	size_t i, at;

	f->n = 0;
	f->action_len = (uint16_t)ev->action.len;
	f->has_state = ev->state.p != NULL;
	f->alive = f->has_state && !event_is_gone(ev->state);
	f->state_at = f->has_state ? (uint16_t)(ev->state.p - p) : 0;
	for (i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		if (value[i]->p == NULL)
			continue;
		if (!add_value(f, *value[i], &from))
			return (false);
		if (value[i] == &ev->state) {
			/* What follows is a literal, in pieces of SKIM_LITERAL bytes. */
			at = (size_t)(ev->state.p + ev->state.len - from);
			f->state_piece = (uint16_t)(f->n + at / SKIM_LITERAL);
			f->state_end = (uint16_t)(at % SKIM_LITERAL);
		}
	}
	return (add_literal(f, from, (size_t)(end - from)));
}

static void
learn_form(struct event_skim *s, struct span line, const struct event *ev)
{
	const char *p = ev->element.p + ev->element.len, *end = line.p + line.len - HEX - LEN(END) + 1 - LEN(HASH) - HEX - LEN(PREV);
	struct skim_form *f;

	if (ev->vector.p != NULL || ev->element.p == ev->name || event_reserved(ev->element))
		return;
	while (end[-1] != ':')
		end--;
	f = forms_of(s, p);
	f += f[1].trust < f[0].trust;
	if (f->trust > 0) {
		f->trust--;
		return;
	}
	if (!make_form(f, p, end, ev))
		f->n = 0;
	f->trust = TRUST;
}

/* ---- lines ---- */

/* The line behind the one before has the next number; one more digit is for event_parse() to see. */
static inline void
next_front(struct event_skim *s)
{
	size_t i = s->front_len - LEN(",\"time\":\"") - 1;

	for (; s->front[i] == '9'; i--)
		s->front[i] = '0';
	if (s->front[i] >= '0' && s->front[i] <= '8')
		s->front[i]++;
	else
		s->known = false;
}

static void
set_front(struct event_skim *s, const char *line)
{
	const char *colon = line + LEN("{\"seq\":"), *end = colon;
	size_t len;

	while (*end != ',')
		end++;
	len = (size_t)(end - line) + LEN(",\"time\":\"");
	s->known = len <= SKIM_FRONT;
	if (!s->known)
		return;
	memcpy(s->front, line, len);
	s->front_len = len;
	s->front_mask = (uint32_t)((UINT64_C(1) << len) - 1);
	next_front(s);
}

void
event_skim_learn(struct event_skim *s, struct span line, const struct event *ev)
{
	s->known = false;
	if (!cpu_has_avx2())
		return;
	learn_form(s, line, ev);
	set_front(s, line.p);
	s->seq = ev->seq;
	s->time_us = ev->time_us;
	s->time = line.p + s->front_len;
	s->hash = line.p + line.len - HEX - LEN(END) + 1;
}

SKIM_INLINE uint32_t
same32(const char *a, const char *b)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a), y = _mm256_loadu_si256((const __m256i *)(const void *)b);

	return ((uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y)));
}

/* A bit for each of 32 bytes that does not stand in a string as it is, or is not ASCII. */
SKIM_INLINE uint32_t
special32(const char *p)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p), found;

	found = _mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(' '), x),
	    _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\'))));
	return ((uint32_t)_mm256_movemask_epi8(found));
}

/* How many digits are at ${p}, at most 16. */
SKIM_INLINE size_t
digits16(const char *p)
{
	__m128i x = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));

	x = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(9)), x);
	return ((size_t)_tzcnt_u32(~(unsigned)_mm_movemask_epi8(x)));
}

/*
 * What was seen of 64 bytes serves for all strings and numbers that end there.  So where the next piece begins depends on a shift
 * and a count of zeros, not on a load and comparisons; and the windows of a line follow each other, wherever its pieces are, so that the
 * processor looks at the next before it knows.
 */
struct window {
	const char *from;
	uint64_t special;  /* a bit for each byte, as special32() has them */
	uint64_t no_digit; /* a bit for each that is none */
};

SKIM_INLINE void
look(struct window *w, const char *p)
{
	const __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
	__m256i x = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p), zero),
		y = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(p + 32)), zero);

	w->from = p;
	w->special = special32(p) | (uint64_t)special32(p + 32) << 32;
	x = _mm256_cmpeq_epi8(_mm256_min_epu8(x, nine), x);
	y = _mm256_cmpeq_epi8(_mm256_min_epu8(y, nine), y);
	w->no_digit = ~((uint32_t)_mm256_movemask_epi8(x) | (uint64_t)(uint32_t)_mm256_movemask_epi8(y) << 32);
}

/* Where the string ends whose characters begin at ${p}, or what is not plain in it. */
SKIM_INLINE const char *
skip_text(struct window *w, const char *p)
{
	uint64_t bits;
	size_t n;

	for (;; look(w, w->from + 64)) {
		n = (size_t)(p - w->from);
		if (UNLIKELY(n >= 64))
			continue;
		if ((bits = w->special >> n) != 0)
			return (p + _tzcnt_u64(bits));
		p = w->from + 64;
	}
}

/* How many digits are at ${p}; 64 and more may be more. */
SKIM_INLINE size_t
digits(struct window *w, const char *p)
{
	uint64_t bits;
	size_t n;

	while (UNLIKELY((n = (size_t)(p - w->from)) >= 64))
		look(w, w->from + 64);
	if ((bits = w->no_digit >> n) != 0)
		return ((size_t)_tzcnt_u64(bits));
	look(w, w->from + 64);
	return (64 - n + (size_t)_tzcnt_u64(w->no_digit));
}

/* Where a number without an exponent ends; NULL where there is none, or a long one. */
SKIM_INLINE const char *
skip_number(struct window *w, const char *p)
{
	size_t n = digits(w, p);

	/* Added where there is one, not always: the next piece would wait for it. */
	if (UNLIKELY(n == 0)) {
		if (*p != '-')
			return (NULL);
		n = digits(w, ++p);
	}
	if (n - 1 >= 15 || (*p == '0' && n > 1))
		return (NULL);
	p += n;
	if (*p != '.')
		return (p);
	n = digits(w, p + 1);
	return (n - 1 >= 15 ? NULL : p + 1 + n);
}

/*
 * Where the form, tried at ${p}, ends; else NULL.  The places of its pieces are in ${at}.  What follows a string or number is for the next piece to
 * see.  No piece has an LF: nobody comes behind that of the line.
 */
SKIM_INLINE const char *
match_form(const struct skim_form *f, const char *p, const char *at[SKIM_PIECES])
{
	const struct skim_piece *piece, *end = f->piece + f->n;
	struct window w;

	look(&w, p);
	for (piece = f->piece; piece < end; piece++) {
		if ((~same32(p, piece->text) & piece->mask) != 0)
			return (NULL);
		*at++ = p;
		p += piece->len;
		if (piece->kind == SKIM_TEXT)
			p = skip_text(&w, p);
		else if (piece->kind == SKIM_NUMBER && (p = skip_number(&w, p)) == NULL)
			return (NULL);
	}
	return (p);
}

/* Eight digits or less, of which there are ${n} > 0. */
static inline uint64_t
number8(const char *p, size_t n)
{
	uint64_t x = (le64_get(p) - UINT64_C(0x3030303030303030)) << (64 - 8 * n);

	x = x * 10 + (x >> 8);
	return ((((x & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
		    (((x >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >> 32);
}

/* The parent at ${p}, null or a number.  Return where it ends, or NULL. */
SKIM_INLINE const char *
read_parent(const char *p, uint64_t *ret)
{
	size_t n = digits16(p), i;

	if (n == 0) {
		*ret = EVENT_NONE;
		return (memcmp(p, "null", 4) == 0 ? p + 4 : NULL);
	}
	if (n == 16 || (*p == '0' && n > 1))
		return (NULL);
	if (n <= 8)
		*ret = number8(p, n);
	else
		for (*ret = 0, i = 0; i < n; i++)
			*ret = *ret * 10 + (uint64_t)(p[i] - '0');
	return (p + n);
}

/* Whether the line that ends in ${tail}, behind the parent, has the hash before as its prev, and some hash. */
SKIM_INLINE bool
match_tail(const struct event_skim *s, const char *tail)
{
	const char *prev = tail + LEN(PREV), *hash = prev + HEX;

	return (memcmp(tail, PREV, LEN(PREV)) == 0 && (same32(prev, s->hash) & same32(prev + 32, s->hash + 32)) == UINT32_MAX &&
	    memcmp(hash, HASH, LEN(HASH)) == 0 && memcmp(hash + LEN(HASH) + HEX, END, LEN(END)) == 0);
}

/* The element's name at ${p}.  Return its end, or NULL where it is not plain, or one of ecl's own. */
SKIM_INLINE const char *
skip_name(const char *p)
{
	const char *from = p;
	uint32_t special;

	if (memcmp(p, "ecl:", 4) == 0)
		return (NULL);
	do {
		special = special32(p) |
		    (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p), _mm256_set1_epi8(0x7f)));
		p += special == 0 ? 32 : _tzcnt_u32(special);
	} while (special == 0);
	return (p == from || p - from > ELEMENT_MAX ? NULL : p);
}

/* The line is one.  What is behind the name begins at ${p}. */
static inline void
fill_in(const struct skim_form *f, const char *p, const char *const at[SKIM_PIECES], struct event *ret)
{
	ret->action = (struct span){p + LEN(ACTION), f->action_len};
	ret->state = (struct span){NULL, 0};
	if (f->has_state) {
		ret->state.p = p + f->state_at;
		ret->state.len = (size_t)(at[f->state_piece] + f->state_end - ret->state.p);
	}
}

SKIM bool
event_skim(struct event_skim *s, struct span line, size_t room, struct event *ret)
{
	const char *at[SKIM_PIECES], *tail = line.p + line.len - TAIL, *p, *time, *behind;
	struct skim_form *f, *last;

	if (!s->known || line.len < EVENT_LINE_MIN || line.len > EVENT_LINE_MAX || room < line.len + NEAR)
		return (false);
	if (!match_tail(s, tail) || (~same32(line.p, s->front) & s->front_mask) != 0)
		return (false);
	time = p = line.p + s->front_len;
	ret->time_us = s->time_us;
	if (same32(p, s->time) != UINT32_MAX && (event_time_read(p, &ret->time_us) != 0 || ret->time_us < s->time_us))
		return (false);
	p += TIME_LEN;
	if (memcmp(p, ELEMENT, LEN(ELEMENT)) != 0)
		return (false);
	ret->element.p = p += LEN(ELEMENT);
	if ((behind = skip_name(p)) == NULL)
		return (false);
	ret->element.len = (size_t)(behind - p);
	f = forms_of(s, behind);
	for (last = f + WAYS - 1; f->n == 0 || (p = match_form(f, behind, at)) == NULL; f++)
		if (f == last)
			return (false);
	f->trust = TRUST;
	if (read_parent(p, &ret->parent) != tail)
		return (false);
	fill_in(f, behind, at, ret);
	ret->seq = ++s->seq;
	s->time_us = ret->time_us;
	s->time = time;
	s->hash = tail + LEN(PREV) + HEX + LEN(HASH);
	next_front(s);
	return (true);
}

#else

bool
event_skim(struct event_skim *s, struct span line, size_t room, struct event *ret)
{
	(void)s, (void)line, (void)room, (void)ret;
	return (false);
}

void
event_skim_learn(struct event_skim *s, struct span line, const struct event *ev)
{
	(void)s, (void)line, (void)ev;
}

#endif

/* An event and its line in the log; event.h has the format. */
#include "config.h"

#include <string.h>

#include "chain.h"
#include "event.h"
#include "event_scan.h"
#include "sha256_many.h"
#include "vector_text.h"

#include "banned.h"

#define HASH_HEX ((size_t)2 * SHA256_SIZE)
#define HASH_GROUP 64 /* lines hashed at a time */
#define TIME_LEN ((size_t)TIME_SIZE - 1)

/* What of a line has a fixed or small size: member names, numbers, time, hashes. */
#define LINE_OVERHEAD 512

const char *
event_name_fault(struct span name)
{
	const unsigned char *p = (const unsigned char *)name.p;
	bool ascii = true;
	size_t i;

	if (name.len == 0)
		return ("an empty name");
	if (name.len > ELEMENT_MAX)
		return ("a name over 512 bytes");
	for (i = 0; i < name.len; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f)
			return ("a control character in a name");
		ascii = ascii && p[i] < 0x80;
	}
	if (ascii)
		return (NULL);
	if (json_utf8(name.p, name.len) != name.len)
		return ("invalid UTF-8 in a name");
	for (i = 0; i + 1 < name.len; i++)
		if (p[i] == 0xc2 && p[i + 1] < 0xa0)
			return ("a control character in a name");
	return (NULL);
}

const char *
event_action_fault(struct span action)
{
	size_t i;

	if (action.len == 0)
		return ("an empty action");
	if (action.len > ACTION_MAX)
		return ("an action over 64 bytes");
	for (i = 0; i < action.len; i++) {
		char c = action.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
			c == '-'))
			return ("an action has letters a-z, digits, '_', '.' and '-' only");
	}
	return (NULL);
}

bool
event_reserved(struct span name)
{
	return (name.len >= 4 && memcmp(name.p, "ecl:", 4) == 0);
}

bool
event_is_gone(struct span state)
{
	return (state.len == 4 && memcmp(state.p, "null", 4) == 0);
}

/* A line on its way into its event. */
struct reader {
	struct span line;
	size_t pos;
	struct json_fault *f;
};

/* Pass over ${text} where it comes next. */
static inline bool
take(struct reader *r, const char *text, size_t len)
{
	if (r->line.len - r->pos < len || memcmp(r->line.p + r->pos, text, len) != 0)
		return (false);
	r->pos += len;
	return (true);
}

#define TAKE(r, text) take(r, "" text, sizeof(text) - 1)

static int
fault_here(const struct reader *r, const char *what)
{
	return (json_fault_set(r->f, r->pos, "%s", what));
}

/* A decimal number without leading zeros, at most ${max}. */
static inline int
read_number(struct reader *r, uint64_t max, uint64_t *ret)
{
	size_t from = r->pos, end = from;
	uint64_t n = 0;

	for (; end < r->line.len && r->line.p[end] >= '0' && r->line.p[end] <= '9'; end++)
		n = n * 10 + (uint64_t)(r->line.p[end] - '0');
	/* Nineteen digits cannot overflow. */
	if (end - from - 1 >= 19 || (r->line.p[from] == '0' && end - from > 1)) {
		if (decimal_parse(r->line.p + from, end - from, &n) != 0)
			return (fault_here(r, "bad number"));
	}
	if (n > max)
		return (fault_here(r, "bad number"));
	*ret = n;
	r->pos = end;
	return (0);
}

/* A value in canonical form. */
static int
read_value(struct reader *r, struct span *ret)
{
	size_t from = r->pos;
	bool canonical;

	if (json_scan(r->line.p, r->line.len, &r->pos, 2, &canonical, r->f) != 0)
		return (-1);
	if (!canonical) {
		r->pos = from;
		return (fault_here(r, "not in canonical form"));
	}
	ret->p = r->line.p + from;
	ret->len = r->pos - from;
	return (0);
}

/* A string token in canonical form. */
static int
read_string(struct reader *r, struct span *ret)
{
	if (r->pos >= r->line.len || r->line.p[r->pos] != '"')
		return (fault_here(r, "expected a string"));
	return (read_value(r, ret));
}

static int
read_time(struct reader *r, int64_t *ret_us)
{
	const char *p = r->line.p + r->pos;

	if (r->line.len - r->pos < TIME_LEN || event_time_read(p, ret_us) != 0)
		return (fault_here(r, "bad time"));
	r->pos += TIME_LEN;
	return (0);
}

static int
read_element(struct reader *r, struct event *ev)
{
	struct span token;
	const char *fault;
	size_t from = r->pos, i, n = 0, len;
	char unit[4];

	/* Nearly all names are plain. */
	ev->element.p = r->line.p + from + 1;
	if (from + 1 < r->line.len && r->line.p[from] == '"') {
		len = r->line.len - from - 1;
		n = scan_name(ev->element.p, len < ELEMENT_MAX + 1 ? len : ELEMENT_MAX + 1);
		if (n > 0 && n < len && n <= ELEMENT_MAX && ev->element.p[n] == '"') {
			ev->element.len = n;
			r->pos = from + n + 2;
			return (0);
		}
		n = 0;
	}
	if (read_string(r, &token) != 0)
		return (-1);
	ev->element.p = token.p + 1;
	ev->element.len = token.len - 2;
	if (memchr(ev->element.p, '\\', ev->element.len) != NULL) {
		/* In a name only quotes and backslashes are escaped: the others are no part of it. */
		for (i = 1; i < token.len - 1 && n < ELEMENT_MAX; i += len, n++) {
			len = token.p[i] == '\\' ? 2 : 1;
			unit[0] = token.p[i + len - 1];
			if (len == 2 && unit[0] != '"' && unit[0] != '\\')
				break;
			ev->name[n] = unit[0];
		}
		if (i < token.len - 1) {
			r->pos = from;
			return (fault_here(r,
			    n == ELEMENT_MAX ? "a name over 512 bytes"
					     : "a control character in a name"));
		}
		ev->element.p = ev->name;
		ev->element.len = n;
	}
	if ((fault = event_name_fault(ev->element)) != NULL) {
		r->pos = from;
		return (fault_here(r, fault));
	}
	return (0);
}

static int
read_action(struct reader *r, struct span *ret)
{
	const char *p = r->line.p + r->pos, *quote = memchr(p, '"', r->line.len - r->pos), *fault;

	if (quote == NULL)
		return (fault_here(r, "unexpected end of line"));
	ret->p = p;
	ret->len = (size_t)(quote - p);
	if ((fault = event_action_fault(*ret)) != NULL)
		return (fault_here(r, fault));
	r->pos += ret->len + 1;
	return (0);
}

/* Whether the state goes with the action, as append sees to it. */
static int
check_state(const struct reader *r, const struct event *ev)
{
	bool lives = ev->state.p != NULL && !event_is_gone(ev->state);

	if (!lives && (span_is(ev->action, "create") || span_is(ev->action, "modify")))
		return (fault_here(r, "a create or modify needs a state that is not null"));
	if (span_is(ev->action, "delete") && (ev->state.p == NULL || lives))
		return (fault_here(r, "a delete needs the state null"));
	return (0);
}

static int
read_vector(struct reader *r, struct span *ret)
{
	const char *p = r->line.p + r->pos, *quote, *fault;

	if (r->pos >= r->line.len || p[0] != '"' ||
	    (quote = memchr(p + 1, '"', r->line.len - r->pos - 1)) == NULL)
		return (fault_here(r, "expected a string"));
	ret->p = p;
	ret->len = (size_t)(quote - p) + 1;
	if ((fault = vector_text_fault(*ret, false)) != NULL)
		return (json_fault_set(r->f, r->pos, "member 'vector' %s", fault));
	r->pos += ret->len;
	return (0);
}

/* The members that are the user's. */
static int
read_users(struct reader *r, struct event *ev)
{
	if (TAKE(r, ",\"state\":") && read_value(r, &ev->state) != 0)
		return (-1);
	if (check_state(r, ev) != 0)
		return (-1);
	if (TAKE(r, ",\"actor\":") && read_string(r, &ev->actor) != 0)
		return (-1);
	if (TAKE(r, ",\"cause\":") && read_string(r, &ev->cause) != 0)
		return (-1);
	if (TAKE(r, ",\"meta\":") && read_value(r, &ev->meta) != 0)
		return (-1);
	if (TAKE(r, ",\"vector\":") && read_vector(r, &ev->vector) != 0)
		return (-1);
	return (0);
}

static int
read_hash(struct reader *r, uint8_t out[SHA256_SIZE])
{
	if (r->line.len - r->pos < HASH_HEX || !scan_hash(r->line.p + r->pos, out))
		return (fault_here(r, "expected 64 lower-case hex digits"));
	r->pos += HASH_HEX;
	return (0);
}

/* The members that are ours, from "uid" to the end. */
static int
read_tail(struct reader *r, struct event *ev)
{
	uint64_t n = 0;

	if (!TAKE(r, ",\"uid\":"))
		return (
		    fault_here(r, "expected the member 'uid', or one that may stand before it"));
	if (read_number(r, UINT32_MAX, &n) != 0)
		return (-1);
	ev->uid = (uint32_t)n;
	ev->login = EVENT_NO_LOGIN;
	if (TAKE(r, ",\"login\":")) {
		if (read_number(r, EVENT_NO_LOGIN - 1, &n) != 0)
			return (-1);
		ev->login = (uint32_t)n;
	}
	if (!TAKE(r, ",\"parent\":"))
		return (fault_here(r, "expected the member 'parent'"));
	ev->parent = EVENT_NONE;
	if (!TAKE(r, "null") && read_number(r, EVENT_NONE - 1, &ev->parent) != 0)
		return (-1);
	if (!TAKE(r, ",\"prev\":\""))
		return (fault_here(r, "expected the member 'prev'"));
	if (read_hash(r, ev->prev) != 0)
		return (-1);
	if (!TAKE(r, "\",\"hash\":\""))
		return (fault_here(r, "expected the member 'hash'"));
	if (read_hash(r, ev->hash) != 0)
		return (-1);
	if (!TAKE(r, "\"}") || r->pos != r->line.len)
		return (fault_here(r, "expected the end of the line"));
	return (0);
}

int
event_parse(struct span line, struct event *ret, struct json_fault *f)
{
	struct reader r = {line, 0, f};

	ret->state = ret->actor = ret->cause = ret->meta = ret->vector = (struct span){NULL, 0};
	if (line.len > EVENT_LINE_MAX)
		return (json_fault_set(f, EVENT_LINE_MAX, "line over %d bytes", EVENT_LINE_MAX));
	if (!TAKE(&r, "{\"seq\":"))
		return (fault_here(&r, "expected the member 'seq'"));
	if (read_number(&r, EVENT_NONE - 1, &ret->seq) != 0)
		return (-1);
	if (!TAKE(&r, ",\"time\":\""))
		return (fault_here(&r, "expected the member 'time'"));
	if (read_time(&r, &ret->time_us) != 0)
		return (-1);
	if (!TAKE(&r, "\",\"element\":"))
		return (fault_here(&r, "expected the member 'element'"));
	if (read_element(&r, ret) != 0)
		return (-1);
	if (!TAKE(&r, ",\"action\":\""))
		return (fault_here(&r, "expected the member 'action'"));
	if (read_action(&r, &ret->action) != 0 || read_users(&r, ret) != 0)
		return (-1);
	return (read_tail(&r, ret));
}

/* The hash that a line says it has. */
static bool
stated_hash(struct span line, uint8_t out[SHA256_SIZE])
{
	const char *tail;

	if (line.len <= EVENT_TAIL)
		return (false);
	tail = line.p + (line.len - EVENT_TAIL);
	return (memcmp(tail, ",\"hash\":\"", 9) == 0 && memcmp(tail + 9 + HASH_HEX, "\"}", 2) == 0 && scan_hash(tail + 9, out));
}

bool
event_hash_ok(struct span line)
{
	bool ok;

	event_hashes_ok(&line, 1, &ok);
	return (ok);
}

void
event_hashes_ok(const struct span *line, size_t n, bool *ret_ok)
{
	uint8_t stated[HASH_GROUP][SHA256_SIZE], hash[HASH_GROUP][SHA256_SIZE];
	struct sha256_msg msg[HASH_GROUP];
	size_t of[HASH_GROUP], i, j, k = 0;

	for (i = 0; i < n; i++) {
		if ((ret_ok[i] = stated_hash(line[i], stated[k]))) {
			msg[k] = (struct sha256_msg){line[i].p, line[i].len - EVENT_TAIL, hash[k]};
			of[k++] = i;
		}
		if (k < HASH_GROUP && i + 1 < n)
			continue;
		sha256_many(msg, k);
		for (j = 0; j < k; j++)
			ret_ok[of[j]] = memcmp(stated[j], hash[j], SHA256_SIZE) == 0;
		k = 0;
	}
}

static inline char *
put(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	return (p + len);
}

#define PUT(p, text) put(p, "" text, sizeof(text) - 1)

static inline char *
put_span(char *p, struct span s)
{
	return (put(p, s.p, s.len));
}

static inline char *
put_number(char *p, uint64_t n)
{
	static const char two[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
				  "495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
	char digits[20];
	size_t at = sizeof(digits);

	for (; n >= 100; n /= 100)
		memcpy(digits + (at -= 2), two + n % 100 * 2, 2);
	if (n >= 10)
		memcpy(digits + (at -= 2), two + n * 2, 2);
	else
		digits[--at] = (char)('0' + n);
	return (put(p, digits + at, sizeof(digits) - at));
}

/* An element's name, in which only quotes and backslashes want an escape. */
static char *
put_name(char *p, struct span name)
{
	size_t i;

	if (memchr(name.p, '"', name.len) == NULL && memchr(name.p, '\\', name.len) == NULL)
		return (put_span(p, name));
	for (i = 0; i < name.len; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			*p++ = '\\';
		*p++ = name.p[i];
	}
	return (p);
}

/* From '{' to the value of the member prev. */
static char *
put_front(char *p, const struct event *ev, const char *time)
{
	p = put_number(PUT(p, "{\"seq\":"), ev->seq);
	p = put(PUT(p, ",\"time\":\""), time, TIME_LEN);
	p = put_name(PUT(p, "\",\"element\":\""), ev->element);
	p = put_span(PUT(p, "\",\"action\":\""), ev->action);
	p = PUT(p, "\"");
	if (ev->state.p != NULL)
		p = put_span(PUT(p, ",\"state\":"), ev->state);
	if (ev->actor.p != NULL)
		p = put_span(PUT(p, ",\"actor\":"), ev->actor);
	if (ev->cause.p != NULL)
		p = put_span(PUT(p, ",\"cause\":"), ev->cause);
	if (ev->meta.p != NULL)
		p = put_span(PUT(p, ",\"meta\":"), ev->meta);
	if (ev->vector.p != NULL)
		p = put_span(PUT(p, ",\"vector\":"), ev->vector);
	p = put_number(PUT(p, ",\"uid\":"), ev->uid);
	if (ev->login != EVENT_NO_LOGIN)
		p = put_number(PUT(p, ",\"login\":"), ev->login);
	p = PUT(p, ",\"parent\":");
	p = ev->parent == EVENT_NONE ? PUT(p, "null") : put_number(p, ev->parent);
	return (PUT(p, ",\"prev\":\""));
}

size_t
event_format_front(const struct event *ev, const char *time, struct buf *out)
{
	size_t room = LINE_OVERHEAD + 2 * ev->element.len + ev->action.len + ev->state.len +
	    ev->actor.len + ev->cause.len + ev->meta.len + ev->vector.len;
	size_t front;
	char *from;

	if (buf_reserve(out, room) != 0)
		return (0);
	from = out->data + out->len;
	front = (size_t)(put_front(from, ev, time) - from);
	out->len += front + EVENT_CHAIN;
	return (front);
}

void
event_format(struct event *ev, struct buf *out)
{
	char time[TIME_SIZE];
	struct chain c;
	size_t at = out->len, front;

	event_time_format(ev->time_us, time);
	if ((front = event_format_front(ev, time, out)) == 0)
		return;
	c.n = 0;
	chain_add(&c, at, front);
	memcpy(ev->hash, ev->prev, SHA256_SIZE);
	chain_seal(&c, out->data, ev->hash);
}

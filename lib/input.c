/* What a user sends: one line of input, checked and made canonical. */
#include "config.h"

#include <string.h>

#include "input.h"
#include "json_internal.h"
#include "vector_text.h"

#include "banned.h"

enum member {
	M_ELEMENT,
	M_ACTION,
	M_STATE,
	M_ACTOR,
	M_CAUSE,
	M_META,
	M_VECTOR,
	M_TIME,
	M_COMPLETE,
	M_SEQ, /* from here on: what ecl writes itself */
	M_UID,
	M_LOGIN,
	M_PARENT,
	M_PREV,
	M_HASH,
	M_COUNT
};

static const struct span names[M_COUNT] = {
    [M_ELEMENT] = SPAN("\"element\""),
    [M_ACTION] = SPAN("\"action\""),
    [M_STATE] = SPAN("\"state\""),
    [M_ACTOR] = SPAN("\"actor\""),
    [M_CAUSE] = SPAN("\"cause\""),
    [M_META] = SPAN("\"meta\""),
    [M_VECTOR] = SPAN("\"vector\""),
    [M_TIME] = SPAN("\"time\""),
    [M_COMPLETE] = SPAN("\"complete\""),
    [M_SEQ] = SPAN("\"seq\""),
    [M_UID] = SPAN("\"uid\""),
    [M_LOGIN] = SPAN("\"login\""),
    [M_PARENT] = SPAN("\"parent\""),
    [M_PREV] = SPAN("\"prev\""),
    [M_HASH] = SPAN("\"hash\""),
};

/* A member as found: its value's token, absent where p == NULL. */
struct value {
	struct span token;
	bool canonical;
};

struct reader {
	const char *text;
	size_t len;
	size_t pos;
	struct value v[M_COUNT];
	struct buf *scratch;
	bool reserved; /* scratch has all the room it can need: spans into it stay */
	struct json_fault *f;
};

static size_t
offset(const struct reader *r, struct span token)
{
	return ((size_t)(token.p - r->text));
}

static int
fault_at(const struct reader *r, struct span token, const char *what)
{
	return (json_fault_set(r->f, offset(r, token), "%s", what));
}

static int
fault_end(const struct reader *r)
{
	return (json_fault_set(r->f, r->len, "unexpected end of line"));
}

static size_t
skip_space(const struct reader *r, size_t pos)
{
	if (pos < r->len && r->text[pos] > ' ')
		return (pos);
	return (json_space(r->text, r->len, pos));
}

/* The member that the name token is, M_COUNT for none. */
static unsigned
member_of(struct span token)
{
	unsigned m;

	for (m = 0; m < M_COUNT; m++)
		if (span_eq(token, names[m]))
			return (m);
	if (memchr(token.p, '\\', token.len) == NULL)
		return (M_COUNT);
	for (m = 0; m < M_COUNT; m++)
		if (json_name_cmp(token, names[m]) == 0)
			return (m);
	return (M_COUNT);
}

/* The name at r->pos, the quick way: as nearly everybody writes it. */
static inline unsigned
quick_name(struct reader *r)
{
	static const uint8_t by_letter[26] = {['e' - 'a'] = 1 + M_ELEMENT,
	    ['a' - 'a'] = 1 + M_ACTION,
	    ['s' - 'a'] = 1 + M_STATE,
	    ['c' - 'a'] = 1 + M_CAUSE,
	    ['m' - 'a'] = 1 + M_META,
	    ['v' - 'a'] = 1 + M_VECTOR,
	    ['t' - 'a'] = 1 + M_TIME};
	size_t left = r->len - r->pos;
	unsigned letter, m;

	if (left < 2)
		return (M_COUNT);
	letter = (unsigned char)r->text[r->pos + 1] - (unsigned)'a';
	if (letter > 25 || by_letter[letter] == 0)
		return (M_COUNT);
	m = by_letter[letter] - 1u;
	if (left < names[m].len || memcmp(r->text + r->pos, names[m].p, names[m].len) != 0)
		return (M_COUNT);
	r->pos += names[m].len;
	return (m);
}

/* The hint that saves an hour: some template engines print their own language's literals. */
static int
fault_name(const struct reader *r)
{
	if (r->text[r->pos] == '}')
		return (json_fault_set(r->f, r->pos, "trailing comma before '}'"));
	if (r->text[r->pos] == '\'' ||
	    (r->text[r->pos] == 'u' && r->len - r->pos > 1 && r->text[r->pos + 1] == '\''))
		return (json_fault_set(r->f, r->pos,
		    "expected a member name in double quotes: this looks like a Python dict, not JSON (ansible: use 'to_json | string')"));
	return (json_fault_set(r->f, r->pos, "expected a member name in double quotes"));
}

/* Name, colon and value at r->pos. */
static int
read_member(struct reader *r)
{
	size_t from = r->pos;
	char shown[JSON_SHOWN_SIZE];
	struct span token;
	bool canonical;
	unsigned m;

	if (r->text[r->pos] != '"')
		return (fault_name(r));
	if ((m = quick_name(r)) == M_COUNT) {
		if (json_scan(r->text, r->len, &r->pos, 2, &canonical, r->f) != 0)
			return (-1);
		token = (struct span){r->text + from, r->pos - from};
		if ((m = member_of(token)) == M_COUNT)
			return (json_fault_set(
			    r->f, from, "unknown member '%s'", json_shown(token, shown)));
	}
	if (r->v[m].token.p != NULL)
		return (json_fault_set(
		    r->f, from, "duplicate member '%.*s'", (int)names[m].len - 2, names[m].p + 1));
	if ((r->pos = skip_space(r, r->pos)) == r->len)
		return (fault_end(r));
	if (r->text[r->pos] != ':')
		return (json_fault_set(r->f, r->pos, "expected ':' after a member name"));
	if ((r->pos = skip_space(r, r->pos + 1)) == r->len)
		return (fault_end(r));
	r->v[m].token.p = r->text + r->pos;
	if (json_scan(r->text, r->len, &r->pos, 2, &r->v[m].canonical, r->f) != 0)
		return (-1);
	r->v[m].token.len = (size_t)(r->text + r->pos - r->v[m].token.p);
	return (0);
}

/* The line's object, from '{' to the end of the line. */
static int
read_members(struct reader *r)
{
	if ((r->pos = skip_space(r, r->pos + 1)) == r->len)
		return (fault_end(r));
	if (r->text[r->pos] == '}')
		r->pos++;
	else
		for (;;) {
			if (read_member(r) != 0)
				return (-1);
			if ((r->pos = skip_space(r, r->pos)) == r->len)
				return (fault_end(r));
			if (r->text[r->pos++] == '}')
				break;
			if (r->text[r->pos - 1] != ',')
				return (json_fault_set(
				    r->f, r->pos - 1, "expected ',' or '}' after a member"));
			if ((r->pos = skip_space(r, r->pos)) == r->len)
				return (fault_end(r));
		}
	if ((r->pos = skip_space(r, r->pos)) != r->len)
		return (
		    json_fault_set(r->f, r->pos, "expected the end of the line after the object"));
	return (0);
}

/*
 * Room for all that may be rewritten: a canonical text is never longer than what it was made from, a name
 * is shorter than its token, and a number of an array takes two bytes or more where base64 takes under six.
 */
static int
reserve(struct reader *r)
{
	if (!r->reserved &&
	    buf_reserve(r->scratch, r->len + 3 * r->v[M_VECTOR].token.len + 16) != 0)
		return (json_fault_set(r->f, 0, "out of memory"));
	r->reserved = true;
	return (0);
}

/* The canonical form of a value; duplicates inside are found here. */
static int
get_value(struct reader *r, unsigned m, struct span *ret)
{
	size_t pos, from;

	*ret = r->v[m].token;
	if (ret->p == NULL || r->v[m].canonical)
		return (0);
	if (reserve(r) != 0)
		return (-1);
	pos = offset(r, *ret);
	from = r->scratch->len;
	if (json_canonical(r->text, r->len, &pos, 2, r->scratch, r->f) != 0)
		return (-1);
	ret->p = r->scratch->data + from;
	ret->len = r->scratch->len - from;
	return (0);
}

static int
check_string(const struct reader *r, unsigned m)
{
	if (r->v[m].token.p[0] == '"')
		return (0);
	return (json_fault_set(r->f, offset(r, r->v[m].token), "member '%.*s' is not a string",
	    (int)names[m].len - 2, names[m].p + 1));
}

/* A string as a canonical token. */
static int
get_string(struct reader *r, unsigned m, struct span *ret)
{
	*ret = r->v[m].token;
	if (ret->p == NULL)
		return (0);
	if (check_string(r, m) != 0)
		return (-1);
	return (get_value(r, m, ret));
}

/* What a string stands for. */
static int
get_text(struct reader *r, unsigned m, struct span *ret)
{
	struct span token = r->v[m].token;
	size_t from;

	if (check_string(r, m) != 0)
		return (-1);
	ret->p = token.p + 1;
	ret->len = token.len - 2;
	if (memchr(ret->p, '\\', ret->len) == NULL)
		return (0);
	if (reserve(r) != 0)
		return (-1);
	from = r->scratch->len;
	json_unescape(token, r->scratch);
	ret->p = r->scratch->data + from;
	ret->len = r->scratch->len - from;
	return (0);
}

static int
get_element(struct reader *r, struct span *ret)
{
	const char *fault;

	if (r->v[M_ELEMENT].token.p == NULL)
		return (json_fault_set(r->f, 0, "no member 'element'"));
	if (get_text(r, M_ELEMENT, ret) != 0)
		return (-1);
	if ((fault = event_name_fault(*ret)) != NULL)
		return (json_fault_set(
		    r->f, offset(r, r->v[M_ELEMENT].token), "bad element: %s", fault));
	if (event_reserved(*ret))
		return (fault_at(
		    r, r->v[M_ELEMENT].token, "elements that begin with 'ecl:' belong to ecl"));
	return (0);
}

/* Action and state, and whether they go together. */
static int
get_change(struct reader *r, struct span *action, struct span *state)
{
	struct span token = r->v[M_ACTION].token;
	const char *fault;
	bool gone;

	if (get_value(r, M_STATE, state) != 0)
		return (-1);
	*action = (struct span){NULL, 0};
	if (token.p == NULL) {
		if (state->p == NULL)
			return (json_fault_set(r->f, 0, "neither 'action' nor 'state'"));
		return (0);
	}
	if (get_text(r, M_ACTION, action) != 0)
		return (-1);
	if ((fault = event_action_fault(*action)) != NULL)
		return (json_fault_set(r->f, offset(r, token), "bad action: %s", fault));
	gone = state->p == NULL || event_is_gone(*state);
	if (gone && (span_is(*action, "create") || span_is(*action, "modify")))
		return (fault_at(r, token, "'create' and 'modify' need a state that is not null"));
	if (span_is(*action, "delete")) {
		if (!gone)
			return (fault_at(r, token, "'delete' takes no state but null"));
		*state = SPAN("null");
	}
	return (0);
}

/* A vector as a canonical token, from base64 or an array. */
static int
get_vector(struct reader *r, struct span *ret)
{
	struct span token = r->v[M_VECTOR].token;
	const char *fault;
	size_t from;

	*ret = token;
	if (token.p == NULL)
		return (0);
	if (token.p[0] == '"') {
		if (get_value(r, M_VECTOR, ret) != 0)
			return (-1);
		if ((fault = vector_text_fault(*ret, true)) != NULL)
			return (
			    json_fault_set(r->f, offset(r, token), "member 'vector' %s", fault));
		return (0);
	}
	if (token.p[0] != '[')
		return (fault_at(
		    r, token, "member 'vector' is neither base64 nor an array of numbers"));
	if (reserve(r) != 0)
		return (-1);
	from = r->scratch->len;
	if (vector_text_from_array(r->text, r->len, offset(r, token), r->scratch, r->f) != 0)
		return (-1);
	ret->p = r->scratch->data + from;
	ret->len = r->scratch->len - from;
	return (0);
}

static int
get_time(struct reader *r, bool keep, struct input *ret)
{
	struct span text;

	ret->has_time = false;
	ret->time_us = 0;
	if (!keep || r->v[M_TIME].token.p == NULL)
		return (0);
	if (get_text(r, M_TIME, &text) != 0)
		return (-1);
	if (event_time_parse(text.p, text.len, &ret->time_us) != 0)
		return (fault_at(r, r->v[M_TIME].token,
		    "member 'time' is not an RFC 3339 time such as 2026-11-21T10:00:00Z"));
	ret->has_time = true;
	return (0);
}

/* What is dropped must be good JSON all the same, without duplicates. */
static int
check_dropped(struct reader *r, bool keep_time)
{
	size_t before = r->scratch->len;
	struct span unused;
	unsigned m;

	for (m = M_SEQ; m < M_COUNT; m++)
		if (r->v[m].token.p != NULL && get_value(r, m, &unused) != 0)
			return (-1);
	if (!keep_time && get_value(r, M_TIME, &unused) != 0)
		return (-1);
	r->scratch->len = before;
	return (0);
}

/* `{"complete":GLOB}`. */
static int
get_complete(struct reader *r, struct input *ret)
{
	struct span token = r->v[M_COMPLETE].token;
	unsigned m;

	for (m = 0; m < M_COUNT; m++)
		if (m != M_COMPLETE && r->v[m].token.p != NULL)
			return (fault_at(r, token, "'complete' stands alone in its line"));
	if (get_text(r, M_COMPLETE, &ret->glob) != 0)
		return (-1);
	if (ret->glob.len == 0 || ret->glob.len > ELEMENT_MAX)
		return (fault_at(r, token, "a pattern has 1 to 512 bytes"));
	if (event_reserved(ret->glob))
		return (fault_at(r, token, "elements that begin with 'ecl:' belong to ecl"));
	ret->kind = INPUT_COMPLETE;
	return (0);
}

static int
get_event(struct reader *r, bool keep_time, struct input *ret)
{
	size_t size;

	if (get_element(r, &ret->element) != 0 || get_change(r, &ret->action, &ret->state) != 0)
		return (-1);
	if (get_string(r, M_ACTOR, &ret->actor) != 0 || get_string(r, M_CAUSE, &ret->cause) != 0)
		return (-1);
	if (get_value(r, M_META, &ret->meta) != 0 || get_vector(r, &ret->vector) != 0)
		return (-1);
	if (get_time(r, keep_time, ret) != 0 || check_dropped(r, keep_time) != 0)
		return (-1);
	size = ret->element.len + ret->action.len + ret->state.len + ret->actor.len +
	    ret->cause.len + ret->meta.len + ret->vector.len;
	if (size > EVENT_INPUT_MAX)
		return (json_fault_set(
		    r->f, 0, "line over %d bytes in its canonical form", EVENT_INPUT_MAX));
	ret->kind = INPUT_EVENT;
	return (0);
}

int
input_parse(
    struct span line, bool keep_time, struct buf *scratch, struct input *ret, struct json_fault *f)
{
	struct reader r;

	buf_reset(scratch);
	if (line.len > EVENT_INPUT_MAX)
		return (json_fault_set(f, EVENT_INPUT_MAX, "line over %d bytes", EVENT_INPUT_MAX));
	memset(&r, 0, sizeof(r));
	r.text = line.p;
	r.len = line.len;
	r.scratch = scratch;
	r.f = f;
	memset(ret, 0, sizeof(*ret));
	if ((r.pos = skip_space(&r, 0)) == r.len) {
		ret->kind = INPUT_BLANK;
		return (0);
	}
	if (r.text[r.pos] == '\0')
		return (json_fault_set(f, r.pos, "NUL byte"));
	if (r.len - r.pos >= 3 && memcmp(r.text + r.pos, "\xef\xbb\xbf", 3) == 0)
		return (json_fault_set(f, r.pos, "byte order mark: a line is UTF-8 without one"));
	if (r.text[r.pos] != '{')
		return (json_fault_set(f, r.pos, "expected '{': a line is one JSON object"));
	if (read_members(&r) != 0)
		return (-1);
	return (r.v[M_COMPLETE].token.p != NULL ? get_complete(&r, ret)
						: get_event(&r, keep_time, ret));
}

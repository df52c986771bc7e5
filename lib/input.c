/* What a user sends: one line of input, checked and made canonical. */
#include "config.h"

#include <string.h>

#include "input.h"
#include "json_internal.h"
#include "le.h"
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

/* A member as found. */
struct value {
	struct span token; /* in the line */
	struct span form;  /* its canonical form: the token itself, or in scratch */
	bool escaped;	   /* a string with escapes */
};

struct reader {
	const char *text;
	size_t len;
	size_t pos;
	unsigned seen;		  /* a bit for each member that is there */
	struct value v[M_COUNT]; /* good where its bit is set */
	const struct json_engine *engine;
	struct json_walk walk;
	struct buf *scratch; /* has room for all */
	struct json_fault *f;
};

#define BIT(m) (1u << (m))

/* What is wanted in its canonical form: of the others either what they stand for, or nothing. */
#define KEPT (BIT(M_STATE) | BIT(M_ACTOR) | BIT(M_CAUSE) | BIT(M_META) | BIT(M_VECTOR))

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
	/* Mostly none, or a single space. */
	if (pos < r->len && r->text[pos] == ' ')
		pos++;
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

/* The name at r->pos, the quick way: as nearly everybody writes it, by its first letter and its first eight bytes. */
static inline unsigned
quick_name(struct reader *r)
{
	static const struct {
		char word[8];
		uint8_t m, len; /* len: of the token */
	} quick[26][2] = {
	    ['a' - 'a'] = {{"action\"", M_ACTION, 8}, {"actor\"", M_ACTOR, 7}},
	    ['c' - 'a'] = {{"cause\"", M_CAUSE, 7}},
	    ['e' - 'a'] = {{{'e', 'l', 'e', 'm', 'e', 'n', 't', '"'}, M_ELEMENT, 9}},
	    ['h' - 'a'] = {{"hash\"", M_HASH, 6}},
	    ['l' - 'a'] = {{"login\"", M_LOGIN, 7}},
	    ['m' - 'a'] = {{"meta\"", M_META, 6}},
	    ['p' - 'a'] = {{"parent\"", M_PARENT, 8}, {"prev\"", M_PREV, 6}},
	    ['s' - 'a'] = {{"state\"", M_STATE, 7}, {"seq\"", M_SEQ, 5}},
	    ['t' - 'a'] = {{"time\"", M_TIME, 6}},
	    ['u' - 'a'] = {{"uid\"", M_UID, 5}},
	    ['v' - 'a'] = {{"vector\"", M_VECTOR, 8}},
	};
	uint64_t have, word;
	unsigned letter, i;

	if (r->len - r->pos < 9)
		return (M_COUNT);
	letter = (unsigned char)r->text[r->pos + 1] - (unsigned)'a';
	if (letter > 25)
		return (M_COUNT);
	have = le64_get(r->text + r->pos + 1);
	for (i = 0; i < 2 && quick[letter][i].len != 0; i++) {
		word = le64_get(quick[letter][i].word);
		if ((have ^ word) << 8 * (9 - quick[letter][i].len) == 0) {
			r->pos += quick[letter][i].len;
			return (quick[letter][i].m);
		}
	}
	return (M_COUNT);
}

/* The hint that saves an hour: some template engines print their own language's literals. */
static int
fault_name(const struct reader *r)
{
	if (r->text[r->pos] == '}')
		return (json_fault_set(r->f, r->pos, "trailing comma before '}'"));
	if (r->text[r->pos] == '\'' || (r->text[r->pos] == 'u' && r->len - r->pos > 1 && r->text[r->pos + 1] == '\''))
		return (json_fault_set(r->f, r->pos,
		    "expected a member name in double quotes: this looks like a Python dict, not JSON (ansible: use 'to_json | string')"));
	return (json_fault_set(r->f, r->pos, "expected a member name in double quotes"));
}

/* The value at r->pos, and its canonical form behind what is in scratch. */
static int
read_value(struct reader *r, unsigned m)
{
	struct value *v = &r->v[m];
	char *o = r->scratch->data + r->scratch->len;

	r->walk.pos = r->pos;
	r->walk.o = o;
	if (r->engine->write(&r->walk, 2) != 0)
		return (-1);
	/* One by one: to copy what was just written in other pieces would wait for the stores. */
	v->token.p = v->form.p = r->text + r->pos;
	v->token.len = v->form.len = r->walk.pos - r->pos;
	v->escaped = r->walk.escaped;
	r->pos = r->walk.pos;
	if (!r->walk.changed)
		return (0); /* what was written is the same, and forgotten */
	v->form.p = o;
	v->form.len = (size_t)(r->walk.o - o);
	if ((KEPT & BIT(m)) != 0)
		r->scratch->len += v->form.len;
	return (0);
}

/* Name, colon and value at r->pos. */
static int
read_member(struct reader *r)
{
	size_t from = r->pos;
	char shown[JSON_SHOWN_SIZE];
	struct span token;
	unsigned m;

	if (r->text[r->pos] != '"')
		return (fault_name(r));
	if ((m = quick_name(r)) == M_COUNT) {
		r->walk.pos = from;
		if (r->engine->scan(&r->walk, 2) != 0)
			return (-1);
		r->pos = r->walk.pos;
		token = (struct span){r->text + from, r->pos - from};
		if ((m = member_of(token)) == M_COUNT)
			return (json_fault_set(r->f, from, "unknown member '%s'", json_shown(token, shown)));
	}
	if ((r->seen & BIT(m)) != 0)
		return (json_fault_set(r->f, from, "duplicate member '%.*s'", (int)names[m].len - 2, names[m].p + 1));
	r->seen |= BIT(m);
	if ((r->pos = skip_space(r, r->pos)) == r->len)
		return (fault_end(r));
	if (r->text[r->pos] != ':')
		return (json_fault_set(r->f, r->pos, "expected ':' after a member name"));
	if ((r->pos = skip_space(r, r->pos + 1)) == r->len)
		return (fault_end(r));
	return (read_value(r, m));
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
				return (json_fault_set(r->f, r->pos - 1, "expected ',' or '}' after a member"));
			if ((r->pos = skip_space(r, r->pos)) == r->len)
				return (fault_end(r));
		}
	if ((r->pos = skip_space(r, r->pos)) != r->len)
		return (json_fault_set(r->f, r->pos, "expected the end of the line after the object"));
	return (0);
}

static inline bool
has(const struct reader *r, unsigned m)
{
	return ((r->seen & BIT(m)) != 0);
}

/* The canonical form of a value, absent where there is none. */
static inline struct span
get_value(const struct reader *r, unsigned m)
{
	return (has(r, m) ? r->v[m].form : (struct span){NULL, 0});
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
get_string(const struct reader *r, unsigned m, struct span *ret)
{
	*ret = get_value(r, m);
	return (ret->p == NULL ? 0 : check_string(r, m));
}

/* What a string stands for. */
static int
get_text(struct reader *r, unsigned m, struct span *ret)
{
	struct span token = r->v[m].token;
	size_t from = r->scratch->len;

	if (check_string(r, m) != 0)
		return (-1);
	if (!r->v[m].escaped) {
		*ret = (struct span){token.p + 1, token.len - 2};
		return (0);
	}
	json_unescape(token, r->scratch);
	*ret = (struct span){r->scratch->data + from, r->scratch->len - from};
	return (0);
}

/* Only printing ASCII, of a length that an element may have: no need to look closer. */
static bool
is_plain_name(struct span name)
{
	uint64_t x, odd = 0;
	size_t i;

	if (name.len < 8 || name.len > ELEMENT_MAX)
		return (false);
	/* Nothing below a space came through; the last eight bytes may be looked at twice. */
	for (i = 0; i < name.len; i += 8) {
		x = le64_get(name.p + (i + 8 <= name.len ? i : name.len - 8));
		odd |= x | (x + UINT64_C(0x0101010101010101));
	}
	return ((odd & UINT64_C(0x8080808080808080)) == 0);
}

static int
get_element(struct reader *r, struct span *ret)
{
	const char *fault;

	if (!has(r, M_ELEMENT))
		return (json_fault_set(r->f, 0, "no member 'element'"));
	if (get_text(r, M_ELEMENT, ret) != 0)
		return (-1);
	if ((r->v[M_ELEMENT].escaped || !is_plain_name(*ret)) && (fault = event_name_fault(*ret)) != NULL)
		return (json_fault_set(r->f, offset(r, r->v[M_ELEMENT].token), "bad element: %s", fault));
	if (event_reserved(*ret))
		return (fault_at(r, r->v[M_ELEMENT].token, "elements that begin with 'ecl:' belong to ecl"));
	return (0);
}

/* Action and state, and whether they go together. */
static int
get_change(struct reader *r, struct span *action, struct span *state)
{
	const char *fault;
	struct span token;
	bool gone;

	*state = get_value(r, M_STATE);
	*action = (struct span){NULL, 0};
	if (!has(r, M_ACTION)) {
		if (state->p == NULL)
			return (json_fault_set(r->f, 0, "neither 'action' nor 'state'"));
		return (0);
	}
	token = r->v[M_ACTION].token;
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
get_vector(struct reader *r, struct span *ret, size_t *ret_at)
{
	const char *fault;
	struct span token;
	size_t from;

	*ret = get_value(r, M_VECTOR);
	if (ret->p == NULL)
		return (0);
	token = r->v[M_VECTOR].token;
	*ret_at = offset(r, token);
	if (token.p[0] == '"') {
		if ((fault = vector_text_fault(*ret, true)) != NULL)
			return (json_fault_set(r->f, *ret_at, "member 'vector' %s", fault));
	} else if (token.p[0] == '[') {
		from = r->scratch->len;
		if (vector_text_from_array(r->text, r->len, *ret_at, r->scratch, r->f) != 0)
			return (-1);
		ret->p = r->scratch->data + from;
		ret->len = r->scratch->len - from;
	} else
		return (fault_at(r, token, "member 'vector' is neither base64 nor an array of numbers"));
	if (vector_text_dims(*ret) > VECTOR_DIMS_MAX)
		return (json_fault_set(r->f, *ret_at, "member 'vector' has %zu numbers, more than %u", vector_text_dims(*ret), VECTOR_DIMS_MAX));
	return (0);
}

static int
get_time(struct reader *r, bool keep, struct input *ret)
{
	struct span text;

	if (!keep || !has(r, M_TIME))
		return (0);
	if (get_text(r, M_TIME, &text) != 0)
		return (-1);
	if (event_time_parse(text.p, text.len, &ret->time_us) != 0)
		return (fault_at(r, r->v[M_TIME].token,
		    "member 'time' is not an RFC 3339 time such as 2026-11-21T10:00:00Z"));
	ret->has_time = true;
	return (0);
}

/* `{"complete":GLOB}`. */
static int
get_complete(struct reader *r, struct input *ret)
{
	struct span token = r->v[M_COMPLETE].token;

	if (r->seen != BIT(M_COMPLETE))
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
	ret->meta = get_value(r, M_META);
	if (get_vector(r, &ret->vector, &ret->vector_at) != 0 || get_time(r, keep_time, ret) != 0)
		return (-1);
	size = ret->element.len + ret->action.len + ret->state.len + ret->actor.len +
	    ret->cause.len + ret->meta.len + ret->vector.len;
	if (size > EVENT_INPUT_MAX)
		return (json_fault_set(r->f, 0, "line over %d bytes in its canonical form", EVENT_INPUT_MAX));
	ret->kind = INPUT_EVENT;
	return (0);
}

static inline void
absent(struct span *s)
{
	s->p = NULL;
	s->len = 0;
}

int
input_parse(struct span line, bool keep_time, struct json_work *work, struct buf *scratch, struct input *ret,
    struct json_fault *f)
{
	size_t before = scratch->len;
	struct reader r;
	int rc;

	if (line.len > EVENT_INPUT_MAX)
		return (json_fault_set(f, EVENT_INPUT_MAX, "line over %d bytes", EVENT_INPUT_MAX));
	if (buf_reserve(scratch, input_room(line.len)) != 0)
		return (json_fault_set(f, 0, "out of memory"));
	r.text = line.p;
	r.len = line.len;
	r.seen = 0;
	r.engine = json_engine();
	json_walk_init(&r.walk, line.p, line.len, work, f);
	r.scratch = scratch;
	r.f = f;
	ret->kind = INPUT_BLANK;
	absent(&ret->element);
	absent(&ret->action);
	absent(&ret->state);
	absent(&ret->actor);
	absent(&ret->cause);
	absent(&ret->meta);
	absent(&ret->vector);
	absent(&ret->glob);
	ret->has_time = false;
	ret->time_us = 0;
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
	if ((rc = read_members(&r)) == 0)
		rc = has(&r, M_COMPLETE) ? get_complete(&r, ret) : get_event(&r, keep_time, ret);
	if (rc != 0)
		scratch->len = before;
	return (rc);
}

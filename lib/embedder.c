/* A ledger's embedder: none, a model that ships, or a command of the user. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "embedder.h"
#include "embedder_command.h"
#include "event.h"
#include "json.h"

#include "banned.h"

#define TIMEOUT_S 60
#define TIMEOUT_MAX_S 86400

struct embedder {
	struct model *model; /* a clone's is another's */
	bool clone;
	struct embed *embed;
	struct command *command; /* or this */
};

/* ---- opening ---- */

static int
timeout_ms(int *ret, struct err *e)
{
	const char *s = secure_getenv("ECL_EMBEDDER_TIMEOUT");
	uint64_t n = TIMEOUT_S;

	if (s != NULL && *s != '\0' && (decimal_parse(s, strlen(s), &n) != 0 || n == 0 || n > TIMEOUT_MAX_S))
		return (err_set(e, "ECL_EMBEDDER_TIMEOUT is '%s': a number of seconds, up to %d", s, TIMEOUT_MAX_S));
	*ret = (int)n * 1000;
	return (0);
}

static int
open_command(struct embedder *em, const char *line, unsigned dims, unsigned flags, struct err *e)
{
	int ms = 0;

	if (*line == '\0')
		return (err_set(e, "the ledger's embedder is a command without words: 'ecl-index --embedder' names another"));
	if ((flags & EMBEDDER_NO_COMMAND) != 0)
		return (err_set(e, "the ledger's embedder '%.200s' is a command, which is run for a ledger of your own only: not for a replica, "
		    "a block opened alone, or the ledger of another user (without --force)", line));
	if (timeout_ms(&ms, e) != 0)
		return (-1);
	return (command_new(line, dims, ms, &em->command, e));
}

static int
open_model(struct embedder *em, const char *token, unsigned dims, struct err *e)
{
	const char *colon = strrchr(token, ':');
	struct err inner = {0, 0, ""};
	uint8_t hash[32];
	char *name;
	int ret;

	if (colon == NULL || colon == token || strlen(colon + 1) != 2 * sizeof(hash) || hex_decode(colon + 1, sizeof(hash), hash) != 0)
		return (err_set(e, "the ledger's embedder '%.200s' is none that is known here: 'ecl-index --embedder' names another", token));
	if ((name = strndup(token, (size_t)(colon - token))) == NULL)
		return (err_mem(e));
	ret = model_open(name, &em->model, &inner);
	free(name);
	if (ret != 0 && err_is_mem(&inner))
		return (err_mem(e));
	if (ret != 0)
		return (err_set(e, "%.400s ('ecl-index --embedder' names another embedder)", inner.text));
	if (strcmp(model_id(em->model), token) != 0)
		return (err_set(e, "the ledger's vectors are those of the model '%.150s', here is '%.150s': 'ecl-index --embedder %.*s' makes them anew",
		    token, model_id(em->model), (int)(colon - token), token));
	if (dims != 0 && dims != EMBED_DIMS)
		return (err_set(e, "the vectors have %u numbers, those of the model '%.150s' %u: 'ecl-index --rebuild' makes them anew", dims, token,
		    EMBED_DIMS));
	if ((em->embed = embed_new(em->model)) == NULL)
		return (err_mem(e));
	return (0);
}

int
embedder_open(const char *token, unsigned dims, unsigned flags, struct embedder **ret, struct err *e)
{
	struct embedder *em;
	int rc;

	if (strcmp(token, "none") == 0)
		return (err_set(e, "the ledger has no embedder: 'ecl-index --embedder NAME' gives it one"));
	if ((em = calloc(1, sizeof(*em))) == NULL)
		return (err_mem(e));
	if (strncmp(token, EMBEDDER_COMMAND_TOKEN, strlen(EMBEDDER_COMMAND_TOKEN)) == 0)
		rc = open_command(em, token + strlen(EMBEDDER_COMMAND_TOKEN), dims, flags, e);
	else
		rc = open_model(em, token, dims, e);
	if (rc != 0) {
		embedder_free(em);
		return (-1);
	}
	*ret = em;
	return (0);
}

void
embedder_free(struct embedder *em)
{
	if (em == NULL)
		return;
	command_free(em->command);
	if (em->embed != NULL)
		embed_free(em->embed);
	if (em->model != NULL && !em->clone)
		model_free(em->model);
	free(em);
}

struct embedder *
embedder_clone(struct embedder *em)
{
	struct embedder *copy;

	if (em->command != NULL || (copy = calloc(1, sizeof(*copy))) == NULL)
		return (NULL);
	copy->model = em->model;
	copy->clone = true;
	if ((copy->embed = embed_new(em->model)) == NULL) {
		free(copy);
		return (NULL);
	}
	return (copy);
}

bool
embedder_is_command(const struct embedder *em)
{
	return (em->command != NULL);
}

const struct model *
embedder_model(const struct embedder *em)
{
	return (em->model);
}

unsigned
embedder_dims(const struct embedder *em)
{
	return (em->command != NULL ? command_dims(em->command) : EMBED_DIMS);
}

/* ---- an event as text ---- */

static void
add_word(struct buf *out, struct span s)
{
	if (s.len == 0)
		return;
	if (out->len > 0)
		buf_addc(out, ' ');
	buf_addspan(out, s);
}

static void
add_string(struct buf *out, struct span token)
{
	size_t before = out->len;

	if (token.len == 2)
		return;
	if (out->len > 0)
		buf_addc(out, ' ');
	json_unescape(token, out);
	if (out->failed)
		out->len = before;
}

/* `member value' words.  Depth is bounded by JSON_DEPTH_MAX, and what would be cut off is not looked at. */
static void
add_value(struct buf *out, struct span value)
{
	struct span name, item;
	size_t pos = 0;

	switch (value.p[0]) {
	case '{':
		while (out->len <= EMBEDDER_TEXT_MAX && json_member(value, &pos, &name, &item) == 1) {
			add_string(out, name);
			add_value(out, item);
		}
		break;
	case '[':
		while (out->len <= EMBEDDER_TEXT_MAX && json_item(value, &pos, &item) == 1)
			add_value(out, item);
		break;
	case '"':
		add_string(out, value);
		break;
	default:
		add_word(out, value);
	}
}

void
embedder_describe(const struct embed_input *in, struct buf *out)
{
	struct buf text = BUF_INIT;
	char *colon;

	/* The kind of `kind:name' is a word of its own. */
	add_word(&text, in->element);
	if (text.len > 0 && (colon = memchr(text.data, ':', text.len)) != NULL)
		*colon = ' ';
	add_word(&text, in->action);
	if (in->state.p != NULL && !event_is_gone(in->state))
		add_value(&text, in->state);
	if (text.len > EMBEDDER_TEXT_MAX)
		text.len = json_utf8(text.data, EMBEDDER_TEXT_MAX);
	buf_add(out, text.data, text.len);
	if (text.failed)
		out->failed = true;
	buf_release(&text);
}

/* ---- embedding ---- */

struct events {
	const struct embed_input *in;
	size_t *which; /* of them are asked */
	int8_t *rows;
	unsigned width;
};

static void
event_text(void *arg, size_t i, struct buf *out)
{
	struct events *ev = arg;

	embedder_describe(&ev->in[ev->which[i]], out);
}

static int8_t *
event_row(void *arg, size_t i)
{
	struct events *ev = arg;

	return (ev->rows + ev->which[i] * ev->width);
}

static int
ask_events(struct embedder *em, struct events *ev, size_t n, struct err *e)
{
	struct command_job job = {event_text, event_row, ev};
	size_t i, asked = 0;
	int ret;

	if ((ev->which = malloc((n + 1) * sizeof(*ev->which))) == NULL)
		return (err_mem(e));
	for (i = 0; i < n; i++)
		if (event_reserved(ev->in[i].element))
			memset(ev->rows + i * ev->width, 0, ev->width);
		else
			ev->which[asked++] = i;
	ret = command_run(em->command, &job, asked, e);
	free(ev->which);
	return (ret);
}

int
embedder_events(struct embedder *em, const struct embed_input *in, size_t n, int8_t *out, struct err *e)
{
	struct events ev = {in, NULL, out, embedder_width(embedder_dims(em))};
	size_t i;

	if (embedder_dims(em) == 0)
		return (err_set(e, "the embedder was not asked for its dimension"));
	if (em->command != NULL)
		return (ask_events(em, &ev, n, e));
	for (i = 0; i < n; i++, out += EMBED_DIMS)
		if (event_reserved(in[i].element))
			memset(out, 0, EMBED_DIMS);
		else
			embed_event(em->embed, in[i].element, in[i].action, in[i].state, out);
	return (model_check(em->model, e));
}

struct one {
	struct span text;
	int8_t *row;
};

static void
one_text(void *arg, size_t i, struct buf *out)
{
	struct one *o = arg;

	(void)i;
	buf_addspan(out, o->text);
}

static int8_t *
one_row(void *arg, size_t i)
{
	struct one *o = arg;

	(void)i;
	return (o->row);
}

static int
ask_one(struct embedder *em, struct span text, int8_t *row, struct err *e)
{
	struct one o = {text, row};
	struct command_job job = {one_text, one_row, &o};

	return (command_run(em->command, &job, 1, e));
}

int
embedder_probe(struct embedder *em, struct err *e)
{
	return (embedder_dims(em) != 0 ? 0 : ask_one(em, SPAN("dimension"), NULL, e));
}

int
embedder_text(struct embedder *em, struct span text, int8_t *out, struct err *e)
{
	if (json_utf8(text.p, text.len) != text.len)
		return (err_set(e, "the text is not UTF-8"));
	if (em->command == NULL) {
		embed_text(em->embed, text, out);
		return (model_check(em->model, e));
	}
	if (embedder_dims(em) == 0)
		return (err_set(e, "the embedder was not asked for its dimension"));
	return (ask_one(em, text, out, e));
}

/* ---- what a user says ---- */

static int
token_of_command(const char *arg, struct buf *out, struct err *e)
{
	size_t len = strlen(arg);

	if (len > EMBEDDER_COMMAND_MAX)
		return (err_set(e, "the embedder's command is longer than %u bytes", EMBEDDER_COMMAND_MAX));
	if (json_utf8(arg, len) != len)
		return (err_set(e, "the embedder's command is not UTF-8"));
	if (arg[strspn(arg, " \t\n")] == '\0')
		return (err_set(e, "the embedder's command is empty"));
	buf_adds(out, EMBEDDER_COMMAND_TOKEN);
	buf_adds(out, arg);
	return (out->failed ? err_mem(e) : 0);
}

static int
token_of_model(const char *name, struct buf *out, struct err *e)
{
	struct model *m;
	int ret;

	if (model_open(name, &m, e) != 0)
		return (-1);
	if ((ret = model_verify(m, e)) == 0)
		buf_adds(out, model_id(m));
	model_free(m);
	if (ret == 0 && out->failed)
		ret = err_mem(e);
	return (ret);
}

int
embedder_token(const char *arg, struct buf *out, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (arg == NULL)
		return (token_of_model(NULL, out, e));
	if (strpbrk(arg, " \t\n/") != NULL)
		return (token_of_command(arg, out, e));
	if (strcmp(arg, "none") == 0) {
		buf_adds(out, arg);
		return (out->failed ? err_mem(e) : 0);
	}
	if (*arg == '\0' || *arg == '.' || arg[strspn(arg, letters)] != '\0')
		return (err_set(e, "the embedder '%.200s' is neither the name of a model (letters, digits, '-', '_' and '.') nor a command (with a space or a slash in it)", arg));
	return (token_of_model(arg, out, e));
}

/* The events nearest to a vector: what is looked for, as a row. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "ivf.h"
#include "json.h"
#include "made.h"
#include "similar_impl.h"
#include "vector_text.h"

#include "banned.h"

#define SHOWN 60 /* bytes of a user's text in a message */

static void
say_damage(const struct similar *s)
{
	const char *what = vectors_damage(s->vectors);
	char text[512];

	if (s->target->say == NULL || what == NULL)
		return;
	snprintf(text, sizeof(text), "the vectors are not used: %s; 'ecl-index --rebuild' makes them anew", what);
	s->target->say(s->target->arg, true, text);
}

/* ---- spaces ---- */

static int
open_made(struct similar *s, struct err *e)
{
	unsigned flags = (s->target->flags & SIMILAR_NO_COMMAND) != 0 ? EMBEDDER_NO_COMMAND : 0;
	struct made m;

	/* What resembles an event is found by rows alone. */
	if (made_open(s->ledger, flags | (s->target->text == NULL ? MADE_ROWS : 0), &m, e) != 0)
		return (-1);
	s->em = m.em;
	s->no_embedder = m.why;
	s->vectors = m.vectors;
	s->dims = m.dims;
	buf_release(&m.token);
	say_damage(s);
	return (0);
}

static int
open_given(struct similar *s, struct err *e)
{
	struct ledger *l = s->ledger;

	if (vectors_open(l->ecl_fd, l->log, VECTORS_GIVEN, NULL, &s->vectors, e) != 0)
		return (-1);
	say_damage(s);
	s->dims = vectors_dims(s->vectors);
	return (s->dims != 0 ? 0 : given_dims(&l->given, l->ecl_fd, l->log, l->index, &s->dims, e));
}

/* ---- what is looked for ---- */

static int
take_floats(struct similar *s, const float *v, unsigned dims, const char *what, struct err *e)
{
	if (s->dims == 0 && s->target->text != NULL && s->target->say != NULL)
		s->target->say(s->target->arg, false, "no event brought a vector of its own that an array could resemble");
	if (s->dims == 0)
		s->dims = dims;
	if (dims != s->dims)
		return (err_set(e, "%s has a vector of %u numbers, those that are searched have %u", what, dims, s->dims));
	s->width = embedder_width(dims);
	if ((s->q = calloc(s->width, 1)) == NULL || (s->v = malloc(dims * sizeof(*v))) == NULL)
		return (err_mem(e));
	memcpy(s->v, v, dims * sizeof(*v));
	s->vv = similar_product(v, v, dims);
	return (embedder_quantize(v, dims, s->q) == 0 ? 0 : err_set(e, "%s has a vector with a number that is not finite", what));
}

static int
take_array(struct similar *s, const char *text, struct err *e)
{
	struct buf floats = BUF_INIT;
	struct json_fault f;
	size_t len = strlen(text), pos = json_space(text, len, 0), from = pos;
	bool canonical;
	int rc = -1;

	if (json_scan(text, len, &pos, 1, &canonical, &f) != 0 || vector_text_numbers(text, len, from, &floats, &f) != 0)
		err_set(e, "'%.*s' is no vector: %s", SHOWN, text, f.what);
	else if (json_space(text, len, pos) != len || floats.failed || floats.len == 0 ||
	    floats.len / sizeof(float) > EMBEDDER_DIMS_MAX)
		err_set(e, "'%.*s' is no vector: an array of 1 to %u numbers is wanted", SHOWN, text, EMBEDDER_DIMS_MAX);
	else
		rc = take_floats(s, (const float *)(const void *)floats.data, (unsigned)(floats.len / sizeof(float)), "what is looked for", e);
	buf_release(&floats);
	return (rc);
}

/* The vector that the event brought. */
static int
take_given(struct similar *s, const struct event *ev, struct err *e)
{
	char what[40];
	unsigned dims;
	float *v;
	int rc;

	snprintf(what, sizeof(what), "event %" PRIu64, ev->seq);
	if (ev->vector.p == NULL)
		return (err_set(e, "%s has no vector of its own", what));
	dims = (unsigned)vector_text_dims(ev->vector);
	if (dims == 0 || (v = malloc(dims * sizeof(*v))) == NULL)
		return (err_mem(e));
	vector_text_floats(ev->vector, v);
	rc = take_floats(s, v, dims, what, e);
	free(v);
	return (rc);
}

static int
take_event(struct similar *s, struct err *e)
{
	uint64_t seq = s->target->seq, size = index_size(s->ledger->index);
	struct buf line = BUF_INIT;
	struct embed_input in;
	struct event ev;
	int rc = -1;

	if (seq >= size)
		return (err_set(e, "there is no event %" PRIu64 ": the ledger has %" PRIu64, seq, size));
	if (index_event(s->ledger->index, seq, &line, &ev, e) != 0)
		goto out;
	if (s->given) {
		rc = take_given(s, &ev, e);
		goto out;
	}
	if (event_reserved(ev.element)) {
		err_set(e, "event %" PRIu64 " is one of ecl itself, which has no vector", seq);
		goto out;
	}
	s->width = embedder_width(s->dims);
	if ((s->q = calloc(s->width, 1)) == NULL) {
		err_mem(e);
		goto out;
	}
	in = (struct embed_input){ev.element, ev.action, ev.state};
	/* A row that is damaged is met again, and reported, by the search. */
	if (seq < vectors_events(s->vectors) && vectors_row(s->vectors, seq, s->q, NULL) == 0)
		rc = 0;
	else if (similar_embedder(s, e) != NULL)
		rc = embedder_events(s->em, &in, 1, s->q, e);
out:	buf_release(&line);
	return (rc);
}

static int
take_text(struct similar *s, struct err *e)
{
	const char *text = s->target->text;

	s->width = embedder_width(s->dims);
	if ((s->q = calloc(s->width, 1)) == NULL)
		return (err_mem(e));
	return (embedder_text(s->em, (struct span){text, strlen(text)}, s->q, e));
}

static bool
is_array(const struct similar_target *t)
{
	return (t->text != NULL && t->text[json_space(t->text, strlen(t->text), 0)] == '[');
}

bool
similar_is_text(const struct similar_target *t)
{
	return (t->text != NULL && !is_array(t));
}

static int
take_target(struct similar *s, struct err *e)
{
	const struct similar_target *t = s->target;
	int rc;

	if (is_array(t))
		rc = take_array(s, t->text, e);
	else if (t->text == NULL)
		rc = take_event(s, e);
	else if (s->given)
		rc = err_set(e, "the vectors of '%s' are those that events brought: an event, or a JSON array of numbers, can be looked for, not a text", VECTORS_GIVEN);
	else
		rc = take_text(s, e);
	if (rc != 0)
		return (-1);
	if ((s->qq = dot_self(s->q, s->width)) != 0)
		return (0);
	if (t->text != NULL)
		return (err_set(e, "'%.*s' has nothing to look for", SHOWN, t->text));
	return (err_set(e, "event %" PRIu64 " has nothing to look for: its vector is all zeros", t->seq));
}

int
similar_open(struct ledger *l, const struct similar_target *t, struct similar **ret, struct err *e)
{
	struct similar *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return (err_mem(e));
	s->ledger = l;
	s->target = t;
	s->to = index_size(l->index);
	s->exact = (t->flags & SIMILAR_EXACT) != 0;
	s->words = similar_is_text(t);
	s->few = ivf_scan_rows();
	s->given = t->space != NULL ? strcmp(t->space, VECTORS_GIVEN) == 0 : is_array(t);
	if ((s->given ? open_given : open_made)(s, e) != 0 || take_target(s, e) != 0) {
		similar_free(s);
		return (-1);
	}
	*ret = s;
	return (0);
}

void
similar_free(struct similar *s)
{
	if (s == NULL)
		return;
	embedder_free(s->em);
	vectors_free(s->vectors);
	free(s->q);
	free(s->v);
	free(s);
}

/* The events nearest to a vector: by the log, where there are no rows. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dot.h"
#include "fetch.h"
#include "similar_impl.h"
#include "vector_text.h"
#include "vectorize.h"

#include "banned.h"

#define SPARSE 4u   /* where only one event of so many is wanted, their lines are read one by one */
#define SLICE 4096u /* events that are looked for at a time */
#define BATCH 64u   /* events that are embedded together */

static bool
is_wanted(const struct similar *s, uint64_t seq)
{
	return (s->wanted == NULL || bits_get(s->wanted, seq));
}

/* The cosine of that row.  Return 0, or -1 where memory ran out. */
static int
offer(const struct similar *s, const int8_t *row, uint64_t seq, struct nearest *best)
{
	int32_t dot, self;

	dot_rows_self(s->q, row, 1, s->width, &dot, &self);
	return (nearest_offer(best, dot_cosine(dot, s->qq, self), seq));
}

struct embedder *
similar_embedder(struct similar *s, struct err *e)
{
	if (s->em == NULL && e != NULL)
		*e = s->no_embedder;
	return (s->em);
}

void
similar_step(struct similar *s, uint64_t n)
{
	s->done += n;
	if (s->ledger->step != NULL)
		s->ledger->step(s->ledger->step_arg, s->done, s->to - s->from);
}

void
similar_damaged(struct similar *s, const struct err *why)
{
	if (!s->warned && s->target->say != NULL)
		s->target->say(s->target->arg, true, why->text);
	s->warned = true;
}

void
similar_say_missing(const struct similar_target *t, uint64_t n)
{
	char text[160];

	if (n <= SIMILAR_MANY || t->say == NULL)
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " events have no vector yet, and are read from the log; 'ecl-index' makes this fast", n);
	t->say(t->arg, false, text);
}

/* Once. */
static void
warn_missing(struct similar *s, uint64_t n)
{
	if (s->told || n <= SIMILAR_MANY)
		return;
	s->told = true;
	similar_say_missing(s->target, n);
}

double
similar_product(const float *a, const float *b, unsigned n)
{
	double sum = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return (sum);
}

struct visit {
	struct similar *s;
	struct nearest *best;
	struct err *e;
};

static int
visit_rows(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct visit *v = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_wanted(v->s, seq + i) && offer(v->s, rows + i * v->s->width, seq + i, v->best) != 0)
			return (err_mem(v->e));
	}
	similar_step(v->s, n);
	return (0);
}

static int
visit_given(void *arg, uint64_t seq, const float *numbers, unsigned dims)
{
	struct visit *v = arg;
	double self, score;

	if (dims != v->s->dims || !is_wanted(v->s, seq))
		return (0);
	self = similar_product(numbers, numbers, dims);
	/* A number that is not finite, in a replica, makes no vector. */
	if (!isfinite(self))
		return (0);
	score = self == 0 ? 0 : similar_product(v->s->v, numbers, dims) / (sqrt(v->s->vv) * sqrt(self));
	return (nearest_offer(v->best, score > 1 ? 1 : score < -1 ? -1 : score, seq) == 0 ? 0 : err_mem(v->e));
}

/* The wanted ones of [from, to), a slice at a time. */
static int
scan_sparse(struct similar *s, uint64_t from, uint64_t to, struct nearest *best, struct err *e)
{
	uint64_t *seq, at = from;
	size_t n;
	int rc = 0;

	if ((seq = malloc(SLICE * sizeof(*seq))) == NULL)
		return (err_mem(e));
	while (rc == 0 && (at = bits_next(s->wanted, at, to)) < to) {
		for (n = 0; n < SLICE && at < to; at = bits_next(s->wanted, at + 1, to))
			seq[n++] = at;
		rc = similar_some(s, seq, n, best, e);
	}
	free(seq);
	return (rc);
}

int
similar_scan_log(struct similar *s, uint64_t from, uint64_t to, struct nearest *best, struct err *e)
{
	struct visit v = {s, best, e};
	uint64_t n;

	if (from >= to)
		return (0);
	if (s->given)
		return (given_scan(s->ledger->log, from, to, visit_given, &v, e) == 0 ? 0 : -1);
	n = s->wanted == NULL ? to - from : bits_count(s->wanted, from, to);
	if (n == 0)
		return (0);
	warn_missing(s, n);
	if (s->wanted != NULL && from >= vectors_events(s->vectors) && n <= (to - from) / SPARSE)
		return (scan_sparse(s, from, to, best, e));
	if (similar_embedder(s, e) == NULL)
		return (-1);
	return (vectorize(s->ledger->log, s->em, from, to, 0, visit_rows, &v, e) == 0 ? 0 : -1);
}

/* ---- some events ---- */

struct some {
	struct visit v;
	struct buf text; /* of the events in the batch: element, action, state */
	struct embed_input in[BATCH];
	size_t at[BATCH];
	uint64_t seq[BATCH];
	size_t n;
	int8_t *rows;
};

static int
embed_batch(struct some *b)
{
	struct similar *s = b->v.s;
	const char *p;
	size_t i;

	if (b->text.failed)
		return (err_mem(b->v.e));
	for (i = 0; i < b->n; i++) {
		p = b->text.data + b->at[i];
		b->in[i].element.p = p;
		b->in[i].action.p = p + b->in[i].element.len;
		if (b->in[i].state.p != NULL)
			b->in[i].state.p = p + b->in[i].element.len + b->in[i].action.len;
	}
	if (b->n > 0 && similar_embedder(s, b->v.e) == NULL)
		return (-1);
	if (b->n > 0 && embedder_events(s->em, b->in, b->n, b->rows, b->v.e) != 0)
		return (-1);
	for (i = 0; i < b->n; i++) {
		if (offer(s, b->rows + i * s->width, b->seq[i], b->v.best) != 0)
			return (err_mem(b->v.e));
	}
	b->n = 0;
	buf_reset(&b->text);
	return (0);
}

static int
visit_event(void *arg, struct span name, const struct event *ev)
{
	struct some *b = arg;
	size_t dims;
	float *v;
	int rc;

	(void)name;
	if (b->v.s->given) {
		if (ev->vector.p == NULL || (dims = vector_text_dims(ev->vector)) != b->v.s->dims)
			return (0);
		if ((v = malloc(dims * sizeof(*v))) == NULL)
			return (err_mem(b->v.e));
		vector_text_floats(ev->vector, v);
		rc = visit_given(&b->v, ev->seq, v, (unsigned)dims);
		free(v);
		return (rc);
	}
	b->seq[b->n] = ev->seq;
	b->at[b->n] = b->text.len;
	b->in[b->n++] = (struct embed_input){ev->element, ev->action, ev->state};
	buf_addspan(&b->text, ev->element);
	buf_addspan(&b->text, ev->action);
	buf_addspan(&b->text, ev->state);
	return (b->n == BATCH ? embed_batch(b) : 0);
}

int
similar_some(struct similar *s, const uint64_t *seq, size_t n, struct nearest *best, struct err *e)
{
	struct some *b;
	struct fetch fetch;
	struct err why;
	size_t i;
	int rc = 0;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return (err_mem(e));
	b->v = (struct visit){s, best, e};
	fetch_init(&fetch, s->ledger->index, visit_event, b);
	if ((b->rows = malloc((size_t)BATCH * s->width)) == NULL)
		rc = err_mem(e);
	for (i = 0; rc == 0 && i < n; i++) {
		if (!s->given && seq[i] < vectors_events(s->vectors)) {
			if (vectors_row(s->vectors, seq[i], b->rows, &why) == 0) {
				rc = offer(s, b->rows, seq[i], best) == 0 ? 0 : err_mem(e);
				continue;
			}
			similar_damaged(s, &why);
		}
		rc = fetch_add(&fetch, (struct span){NULL, 0}, seq[i], e);
	}
	if (rc == 0)
		rc = fetch_flush(&fetch, e);
	if (rc == 0)
		rc = embed_batch(b);
	fetch_release(&fetch);
	buf_release(&b->text);
	free(b->rows);
	free(b);
	return (rc);
}


/* Questions to a ledger: the events that resemble a text, an event or a vector. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "fetch.h"
#include "query_impl.h"
#include "query_similar_impl.h"

#include "banned.h"

#define CANDIDATES 200u	   /* events nearest to a text, at least, whose words are looked at */
#define CANDIDATES_MANY 400u /* of more events than that */
#define MANY_EVENTS 2000000u
#define FEW 50000u	   /* events whose lines are all read where lines must tell which are wanted */
#define CHAIN_MAX 2000u	   /* events of names that are found along their chains; of more the rows are faster */
#define SPARSE 16u	   /* where only one event of so many may be wanted, lines are read one by one */
#define MORE 8u		   /* so many times more are looked for, where too few passed */
#define MANY 65536u	   /* but of more than that the log is read */

/* ---- which events are wanted ---- */

/* Whether lines alone can tell: of an actor, or an action that has no flag. */
static bool
needs_lines(const struct filter *f)
{
	return (f->actor.p != NULL || (f->action.p != NULL && query_action_flag(f->action) == 0));
}

static int
make_bits(struct hunt *h)
{
	free(h->wanted);
	if ((h->wanted = calloc(h->to / 8 + 1, 1)) == NULL)
		return (err_mem(h->e));
	return (0);
}

/* Of names: along their chains, where they are short.  Return 1, 0 where they are not, or -1. */
static int
want_names(struct hunt *h)
{
	struct query q = *h->q;
	struct query_events *it;
	const struct event *ev;
	struct span line;
	size_t n = 0;
	int rc;

	q.since = h->from;
	q.until = h->to;
	q.reverse = true;
	if (make_bits(h) != 0 || query_events_open(&q, &it, h->e) != 0)
		return (-1);
	while ((rc = query_events_next(it, &line, &ev, h->e)) == 1 && ++n <= CHAIN_MAX)
		bits_set(h->wanted, ev->seq);
	query_events_free(it);
	h->settled = rc == 0;
	return (rc == 0 ? 1 : rc == 1 ? 0 : -1);
}

struct by_rows {
	struct hunt *hunt;
	struct row_filter filter;
};

static int
want_some(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct by_rows *b = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!query_row_passes(&b->filter, &row[i]))
			continue;
		bits_set(b->hunt->wanted, seq + i);
		b->hunt->open = b->hunt->open || (b->filter.says && (row[i].flags & ROW_SAYS) == 0);
	}
	return (0);
}

static int
want_rows(struct hunt *h)
{
	struct by_rows b = {.hunt = h};
	int rc;

	if (make_bits(h) != 0 || query_row_filter(h->q, &b.filter, h->e) != 0)
		return (-1);
	rc = query_rows(h->q, h->from, h->to, want_some, &b, h->e);
	free(b.filter.elements);
	h->settled = !needs_lines(&h->q->filter);
	return (rc);
}

/* All filters, by all lines. */
static int
want_log(struct hunt *h)
{
	const struct filter *f = &h->q->filter;
	struct log_reader reader;
	struct log_line line;
	uint64_t seq;
	int rc = 1;

	if (make_bits(h) != 0 || log_seek(h->q->ledger->log, h->from, &reader, h->e) != 0)
		return (-1);
	for (seq = h->from; rc == 1 && seq < h->to; seq++) {
		if ((rc = log_reader_next(&reader, &line, h->e)) != 1)
			break;
		if ((rc = filter_line(f, line.text, h->e)) == 1)
			bits_set(h->wanted, seq);
		rc = rc == -1 ? -1 : 1;
		if (seq % INDEX_ROWS == 0)
			query_step(h->q, seq - h->from, h->to - h->from);
	}
	log_reader_release(&reader);
	h->settled = true;
	return (rc == -1 ? -1 : 0);
}

static int
keep_line(void *arg, struct span name, const struct event *ev)
{
	struct hunt *h = arg;

	(void)name;
	if (!filter_event(&h->q->filter, ev))
		h->wanted[ev->seq / 8] &= (uint8_t)~(1u << ev->seq % 8);
	return (0);
}

/* Of those that may be wanted, by their lines. */
static int
want_lines(struct hunt *h)
{
	struct fetch fetch;
	uint64_t seq;
	int rc = 0;

	if (bits_count(h->wanted, h->from, h->to) > (h->to - h->from) / SPARSE)
		return (want_log(h));
	fetch_init(&fetch, h->q->ledger->index, keep_line, h);
	for (seq = h->from; rc == 0 && (seq = bits_next(h->wanted, seq, h->to)) < h->to; seq++)
		rc = fetch_add(&fetch, (struct span){NULL, 0}, seq, h->e);
	if (rc == 0)
		rc = fetch_flush(&fetch, h->e);
	fetch_release(&fetch);
	h->settled = true;
	return (rc);
}

static int
want(struct hunt *h)
{
	const struct filter *f = &h->q->filter;
	uint64_t n = h->to - h->from, have = vectors_events(h->similar->vectors), missing;
	int rc = 0;

	if (filter_empty(f) || n == 0)
		return (0);
	if (filter_all_exact(f) && (rc = want_names(h)) != 0)
		return (rc == 1 ? 0 : -1);
	if (want_rows(h) != 0)
		return (-1);
	n = bits_count(h->wanted, h->from, h->to);
	/* To embed an event that is not wanted costs more than to read it. */
	missing = have >= h->to ? 0 : h->to - (have > h->from ? have : h->from);
	if (h->open && (n <= FEW || missing > SIMILAR_MANY))
		rc = want_lines(h);
	return (rc);
}

/* ---- candidates ---- */

int
hunt_add(struct hunt *h, const struct event *ev, double cosine)
{
	struct candidate *more, *c;

	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 128 : h->cap * 2;
		if ((more = realloc(h->cand, h->cap * sizeof(*more))) == NULL)
			return (err_mem(h->e));
		h->cand = more;
	}
	c = &h->cand[h->n++];
	*c = (struct candidate){.seq = ev->seq, .cosine = cosine};
	if (h->is_text) {
		c->lexical = lexical_score(&h->words, ev->element, ev->action, ev->state);
		c->held = lexical_holds(&h->words, ev->element);
		c->written = lexical_holds(&h->words, ev->state) || lexical_holds(&h->words, ev->cause) ||
		    lexical_holds(&h->words, ev->actor) || lexical_holds(&h->words, ev->meta);
	}
	return (0);
}

bool
hunt_passes(const struct hunt *h, const struct event *ev)
{
	if (h->target->text == NULL && ev->seq == h->target->seq)
		return (false);
	return (filter_name(&h->q->filter, ev->element) && filter_event(&h->q->filter, ev));
}

/* One of the nearest, the best first. */
static int
look(void *arg, struct span name, const struct event *ev)
{
	struct hunt *h = arg;
	double cosine = h->hit++->score;

	(void)name;
	if (!hunt_passes(h, ev))
		return (0);
	return (hunt_add(h, ev, cosine) != 0 ? -1 : h->n == h->most);
}

/* The ${most} nearest that pass, as far as they are among the ${k} nearest of those wanted.  Return 1, 0 where more are to be looked for, or -1. */
static int
find_among(struct hunt *h, size_t k)
{
	struct nearest best;
	struct fetch fetch;
	size_t i;
	int rc;

	h->n = 0;
	nearest_init(&best, k);
	fetch_init(&fetch, h->q->ledger->index, look, h);
	rc = similar_nearest(h->similar, k, &best, h->e);
	nearest_sort(&best);
	h->hit = best.hit;
	for (i = 0; rc == 0 && i < best.n; i++)
		rc = fetch_add(&fetch, (struct span){NULL, 0}, best.hit[i].seq, h->e);
	if (rc == 0)
		rc = fetch_flush(&fetch, h->e);
	if (rc == 0 && best.n < k)
		rc = 1;
	fetch_release(&fetch);
	nearest_release(&best);
	return (rc);
}

static int
find_nearest(struct hunt *h)
{
	/* The event itself is the nearest. */
	size_t k = h->target->text != NULL ? h->most : h->most + 1;
	int rc;

	if (!h->settled && h->open)
		k *= MORE;
	while ((rc = find_among(h, k)) == 0) {
		if (!h->settled && (h->n * MORE < h->most || k * MORE > MANY)) {
			if (want_log(h) != 0)
				return (-1);
			h->similar->wanted = h->wanted;
			k = h->most + 1;
		} else
			k *= MORE;
	}
	return (rc == 1 ? 0 : -1);
}

/* ---- the answer ---- */

/*
 * Those whose names were asked for are in the upper half, and those that have an identifier elsewhere in the quarter below, so that they come
 * first also among the answers of other ledgers.
 */
static double
score(const struct hunt *h, const struct candidate *c)
{
	double s;

	if (!h->is_text)
		return (c->cosine);
	s = ((c->cosine > 0 ? c->cosine : 0) + c->lexical) / 2;
	if (h->words.names == 0)
		return (s);
	return (c->held ? (2 + 2 * s) / 4 : c->written ? (1 + s) / 4 : s / 4);
}

/* How many of the nearest are candidates. */
static size_t
most(struct hunt *h, size_t k)
{
	size_t least;

	h->similar->from = h->from;
	h->similar->to = h->to;
	h->similar->wanted = h->wanted;
	/* Where only lines tell which of the nearest pass, the nearest must be those. */
	h->similar->exact = h->similar->exact || (h->open && !h->settled);
	if (!h->is_text)
		return (k);
	least = h->to - h->from > MANY_EVENTS ? CANDIDATES_MANY : CANDIDATES;
	return (2 * k > least ? 2 * k : least);
}

static int
hunt(struct hunt *h, size_t k, struct nearest *ret)
{
	size_t i;

	if (h->from >= h->to)
		return (0);
	if (h->is_text &&
	    lexical_init(&h->words, (struct span){h->target->text, strlen(h->target->text)}, embedder_model(h->similar->em), h->e) != 0)
		return (-1);
	if (want(h) != 0)
		return (-1);
	h->most = most(h, k);
	if (find_nearest(h) != 0)
		return (-1);
	if (h->words.names > 0 && (hunt_named(h) != 0 || hunt_written(h) != 0))
		return (-1);
	for (i = 0; i < h->n; i++) {
		if (nearest_offer(ret, score(h, &h->cand[i]), h->cand[i].seq) != 0)
			return (err_mem(h->e));
	}
	nearest_sort(ret);
	return (0);
}

int
query_similar(struct query *q, const struct similar_target *t, size_t k, struct nearest *ret, struct err *e)
{
	struct hunt h = {.q = q, .target = t, .is_text = similar_is_text(t), .from = q->since, .to = q->until < q->size ? q->until : q->size, .e = e};
	int rc;

	nearest_init(ret, k);
	if (similar_open(q->ledger, t, &h.similar, e) != 0)
		return (-1);
	if ((rc = hunt(&h, k, ret)) != 0)
		nearest_release(ret);
	lexical_release(&h.words);
	similar_free(h.similar);
	free(h.wanted);
	free(h.cand);
	return (rc);
}

/* The events nearest to a vector: by segments and rows. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "crew.h"
#include "ivf.h"
#include "similar_impl.h"

#include "banned.h"

/*
 * The rows of a few words lie far from those of events, in no list more than in others: to find nine of ten of the best takes half of
 * the lists, so more of them are looked at than for a row that is like others.
 */
#define WORDS_PROBES 64u
#define WORDS_CANDIDATES 1000u
#define MARGIN 64u  /* given vectors more than twice those asked for: their numbers tell which are the best */

static void
on_rows(void *arg, uint64_t rows)
{
	similar_step(arg, rows);
}

int
similar_scan_rows(struct similar_search *r, uint64_t from, uint64_t to, struct err *e)
{
	struct similar *s = r->s;
	struct nearest_scan scan = {.vectors = s->vectors,
	    .q = s->q,
	    .from = from,
	    .to = to,
	    .wanted = r->wanted,
	    .step = on_rows,
	    .arg = s};
	size_t i;
	int rc = nearest_scan(&scan, &r->best, e);

	if (scan.gaps > 0)
		similar_damaged(s, &scan.why);
	r->damaged = r->damaged || scan.gaps > 0;
	for (i = 0; rc == 0 && !s->given && i < scan.gaps; i++)
		rc = similar_scan_log(s, scan.gap[i].from, scan.gap[i].to, &r->best, e);
	nearest_scan_release(&scan);
	return (rc);
}

/* ---- segments ---- */

/* What is asked of one of them. */
struct part {
	const struct vectors_segment *seg;
	uint64_t from, to;
	struct nearest rough; /* its candidates, with its own scores */
	bool told;	      /* it could tell */
	bool failed;	      /* memory ran out */
	struct err why;	      /* it could not: it is damaged; or text "": it did not look at enough */
};

/* All that are asked. */
struct team {
	struct similar_search *r;
	size_t parts;
	struct part *part;
};

/* It looks into the lists nearest to the query only: with a filter the wanted ones may be in others. */
static void
ask_segment(void *arg, size_t i)
{
	struct team *t = arg;
	struct part *p = &t->part[i];
	struct similar *s = t->r->s;
	struct ivf_query q = {.q = s->q, .k = p->rough.k, .lo = p->from, .hi = p->to, .nprobe = s->words ? WORDS_PROBES : 0};
	char name[VECTORS_NAME];
	uint64_t *row = calloc(q.k, sizeof(*row));
	float *score = calloc(q.k, sizeof(*score));
	struct ivf *x = NULL;
	size_t n = 0, k;

	if (t->r->wanted != NULL)
		q.wanted = t->r->wanted + p->seg->from / 8;
	vectors_segment_name(s->vectors, p->seg, name);
	if (row == NULL || score == NULL)
		p->failed = true;
	else if (ivf_open(vectors_dir(s->vectors), name, p->seg->from, p->seg->to, s->width, p->seg->bytes, p->seg->crc, &x, &p->why) == 0 &&
	    ivf_search(x, &q, row, score, &n, &p->why) == 0)
		p->told = n == q.k || n >= similar_wanted(t->r, p->from, p->to);
	for (k = 0; p->told && k < n; k++)
		p->failed = p->failed || nearest_offer(&p->rough, score[k], row[k]) != 0;
	ivf_free(x);
	free(row);
	free(score);
}

static size_t
candidates(const struct similar_search *r)
{
	size_t least = r->s->words ? WORDS_CANDIDATES : IVF_CANDIDATES;

	return (r->best.k > least ? r->best.k : least);
}

/* The segments that are worth asking, each with room for its candidates. */
static int
choose_parts(struct similar_search *r, struct team *t, struct err *e)
{
	const struct vectors_segment *seg;
	size_t n = vectors_segments(r->s->vectors, &seg), i, k = candidates(r);
	uint64_t from, to;

	*t = (struct team){.r = r};
	if ((t->part = calloc(n, sizeof(*t->part))) == NULL)
		return (err_mem(e));
	for (i = 0; i < n; i++) {
		from = seg[i].from > r->from ? seg[i].from : r->from;
		to = seg[i].to < r->to ? seg[i].to : r->to;
		/* Few rows are compared as fast, and bits are shared by eights. */
		if (from >= to || similar_wanted(r, from, to) <= k || seg[i].from % 8 != 0)
			continue;
		t->part[t->parts] = (struct part){.seg = &seg[i], .from = from, .to = to};
		nearest_init(&t->part[t->parts++].rough, k);
	}
	return (0);
}

static void
want_all(const struct similar_search *r, uint64_t from, uint64_t to, uint8_t *bits)
{
	for (; from < to; from++) {
		if (r->wanted == NULL || bits_get(r->wanted, from))
			bits_set(bits, from);
	}
}

static void
say_damage(struct similar *s, const struct err *why)
{
	struct err e = *why;

	if (why->sys == ENOENT)
		err_set(&e, "%.600s; 'ecl-index' makes it again", why->text);
	similar_damaged(s, &e);
}

/*
 * The rows that are to be compared: the best candidates of all segments, what the segments do not cover, and those of the segments that could
 * not tell.
 */
static int
gather(struct similar_search *r, struct team *t, uint8_t *bits)
{
	struct nearest rough;
	uint64_t at = r->from;
	struct part *p;
	size_t i;
	int rc = 0;

	nearest_init(&rough, candidates(r));
	for (i = 0; rc == 0 && i < t->parts; i++) {
		p = &t->part[i];
		if (p->failed || nearest_merge(&rough, &p->rough) != 0)
			rc = -1;
		if (!p->told && p->why.text[0] != '\0')
			say_damage(r->s, &p->why);
		if (!p->told)
			continue;
		want_all(r, at, p->from, bits);
		at = p->to;
	}
	want_all(r, at, r->to, bits);
	for (i = 0; i < rough.n; i++)
		bits_set(bits, rough.hit[i].seq);
	nearest_release(&rough);
	return (rc);
}

static int
search_segments(struct similar_search *r, struct err *e)
{
	const uint8_t *wanted = r->wanted;
	uint8_t *bits = calloc(r->to / 8 + 1, 1);
	struct team t = {0};
	size_t i;
	int rc = -1;

	if (bits == NULL)
		err_mem(e);
	else if (choose_parts(r, &t, e) == 0) {
		crew_share(ask_segment, &t, t.parts);
		rc = gather(r, &t, bits) == 0 ? 0 : err_mem(e);
	}
	if (rc == 0) {
		r->wanted = bits;
		rc = similar_scan_rows(r, r->from, r->to, e);
		r->wanted = wanted;
	}
	for (i = 0; i < t.parts; i++)
		nearest_release(&t.part[i].rough);
	free(t.part);
	free(bits);
	return (rc);
}

/* What is asked last loads FAISS. */
static bool
by_segments(const struct similar *s, uint64_t wanted)
{
	const struct vectors_segment *seg;

	if (s->exact || wanted <= s->few || vectors_segments(s->vectors, &seg) == 0)
		return (false);
	if (ivf_available())
		return (true);
	if ((s->target->flags & SIMILAR_SAY_HOW) != 0 && s->target->say != NULL)
		s->target->say(s->target->arg, false, "there are segments, but the module with FAISS cannot be loaded: every row is compared");
	return (false);
}

static int
search_rows(struct similar_search *r, struct err *e)
{
	if (by_segments(r->s, similar_wanted(r, r->from, r->to)))
		return (search_segments(r, e));
	if (!r->s->exact && similar_has_codes(r))
		return (similar_scan_codes(r, e));
	return (similar_scan_rows(r, r->from, r->to, e));
}

/* ---- both spaces ---- */

static int
nearest_made(struct similar *s, size_t k, struct nearest *best, struct err *e)
{
	uint64_t have = vectors_events(s->vectors), edge = s->to < have ? s->to : have;
	struct similar_search r = {.s = s, .from = s->from, .to = edge, .wanted = s->wanted};
	int rc = 0;

	nearest_init(&r.best, k);
	if (r.from < r.to)
		rc = search_rows(&r, e);
	if (rc == 0)
		rc = similar_scan_log(s, s->from > edge ? s->from : edge, s->to, &r.best, e);
	if (rc == 0 && nearest_merge(best, &r.best) != 0)
		rc = err_mem(e);
	nearest_release(&r.best);
	return (rc);
}

/* The bits of events as those of rows.  Return 1, 0 where the rows' events cannot be read, or -1. */
static int
bits_of_rows(struct similar_search *r, uint8_t **ret, struct err *e)
{
	struct similar *s = r->s;
	struct err why;
	uint64_t row, seq;

	*ret = NULL;
	if (s->wanted == NULL)
		return (1);
	if ((*ret = calloc(r->to / 8 + 1, 1)) == NULL)
		return (err_mem(e));
	for (row = r->from; row < r->to; row++) {
		if (vectors_seq(s->vectors, row, &seq, &why) != 0) {
			similar_damaged(s, &why);
			return (0);
		}
		/* Rows end where the events do that are looked at. */
		if (seq >= s->to)
			break;
		if (bits_get(s->wanted, seq))
			bits_set(*ret, row);
	}
	r->wanted = *ret;
	return (1);
}

static int
by_seq(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

/* By rows what they have.  Return 1, 0 where they are damaged, or -1. */
static int
given_by_rows(struct similar *s, uint64_t edge, size_t k, struct nearest *best, struct err *e)
{
	struct similar_search r = {.s = s};
	struct err why = {0};
	uint8_t *wanted = NULL;
	uint64_t *seq = NULL;
	size_t i;
	int rc = 0;

	nearest_init(&r.best, k * 2 + MARGIN);
	if (vectors_find(s->vectors, s->from, &r.from, &why) != 0 || vectors_find(s->vectors, edge, &r.to, &why) != 0)
		similar_damaged(s, &why);
	else if ((rc = bits_of_rows(&r, &wanted, e)) == 1 && r.from < r.to)
		rc = search_rows(&r, e) != 0 ? -1 : !r.damaged;
	if (rc == 1 && r.best.n > 0 && (seq = malloc(r.best.n * sizeof(*seq))) == NULL)
		rc = err_mem(e);
	for (i = 0; rc == 1 && i < r.best.n; i++)
		if (vectors_seq(s->vectors, r.best.hit[i].seq, &seq[i], &why) != 0) {
			similar_damaged(s, &why);
			rc = 0;
		}
	if (rc == 1 && r.best.n > 1)
		qsort(seq, r.best.n, sizeof(*seq), by_seq);
	if (rc == 1 && similar_some(s, seq, r.best.n, best, e) != 0)
		rc = -1;
	free(seq);
	nearest_release(&r.best);
	free(wanted);
	return (rc);
}

static int
nearest_given(struct similar *s, size_t k, struct nearest *best, struct err *e)
{
	uint64_t have = vectors_events(s->vectors), edge = s->to < have ? s->to : have;
	struct nearest found;
	int rc = 1;

	nearest_init(&found, k);
	if (vectors_rows(s->vectors) > 0 && s->from < edge)
		rc = given_by_rows(s, edge, k, &found, e);
	else
		edge = s->from < edge ? edge : s->from;
	/* Rows that are damaged count for nothing: their events cannot be told. */
	if (rc == 0) {
		nearest_release(&found);
		nearest_init(&found, k);
		edge = s->from;
	}
	if (rc != -1)
		rc = similar_scan_log(s, edge, s->to, &found, e);
	if (rc == 0 && nearest_merge(best, &found) != 0)
		rc = err_mem(e);
	nearest_release(&found);
	return (rc);
}

int
similar_nearest(struct similar *s, size_t k, struct nearest *best, struct err *e)
{
	s->done = 0;
	return (s->given ? nearest_given(s, k, best, e) : nearest_made(s, k, best, e));
}

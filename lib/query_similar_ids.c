/* The search for similar events: those that the identifiers of a text lead to. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "query_similar_impl.h"

#include "banned.h"

#define LOOKED 262144u /* newest events in whose lines identifiers are looked for */
#define HASHES 149u    /* bytes behind what an event says: `,"prev":"<hash>","hash":"<hash>"}' */

/* ---- elements whose names the query has ---- */

struct name {
	size_t at; /* in names->text, with a NUL behind */
	uint64_t last;
};

struct names {
	struct hunt *hunt;
	struct buf text;
	struct name *name;
	size_t n, cap;
};

static int
take_name(void *arg, const struct element *el)
{
	struct names *names = arg;
	struct hunt *h = names->hunt;
	struct name *more;
	size_t cap;

	if (el->first >= h->to || !lexical_holds(&h->words, el->name) || !filter_name(&h->q->filter, el->name))
		return (0);
	if (names->n == names->cap) {
		cap = names->cap == 0 ? 16 : names->cap * 2;
		if ((more = realloc(names->name, cap * sizeof(*more))) == NULL)
			return (err_mem(h->e));
		names->name = more;
		names->cap = cap;
	}
	names->name[names->n++] = (struct name){names->text.len, el->last};
	buf_addspan(&names->text, el->name);
	buf_addc(&names->text, '\0');
	return (names->text.failed ? err_mem(h->e) : 0);
}

static int
newest_first(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->last > y->last ? -1 : x->last < y->last);
}

/* Of numbers, or of candidates, which begin with one. */
static int
by_seq(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x < y ? -1 : x > y);
}

/* The cosines of the last ${n} candidates, which came from the newest to the oldest. */
static int
add_cosines(struct hunt *h, size_t n)
{
	struct candidate *c = h->cand + h->n - n;
	struct nearest best;
	uint64_t *seq, *found;
	size_t i;
	int rc;

	if (n == 0)
		return (0);
	if ((seq = malloc(n * sizeof(*seq))) == NULL)
		return (err_mem(h->e));
	for (i = 0; i < n; i++)
		seq[i] = c[n - 1 - i].seq;
	nearest_init(&best, n);
	rc = similar_some(h->similar, seq, n, &best, h->e);
	for (i = 0; rc == 0 && i < best.n; i++) {
		found = bsearch(&best.hit[i].seq, seq, n, sizeof(*seq), by_seq);
		c[n - 1 - (size_t)(found - seq)].cosine = best.hit[i].score;
	}
	nearest_release(&best);
	free(seq);
	return (rc);
}

/* Whether it is one of the first ${n}, which are sorted. */
static bool
is_candidate(const struct hunt *h, size_t n, uint64_t seq)
{
	return (n > 0 && bsearch(&seq, h->cand, n, sizeof(*h->cand), by_seq) != NULL);
}

static void
sort_candidates(struct hunt *h)
{
	if (h->n > 1)
		qsort(h->cand, h->n, sizeof(*h->cand), by_seq);
}

/* The newest events of these elements that pass, beside the nearest ones. */
static int
add_newest(struct hunt *h, struct query *q)
{
	struct query_events *it;
	const struct event *ev;
	struct span line;
	size_t first = h->n;
	int rc;

	sort_candidates(h);
	if (query_events_open(q, &it, h->e) != 0)
		return (-1);
	while ((rc = h->n - first < h->most ? query_events_next(it, &line, &ev, h->e) : 0) == 1) {
		if (is_candidate(h, first, ev->seq))
			continue;
		if ((rc = hunt_add(h, ev, 0)) != 0)
			break;
	}
	query_events_free(it);
	return (rc == 0 ? add_cosines(h, h->n - first) : -1);
}

int
hunt_named(struct hunt *h)
{
	struct names names = {.hunt = h};
	struct query q = *h->q;
	size_t i;
	int rc;

	rc = index_each(q.ledger->index, filter_common(&h->q->filter), take_name, &names, h->e);
	if (rc == 0 && names.n > 0) {
		qsort(names.name, names.n, sizeof(*names.name), newest_first);
		q.filter = (struct filter){.action = h->q->filter.action, .actor = h->q->filter.actor};
		for (i = 0; rc == 0 && i < names.n && i < h->most; i++) {
			if (filter_add(&q.filter, names.text.data + names.name[i].at) != 0)
				rc = err_mem(h->e);
		}
		q.since = h->from;
		q.until = h->to;
		q.reverse = true;
		if (rc == 0 && (rc = filter_settle(&q.filter, q.ledger->index, h->e)) == 0)
			rc = add_newest(h, &q);
		filter_release(&q.filter);
	}
	free(names.name);
	buf_release(&names.text);
	return (rc);
}

/* ---- events that have an identifier of the query in them ---- */

/* As it was typed; not in the hashes, which are the line's end. */
static bool
stands_in(const struct lexical *lx, struct span line)
{
	size_t i, len = line.len > HASHES ? line.len - HASHES : 0;

	for (i = 0; i < lx->names; i++) {
		if (memmem(line.p, len, lx->name[i].p, lx->name[i].len) != NULL)
			return (true);
	}
	return (false);
}

/* The last so many of the lines from ${from} on, a ring: ${*ret} of them in all. */
static int
find_written(struct hunt *h, uint64_t from, uint64_t *ring, size_t *ret, struct err *e)
{
	struct log_reader reader;
	struct log_line line;
	uint64_t seq;
	int rc = 1;

	*ret = 0;
	if (log_seek(h->q->ledger->log, from, &reader, e) != 0)
		return (-1);
	for (seq = from; seq < h->to && (rc = log_reader_next(&reader, &line, e)) == 1; seq++) {
		if ((h->wanted == NULL || bits_get(h->wanted, seq)) && stands_in(&h->words, line.text))
			ring[(*ret)++ % h->most] = seq;
	}
	log_reader_release(&reader);
	return (rc == -1 ? -1 : 0);
}

int
hunt_written(struct hunt *h)
{
	uint64_t from = h->to - h->from > LOOKED ? h->to - LOOKED : h->from, *ring;
	size_t first = h->n, found, i, n;
	struct buf line = BUF_INIT;
	struct event ev;
	int rc;

	sort_candidates(h);
	if ((ring = malloc(h->most * sizeof(*ring))) == NULL)
		return (err_mem(h->e));
	rc = find_written(h, from, ring, &found, h->e);
	n = found < h->most ? found : h->most;
	for (i = 0; rc == 0 && i < n; i++) {
		if (is_candidate(h, first, ring[(found - 1 - i) % h->most]))
			continue;
		if ((rc = index_event(h->q->ledger->index, ring[(found - 1 - i) % h->most], &line, &ev, h->e)) == 0 && hunt_passes(h, &ev))
			rc = hunt_add(h, &ev, 0);
	}
	if (rc == 0)
		rc = add_cosines(h, h->n - first);
	buf_release(&line);
	free(ring);
	return (rc);
}

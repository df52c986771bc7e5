/* Rows that are judged, and what they are compared with. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dot.h"
#include "unusual_impl.h"

#include "banned.h"

#define SHARE_MIN 8 /* active ones for which no other thread is woken */

/* Make ${r} the ${n} rows that begin with that of ${seq}. */
static void
run_set(const struct unusual *u, struct run *r, const int8_t *rows, uint64_t seq, size_t n)
{
	size_t i;

	r->rows = rows;
	r->seq = seq;
	r->n = n;
	r->shortest = 0;
	for (i = 0; i < n; i++) {
		r->self[i] = dot_self(rows + i * u->width, u->width);
		r->inverse[i] = r->self[i] == 0 ? 0 : 1 / sqrtf((float)r->self[i]);
		r->shortest = r->inverse[i] > r->shortest ? r->inverse[i] : r->shortest;
	}
}

static int32_t
largest(const int32_t *p, size_t n)
{
	int32_t most[8] = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
	size_t i, k;

	for (i = 0; i + 8 <= n; i += 8)
		for (k = 0; k < 8; k++)
			most[k] = p[i + k] > most[k] ? p[i + k] : most[k];
	for (; i < n; i++)
		most[0] = p[i] > most[0] ? p[i] : most[0];
	for (k = 1; k < 8; k++)
		most[0] = most[k] > most[0] ? most[k] : most[0];
	return (most[0]);
}

/* The candidate, and the rows of the run that are before it. */
void
compare(const struct unusual *u, struct candidate *c, const int8_t *row, const struct run *r, int32_t *dot)
{
	size_t i, n = c->seq <= r->seq ? 0 : c->seq - r->seq < r->n ? (size_t)(c->seq - r->seq) : r->n;
	double cosine;
	float bar;

	if (n == 0)
		return;
	dot_rows(row, r->rows, n, u->width, dot);
	/* Floats see that nearly all are far from it; what is not gets the one cosine that there is of two rows. */
	bar = (float)(c->best * sqrt(c->self)) * (1 - 1e-5f);
	if (c->best > 0 && (float)largest(dot, n) * r->shortest < bar)
		return;
	for (i = 0; i < n; i++) {
		if (r->self[i] == 0 || (c->best > 0 && (float)dot[i] * r->inverse[i] < bar))
			continue;
		cosine = dot_cosine(dot[i], c->self, r->self[i]);
		if (cosine < c->best || (cosine == c->best && r->seq + i < c->nearest))
			continue;
		c->best = cosine;
		c->nearest = r->seq + i;
		bar = (float)(c->best * sqrt(c->self)) * (1 - 1e-5f);
	}
}

static void
compare_share(struct share *s)
{
	struct unusual *u = s->u;
	size_t i, k;

	for (k = 0; k < u->runs; k++)
		for (i = s->from; i < s->to; i++)
			compare(u, &u->c[u->active[i]], row_of(u, u->active[i]), &u->run[k], s->dot);
}

/* Leave out those of the active ones that cannot be among the best any more. */
void
sift(struct unusual *u)
{
	size_t i, n = 0;

	for (i = 0; i < u->actives; i++) {
		if (may_be_among(u, &u->c[u->active[i]]))
			u->active[n++] = u->active[i];
	}
	u->actives = n;
}

void
share_run(void *job)
{
	struct share *s = job;

	s->u->job(s);
}

void
share_out(struct unusual *u, void (*job)(struct share *s), size_t n)
{
	unsigned i, shares = u->shares;
	uint64_t count;

	u->job = job;
	if (n < shares * SHARE_MIN)
		shares = (unsigned)(n / SHARE_MIN) + 1;
	for (i = shares; i-- > 0;) {
		u->share[i].from = n * i / shares;
		u->share[i].to = n * (i + 1) / shares;
		if (i > 0)
			worker_post(&u->share[i].worker, &u->share[i]);
		else
			job(&u->share[0]);
	}
	for (i = 1; i < shares; i++) {
		while (count = shop_count(&u->shop), worker_busy(&u->share[i].worker))
			shop_wait(&u->shop, count);
	}
}

/* The active ones and the runs that are set. */
static void
compare_all(struct unusual *u)
{
	share_out(u, compare_share, u->actives);
	sift(u);
}

/* Where rows come from. */

static uint64_t
chunks_of(const struct unusual *u, uint64_t to)
{
	uint64_t stored = to < u->rows->stored ? to : u->rows->stored;

	return ((stored + u->rows->per - 1) / u->rows->per);
}

/* Let run ${slot} be chunk ${number} of the stored rows. */
int
fetch(struct unusual *u, uint64_t number, unsigned slot, struct err *e)
{
	uint64_t first = number * u->rows->per, n = u->rows->stored - first;
	const int8_t *rows;

	if (u->rows->chunk(u->rows->arg, first, slot, &rows, e) != 0)
		return (-1);
	run_set(u, &u->run[slot], rows, first, n < u->rows->per ? (size_t)n : u->rows->per);
	return (0);
}

void
tell(const struct unusual *u, double part)
{
	const struct candidate *last = &u->c[u->n - 1];

	if (u->step != NULL)
		u->step(u->step_arg, u->c[0].seq + (uint64_t)(part * (double)(last->seq - u->c[0].seq)));
}

/* Where the order in which chunks are looked at goes on: far from the last place, so that any stretch of it is a sample of them all. */
uint64_t
stride_of(uint64_t chunks)
{
	uint64_t stride = (uint64_t)((double)chunks * 0.6180339887) | 1, a, b, t;

	for (;; stride += 2) {
		for (a = chunks, b = stride; b != 0; t = a % b, a = b, b = t)
			;
		if (a == 1)
			return (stride);
	}
}

static int
by_like(const void *a, const void *b)
{
	const struct guess *x = a, *y = b;

	return (x->like < y->like ? -1 : x->like > y->like);
}

/* In the order of the rows, so that a chunk is fetched once. */
int
compare_guesses(struct unusual *u, struct guess *guess, size_t n, struct err *e)
{
	uint64_t chunk = UINT64_MAX;
	const struct guess *g;
	struct run one;
	size_t at;

	if (n > 0)
		qsort(guess, n, sizeof(*guess), by_like);
	for (g = guess; g < guess + n; g++) {
		if (g->like / u->rows->per != chunk) {
			chunk = g->like / u->rows->per;
			if (fetch(u, chunk, 0, e) != 0)
				return (-1);
		}
		one = u->run[0];
		at = (size_t)(g->like - one.seq);
		one = (struct run){one.rows + at * u->width, g->like, 1, one.self + at, one.inverse + at, one.inverse[at]};
		compare(u, &u->c[g->candidate], row_of(u, g->candidate), &one, u->share[0].dot);
	}
	return (0);
}

/* Compare the active ones with the chunks that are number ${from} up to, not including, ${to} in that order. */
int
compare_chunks(struct unusual *u, uint64_t from, uint64_t to, struct err *e)
{
	uint64_t chunks = chunks_of(u, u->c[u->n - 1].seq), stride = stride_of(chunks), i;

	to = to < chunks ? to : chunks;
	for (i = from; i < to && u->actives > 0; i += u->runs) {
		for (u->runs = 0; u->runs < UNUSUAL_SLOTS && i + u->runs < to; u->runs++) {
			if (fetch(u, (i + u->runs) * stride % chunks, (unsigned)u->runs, e) != 0)
				return (-1);
		}
		compare_all(u);
		tell(u, (double)i / (double)chunks);
	}
	return (0);
}

/* Rows that are not stored, ${n} of them, in runs: how many were set. */
size_t
set_runs(struct unusual *u, uint64_t seq, const int8_t *rows, size_t n)
{
	size_t done, now;

	for (done = u->runs = 0; done < n && u->runs < UNUSUAL_SLOTS; done += now) {
		now = n - done < u->run_cap ? n - done : u->run_cap;
		run_set(u, &u->run[u->runs++], rows + done * u->width, seq + done, now);
	}
	return (done);
}

static int
visit_rest(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct unusual *u = arg;
	size_t done, now;

	for (done = 0; done < n && u->actives > 0; done += now) {
		now = set_runs(u, seq + done, rows + done * u->width, n - done);
		compare_all(u);
	}
	return (u->actives == 0);
}

int
compare_rest(struct unusual *u, struct err *e)
{
	uint64_t to = u->c[u->n - 1].seq;

	if (to <= u->rows->stored || u->actives == 0)
		return (0);
	return (u->rows->rest(u->rows->arg, to, visit_rest, u, e) == -1 ? -1 : 0);
}

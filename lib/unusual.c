/* The rows that are least like any row before them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "event.h"
#include "unusual_impl.h"

#include "banned.h"

#define BLOCK_BYTES (16u << 20) /* of rows that are judged at a time */
#define BLOCK_ROWS 65536u
#define SEEDS 32   /* so many at least, or twice as many as are wanted, are compared with all first */
#define SAMPLED 32 /* times as many with a sample, to see which are worth it */
#define SAMPLE 16  /* chunks of that */
#define LOOK 4	   /* chunks of codes that all look at first */
#define TRIED 1024 /* that look at all codes, at most, before the others do, unless they find all quite usual */
#define LIKES 256	   /* rows behind a guess that are compared too, */
#define LIKES_ALL (1u << 20) /* but so many at most for all that are judged together; */
#define LIKES_FEWER 16 /* the best one of so many goes on */
#define THREADS_MAX 64

/* Judging a block of rows. */

/* Copy the rows of those candidates, from ${i} on, that are in the run, and compare each with what is before it there.  Return the next candidate. */
static size_t
take(struct unusual *u, size_t i, const struct run *r)
{
	struct candidate *c;
	size_t at;

	for (; i < u->n && u->c[i].seq - r->seq < r->n; i++) {
		c = &u->c[i];
		at = (size_t)(c->seq - r->seq);
		memcpy(row_of(u, i), r->rows + at * u->width, u->width);
		c->self = r->self[at];
		if (c->self != 0)
			compare(u, c, row_of(u, i), r, u->share[0].dot);
	}
	return (i);
}

/* The first candidates that are not stored, for visit_take(). */
struct taking {
	struct unusual *u;
	size_t next;
};

static int
visit_take(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct taking *t = arg;
	size_t done, now, k;

	for (done = 0; done < n; done += now) {
		now = set_runs(t->u, seq + done, rows + done * t->u->width, n - done);
		for (k = 0; k < t->u->runs; k++)
			t->next = take(t->u, t->next, &t->u->run[k]);
	}
	return (0);
}

static int
take_all(struct unusual *u, struct err *e)
{
	struct taking t = {u, 0};
	size_t i;

	while (t.next < u->n && u->c[t.next].seq < u->rows->stored) {
		if (fetch(u, u->c[t.next].seq / u->rows->per, 0, e) != 0)
			return (-1);
		t.next = take(u, t.next, &u->run[0]);
	}
	if (t.next < u->n &&
	    u->rows->rest(u->rows->arg, u->c[u->n - 1].seq + 1, visit_take, &t, e) == -1)
		return (-1);
	for (i = u->actives = 0; i < u->n; i++)
		u->active[u->actives++] = (uint32_t)i;
	sift(u);
	return (0);
}

/* Keep the best ${k} of the active ones active, and put the others behind them, each in its order. */
static int
choose(struct unusual *u, size_t k, struct err *e)
{
	struct nearest best;
	const struct candidate *c;
	size_t i, n = 0, others = 0;
	uint32_t *behind;
	double score;
	int rc = 0;

	if (u->actives <= k)
		return (0);
	nearest_init(&best, k);
	if ((behind = malloc(u->actives * sizeof(*behind))) == NULL)
		return (err_mem(e));
	for (i = 0; rc == 0 && i < u->actives; i++)
		rc = nearest_offer(&best, score_of(&u->c[u->active[i]]), u->c[u->active[i]].seq);
	for (i = 0; rc == 0 && i < u->actives; i++) {
		c = &u->c[u->active[i]];
		score = score_of(c);
		if (score > best.hit[0].score || (score == best.hit[0].score && c->seq >= best.hit[0].seq))
			u->active[n++] = u->active[i];
		else
			behind[others++] = u->active[i];
	}
	memcpy(u->active + n, behind, others * sizeof(*behind));
	u->actives = rc == 0 ? n : u->actives;
	free(behind);
	nearest_release(&best);
	return (rc == 0 ? 0 : err_mem(e));
}

static void
activate_all(struct unusual *u)
{
	size_t i;

	for (i = u->actives = 0; i < u->n; i++)
		u->active[u->actives++] = (uint32_t)i;
	sift(u);
}

/*
 * What those who judge say that they may resemble, and what that may resemble, and so on: of each active one those of the rows that way that are
 * number ${from} up to, not including, ${to}.
 */
static int
compare_likes(struct unusual *u, size_t from, size_t to, struct err *e)
{
	const struct unusual_rows *r = u->rows;
	struct guess *g;
	uint64_t like;
	size_t i, k, n;
	int rc;

	if ((g = malloc((u->actives * (to - from) + 1) * sizeof(*g))) == NULL)
		return (err_mem(e));
	for (i = n = 0; i < u->actives; i++) {
		like = u->c[u->active[i]].like;
		for (k = 0; k < to && like != EVENT_NONE; like = ++k < to ? r->like(r->arg, like) : EVENT_NONE) {
			if (k >= from && like < r->stored)
				g[n++] = (struct guess){like, u->active[i]};
		}
	}
	rc = compare_guesses(u, g, n, e);
	free(g);
	sift(u);
	return (rc);
}

/*
 * One is enough where the best so far are unusual.  Where nothing is known it is not, but nearly all that will be found is on that way: the less is
 * found, the farther.
 */
static int
compare_all_likes(struct unusual *u, struct err *e)
{
	size_t from = 1, n, to;

	if (compare_likes(u, 0, 1, e) != 0)
		return (-1);
	for (n = u->rows->like == NULL ? 0 : u->actives; n > 0; n /= LIKES_FEWER, from = to) {
		to = from + (LIKES_ALL / n < LIKES ? LIKES_ALL / n : LIKES);
		if (choose(u, n, e) != 0 || compare_likes(u, from, to, e) != 0)
			return (-1);
		activate_all(u);
	}
	return (0);
}

/* They were compared with all: take those that are among the best. */
static int
settle(struct unusual *u, struct err *e)
{
	const struct candidate *c;
	struct unusual_hit *more;
	size_t i, cap;

	for (i = 0; i < u->actives; i++) {
		c = &u->c[u->active[i]];
		if (!may_be_among(u, c))
			continue;
		if (u->founds == u->found_cap) {
			cap = u->found_cap == 0 ? 64 : u->found_cap * 2;
			if ((more = realloc(u->found, cap * sizeof(*more))) == NULL)
				return (err_mem(e));
			u->found = more;
			u->found_cap = cap;
		}
		u->found[u->founds++] = (struct unusual_hit){c->seq, score_of(c), c->nearest};
		if (nearest_offer(&u->top, score_of(c), c->seq) != 0)
			return (err_mem(e));
	}
	return (0);
}

static size_t
seeds_of(const struct unusual *u)
{
	return (u->k < SEEDS / 2 ? SEEDS : u->k < BLOCK_ROWS ? 2 * u->k : 2 * BLOCK_ROWS);
}

/*
 * All active ones were compared with the first ${from} chunks.  Where there are many, those that look best now are compared with all: then it
 * is known better how good one must be, and few of the others need go on.
 */
static int
settle_best(struct unusual *u, uint64_t from, struct err *e)
{
	size_t all = u->actives, n;

	if (all <= 4 * seeds_of(u))
		return (0);
	if (choose(u, seeds_of(u), e) != 0)
		return (-1);
	n = u->actives;
	if (compare_chunks(u, from, UINT64_MAX, e) != 0 || compare_rest(u, e) != 0 || settle(u, e) != 0)
		return (-1);
	memmove(u->active, u->active + n, (all - n) * sizeof(*u->active));
	u->actives = all - n;
	sift(u);
	return (0);
}

/* The active ones are settled: the others of the block go on. */
static void
go_on(struct unusual *u)
{
	size_t i;

	for (i = 0; i < u->actives; i++)
		u->c[u->active[i]].self = 0;
	activate_all(u);
}

/* The same before anything is known, when a look at a sample would take long for all of them. */
static int
settle_first(struct unusual *u, struct err *e)
{
	if (u->actives <= 4 * seeds_of(u))
		return (0);
	if (choose(u, SAMPLED * seeds_of(u), e) != 0 || compare_chunks(u, 0, SAMPLE, e) != 0 || choose(u, seeds_of(u), e) != 0 ||
	    compare_chunks(u, SAMPLE, UINT64_MAX, e) != 0 || compare_rest(u, e) != 0 || settle(u, e) != 0)
		return (-1);
	go_on(u);
	return (0);
}

static int
judge_by_rows(struct unusual *u, struct err *e)
{
	uint64_t from = 0, to;

	if (settle_first(u, e) != 0)
		return (-1);
	for (to = 4 * SAMPLE; to <= 64 * SAMPLE; from = to, to *= 4) {
		if (compare_chunks(u, from, to, e) != 0 || settle_best(u, to, e) != 0)
			return (-1);
	}
	return (compare_chunks(u, from, UINT64_MAX, e) != 0 || compare_rest(u, e) != 0 || settle(u, e) != 0 ? -1 : 0);
}

/* How unusual the ${k}th is of those that looked at all codes; -1: there are fewer. */
static int
seen_bar(const struct unusual *u, double *ret, struct err *e)
{
	struct nearest best;
	size_t i;
	int rc = 0;

	nearest_init(&best, u->k);
	for (i = 0; rc == 0 && i < u->n; i++) {
		if (u->c[i].seen && may_be_among(u, &u->c[i]))
			rc = nearest_offer(&best, score_of(&u->c[i]), u->c[i].seq);
	}
	*ret = best.n == u->k ? best.hit[0].score : -1;
	nearest_release(&best);
	return (rc == 0 ? 0 : err_mem(e));
}

/* Those below ${bar} wait. */
static void
put_off(struct unusual *u, double bar)
{
	size_t i, n = 0;

	for (i = 0; i < u->actives; i++) {
		if (score_of(&u->c[u->active[i]]) >= bar)
			u->active[n++] = u->active[i];
	}
	u->actives = n;
}

/* Those that did not look at all codes, and are not below ${bar}. */
static void
activate_unseen(struct unusual *u, double bar)
{
	size_t i, n = 0;

	activate_all(u);
	for (i = 0; i < u->actives; i++) {
		if (!u->c[u->active[i]].seen)
			u->active[n++] = u->active[i];
	}
	u->actives = n;
	put_off(u, bar);
}

/* Let the ${n} active ones that look best in the end look at all codes. */
static int
look_best(struct unusual *u, size_t n, struct err *e)
{
	size_t i;

	if (choose(u, SAMPLED * n, e) != 0 || look(u, 0, LOOK, e) != 0 || choose(u, n, e) != 0)
		return (-1);
	for (i = 0; i < u->actives; i++)
		u->c[u->active[i]].seen = true;
	return (look(u, LOOK, UINT64_MAX, e));
}

/*
 * Compare with what codes tell until those that look best are about the best.  What looks best before its codes are seen may be quite usual then: more
 * are tried while many others look as good, until that was as much work as those are.
 */
static int
look_all(struct unusual *u, struct err *e)
{
	uint64_t chunks = look_chunks(u), from = 0, to;
	size_t n = seeds_of(u), tried = 0;
	double bar = -1;

	for (;; tried += n, n *= 2) {
		activate_unseen(u, bar);
		if (u->actives <= tried || (bar >= 0 && n > TRIED))
			break;
		if (look_best(u, n, e) != 0 || seen_bar(u, &bar, e) != 0)
			return (-1);
	}
	activate_unseen(u, bar);
	for (to = LOOK; from < chunks && u->actives > 0; from = to, to *= 4) {
		if (look(u, from, to, e) != 0)
			return (-1);
		put_off(u, bar);
	}
	activate_all(u);
	return (0);
}

/* Codes tell which look best: those are compared with all, and by how unusual they are few of the others need be. */
static int
judge_by_codes(struct unusual *u, struct err *e)
{
	if (look_all(u, e) != 0 || choose(u, u->k, e) != 0 || compare_rest(u, e) != 0 || compare_chunks(u, 0, UINT64_MAX, e) != 0 || settle(u, e) != 0)
		return (-1);
	go_on(u);
	return (compare_rest(u, e) != 0 || compare_chunks(u, 0, UINT64_MAX, e) != 0 || settle(u, e) != 0 ? -1 : 0);
}

static int
judge_block(struct unusual *u, struct err *e)
{
	if (u->n == 0)
		return (0);
	if (take_all(u, e) != 0 || compare_all_likes(u, e) != 0 || (u->look != NULL ? judge_by_codes : judge_by_rows)(u, e) != 0)
		return (-1);
	tell(u, 1);
	u->n = 0;
	return (0);
}

/* What others call. */

static int
start_shares(struct unusual *u, unsigned threads, struct err *e)
{
	unsigned i;

	u->shares = threads == 0 ? crew_processors() : threads < THREADS_MAX ? threads : THREADS_MAX;
	if ((u->share = calloc(u->shares, sizeof(*u->share))) == NULL)
		return (err_mem(e));
	for (i = 0; i < u->shares; i++) {
		u->share[i].u = u;
		worker_init(&u->share[i].worker, &u->shop, share_run);
		if ((u->share[i].dot = malloc(u->run_cap * sizeof(*u->share[i].dot))) == NULL)
			return (err_mem(e));
		if (i > 0)
			worker_start(&u->share[i].worker);
	}
	return (0);
}

int
unusual_new(const struct unusual_rows *rows, size_t k, unsigned threads, struct unusual **ret, struct err *e)
{
	struct unusual *u;
	unsigned i;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		return (err_mem(e));
	u->rows = rows;
	u->width = rows->width;
	u->k = k;
	nearest_init(&u->top, k);
	u->shop = (struct shop)SHOP_INIT;
	u->cap = BLOCK_BYTES / u->width < BLOCK_ROWS ? BLOCK_BYTES / u->width : BLOCK_ROWS;
	u->run_cap = rows->per;
	u->c = malloc(u->cap * sizeof(*u->c));
	u->row = malloc(u->cap * u->width);
	u->active = malloc(u->cap * sizeof(*u->active));
	for (i = 0; i < UNUSUAL_SLOTS; i++) {
		u->run[i].self = malloc(u->run_cap * sizeof(*u->run[i].self));
		u->run[i].inverse = malloc(u->run_cap * sizeof(*u->run[i].inverse));
		if (u->run[i].self == NULL || u->run[i].inverse == NULL)
			goto err1;
	}
	if (u->c == NULL || u->row == NULL || u->active == NULL || start_shares(u, threads, e) != 0)
		goto err1;
	if (rows->code_bytes > 0 && rows->coded > 0 && (u->look = look_new(rows)) == NULL)
		goto err1;
	*ret = u;
	return (0);

err1:	unusual_free(u);
	return (err_mem(e));
}

void
unusual_free(struct unusual *u)
{
	unsigned i;

	if (u == NULL)
		return;
	for (i = 0; u->share != NULL && i < u->shares; i++) {
		worker_stop(&u->share[i].worker);
		free(u->share[i].dot);
	}
	for (i = 0; i < UNUSUAL_SLOTS; i++) {
		free(u->run[i].self);
		free(u->run[i].inverse);
	}
	nearest_release(&u->top);
	look_free(u->look);
	free(u->share);
	free(u->found);
	free(u->c);
	free(u->row);
	free(u->active);
	free(u);
}

void
unusual_step(struct unusual *u, void (*step)(void *arg, uint64_t seq), void *arg)
{
	u->step = step;
	u->step_arg = arg;
}

int
unusual_judge(struct unusual *u, uint64_t seq, uint64_t like, struct err *e)
{
	if (u->n == u->cap && judge_block(u, e) != 0)
		return (-1);
	u->c[u->n++] = (struct candidate){.seq = seq, .like = like, .nearest = EVENT_NONE, .best = -2};
	return (0);
}

static int
by_worth(const void *a, const void *b)
{
	const struct unusual_hit *x = a, *y = b;

	return (x->score != y->score ? (x->score > y->score ? -1 : 1) : x->seq > y->seq ? -1 : x->seq < y->seq);
}

int
unusual_end(struct unusual *u, const struct unusual_hit **ret, size_t *ret_n, struct err *e)
{
	if (judge_block(u, e) != 0)
		return (-1);
	if (u->founds > 0)
		qsort(u->found, u->founds, sizeof(*u->found), by_worth);
	*ret = u->found;
	*ret_n = u->founds < u->k ? u->founds : u->k;
	return (0);
}

/* The events nearest to a vector: by the codes of the rows, then by the rows of those that are near. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "column.h"
#include "crew.h"
#include "dot.h"
#include "similar_impl.h"

#include "banned.h"

/*
 * The more rows there are, the more of them are as near by chance.  Of the ten nearest of a million events 98.3 of 100 are found for words, 99.0
 * for an event, by looking at 1,500 at most; by 1,250 were 97.5 and 98.8.  Of 100,000, for words by 800, 98.2; for an event by 600, 98.2; by 395
 * were 97.4.  Of the hundred nearest of 70,000, by 1,200, 99.9; by 400 were 95.5.  To look at one costs as much as a thousand codes.
 */
#define PER_ANSWER 12u
#define PER_CANDIDATE 4u /* where what is found is judged by its words, and only some of it is an answer */
#define PER_ROOT 1.5 /* of the number of rows */
#define LEAST 600u /* however few are asked for */
#define FEW 50000u /* rows that are all compared */
#define LOOK 32u   /* rows that are compared, chunk by chunk, while one of them is read for itself */
#define PART 1024u /* rows that a thread looks at, at a time, at most */
#define PART_MIN 128u /* for fewer no thread is worth its start */
#define FIRST 512u /* rows that are looked at before the others are judged by them, at least, */
#define FIRST_PER 8u /* and for each of those that are asked for: of fewer none is so good that it spares the others */
#define UNKNOWN (-2.0) /* in place of a cosine */

static size_t
candidates(const struct similar_search *r)
{
	uint64_t rows = similar_wanted(r, r->from, r->to), some = (uint64_t)(PER_ROOT * sqrt((double)rows));
	uint64_t least = r->best.k * (r->s->words ? PER_CANDIDATE : PER_ANSWER);

	least = least > LEAST ? least : LEAST;
	some = some > least ? some : least;
	return ((size_t)(some < rows ? some : rows));
}

/* How many rows are read for those that are wanted: whole chunks. */
static uint64_t
touched(const struct similar_search *r)
{
	uint64_t per = COLUMN_CHUNK / r->s->width, row, rows = 0;

	if (r->wanted == NULL)
		return (r->to - r->from);
	for (row = r->from; (row = bits_next(r->wanted, row, r->to)) < r->to; row = (row / per + 1) * per)
		rows += per;
	return (rows);
}

bool
similar_has_codes(const struct similar_search *r)
{
	uint64_t rows = touched(r);

	return (rows > FEW && vectors_code_bytes(r->s->vectors) > 0 && candidates(r) * LOOK + rows / 8 < rows);
}

static int
by_row(const void *a, const void *b)
{
	const struct nearest_hit *x = a, *y = b;

	return (x->seq < y->seq ? -1 : x->seq > y->seq);
}

/* Those that look near, by their rows. */
struct look {
	struct similar *s;
	const struct code_query *code;
	struct nearest_hit *some; /* by row; their scores become cosines, or UNKNOWN */
	size_t n, part;	/* rows that a thread looks at, at a time */
	bool failed;	       /* memory ran out */
};

/* One of the threads. */
struct looker {
	const struct look *look;
	struct vectors *vectors;
	int8_t *row; /* one of them, and its code */
	uint8_t *bits;
};

/* Put the cosine into ${hit}.  Its distance tells whether the row is that of which the code was made.  Return false where it is not in memory yet. */
static bool
look_at(struct looker *l, struct nearest_hit *hit, bool wait)
{
	const struct look *look = l->look;
	struct similar *s = look->s;
	unsigned distance = 0;
	int32_t dot, self;
	int rc;

	if ((rc = vectors_peek(l->vectors, hit->seq, wait, l->row)) == 0)
		return (false);
	if (rc == 1) {
		code_make(l->row, s->width, l->bits);
		distance = code_distance(look->code, l->bits);
	}
	if (rc == -1 || distance != -hit->score)
		hit->score = UNKNOWN;
	else {
		dot_rows_self(s->q, l->row, 1, s->width, &dot, &self);
		hit->score = dot_cosine(dot, s->qq, self);
	}
	return (true);
}

/* All that are not in memory are on their way before the first of them is waited for. */
static void
look_at_part(void *arg, size_t part)
{
	struct look *look = arg;
	size_t from = part * look->part, to = look->n - from < look->part ? look->n : from + look->part, i, n = 0;
	struct looker l = {.look = look, .vectors = vectors_clone(look->s->vectors), .row = malloc(look->s->width), .bits = malloc(look->code->bytes)};
	size_t *later = malloc((to - from) * sizeof(*later));

	if (l.vectors == NULL || l.row == NULL || l.bits == NULL || later == NULL) {
		__atomic_store_n(&look->failed, true, __ATOMIC_RELAXED);
		goto out;
	}
	for (i = from; i < to; i++) {
		if (!look_at(&l, &look->some[i], false))
			later[n++] = i;
	}
	for (i = 0; i < n; i++)
		look_at(&l, &look->some[later[i]], true);
out:	free(later);
	free(l.bits);
	free(l.row);
	vectors_free(l.vectors);
}

/* All processors have some, and as many. */
static size_t
part_of(size_t n)
{
	size_t round = (size_t)crew_processors() * PART, parts = (n + round - 1) / round * crew_processors(), part = (n + parts - 1) / parts;

	return (part < PART_MIN ? PART_MIN : part);
}

static int
look_at_some(struct similar_search *r, const struct code_query *code, struct nearest_hit *some, size_t n, struct err *e)
{
	struct look look = {.s = r->s, .code = code, .some = some, .n = n, .part = part_of(n)};
	const struct nearest_hit *hit;

	qsort(some, n, sizeof(*some), by_row);
	crew_share(look_at_part, &look, (n + look.part - 1) / look.part);
	if (look.failed)
		return (err_mem(e));
	for (hit = some; hit < some + n; hit++) {
		/* The checksums tell what is damaged, and the log what should be there. */
		if (hit->score == UNKNOWN) {
			if (similar_scan_rows(r, hit->seq, hit->seq + 1, e) != 0)
				return (-1);
		} else if (nearest_offer(&r->best, hit->score, hit->seq) != 0)
			return (err_mem(e));
	}
	return (0);
}

/* The end of those from ${at} on, and before ${end}, that are no farther than ${reach}. */
static size_t
within(const struct nearest *rough, size_t at, size_t end, unsigned reach)
{
	while (end > at && -rough->hit[end - 1].score > reach)
		end--;
	return (end);
}

/* The nearest ones first: the better the best of them are, the fewer of the others can be as good. */
static int
look_at_all(struct similar_search *r, const struct code_query *code, struct nearest *rough, struct err *e)
{
	size_t some = r->best.k * FIRST_PER > FIRST ? r->best.k * FIRST_PER : FIRST, at, end;

	nearest_sort(rough);
	for (at = 0; at < rough->n; at = end, some *= 2) {
		end = rough->n - at < some ? rough->n : at + some;
		if (r->best.n == r->best.k)
			end = within(rough, at, end, code_reach(code, r->best.hit[0].score));
		if (end == at)
			break;
		if (look_at_some(r, code, rough->hit + at, end - at, e) != 0)
			return (-1);
	}
	return (0);
}

static void
on_rows(void *arg, uint64_t rows)
{
	similar_step(arg, rows);
}

int
similar_scan_codes(struct similar_search *r, struct err *e)
{
	uint64_t coded = vectors_coded(r->s->vectors), edge = r->to < coded ? r->to : coded;
	struct similar *s = r->s;
	struct code_query code;
	struct nearest rough;
	struct nearest_scan scan = {.vectors = s->vectors,
	    .code = &code,
	    .from = r->from,
	    .to = edge,
	    .wanted = r->wanted,
	    .step = on_rows,
	    .arg = s};
	size_t i;
	int rc;

	code_query_init(&code, s->q, s->width);
	nearest_init(&rough, candidates(r));
	rc = nearest_scan(&scan, &rough, e);
	if (rc == 0)
		rc = look_at_all(r, &code, &rough, e);
	if (scan.gaps > 0)
		similar_damaged(s, &scan.why);
	for (i = 0; rc == 0 && i < scan.gaps; i++)
		rc = similar_scan_rows(r, scan.gap[i].from, scan.gap[i].to, e);
	/* The last few have no codes yet. */
	if (rc == 0 && edge < r->to)
		rc = similar_scan_rows(r, edge, r->to, e);
	nearest_scan_release(&scan);
	nearest_release(&rough);
	return (rc);
}

/* Questions to a ledger: the events that are least like anything recorded before them. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "made.h"
#include "query_impl.h"
#include "unusual.h"
#include "vectorize.h"

#include "banned.h"

#define TAIL_BYTES (64u << 20) /* of rows that no file has, and that are kept, as they are asked for several times */

struct watch {
	struct query *q;
	const struct similar_target *target; /* what it says of flags and warnings */
	struct made made;
	struct unusual_rows rows;
	struct unusual *unusual;
	int8_t *mended[UNUSUAL_SLOTS]; /* chunks that are damaged, made again */
	int8_t *tail;		     /* the rows behind the stored ones, as far as they are kept */
	uint64_t tail_n, tail_cap;
	uint64_t from;
	bool warned, told; /* of damage, of events without a row */
	struct err *e;
};

static void
say(const struct watch *w, bool damage, const char *text)
{
	if (w->target->say != NULL && text != NULL)
		w->target->say(w->target->arg, damage, text);
}

/* ---- rows ---- */

struct copying {
	int8_t *to;
	unsigned width;
};

static int
copy_rows(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct copying *c = arg;

	(void)seq;
	memcpy(c->to, rows, n * c->width);
	c->to += n * c->width;
	return (0);
}

static int
make_chunk(struct watch *w, uint64_t row, unsigned slot, struct err *e)
{
	uint64_t to = row + w->rows.per < w->rows.stored ? row + w->rows.per : w->rows.stored;
	struct copying c = {.width = w->rows.width};

	if (w->mended[slot] == NULL && (w->mended[slot] = malloc((size_t)w->rows.per * w->rows.width)) == NULL)
		return (err_mem(e));
	c.to = w->mended[slot];
	return (vectorize(w->q->ledger->log, w->made.em, row, to, 1, copy_rows, &c, e));
}

static int
chunk(void *arg, uint64_t row, unsigned slot, const int8_t **ret, struct err *e)
{
	struct watch *w = arg;
	uint64_t first, n;
	struct err why = {0};

	if (vectors_chunk(w->made.vectors, row, ret, &first, &n, &why) == 0 && first == row &&
	    n >= (w->rows.stored - row < w->rows.per ? w->rows.stored - row : w->rows.per))
		return (0);
	if (!w->warned)
		say(w, true, why.text);
	w->warned = true;
	if (make_chunk(w, row, slot, e) != 0)
		return (-1);
	*ret = w->mended[slot];
	return (0);
}

static int
codes(void *arg, uint64_t row, size_t n, const uint8_t **ret)
{
	struct watch *w = arg;
	uint64_t first, there;
	struct err why = {0};

	if (vectors_codes(w->made.vectors, row, ret, &first, &there, &why) == 0 && first == row && there >= n)
		return (0);
	if (!w->warned)
		say(w, true, why.text);
	w->warned = true;
	return (-1);
}

/* The event of the same element before it: states come again.  It is a guess only, so the row need not be right. */
static uint64_t
like(void *arg, uint64_t row)
{
	struct watch *w = arg;
	struct err why;
	struct row r;

	return (index_peek(w->q->ledger->index, row, &r, &why) == 0 ? r.parent : EVENT_NONE);
}

/* Rows that are made now: who asked for them, and how many are kept for the next time. */
struct making {
	struct watch *w;
	int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n);
	void *arg;
	struct err *e;
};

static int
keep_tail(struct watch *w, uint64_t seq, const int8_t *rows, size_t n, struct err *e)
{
	const unsigned width = w->rows.width;
	uint64_t cap;
	int8_t *more;

	if (seq != w->rows.stored + w->tail_n || (w->tail_n + n) * width > TAIL_BYTES)
		return (0);
	if (w->tail_n + n > w->tail_cap) {
		cap = 2 * (w->tail_n + n);
		cap = cap * width < TAIL_BYTES ? cap : TAIL_BYTES / width;
		if ((more = realloc(w->tail, (size_t)cap * width)) == NULL)
			return (err_mem(e));
		w->tail = more;
		w->tail_cap = cap;
	}
	memcpy(w->tail + w->tail_n * width, rows, n * width);
	w->tail_n += n;
	return (0);
}

static int
visit_made(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct making *m = arg;

	return (keep_tail(m->w, seq, rows, n, m->e) != 0 ? -1 : m->visit(m->arg, seq, rows, n));
}

static int
rest(void *arg, uint64_t to, int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n), void *visit_arg, struct err *e)
{
	struct watch *w = arg;
	struct making m = {w, visit, visit_arg, e};
	uint64_t from = w->rows.stored, kept = w->tail_n < to - from ? w->tail_n : to - from;
	int rc = 0;

	if (kept > 0)
		rc = visit(visit_arg, from, w->tail, (size_t)kept);
	if (rc != 0 || from + kept == to)
		return (rc);
	return (vectorize(w->q->ledger->log, w->made.em, from + kept, to, 0, visit_made, &m, e));
}

static int
open_rows(struct watch *w, struct err *e)
{
	const struct made *m = &w->made;

	if (made_open(w->q->ledger, (w->target->flags & SIMILAR_NO_COMMAND) != 0 ? EMBEDDER_NO_COMMAND : 0, &w->made, e) != 0)
		return (-1);
	say(w, true, vectors_damage(m->vectors));
	w->rows = (struct unusual_rows){.width = m->width,
	    .stored = vectors_rows(m->vectors),
	    .per = COLUMN_CHUNK / m->width,
	    .chunk = chunk,
	    .rest = rest,
	    .like = like,
	    .arg = w};
	if ((w->rows.code_bytes = vectors_code_bytes(m->vectors)) > 0) {
		w->rows.coded = vectors_coded(m->vectors);
		w->rows.code_per = COLUMN_CHUNK / w->rows.code_bytes;
		w->rows.codes = codes;
	}
	return (0);
}

/* ---- which events are judged ---- */

static int
judge_rows(void *arg, uint64_t seq, const struct row *row, size_t n)
{
	struct watch *w = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		if ((row[i].flags & ROW_OWN) == 0 && unusual_judge(w->unusual, seq + i, row[i].parent, w->e) != 0)
			return (-1);
	}
	return (0);
}

static int
judge_events(struct watch *w, uint64_t to)
{
	struct query q = *w->q;
	struct query_events *it;
	const struct event *ev;
	struct span line;
	int rc;

	q.until = to;
	q.reverse = false;
	q.step = NULL;
	if (query_events_open(&q, &it, w->e) != 0)
		return (-1);
	while ((rc = query_events_next(it, &line, &ev, w->e)) == 1) {
		if (unusual_judge(w->unusual, ev->seq, ev->parent, w->e) != 0) {
			rc = -1;
			break;
		}
	}
	query_events_free(it);
	return (rc);
}

static void
on_step(void *arg, uint64_t seq)
{
	const struct watch *w = arg;

	query_step(w->q, seq - w->from, w->q->until - w->from);
}

static int
judge(struct watch *w)
{
	uint64_t to = w->q->until < w->q->size ? w->q->until : w->q->size;

	if (to > w->rows.stored)
		similar_say_missing(w->target, to - w->rows.stored);
	w->from = w->q->since;
	unusual_step(w->unusual, on_step, w);
	if (w->q->since >= to)
		return (0);
	if (!filter_empty(&w->q->filter))
		return (judge_events(w, to));
	return (query_rows(w->q, w->q->since, to, judge_rows, w, w->e));
}

static int
watch(struct watch *w, size_t k, struct unusual_hit **ret, size_t *ret_n)
{
	const struct unusual_hit *hit;
	size_t n;

	if (open_rows(w, w->e) != 0 || unusual_new(&w->rows, k, 0, &w->unusual, w->e) != 0 || judge(w) != 0 ||
	    unusual_end(w->unusual, &hit, &n, w->e) != 0)
		return (-1);
	if ((*ret = malloc((n + 1) * sizeof(**ret))) == NULL)
		return (err_mem(w->e));
	if (n > 0)
		memcpy(*ret, hit, n * sizeof(*hit));
	*ret_n = n;
	return (0);
}

int
query_unusual(struct query *q, const struct similar_target *t, size_t k, struct unusual_hit **ret, size_t *ret_n, struct err *e)
{
	struct watch w = {.q = q, .target = t, .e = e};
	unsigned i;
	int rc;

	rc = watch(&w, k, ret, ret_n);
	unusual_free(w.unusual);
	for (i = 0; i < UNUSUAL_SLOTS; i++)
		free(w.mended[i]);
	free(w.tail);
	made_release(&w.made);
	return (rc);
}

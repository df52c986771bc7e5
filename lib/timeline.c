/* The events of several ledgers in one order: a merge of portions. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "timeline.h"

#include "banned.h"

#define SOURCES_OPEN 16		 /* more than that do not stay open */
#define PORTIONS (32u << 20)	 /* bytes of all portions together */
#define PORTION_MIN (8u << 10)	 /* but of one not fewer */
#define PORTION_MAX (128u << 10) /* nor more */

/* An event of a portion. */
struct stored {
	size_t at; /* its line in source->bytes, and behind it the state before, for a table */
	uint32_t len, before_len;
	bool before; /* there was one */
	uint64_t seq;
	int64_t time_us;
};

struct source {
	const char *name;
	struct buf token; /* the name as JSON */
	char *path;
	struct place place;
	struct query_events *it; /* NULL: closed */
	bool begun;		 /* the block and the range are known */
	char block[BLOCK_NAME_SIZE];
	uint64_t since, until;
	struct buf bytes;
	struct stored *stored;
	size_t n, next, cap;
	bool ended; /* nothing comes behind the portion */
};

struct timeline {
	const struct ask *ask;
	struct source *source;
	size_t n, cap;
	size_t *heap; /* numbers of sources that have an event, the next one first */
	size_t heaped;
	size_t portion;
	size_t lost;
	struct buf before;
};

struct timeline *
timeline_new(const struct ask *a)
{
	struct timeline *t;

	if ((t = calloc(1, sizeof(*t))) != NULL)
		t->ask = a;
	return (t);
}

static void
source_close(struct source *s)
{
	query_events_free(s->it);
	s->it = NULL;
	ask_close(&s->place);
}

void
timeline_free(struct timeline *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->n; i++) {
		source_close(&t->source[i]);
		buf_release(&t->source[i].token);
		buf_release(&t->source[i].bytes);
		free(t->source[i].stored);
		free(t->source[i].path);
	}
	free(t->source);
	free(t->heap);
	t->ask->present->root = (struct span){NULL, 0};
	buf_release(&t->before);
	free(t);
}

int
timeline_add(struct timeline *t, const char *name, const char *path)
{
	struct source *more, *s;

	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 16 : t->cap * 2;
		if ((more = realloc(t->source, t->cap * sizeof(*more))) == NULL)
			return (-1);
		t->source = more;
	}
	s = &t->source[t->n++];
	*s = (struct source){.name = name, .path = strdup(path)};
	/* A name of a file need not be UTF-8. */
	cli_json_string((struct span){name, strlen(name)}, &s->token);
	return (s->path == NULL || s->token.failed ? -1 : 0);
}

/* Portions. */

/* The first time find the range; later go on in it, whatever was appended since. */
static int
source_open(struct timeline *t, struct source *s, struct err *e)
{
	struct query *q = &s->place.query;

	if (!s->begun) {
		if (ask_points(t->ask, s->path, &s->place, e) != 0)
			return (-1);
		memcpy(s->block, s->place.block, sizeof(s->block));
		s->since = q->since;
		s->until = q->until;
		s->begun = true;
	} else {
		if (ask_open(t->ask, s->path, s->block[0] != '\0' ? s->block : NULL, &s->place,
			e) != 0)
			return (-1);
		if (index_size(q->ledger->index) < s->until)
			return (err_set(e, "the log has become shorter meanwhile"));
		q->since = s->since;
		q->until = s->until;
	}
	return (query_events_open(q, &s->it, e));
}

static int
store(struct timeline *t, struct source *s, struct span line, const struct event *ev,
    struct err *e)
{
	struct span before = {NULL, 0};
	struct stored *more;
	size_t cap;

	if (t->ask->present->format == PRESENT_TABLE &&
	    answer_before(s->place.query.ledger->index, ev, &t->before, &before, e) != 0)
		return (-1);
	if (s->n == s->cap) {
		cap = s->cap == 0 ? 16 : s->cap * 2;
		if ((more = realloc(s->stored, cap * sizeof(*more))) == NULL)
			return (err_mem(e));
		s->stored = more;
		s->cap = cap;
	}
	s->stored[s->n++] = (struct stored){.at = s->bytes.len,
	    .len = (uint32_t)line.len,
	    .before_len = (uint32_t)before.len,
	    .before = before.p != NULL,
	    .seq = ev->seq,
	    .time_us = ev->time_us};
	buf_addspan(&s->bytes, line);
	if (before.p != NULL)
		buf_addspan(&s->bytes, before);
	return (s->bytes.failed ? err_mem(e) : 0);
}

/* The next portion.  Return 0, also where there is none, or -1; what was read until then is in it. */
static int
source_read(struct timeline *t, struct source *s, struct err *e)
{
	const struct present *p = t->ask->present;
	uint64_t left = p->limit - p->count;
	const struct event *ev;
	struct span line;
	int rc;

	buf_reset(&s->bytes);
	s->n = s->next = 0;
	rc = s->it != NULL || source_open(t, s, e) == 0 ? 1 : -1;
	while (rc == 1 && s->bytes.len < t->portion && s->n < left) {
		if ((rc = query_events_next(s->it, &line, &ev, e)) == 1 &&
		    store(t, s, line, ev, e) != 0)
			rc = -1;
	}
	if (s->n > 0 && t->ask->reverse)
		s->until = s->stored[s->n - 1].seq;
	else if (s->n > 0)
		s->since = s->stored[s->n - 1].seq + 1;
	s->ended = rc != 1 || s->n == left;
	if (s->ended || t->n > SOURCES_OPEN)
		source_close(s);
	return (rc == -1 ? -1 : 0);
}

/* The same, with a warning where that root cannot be read on. */
static void
refill(struct timeline *t, size_t i)
{
	struct source *s = &t->source[i];
	struct err why = {0};

	if (source_read(t, s, &why) == 0)
		return;
	cli_warn(t->ask->cli, "root '%s': %s", s->name, why.text);
	t->lost++;
}

/* The heap. */

static bool
comes_first(const struct timeline *t, size_t a, size_t b)
{
	const struct source *x = &t->source[a], *y = &t->source[b];
	int64_t x_us = x->stored[x->next].time_us, y_us = y->stored[y->next].time_us;

	if (t->ask->reverse)
		return (x_us != y_us ? x_us > y_us : a > b);
	return (x_us != y_us ? x_us < y_us : a < b);
}

static void
sift_down(struct timeline *t, size_t at)
{
	size_t child, number = t->heap[at];

	for (; (child = 2 * at + 1) < t->heaped; at = child) {
		if (child + 1 < t->heaped && comes_first(t, t->heap[child + 1], t->heap[child]))
			child++;
		if (!comes_first(t, t->heap[child], number))
			break;
		t->heap[at] = t->heap[child];
	}
	t->heap[at] = number;
}

static int
start(struct timeline *t, struct err *e)
{
	size_t i;

	t->portion = PORTIONS / (t->n + 1);
	t->portion = t->portion < PORTION_MIN ? PORTION_MIN
	    : t->portion > PORTION_MAX	      ? PORTION_MAX
					      : t->portion;
	if ((t->heap = calloc(t->n + 1, sizeof(*t->heap))) == NULL)
		return (err_mem(e));
	for (i = 0; i < t->n; i++) {
		refill(t, i);
		if (t->source[i].n > 0)
			t->heap[t->heaped++] = i;
	}
	for (i = t->heaped / 2; i > 0; i--)
		sift_down(t, i - 1);
	return (0);
}

/* The next event of a source to the presenter.  Return 0, 1 where no more are wanted, or -1. */
static int
give(struct timeline *t, const struct source *s, struct err *e)
{
	const struct stored *ev = &s->stored[s->next];
	struct span line = {s->bytes.data + ev->at, ev->len}, before = {NULL, 0};

	if (ev->before)
		before = (struct span){line.p + line.len, ev->before_len};
	t->ask->present->root = (struct span){s->token.data, s->token.len};
	return (answer_line(t->ask->present, line, before, e));
}

int
timeline_answer(struct timeline *t, size_t *ret_lost, struct err *e)
{
	struct source *s;
	size_t first;
	int rc;

	if ((rc = start(t, e)) != 0)
		return (-1);
	while (rc == 0 && t->heaped > 0) {
		first = t->heap[0];
		s = &t->source[first];
		if ((rc = give(t, s, e)) != 0)
			break;
		if (++s->next == s->n && !s->ended)
			refill(t, first);
		if (s->next == s->n)
			t->heap[0] = t->heap[--t->heaped];
		if (t->heaped > 0)
			sift_down(t, 0);
	}
	*ret_lost = t->lost;
	return (rc == -1 ? -1 : 0);
}

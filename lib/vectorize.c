/* Events to rows. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "embedder.h"
#include "event.h"
#include "glance.h"
#include "json.h"
#include "vector_text.h"
#include "vectorize.h"
#include "worker.h"

#include "banned.h"

#define PORTION (256u << 10) /* bytes of lines that are embedded by one thread at a time */
#define ROWS_MAX (4u << 20)  /* bytes of their rows, roughly: those of a wide vector are fewer */
#define AHEAD_MAX WORKER_QUEUE /* portions of one thread that are read, or done, and not given: who takes them may have to wait for a disk */
#define AHEAD_BYTES (16u << 20) /* of rows of those, roughly, for all threads; but two portions each in any case */
#define LINE_MIN 256	     /* bytes of the shortest event, roughly */
#define THREADS_MAX 64
#define SLACK 16 /* bytes behind the lines, for who looks at an escape that is cut off */

/* The lines of a stretch of the log, many at a time. */
struct lines {
	struct log *log;
	size_t segment, last;	/* indices: of the next line, and of the last one */
	uint64_t offset, limit; /* of the next line, and behind the last one in its segment */
	uint64_t seq;		/* of the next line */
};

/* Lines on their way. */
struct portion {
	struct embedder *em; /* of the thread that has them */
	struct buf bytes;    /* whole lines, with their LFs */
	uint64_t segment;    /* first seq of their segment, and where they begin there */
	uint64_t offset;
	uint64_t seq; /* of the first line */
	struct embed_input *in;
	size_t n, cap;
	struct buf names; /* of elements that have escapes */
	int8_t *rows;
	size_t room; /* bytes of rows */
	int rc;
	struct err e;
};

struct team {
	struct shop shop;
	struct worker worker[THREADS_MAX];
	struct embedder *clone[THREADS_MAX]; /* of all but the first */
	struct portion *portion;	     /* ${ahead} for each thread */
	unsigned threads, ahead;
};

/* ---- reading ---- */

static int
lines_begin(struct lines *l, struct log *log, uint64_t from, uint64_t to, struct err *e)
{
	struct log_reader first, last;

	if (to > log->end.size)
		return (err_set(e, "the log ends before event %" PRIu64, to - 1));
	if (log_seek(log, from, &first, e) != 0)
		return (-1);
	if (log_seek(log, to, &last, e) != 0) {
		log_reader_release(&first);
		return (-1);
	}
	*l = (struct lines){log, first.segment, last.segment, first.offset, last.offset, from};
	log_reader_release(&first);
	log_reader_release(&last);
	return (0);
}

/* What is wrong at the line at ${offset}. */
static int
corrupt(uint64_t segment, uint64_t offset, const char *why, struct err *e)
{
	char name[LOG_NAME_SIZE];

	log_segment_name(segment, name);
	return (err_set(e, "the log is corrupt: segment '%s', offset %" PRIu64 ": %s; run 'ecl-verify'", name, offset, why));
}

/* About ${want} bytes of whole lines, at least one line.  Return 1, 0 at the end, or -1. */
static int
lines_next(struct lines *l, size_t want, struct portion *p, struct err *e)
{
	uint64_t limit, left;
	const char *lf;
	size_t n;

	for (;; l->segment++, l->offset = 0) {
		if (l->segment > l->last || l->segment >= l->log->segments)
			return (0);
		limit = l->limit;
		if (l->segment != l->last && log_segment_limit(l->log, l->segment, &limit, e) != 0)
			return (-1);
		if (l->offset < limit)
			break;
	}
	p->segment = l->log->segment[l->segment].first;
	p->offset = l->offset;
	for (left = limit - l->offset;; want *= 2) {
		n = want < left ? want : (size_t)left;
		buf_reset(&p->bytes);
		if (buf_reserve(&p->bytes, n + SLACK) != 0)
			return (err_mem(e));
		if (log_pread(l->log, l->segment, p->bytes.data, n, l->offset, e) != 0)
			return (-1);
		if ((lf = memrchr(p->bytes.data, '\n', n)) != NULL)
			break;
		if (n > EVENT_LINE_MAX || n == left)
			return (corrupt(p->segment, l->offset, "a line without an end", e));
	}
	p->bytes.len = (size_t)(lf + 1 - p->bytes.data);
	l->offset += p->bytes.len;
	return (1);
}

/* The line at ${*at} of the portion, which moves behind its LF. */
static struct span
next_line(const struct portion *p, size_t *at)
{
	const char *start = p->bytes.data + *at, *lf = memchr(start, '\n', p->bytes.len - *at);

	*at += (size_t)(lf - start) + 1;
	return ((struct span){start, (size_t)(lf - start)});
}

static int
more_inputs(struct portion *p)
{
	size_t cap = p->cap == 0 ? PORTION / LINE_MIN : 2 * p->cap;
	struct embed_input *more = realloc(p->in, cap * sizeof(*more));

	if (more == NULL)
		return (err_mem(&p->e));
	p->in = more;
	p->cap = cap;
	return (0);
}

/* What is embedded of each line. */
static int
take_lines(struct portion *p)
{
	struct embed_input *in;
	struct span line, name;
	struct glance g;
	size_t at = 0, from;

	p->n = 0;
	buf_reset(&p->names);
	/* Names are not longer than their tokens, so that those which are there do not move. */
	if (memchr(p->bytes.data, '\\', p->bytes.len) != NULL && buf_reserve(&p->names, p->bytes.len) != 0)
		return (err_mem(&p->e));
	for (; at < p->bytes.len; p->n++) {
		if (p->n == p->cap && more_inputs(p) != 0)
			return (-1);
		in = &p->in[p->n];
		from = at;
		line = next_line(p, &at);
		if (glance_line(line, &g) != 0)
			return (corrupt(p->segment, p->offset + from, "no event begins here", &p->e));
		if (p->n == 0)
			p->seq = g.seq;
		if (g.seq != p->seq + p->n)
			return (corrupt(p->segment, p->offset + from, "its number does not follow the one before", &p->e));
		name = (struct span){g.element.p + 1, g.element.len - 2};
		if (memchr(name.p, '\\', name.len) != NULL) {
			from = p->names.len;
			json_unescape(g.element, &p->names);
			name = (struct span){p->names.data + from, p->names.len - from};
		}
		in->element = name;
		in->action = g.action;
		glance_state(line, &g, &in->state);
	}
	return (0);
}

/* ---- rows ---- */

static int
embed_portion(struct portion *p)
{
	size_t need;
	int8_t *more;

	if (take_lines(p) != 0)
		return (-1);
	need = p->n * embedder_width(embedder_dims(p->em));
	if (need > p->room) {
		if ((more = realloc(p->rows, need)) == NULL)
			return (err_mem(&p->e));
		p->rows = more;
		p->room = need;
	}
	return (embedder_events(p->em, p->in, p->n, p->rows, &p->e));
}

/* The job of a worker. */
static void
embed(void *job)
{
	struct portion *p = job;

	p->rc = embed_portion(p);
}

/* As many threads as there is work for; with one of them it is done here. */
static int
team_begin(struct team *t, struct embedder *em, uint64_t events, unsigned threads, size_t want, struct err *e)
{
	static const struct shop shop = SHOP_INIT;
	uint64_t portions = events / (PORTION / LINE_MIN) + 1;
	size_t ahead, k;
	unsigned i;

	memset(t, 0, sizeof(*t));
	t->shop = shop;
	if (threads == 0)
		threads = crew_processors();
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (threads > portions)
		threads = (unsigned)portions;
	if (embedder_is_command(em))
		threads = 1;
	for (i = 1; i < threads && (t->clone[i] = embedder_clone(em)) != NULL; i++)
		;
	t->threads = i;
	ahead = AHEAD_BYTES / (want / LINE_MIN * embedder_width(embedder_dims(em))) / t->threads;
	t->ahead = ahead < 2 ? 2 : ahead > AHEAD_MAX ? AHEAD_MAX : (unsigned)ahead;
	if ((t->portion = calloc((size_t)t->ahead * t->threads, sizeof(*t->portion))) == NULL)
		return (err_mem(e));
	for (i = 0; i < t->threads; i++) {
		worker_init(&t->worker[i], &t->shop, embed);
		if (t->threads > 1)
			worker_start(&t->worker[i]);
		for (k = 0; k < t->ahead; k++)
			t->portion[i + k * t->threads].em = i == 0 ? em : t->clone[i];
	}
	return (0);
}

static void
team_end(struct team *t)
{
	unsigned i;

	for (i = 0; i < t->threads; i++)
		worker_stop(&t->worker[i]);
	for (i = 0; i < t->ahead * t->threads && t->portion != NULL; i++) {
		buf_release(&t->portion[i].bytes);
		buf_release(&t->portion[i].names);
		free(t->portion[i].in);
		free(t->portion[i].rows);
	}
	free(t->portion);
	for (i = 1; i < THREADS_MAX; i++)
		embedder_free(t->clone[i]);
}

/* Wait until job ${number} of all is done: they go round. */
static void
wait_for(struct team *t, uint64_t number)
{
	struct worker *w = &t->worker[number % t->threads];
	uint64_t count;

	for (;;) {
		count = shop_count(&t->shop);
		if (worker_done(w) > number / t->threads)
			return;
		shop_wait(&t->shop, count);
	}
}

/* The portion that is next in order, done by now. */
static int
give(struct portion *p, struct lines *l, int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n), void *arg, struct err *e)
{
	int rc;

	if (p->rc != 0) {
		if (e != NULL)
			*e = p->e;
		return (-1);
	}
	if (p->seq != l->seq)
		return (corrupt(p->segment, p->offset, "its number does not follow the one before", e));
	if ((rc = visit(arg, p->seq, p->rows, p->n)) == 0)
		l->seq += p->n;
	return (rc);
}

int
vectorize(struct log *log, struct embedder *em, uint64_t from, uint64_t to, unsigned threads,
    int (*visit)(void *arg, uint64_t seq, const int8_t *rows, size_t n), void *arg, struct err *e)
{
	uint64_t posted = 0, given = 0, slots;
	size_t want = PORTION;
	struct portion *p;
	struct lines l;
	struct team t;
	int more, rc = 0;

	if (from >= to)
		return (0);
	if (embedder_probe(em, e) != 0 || lines_begin(&l, log, from, to, e) != 0)
		return (-1);
	while (want > LINE_MIN && want / LINE_MIN * embedder_width(embedder_dims(em)) > ROWS_MAX)
		want /= 2;
	if (team_begin(&t, em, to - from, threads, want, e) != 0) {
		team_end(&t);
		return (-1);
	}
	slots = (uint64_t)t.ahead * t.threads;
	for (more = 1; rc == 0 && (more == 1 || given < posted);) {
		if (more == 1 && posted - given < slots) {
			p = &t.portion[posted % slots];
			if ((more = lines_next(&l, want, p, e)) == 1)
				worker_post(&t.worker[posted++ % t.threads], p);
			if (more == -1)
				rc = -1;
			continue;
		}
		wait_for(&t, given);
		rc = give(&t.portion[given++ % slots], &l, visit, arg, e);
	}
	team_end(&t);
	if (rc == 0 && l.seq != to)
		return (err_set(e, "the log has no event %" PRIu64 " where it should be; run 'ecl-verify'", l.seq));
	return (rc);
}

/* ---- vectors that came with their events ---- */

/* Return 0 to go on, or what ${visit} says. */
static int
give_vector(struct span token, uint64_t seq, struct buf *floats, int (*visit)(void *arg, uint64_t seq, const float *v, unsigned dims), void *arg,
    struct err *e)
{
	const char *fault = vector_text_fault(token, false);
	size_t dims;

	if (fault != NULL)
		return (err_set(e, "the log is corrupt at seq %" PRIu64 ": its vector %s; run 'ecl-verify'", seq, fault));
	dims = vector_text_dims(token);
	buf_reset(floats);
	if (buf_reserve(floats, dims * sizeof(float)) != 0)
		return (err_mem(e));
	vector_text_floats(token, (float *)(void *)floats->data);
	return (visit(arg, seq, (const float *)(void *)floats->data, (unsigned)dims));
}

int
given_scan(struct log *log, uint64_t from, uint64_t to, int (*visit)(void *arg, uint64_t seq, const float *v, unsigned dims), void *arg, struct err *e)
{
	struct portion p = {.bytes = BUF_INIT};
	struct buf floats = BUF_INIT;
	struct span line, text;
	struct lines l;
	int more = 0, rc = 0;
	size_t at;

	if (from >= to)
		return (0);
	if (lines_begin(&l, log, from, to, e) != 0)
		return (-1);
	while (rc == 0 && (more = lines_next(&l, PORTION, &p, e)) == 1)
		for (at = 0; rc == 0 && at < p.bytes.len; l.seq++) {
			line = next_line(&p, &at);
			glance_vector(line, &text);
			if (text.p != NULL)
				rc = give_vector(text, l.seq, &floats, visit, arg, e);
		}
	buf_release(&p.bytes);
	buf_release(&floats);
	if (rc == 0 && more == 0 && l.seq != to)
		return (err_set(e, "the log has no event %" PRIu64 " where it should be; run 'ecl-verify'", l.seq));
	return (more == -1 ? -1 : rc);
}

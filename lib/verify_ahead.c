/*
 * Pieces of a log, read and checked ahead of the pass.
 *
 * A piece is some bytes of a segment; to it belong the lines that begin there.  Which those are can be seen from
 * the piece and the byte before it, so that pieces wait for nobody, and are read and checked by as many threads as there are
 * processors.  The pass takes them in their order.  As many are in hand as keep all threads busy: memory does not
 * grow with the log.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "disk.h"
#include "verify_ahead.h"

#include "banned.h"

#define PIECE (128u << 10)     /* bytes: what all threads have in hand stays in their caches */
#define DISK_PIECE (512u << 10) /* of a disk: it is asked less often, */
#define DISK_THREADS 2	      /* and by so many threads a processor: while one waits for it, another one checks what it has */
#define ENOUGH (1u << 20)      /* bytes that a thread is worth while for */
#define MARGIN 4096u	      /* for the end of the last line: most are shorter */
#define MORE (64u << 10)      /* and where it is not */

struct piece {
	const struct verify_log *log;
	int fd; /* its own; -1: none */
	size_t segment;
	uint64_t from, to, size; /* in the segment, which is so long */
	bool begins;		 /* the line at ${from} does, whatever stands before it */
	struct buf window;
	bool known; /* where its lines begin and end: */
	struct verify_batch batch;
};

struct verify_ahead {
	struct verify_pass *p;
	struct crew crew;
	uint32_t bytes; /* of a piece */
	struct piece *piece;
	size_t n;
	uint64_t posted, taken; /* numbers of pieces: piece[number % n] */
	size_t segment;		/* where the next one begins */
	uint64_t offset;
};

/* Read on to window->len + len, or to the end.  Return 0, or -1 where not all of it can be read. */
static int
read_on(struct piece *c, uint64_t base, size_t len)
{
	uint64_t left = c->size - base - c->window.len;

	len = len < left ? len : (size_t)left;
	if (buf_reserve(&c->window, len) != 0 ||
	    verify_log_pread(c->log, c->fd, c->window.data + c->window.len, len, base + c->window.len) != (ssize_t)len)
		return (-1);
	c->window.len += len;
	return (0);
}

/* Read the lines that begin in ${c}.  Return 0, or -1 where they cannot be read, or there are none, or the last has no end. */
static int
read_piece(struct piece *c)
{
	uint64_t first = c->begins ? c->from : c->from - 1, base = c->log->from_disk ? first - first % DISK_ALIGN : first;
	size_t inside = (size_t)(c->to - base), start = (size_t)(first - base), at;
	struct buf *w = &c->window;
	const char *lf;

	buf_reset(w);
	if (read_on(c, base, inside + MARGIN) != 0)
		return (-1);
	if (!c->begins) {
		if ((lf = memchr(w->data + start, '\n', inside - start)) == NULL)
			return (-1);
		start = (size_t)(lf - w->data) + 1;
	}
	if (start == inside)
		return (-1);
	for (at = inside - 1; (lf = memchr(w->data + at, '\n', w->len - at)) == NULL;) {
		at = w->len;
		if (base + w->len == c->size || w->len > inside + EVENT_LINE_MAX || read_on(c, base, MORE) != 0)
			return (-1);
	}
	c->batch.data = w->data + start;
	c->batch.len = (size_t)(lf - w->data) + 1 - start;
	c->batch.offset = base + start;
	return (0);
}

static void
check_piece(void *arg, uint64_t job)
{
	struct verify_ahead *a = arg;
	struct piece *c = &a->piece[job % a->n];

	c->batch.good = false;
	if ((c->known = read_piece(c) == 0))
		verify_batch_check(&c->batch);
}

/* Have pieces read for as long as there is room. */
static void
post(struct verify_ahead *a)
{
	const struct verify_log *log = a->p->log;
	struct piece *c;
	struct err e;

	while (a->posted - a->taken < a->n && a->segment < log->n) {
		c = &a->piece[a->posted % a->n];
		c->segment = a->segment;
		c->size = log->segment[a->segment].size;
		c->from = a->offset;
		c->to = c->from - c->from % a->bytes + a->bytes;
		c->to = c->to < c->size ? c->to : c->size;
		c->begins = c->from == 0 || a->posted == 0;
		/* Where there is no such file, the pass will see. */
		if (c->from >= c->size || (c->fd = verify_log_open_fd(a->p->log, a->segment, &e)) == -1) {
			a->segment++;
			a->offset = 0;
			continue;
		}
		a->offset = c->to;
		a->posted++;
		crew_post(&a->crew);
	}
}

static uint64_t
bytes_left(const struct verify_pass *p)
{
	uint64_t n = 0;
	size_t i;

	for (i = p->segment; i < p->log->n; i++)
		n += p->log->segment[i].size;
	return (n);
}

/* How many threads there are to be for the log behind ${a}->p. */
static unsigned
count_threads(const struct verify_ahead *a)
{
	uint64_t worth = bytes_left(a->p) / ENOUGH;
	unsigned threads = crew_processors() * (a->p->log->from_disk ? DISK_THREADS : 1);

	threads = threads < CREW_THREADS ? threads : CREW_THREADS;
	threads = worth < threads ? (unsigned)worth : threads;
	return (threads < 1 ? 1 : threads);
}

/* What is read of a disk goes where it can be read to at once. */
static void
align_window(const struct verify_ahead *a, struct piece *c)
{
	size_t size = a->bytes + MARGIN + 2 * (size_t)DISK_ALIGN;
	void *p;

	if (posix_memalign(&p, DISK_ALIGN, size) == 0)
		c->window = (struct buf){.data = p, .cap = size};
}

struct verify_ahead *
verify_ahead_new(struct verify_pass *p)
{
	struct verify_ahead *a;
	unsigned threads;
	size_t i;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	a->p = p;
	a->bytes = p->log->from_disk ? DISK_PIECE : PIECE;
	threads = count_threads(a);
	a->n = threads == 1 ? 1 : (size_t)threads * VERIFY_AHEAD;
	a->segment = p->segment;
	a->offset = p->offset;
	if ((a->piece = calloc(a->n, sizeof(*a->piece))) == NULL) {
		free(a);
		return (NULL);
	}
	for (i = 0; i < a->n; i++) {
		a->piece[i].log = p->log;
		a->piece[i].fd = -1;
		a->piece[i].batch.in_segment = true;
		a->piece[i].batch.tree = (p->checks & PASS_TREE) != 0;
		a->piece[i].batch.elements = (p->checks & (PASS_ELEMENTS | PASS_BLOCKS)) != 0;
		a->piece[i].batch.seed = p->elements.seed;
		if (p->log->from_disk)
			align_window(a, &a->piece[i]);
	}
	crew_init(&a->crew, check_piece, a);
	crew_start(&a->crew, threads);
	return (a);
}

void
verify_ahead_free(struct verify_ahead *a)
{
	size_t i;

	if (a == NULL)
		return;
	crew_release(&a->crew);
	for (i = 0; i < a->n; i++) {
		if (a->piece[i].fd != -1)
			close(a->piece[i].fd);
		buf_release(&a->piece[i].window);
		verify_batch_release(&a->piece[i].batch);
	}
	free(a->piece);
	free(a);
}

/* The first piece that is not done with: wait for it. */
static struct piece *
wait_piece(struct verify_ahead *a)
{
	crew_wait(&a->crew);
	return (&a->piece[a->taken % a->n]);
}

static void
drop(struct verify_ahead *a, struct piece *c)
{
	close(c->fd);
	c->fd = -1;
	a->taken++;
	post(a);
}

bool
verify_ahead_take(struct verify_ahead *a, uint64_t *ret_until)
{
	struct verify_pass *p = a->p;
	const struct piece *next;
	struct piece *c;
	bool taken;

	*ret_until = p->log->segment[p->segment].size;
	for (;;) {
		post(a);
		next = &a->piece[a->taken % a->n];
		if (a->taken == a->posted || next->segment > p->segment)
			return (false);
		c = wait_piece(a);
		if (c->segment == p->segment && c->to > p->offset)
			break;
		drop(a, c);
	}
	taken = c->known && verify_pass_take(p, &c->batch);
	*ret_until = c->known ? c->batch.offset + c->batch.len : c->to;
	drop(a, c);
	return (taken);
}

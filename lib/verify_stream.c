/* Lines that come through a pipe: read by one thread, checked by all, and taken in their order. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

#define ENOUGH 8 /* batches before other threads are started */

struct parcel {
	struct buf data;
	struct verify_batch batch;
};

struct stream {
	struct verify_pass *p;
	int fd;
	struct crew crew;
	unsigned threads;
	struct parcel *parcel;
	size_t n;
	uint64_t posted, taken; /* numbers of parcels: parcel[number % n] */
	uint64_t offset;	/* in the stream, of the next one */
	struct buf rest;	/* what was read behind the last line feed */
};

static void
check_parcel(void *arg, uint64_t job)
{
	struct stream *s = arg;

	verify_batch_check(&s->parcel[job % s->n].batch);
}

/* Bring the pass over the oldest parcel. */
static void
take(struct stream *s)
{
	struct verify_pass *p = s->p;
	const struct verify_batch *b = &s->parcel[s->taken % s->n].batch;

	crew_wait(&s->crew);
	s->taken++;
	if (!p->broken && !verify_pass_take(p, b))
		verify_pass_feed(p, b->data, b->len);
	if (p->v->opt->progress != NULL)
		p->v->opt->progress(p->v->opt->arg, p->bytes, 0);
}

static void
take_all(struct stream *s)
{
	while (s->taken < s->posted)
		take(s);
}

/* Have the ${len} bytes of whole lines in the next parcel checked. */
static void
post(struct stream *s, struct parcel *c, size_t len)
{
	c->batch.data = c->data.data;
	c->batch.len = len;
	c->batch.offset = s->offset;
	s->offset += len;
	if (s->posted++ == ENOUGH)
		crew_start(&s->crew, s->threads);
	crew_post(&s->crew);
}

/* Bytes without a line feed, more than a line may have: the pass says so, and passes over what follows. */
static void
feed(struct stream *s, struct parcel *c)
{
	size_t used;

	take_all(s);
	used = verify_pass_feed(s->p, c->data.data, c->data.len);
	s->offset += used;
	buf_add(&s->rest, c->data.data + used, c->data.len - used);
}

/* Read until there is a line feed.  Return 1, 0 at the end, or -1. */
static int
read_parcel(struct stream *s, struct err *e)
{
	struct parcel *c = &s->parcel[s->posted % s->n];
	size_t looked = 0, len;
	const char *lf = NULL;
	ssize_t n;

	buf_reset(&c->data);
	buf_add(&c->data, s->rest.data, s->rest.len);
	buf_reset(&s->rest);
	while (lf == NULL && c->data.len <= EVENT_LINE_MAX) {
		if (buf_reserve(&c->data, VERIFY_CHUNK) != 0)
			return (err_mem(e));
		if ((n = io_read(s->fd, c->data.data + c->data.len, VERIFY_CHUNK)) == -1)
			return (err_sys(e, "cannot read the standard input"));
		looked = c->data.len;
		c->data.len += (size_t)n;
		if (n == 0) {
			buf_add(&s->rest, c->data.data, c->data.len);
			return (s->rest.failed ? err_mem(e) : 0);
		}
		lf = memrchr(c->data.data + looked, '\n', (size_t)n);
	}
	if (lf == NULL) {
		feed(s, c);
		return (s->rest.failed ? err_mem(e) : 1);
	}
	len = (size_t)(lf - c->data.data) + 1;
	buf_add(&s->rest, c->data.data + len, c->data.len - len);
	post(s, c, len);
	return (s->rest.failed ? err_mem(e) : 1);
}

static int
init(struct stream *s, struct verify_pass *p, int fd, struct err *e)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	s->p = p;
	s->fd = fd;
	s->threads = crew_processors();
	s->n = s->threads == 1 ? 1 : (size_t)s->threads * VERIFY_AHEAD;
	if ((s->parcel = calloc(s->n, sizeof(*s->parcel))) == NULL)
		return (err_mem(e));
	for (i = 0; i < s->n; i++) {
		s->parcel[i].batch.tree = (p->checks & PASS_TREE) != 0;
		s->parcel[i].batch.elements = (p->checks & (PASS_ELEMENTS | PASS_BLOCKS)) != 0;
		s->parcel[i].batch.seed = p->elements.seed;
	}
	crew_init(&s->crew, check_parcel, s);
	return (0);
}

static void
release(struct stream *s)
{
	size_t i;

	crew_release(&s->crew);
	for (i = 0; i < s->n; i++) {
		buf_release(&s->parcel[i].data);
		verify_batch_release(&s->parcel[i].batch);
	}
	free(s->parcel);
	buf_release(&s->rest);
}

int
verify_pass_stream(struct verify_pass *p, int fd, struct err *e)
{
	struct stream s;
	int rc = 1;

	if (init(&s, p, fd, e) != 0)
		return (-1);
	while (rc == 1 && !p->broken) {
		if (s.posted - s.taken == s.n)
			take(&s);
		rc = read_parcel(&s, e);
	}
	take_all(&s);
	verify_pass_rest(p, s.rest.len, true);
	release(&s);
	return (p->broken ? -1 : rc);
}

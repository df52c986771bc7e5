/* Recording a whole input. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "record.h"

#include "banned.h"

#define PUBLISH_BULK 65536	/* events between two publications of the index in a flood: readers scan what it lacks, each for itself */
#define AHEAD_FROM (256u << 10) /* bytes that come at once make a flood */
#define BATCH_MIN (2u << 20)	/* bytes of lines that are worth a commit while more are there */
#define BATCH_MAX (8u << 20)
#define EMBED_MAX 32768 /* events that get their vectors at the end; a run of more leaves all of them */
#define GROUP 16 /* lines whose elements are looked for together */

/* The commit of a batch: the job of a worker. */
static void
commit(void *job)
{
	batch_write(job);
}

static void
publish(void *job)
{
	index_publish_run(job);
}

void
record_init(struct record *r)
{
	static const struct shop shop = SHOP_INIT;

	memset(r, 0, sizeof(*r));
	r->shop = shop;
	r->now = &r->batch[0];
	batch_rules_init(&r->rules);
	worker_init(&r->committer, &r->shop, commit);
	worker_init(&r->publisher, &r->shop, publish);
}

/* Wait until the worker has done all that was posted. */
static void
wait_for(struct record *r, struct worker *w)
{
	uint64_t count;

	for (;;) {
		count = shop_count(&r->shop);
		if (!worker_busy(w))
			break;
		shop_wait(&r->shop, count);
	}
}

void
record_release(struct record *r)
{
	worker_stop(&r->committer);
	worker_stop(&r->publisher);
	batch_release(&r->batch[0]);
	batch_release(&r->batch[1]);
	seen_release(&r->seen);
}

/* ---- the index ---- */

/* What was on its way has arrived, or not. */
static void
end_publication(struct record *r)
{
	struct err e = {0, 0, ""};

	if (r->publication == NULL)
		return;
	wait_for(r, &r->publisher);
	if (index_publish_end(r->layer->ledger->index, r->publication, &e) != 0) {
		r->unpublished(r->arg, &e);
		r->unpublishable = true;
	}
	r->publication = NULL;
}

/* Nobody waits for an event of ours any more: the next who searches need not make its vector. */
static void
embed(struct record *r)
{
	struct vectors_update u = {.max = EMBED_MAX};
	struct err e = {0, 0, ""};

	if (layer_vectors(r->layer, &u, &e) != 0)
		r->unembedded(r->arg, &e);
}

void
record_publish(struct record *r, uint64_t lag)
{
	struct err e = {0, 0, ""};

	end_publication(r);
	if (!r->begun || r->dry_run || index_lag(r->layer->ledger->index) <= lag)
		return;
	if (layer_publish(r->layer, true, &e) != 0)
		r->unpublished(r->arg, &e);
	else if (r->recorded <= EMBED_MAX)
		embed(r);
}

static bool
publication_due(const struct record *r)
{
	const struct index *ix = r->layer->ledger->index;

	return (!r->unpublishable && index_size(ix) >= r->publish_from && index_lag(ix) >= PUBLISH_BULK);
}

/* With all committed: send on its way what the index lacks. */
static void
begin_publication(struct record *r)
{
	struct err e = {0, 0, ""};
	int rc;

	end_publication(r);
	if (r->unpublishable)
		return;
	if ((rc = layer_publish_begin(r->layer, &r->publication, &e)) == 1)
		worker_post(&r->publisher, r->publication);
	if (rc == 0)
		r->publish_from = index_size(r->layer->ledger->index) + PUBLISH_BULK;
	if (rc == -1) {
		r->unpublished(r->arg, &e);
		r->unpublishable = true;
	}
}

/* ---- batches ---- */

static void
ending_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGHUP);
	sigaddset(ret, SIGQUIT);
}

/* Whether a signal wants to end the program. */
static bool
interrupted(void)
{
	sigset_t pending;

	return (sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
	    sigismember(&pending, SIGHUP) == 1 || sigismember(&pending, SIGQUIT) == 1));
}

/* With nothing held: become the writer, and begin a batch at the end of the log. */
static int
begin(struct record *r, struct err *e)
{
	sigset_t ending;
	uint64_t size;

	if (r->dry_run) {
		if (!r->begun)
			batch_begin(r->now, r->layer->ledger, &r->rules);
	} else {
		if (layer_lock(r->layer, r->wait_ms, e) != 0)
			return (-1);
		ending_signals(&ending);
		pthread_sigmask(SIG_BLOCK, &ending, &r->signals);
		batch_begin(r->now, r->layer->ledger, &r->rules);
	}
	r->locked = true;
	r->began(r->arg, r->now);
	size = r->layer->ledger->log->end.size;
	if (!r->begun)
		r->first_size = size;
	r->begun = true;
	if (r->expect && size != r->expect_size)
		return (err_no(e, "the last event is %" PRIu64 ", not %" PRIu64, size - 1, r->expect_size - 1));
	return (0);
}

static void
end(struct record *r)
{
	bool held = r->locked && !r->dry_run;

	r->locked = false;
	if (!held)
		return;
	layer_unlock(r->layer);
	/* Who was to end ends here. */
	pthread_sigmask(SIG_SETMASK, &r->signals, NULL);
}

/* Add what became of the events of a batch that could not be committed. */
static void
explain(const struct batch *b, enum log_outcome outcome, struct err *e)
{
	const char *what = outcome == LOG_IN_DOUBT ? "in doubt (the next run of ecl-append reads the disk and tells)" : "not recorded";
	uint64_t first = b->before.size;
	size_t len = strlen(e->text);

	if (b->events == 1)
		snprintf(e->text + len, sizeof(e->text) - len, "; event %" PRIu64 " is %s, those before are recorded", first, what);
	else
		snprintf(e->text + len, sizeof(e->text) - len, "; events %" PRIu64 " to %" PRIu64 " are %s, those before are recorded", first,
		    first + b->events - 1, what);
}

/* Wait for the batch that is on its way, and make it part of the ledger. */
static int
finish(struct record *r, struct err *e)
{
	struct batch *b = r->now == &r->batch[0] ? &r->batch[1] : &r->batch[0];
	enum log_outcome outcome;

	if (!r->in_flight)
		return (0);
	wait_for(r, &r->committer);
	r->in_flight = false;
	if (batch_finish(b, &outcome, e) != 0) {
		explain(b, outcome, e);
		/* What was made to follow it has nothing to follow. */
		batch_follow(r->now, b);
		r->now->end = b->before;
		end(r);
		return (-1);
	}
	r->expect_size = b->end.size;
	if (r->aloud)
		end(r);
	if (b->events > 0) {
		r->recorded += b->events;
		r->committed(r->arg, b);
	}
	return (0);
}

/* Send the batch on its way, behind the one before; the next one follows it. */
static int
submit(struct record *r, struct err *e)
{
	struct batch *b = r->now;

	if (finish(r, e) != 0)
		return (-1);
	if (r->dry_run) {
		batch_seal(b);
		r->recorded += b->events;
		if (b->events > 0)
			r->committed(r->arg, b);
		batch_follow(b, b);
		return (0);
	}
	if (batch_prepare(b, &r->layer->durable, !r->no_sync, e) != 0) {
		batch_abandon(b, NULL);
		return (-1);
	}
	r->now = b == &r->batch[0] ? &r->batch[1] : &r->batch[0];
	batch_follow(r->now, b);
	r->in_flight = true;
	worker_post(&r->committer, b);
	return (r->committer.threaded ? 0 : finish(r, e));
}

/* All that was taken in is committed. */
static int
drain(struct record *r, struct err *e)
{
	if (r->locked && r->now->events > 0 && submit(r, e) != 0)
		return (-1);
	return (finish(r, e));
}

/* And the lock is free. */
static int
rest(struct record *r, struct err *e)
{
	int ret = drain(r, e);

	end(r);
	return (ret);
}

/* ---- lines ---- */

static int
refuse(struct record *r, const struct source *s, const struct intake_line *line, const struct json_fault *f, struct err *e)
{
	r->refused += f != NULL;
	return (r->refuse(r->arg, s, line, f, e));
}

/* Return as batch_observe(). */
static int
observe(struct record *r, const struct source *s, const struct intake_line *line, struct json_fault *f, struct err *e)
{
	uint64_t id;
	int n;

	switch (line->in.kind) {
	case INPUT_BLANK:
		return (0);
	case INPUT_COMPLETE:
		if (r->refused > 0) {
			err_set(e, "%s:%" PRIu64 ":1: 'complete' is refused after a rejected line: nothing is deleted", s->name, line->number);
			return (-2);
		}
		/* It asks for all elements; some are on their way. */
		end_publication(r);
		if ((n = batch_complete(r->now, line->in.glob, &r->seen, r->first_size, f, e)) != -1)
			return (n);
		err_set(e, "%s:%" PRIu64 ":1: %s", s->name, line->number, f->what);
		return (-2);
	case INPUT_EVENT:
		break;
	}
	if ((n = batch_observe(r->now, &line->in, &id, f, e)) >= 0 && id != EVENT_NONE && seen_add(&r->seen, id) != 0) {
		err_mem(e);
		return (-2);
	}
	return (n);
}

/* A line of another ledger. */
static int
take_event(struct record *r, const struct source *s, const struct intake_line *line, struct err *e)
{
	struct err why = {0, 0, ""};

	if (line->text.len == 0 || batch_add_line(r->now, line->text, line->hash_ok, &why) >= 0)
		return (0);
	*e = why;
	snprintf(e->text, sizeof(e->text), "%s:%" PRIu64 ": %.600s", s->name, line->number, why.text);
	return (-1);
}

/* Return 0 to go on, -1 with ${e}: the batch so far is good. */
static int
take_line(struct record *r, const struct source *s, const struct portion *p, const struct intake_line *line, struct err *e)
{
	struct json_fault f;
	int n;

	switch (line->kind) {
	case INTAKE_INPUT:
		if ((n = observe(r, s, line, &f, e)) == -1)
			return (refuse(r, s, line, &f, e));
		return (n == -2 ? -1 : 0);
	case INTAKE_FAULT:
		return (refuse(r, s, line, &p->fault[line->fault], e));
	case INTAKE_TOO_LONG:
		json_fault_set(&f, EVENT_INPUT_MAX, "the line is longer than %u bytes", EVENT_INPUT_MAX);
		return (refuse(r, s, line, &f, e));
	case INTAKE_PIECE:
		return (refuse(r, s, line, NULL, e));
	case INTAKE_EVENT:
		break;
	}
	return (take_event(r, s, line, e));
}

/* What the index has of the elements of the next lines is not in the processor's caches: have it fetched for several at a time. */
static void
expect(const struct record *r, const struct intake_line *line, size_t n)
{
	const struct index *ix = r->layer->ledger->index;
	uint32_t hint[GROUP];
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (line[i].kind == INTAKE_INPUT && line[i].in.kind == INPUT_EVENT)
			hint[k++] = index_hint(ix, line[i].in.element);
	for (i = 0; i < k; i++)
		index_expect(ix, hint[i]);
}

/* The lines of a portion become part of the batch.  Return 0, or -1 with ${e}. */
static int
take_portion(struct record *r, const struct source *s, const struct portion *p, struct err *e)
{
	size_t i, end;

	if (!r->locked && begin(r, e) != 0)
		return (-1);
	for (i = 0; i < p->lines; i = end) {
		end = p->lines - i < GROUP ? p->lines : i + GROUP;
		expect(r, &p->line[i], end - i);
		for (; i < end; i++)
			if (take_line(r, s, p, &p->line[i], e) != 0)
				return (-1);
	}
	return (0);
}

/* ---- the whole ---- */

/* After a portion: commit what is worth it, publish what is due, and let others in. */
static int
go_on(struct record *r, struct err *e)
{
	bool busy = r->in_flight && worker_busy(&r->committer);

	if (r->now->lines.len >= (busy ? BATCH_MAX : BATCH_MIN) && submit(r, e) != 0)
		return (-1);
	if (r->publication != NULL && !worker_busy(&r->publisher))
		end_publication(r);
	if (r->dry_run || !r->locked)
		return (0);
	if (publication_due(r)) {
		if (drain(r, e) != 0)
			return (-1);
		begin_publication(r);
	}
	/* In a trickle the lock is not kept anyway. */
	return (r->committer.threaded && (interrupted() || layer_wanted(r->layer)) ? rest(r, e) : 0);
}

/* The next portion; nothing is held while the input has none, and nothing is left undone. */
static const struct portion *
next(struct record *r, struct intake *in, struct err *e)
{
	uint64_t count;

	for (;;) {
		count = shop_count(&r->shop);
		if (intake_ready(in))
			break;
		if (r->in_flight && worker_busy(&r->committer)) {
			shop_wait(&r->shop, count);
			continue;
		}
		if (finish(r, e) != 0)
			return (NULL);
		if (r->locked && r->now->events > 0) {
			if (submit(r, e) != 0)
				return (NULL);
			continue;
		}
		end(r);
		if (r->publication == NULL)
			break;
		if (worker_busy(&r->publisher))
			shop_wait(&r->shop, count);
		else
			end_publication(r);
	}
	return (intake_next(in));
}

/* The input is more than a trickle, and may have more to come. */
static void
flood(struct record *r, struct intake *in)
{
	if (!intake_ahead(in))
		return;
	sha256_prefer_bulk();
	if (r->aloud || r->dry_run)
		return;
	worker_start(&r->committer);
	worker_start(&r->publisher);
}

static int
take_all(struct record *r, struct source *s, struct intake *in, struct err *e)
{
	struct err commit_error = {0, 0, ""};
	const struct portion *p;
	int bad = 0;

	while ((p = next(r, in, e)) != NULL && p->status == 1) {
		if (p->data.len >= AHEAD_FROM && !r->expect)
			flood(r, in);
		if ((bad = take_portion(r, s, p, e)) != 0)
			break;
		if (go_on(r, e) != 0)
			return (-1);
	}
	if (p == NULL)
		return (-1);
	if (bad == 0 && p->status == -1) {
		*e = p->e;
		bad = -1;
	}
	/* The lines before a bad one stay recorded. */
	if (rest(r, &commit_error) != 0) {
		*e = commit_error;
		return (-1);
	}
	return (bad);
}

int
record_source(struct record *r, struct source *s, struct err *e)
{
	struct intake in;
	int ret;

	intake_init(&in, s, &r->shop, r->rules.keep_time, r->replica);
	in.redact = r->redact;
	ret = take_all(r, s, &in, e);
	end(r);
	intake_release(&in);
	if (ret != 0)
		source_drain(s);
	return (ret);
}

int
record_line(struct record *r, const char *name, struct span line, struct err *e)
{
	struct source s = {.name = name, .fd = -1, .stop_fd = -1, .eof = true};
	int ret;

	buf_addspan(&s.rest, line);
	ret = s.rest.failed ? err_mem(e) : record_source(r, &s, e);
	source_close(&s);
	return (ret);
}

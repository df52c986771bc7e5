/*
 * The end of a log that others may be writing to.
 *
 * What a writer has not synced it may cut off again, so bytes behind the durable end say nothing while the lock is
 * held.  Where the log ends elsewhere than ROOT/durable says, the lock is tried, shared and for the moment of listing:
 * whoever gets it knows that nobody writes, so that all that is there counts, and a tail that is no line is torn.
 * Whoever can not even open the lock looks again later, and believes what stays as it is.
 */
#include "config.h"

#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "durable.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

#define STEP_MS 20
#define BUSY_MS 10000  /* for a writer in the middle of a batch */
#define UNSEEN_MS 2000 /* for one that cannot be seen */

enum seen { SEEN_NOBODY, SEEN_WRITER, SEEN_NOTHING };

static void
sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* Try a lock; where it was taken, ${*ret_fd} holds it until closed. */
static enum seen
try_lock(const struct verify *v, const char *name, int *ret_fd)
{
	*ret_fd = -1;
	if (v->layer->bare) /* its locks, if any, are elsewhere */
		return (SEEN_NOTHING);
	*ret_fd = io_open_file(v->layer->root_fd, name, O_RDONLY, 0, NULL);
	if (*ret_fd == -1)
		return (errno == ENOENT ? SEEN_NOBODY : SEEN_NOTHING);
	if (io_lock(*ret_fd, false, 0) == 0)
		return (SEEN_NOBODY);
	close(*ret_fd);
	*ret_fd = -1;
	return (SEEN_WRITER);
}

/* The number of the segment that ${end} is in; log->n where the log does not reach as far. */
static size_t
find_end(const struct verify_log *log, const struct log_end *end)
{
	size_t i;

	for (i = 0; i < log->n && log->segment[i].first != end->segment; i++)
		;
	return (i < log->n && log->segment[i].size >= end->offset ? i : log->n);
}

/* How much of ${log} counts, by who was seen when it was listed.  Return whether that is settled. */
static bool
settle(struct verify *v, struct verify_log *log, enum seen seen, const struct durable *d)
{
	const struct log_end *end = &d->end;
	bool known = d->known || d->stale;
	size_t i = known && end->size > 0 ? find_end(log, end) : log->n;
	uint64_t last = log->n > 0 ? log->segment[log->n - 1].first : 0;

	v->doubt_from = VERIFY_NONE;
	v->blind = false;
	if (seen == SEEN_NOBODY) {
		/* What a writer left that died may be cut off by the next one. */
		if (!d->known || d->dirty)
			v->doubt_from = last;
		return (true);
	}
	if (known && end->size > 0 && i == log->n)
		return (false);
	if (seen == SEEN_WRITER) {
		if (!known)
			return (false);
		log->n = end->size > 0 ? i + 1 : 0;
		if (log->n > 0)
			log->segment[i].size = end->offset;
		return (true);
	}
	v->doubt_from = last;
	v->blind = true;
	return (true);
}

/* List the log of what is live now, and read ROOT/durable. */
static int
look(struct verify *v, struct verify_log *log, struct durable *d, struct err *e)
{
	verify_log_release(log);
	if (layer_exchanged(v->layer) && layer_reopen_live(v->layer, e) != 0)
		return (-1);
	/* In this order: what is durable then is in the log now. */
	if (v->layer->bare || durable_read(v->layer->root_fd, d, NULL) != 0)
		memset(d, 0, sizeof(*d));
	return (verify_log_open(log, v->layer->ecl_fd, e));
}

/* Whether the log ends where the last writer, all of whose work is durable, left it: then its lock need not be tried. */
static bool
at_rest(const struct verify *v, const struct verify_log *log, const struct durable *d)
{
	const struct verify_segment *last = log->n > 0 ? &log->segment[log->n - 1] : NULL;

	return (d->known && !d->dirty && last != NULL && last->first == d->end.segment && last->size == d->end.offset &&
	    !layer_exchanged(v->layer));
}

/* One look at the log and at who writes.  Return 1 where it is settled how much of it counts, else 0, or -1. */
static int
try_end(struct verify *v, struct verify_log *log, struct durable *d, enum seen *ret_seen, struct err *e)
{
	int fd, rc;

	*ret_seen = SEEN_NOBODY;
	if (look(v, log, d, e) != 0)
		return (-1);
	if (at_rest(v, log, d))
		return (settle(v, log, SEEN_NOBODY, d));
	*ret_seen = try_lock(v, "lock", &fd);
	if ((rc = look(v, log, d, e)) == 0)
		rc = settle(v, log, *ret_seen, d) && !layer_exchanged(v->layer);
	if (fd != -1)
		close(fd);
	return (rc);
}

int
verify_end(struct verify *v, struct verify_log *log, struct err *e)
{
	struct durable d;
	enum seen seen;
	int waited = 0, rc;

	while ((rc = try_end(v, log, &d, &seen, e)) == 0 && waited < (seen == SEEN_WRITER ? BUSY_MS : UNSEEN_MS)) {
		sleep_ms(STEP_MS);
		waited += STEP_MS;
	}
	if (rc == -1)
		return (-1);
	if (rc == 0) {
		v->blind = true;
		v->doubt_from = log->n > 0 ? log->segment[log->n - 1].first : 0;
	}
	log->layer = v->layer;
	log->from_disk = v->opt->from_disk;
	memset(&v->durable, 0, sizeof(v->durable));
	if (d.known || d.stale)
		v->durable = d.end;
	return (0);
}

bool
verify_again(struct verify *v)
{
	/* Where writers can be seen, one more look; else two, so far apart that a writer has moved. */
	static const long seen_ms[] = {200}, blind_ms[] = {1000, 4000};
	size_t rounds = v->blind ? sizeof(blind_ms) / sizeof(blind_ms[0]) : sizeof(seen_ms) / sizeof(seen_ms[0]);

	if (!v->doubt || v->round >= rounds)
		return (false);
	sleep_ms(v->blind ? blind_ms[v->round] : seen_ms[v->round]);
	return (true);
}

void
verify_tail(struct verify_pass *p)
{
	struct verify *v = p->v;
	uint64_t size = p->log->n > 0 ? p->log->segment[p->log->n - 1].size : 0;

	if (!p->pending.set)
		return;
	if (v->blind && v->round > 0 && (p->pending.offset != v->torn_offset || size != v->torn_size))
		p->pending.set = false; /* it moves: a writer is at work */
	v->torn_offset = p->pending.offset;
	v->torn_size = size;
	p->torn = p->pending.set;
	verify_pass_flush(p, VERIFY_TORN);
}

int
verify_extend(struct verify_pass *p, struct err *e)
{
	struct verify *v = p->v;
	struct verify_log log = VERIFY_LOG_INIT;
	struct log_end durable = v->durable;
	uint64_t doubt_from = v->doubt_from;
	bool blind = v->blind;
	int rc;

	if (p->unread > 0 || p->broken)
		return (0);
	if ((rc = verify_end(v, &log, e)) == 0 && log.n > 0 && log.n >= v->log.n &&
	    (v->log.n == 0 || (log.segment[v->log.n - 1].first == v->log.segment[v->log.n - 1].first &&
				  log.segment[v->log.n - 1].size >= p->offset))) {
		verify_log_release(&v->log);
		v->log = log;
		rc = verify_pass_log(p, e);
		verify_tail(p);
	} else
		verify_log_release(&log);
	v->durable = durable;
	if (doubt_from < v->doubt_from)
		v->doubt_from = doubt_from;
	v->blind |= blind;
	return (rc);
}

bool
verify_wait_blocks(struct verify *v, int *waited_ms)
{
	enum seen seen;
	int fd;

	seen = try_lock(v, "blocks.lock", &fd);
	if (fd != -1)
		close(fd);
	if (seen == SEEN_NOBODY || *waited_ms >= (seen == SEEN_WRITER ? BUSY_MS : UNSEEN_MS))
		return (false);
	sleep_ms(5 * STEP_MS);
	*waited_ms += 5 * STEP_MS;
	return (true);
}

/* One replica of a fleet's ledger. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet_name.h"
#include "fleet_replica.h"
#include "io.h"
#include "record.h"
#include "root.h"

#include "banned.h"

#define PUBLISH_LAG 1000 /* events beyond the published index that whoever opens the replica next has to read */

const char *
fleet_class_name(enum fleet_class class)
{
	static const char *const name[] = {"gap", "corrupt", "forked", "misnamed", "disputed", "unusable"};

	return (name[class]);
}

int
fleet_find(struct fleet_finding *ret, enum fleet_class class, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	ret->class = class;
	ret->seq = seq;
	va_start(ap, fmt);
	vsnprintf(ret->message, sizeof(ret->message), fmt, ap);
	va_end(ap);
	return (1);
}

/* ---- lines ---- */

/* Line by line, where not all of them are right.  Return as fleet_run(). */
static int
run_by_line(struct span lines, size_t *ret_len, uint64_t *ret_seq, struct fleet_finding *f)
{
	uint8_t hash[SHA256_SIZE];
	uint64_t next = 0;
	struct json_fault fault;
	struct event ev;
	struct span line;
	const char *lf;

	for (*ret_len = 0; *ret_len < lines.len; *ret_len += line.len + 1) {
		line.p = lines.p + *ret_len;
		if ((lf = memchr(line.p, '\n', lines.len - *ret_len)) == NULL)
			return (fleet_find(f, FLEET_CORRUPT, next, "a line has no end"));
		line.len = (size_t)(lf - line.p);
		if (event_parse(line, &ev, &fault) != 0)
			return (fleet_find(f, FLEET_CORRUPT, next, "what should be event %" PRIu64 " is none: byte %zu: %s", next, fault.at + 1, fault.what));
		if (!event_hash_ok(line))
			return (fleet_find(f, FLEET_CORRUPT, ev.seq, "the hash of event %" PRIu64 " is wrong", ev.seq));
		if (*ret_len == 0)
			*ret_seq = ev.seq;
		else if (ev.seq != next || memcmp(ev.prev, hash, SHA256_SIZE) != 0)
			return (0);
		memcpy(hash, ev.hash, SHA256_SIZE);
		next = ev.seq + 1;
	}
	return (0);
}

int
fleet_run(struct verify_batch *work, struct span lines, size_t *ret_len, uint64_t *ret_seq, struct fleet_finding *f)
{
	int rc = 0;

	work->data = lines.p;
	work->len = lines.len;
	verify_batch_check(work);
	*ret_len = lines.len;
	*ret_seq = work->seq;
	if (work->good)
		return (0);
	rc = run_by_line(lines, ret_len, ret_seq, f);
	/* Hashes of what is right, and only of that. */
	work->len = *ret_len;
	verify_batch_check(work);
	return (rc);
}

int
fleet_check_genesis(struct verify_batch *work, const char *id, struct span lines, struct fleet_finding *f)
{
	const char *lf = memchr(lines.p, '\n', lines.len);
	struct span line = {lines.p, lf == NULL ? lines.len : (size_t)(lf - lines.p)};
	char named[FLEET_ID_SIZE];
	struct err why = {0};
	uint64_t seq = 0;
	size_t len;

	if (fleet_run(work, (struct span){lines.p, line.len + (lf != NULL)}, &len, &seq, f) != 0)
		return (1);
	if (seq > 0)
		return (fleet_find(f, FLEET_GAP, 0, "event %" PRIu64 " comes where the beginning of the ledger is next", seq));
	if (fleet_genesis_id(line, named, &why) != 0)
		return (fleet_find(f, FLEET_MISNAMED, 0, "%s", why.text));
	if (strcmp(named, id) != 0)
		return (fleet_find(f, FLEET_MISNAMED, 0, "the ledger calls itself '%s', not '%s'", named, id));
	return (0);
}

/* ---- the root ---- */

int
fleet_replica_origin(int dirfd, const char *id, struct buf *out, struct err *e)
{
	struct err why = {0};
	char path[FLEET_ID_SIZE + 8];

	snprintf(path, sizeof(path), "%s/replica", id);
	if (io_slurp(dirfd, path, ROOT_MARK_MAX, out, &why) == 0) {
		if (out->len > 0 && out->data[out->len - 1] == '\n')
			out->len--;
		return (0);
	}
	if (why.sys == ENOENT)
		return (0);
	*e = why;
	return (-1);
}

bool
fleet_replica_exists(int dirfd, const char *id)
{
	char mark[FLEET_ID_SIZE + 8];

	snprintf(mark, sizeof(mark), "%s/replica", id);
	return (faccessat(dirfd, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

static int
make(int dirfd, const char *id, const char *subject, int wait_ms, struct err *e)
{
	struct buf mark = BUF_INIT;
	int rc;

	buf_addf(&mark, "%s\n", subject);
	rc = mark.failed ? err_mem(e) : root_make_replica(dirfd, id, (struct span){mark.data, mark.len}, wait_ms, e);
	buf_release(&mark);
	return (rc);
}

int
fleet_replica_open(const char *dir, int dirfd, const char *id, const char *subject, int wait_ms, struct layer **ret, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, id);
	if (!fleet_replica_exists(dirfd, id) && make(dirfd, id, subject, wait_ms, e) != 0)
		return (err_within(e, path));
	return (layer_open(path, LAYER_WRITE | LAYER_REPLICA, ret, e));
}

void
fleet_replica_close(struct layer *l)
{
	struct err e = {0};

	if (l == NULL)
		return;
	/* Where it fails, who reads next reads more of the log. */
	if (index_lag(l->ledger->index) > PUBLISH_LAG)
		(void)layer_publish(l, true, &e);
	layer_free(l);
}

/* ---- appending ---- */

static void
on_batch(void *arg, const struct batch *b)
{
	(void)arg;
	(void)b;
}

static void
on_unpublished(void *arg, const struct err *e)
{
	(void)arg;
	(void)e;
}

/* Record lines that are right and follow each other.  Return 0 or -1. */
static int
record(struct layer *l, struct span lines, int wait_ms, uint64_t *ret_added, struct err *e)
{
	struct source s = {.name = l->path, .fd = -1, .stop_fd = -1, .eof = true};
	struct record r;
	int rc;

	record_init(&r);
	r.layer = l;
	r.replica = true;
	r.wait_ms = wait_ms;
	r.began = r.committed = on_batch;
	r.unpublished = r.unembedded = on_unpublished;
	buf_addspan(&s.rest, lines);
	rc = s.rest.failed ? err_mem(e) : record_source(&r, &s, e);
	*ret_added += r.recorded;
	/* What is being published is waited for; what is to be, later. */
	record_publish(&r, UINT64_MAX);
	record_release(&r);
	source_close(&s);
	return (rc);
}

/* A line of a run was refused, the log says why.  Return 1 with ${f}, or -1. */
static int
explain(struct layer *l, struct span run, uint64_t seq, const struct err *why, struct fleet_finding *f, struct err *e)
{
	struct log *log = l->ledger->log;
	struct buf line = BUF_INIT;
	struct json_fault fault;
	struct event ev;
	struct span text;
	uint64_t size = log->end.size;
	bool same = true;
	size_t at;

	for (at = 0; at < run.len && seq <= size; at += text.len + 1, seq++) {
		text.p = run.p + at;
		text.len = (size_t)((const char *)memchr(text.p, '\n', run.len - at) - text.p);
		if (seq == size) {
			same = event_parse(text, &ev, &fault) == 0 && memcmp(ev.prev, log->end.hash, SHA256_SIZE) == 0;
			break;
		}
		buf_reset(&line);
		if (log_line(log, seq, &line, e) != 0) {
			buf_release(&line);
			return (-1);
		}
		if (!(same = span_eq((struct span){line.data, line.len}, text)))
			break;
	}
	buf_release(&line);
	if (!same)
		return (fleet_find(f, FLEET_FORKED, seq, "event %" PRIu64 " is of another history than the replica's: the ledger has forked", seq));
	return (fleet_find(f, FLEET_CORRUPT, size, "%s", why->text));
}

/* A whole run.  Return as fleet_replica_take(). */
static int
take_run(struct layer *l, struct span run, uint64_t seq, int wait_ms, uint64_t *ret_added, struct fleet_finding *f, struct err *e)
{
	uint64_t size = l->ledger->log->end.size;
	struct err why = {0};

	if (seq > size)
		return (fleet_find(f, FLEET_GAP, size, "event %" PRIu64 " comes where %" PRIu64 " is next", seq, size));
	if (record(l, run, wait_ms, ret_added, &why) == 0)
		return (0);
	if (why.exit == EXIT_NO)
		return (explain(l, run, seq, &why, f, e));
	*e = why;
	return (-1);
}

int
fleet_replica_take(struct layer *l, struct verify_batch *work, struct span lines, int wait_ms, uint64_t *ret_added, struct fleet_finding *f, struct err *e)
{
	struct fleet_finding wrong;
	uint64_t seq;
	size_t len;
	int bad, rc;

	while (lines.len > 0) {
		seq = 0;
		bad = fleet_run(work, lines, &len, &seq, &wrong);
		if (len > 0 && (rc = take_run(l, (struct span){lines.p, len}, seq, wait_ms, ret_added, f, e)) != 0)
			return (rc);
		if (bad) {
			*f = wrong;
			/* Nothing before it says what it should have been. */
			if (len == 0 && f->seq == 0)
				f->seq = l->ledger->log->end.size;
			return (1);
		}
		lines = (struct span){lines.p + len, lines.len - len};
	}
	return (0);
}

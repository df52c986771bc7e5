/* What the engine has last of a ledger, held against the log. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fleet_head.h"

#include "banned.h"

/* How a message stands to the log. */
struct match {
	uint64_t first, last; /* of its events */
	uint8_t hash[SHA256_SIZE]; /* of the last */
	bool same;	 /* the log has the last, and so all before it */
	bool known;	 /* else: it is known which is the first event that is another one, or lies behind the end of the log: */
	uint64_t parted; /* that one */
};

static struct span
data_of(natsMsg *m)
{
	return ((struct span){natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)});
}

/* Whether event ${seq} of the log has this hash.  Return 1, 0 or -1. */
static int
log_has(struct log *log, uint64_t seq, const uint8_t hash[SHA256_SIZE], struct err *e)
{
	struct buf line = BUF_INIT;
	uint8_t own[SHA256_SIZE];
	int rc = 0;

	if (seq >= log->end.size)
		return (0);
	if (log_line(log, seq, &line, e) != 0)
		rc = -1;
	else if (line.len > EVENT_TAIL && hex_decode(line.data + line.len - 66, SHA256_SIZE, own) == 0)
		rc = memcmp(own, hash, SHA256_SIZE) == 0;
	buf_release(&line);
	return (rc);
}

/* The first line of ${data}.  Return 0 or -1. */
static int
parse_line(struct span data, struct event *ret, size_t *ret_len, struct err *e)
{
	const char *lf = data.len == 0 ? NULL : memchr(data.p, '\n', data.len);
	struct json_fault f;

	if (lf == NULL)
		return (err_no(e, "the engine's message is not made of lines"));
	*ret_len = (size_t)(lf - data.p);
	if (event_parse((struct span){data.p, *ret_len}, ret, &f) != 0)
		return (err_no(e, "the engine's message is not made of events: byte %zu: %s", f.at + 1, f.what));
	return (0);
}

/* Find the first event that is not the log's: the last one is not. */
static int
walk(struct log *log, struct span data, struct match *m, struct err *e)
{
	struct event ev;
	size_t at, len;
	int rc;

	for (at = 0;; at += len + 1) {
		if (parse_line((struct span){data.p + at, data.len - at}, &ev, &len, e) != 0)
			return (-1);
		if (at == 0)
			m->first = ev.seq;
		if ((rc = log_has(log, ev.seq, ev.hash, e)) != 1)
			break;
	}
	m->parted = ev.seq;
	m->known = at > 0 || ev.seq == 0;
	/* That the first line is the first of all is known where the line before it is the same. */
	if (rc == 0 && !m->known && (rc = log_has(log, ev.seq - 1, ev.prev, e)) == 1)
		m->known = true;
	return (rc == -1 ? -1 : 0);
}

static int
compare(struct log *log, struct span data, struct match *m, struct err *e)
{
	const char *before;
	struct event ev;
	size_t at, len;
	int rc;

	memset(m, 0, sizeof(*m));
	before = data.len < 2 ? NULL : memrchr(data.p, '\n', data.len - 1);
	at = before == NULL ? 0 : (size_t)(before + 1 - data.p);
	if (parse_line((struct span){data.p + at, data.len - at}, &ev, &len, e) != 0)
		return (-1);
	m->last = ev.seq;
	memcpy(m->hash, ev.hash, SHA256_SIZE);
	if ((rc = log_has(log, ev.seq, ev.hash, e)) == -1)
		return (-1);
	m->same = rc == 1;
	return (m->same ? 0 : walk(log, data, m, e));
}

/* Bisect over the messages before ${at}, where that is allowed: the first whose events the log has not all. */
static void
find_part(struct fleet_link *k, const char *stream, const char *subject, struct log *log, uint64_t at, struct match *m)
{
	jsDirectGetMsgOptions ask;
	struct match one;
	struct err e = {0};
	uint64_t low = 1, high = at, middle, seq;
	natsMsg *msg;

	while (low < high) {
		middle = low + (high - low) / 2;
		jsDirectGetMsgOptions_Init(&ask);
		ask.Sequence = middle;
		ask.NextBySubject = subject;
		msg = NULL;
		if (js_DirectGetMsg(&msg, k->js, stream, NULL, &ask) != NATS_OK)
			return;
		seq = natsMsg_GetSequence(msg);
		if (compare(log, data_of(msg), &one, &e) != 0) {
			natsMsg_Destroy(msg);
			return;
		}
		natsMsg_Destroy(msg);
		if (one.same) {
			low = seq + 1;
			continue;
		}
		*m = one;
		if (one.known)
			return;
		high = middle;
	}
}

static int
parted(const struct match *m, const struct log *log, const char *subject, struct err *e)
{
	if (m->known && m->parted >= log->end.size)
		return (err_no(e, "the engine is ahead of this ledger: '%s' has event %" PRIu64 ", and here %" PRIu64
		    " is next: events were lost here, or this is an older copy ('ecl-subscribe' gets the rest)", subject, m->last, log->end.size));
	return (err_no(e, "forked: '%s' and this ledger part %s event %" PRIu64 ": there are two ledgers with one id, and the engine keeps the one it has", subject,
	    m->known ? "at" : "before", m->known ? m->parted : m->first < log->end.size ? m->first : log->end.size));
}

int
fleet_head(struct fleet_link *k, const char *stream, const char *subject, struct log *log, struct fleet_head *ret, struct err *e)
{
	jsDirectGetMsgOptions ask;
	natsMsg *msg = NULL;
	struct match m;
	natsStatus s;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	jsDirectGetMsgOptions_Init(&ask);
	ask.LastBySubject = subject;
	s = js_DirectGetMsg(&msg, k->js, stream, NULL, &ask);
	if (s == NATS_NOT_FOUND)
		return (0);
	if (s != NATS_OK)
		return (fleet_link_error(k, s, 0, "cannot ask for the head", e));
	if (compare(log, data_of(msg), &m, e) != 0)
		goto done;
	ret->at = natsMsg_GetSequence(msg);
	if (m.same) {
		ret->size = m.last + 1;
		memcpy(ret->hash, m.hash, SHA256_SIZE);
		rc = 0;
		goto done;
	}
	if (!m.known)
		find_part(k, stream, subject, log, ret->at, &m);
	rc = parted(&m, log, subject, e);
done:	natsMsg_Destroy(msg);
	return (rc);
}

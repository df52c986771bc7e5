/* Subscribing to ledgers of a fleet. */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_streams.h"
#include "fleet_subscribe.h"

#include "banned.h"

#define GATHER_MS 20	   /* what comes within it is appended together, */
#define GATHER_MAX_MS 500  /* and nothing waits longer */
#define IDLE_MS 60000	   /* then it is subscribed anew, and seen whether something was missed */
#define LIST_MS 10000	   /* as often it is asked whether there are more streams */
#define ANSWER_MS 5000

/* ---- sources ---- */

static struct fleet_source *
known_source(const struct fleet_subscribe *u, const char *name)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		if (u->source[i].name != NULL && strcmp(u->source[i].name, name) == 0)
			return (&u->source[i]);
	return (NULL);
}

/* Take the source over from those of the session before, or begin with what is kept of it. */
static int
add_source(struct fleet_subscribe *u, const char *name, struct fleet_source *ret, struct err *e)
{
	struct fleet_source *old = known_source(u, name);

	if (old != NULL) {
		*ret = *old;
		old->name = NULL;
		return (0);
	}
	if (strchr(name, '/') != NULL || *name == '.')
		return (err_set(e, "the stream '%.100s' cannot be used", name));
	if ((ret->name = strdup(name)) == NULL)
		return (err_mem(e));
	return (u->store->dir == NULL ? 0 : fleet_position_load(u->store->fleet_fd, name, u->filter, &ret->position, e));
}

static void
free_sources(struct fleet_source *source, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(source[i].name);
	free(source);
}

/* The streams that there are now: of an engine that was made anew they may be others, and while it is being set up they become more. */
static int
find_sources(struct fleet_subscribe *u, struct err *e)
{
	struct buf names = BUF_INIT;
	struct fleet_source *source;
	const char *name;
	size_t n = 0;
	int rc;

	u->listed_ms = fleet_now_ms();
	if ((rc = fleet_streams(u->link, u->filter, &names, e)) != 0)
		goto done;
	for (name = NULL; (name = buf_next_string(&names, name)) != NULL; n++)
		;
	if (n == 0) {
		rc = fleet_no_stream(u->link, u->filter, u->source != NULL, e);
		goto done;
	}
	if ((source = calloc(n, sizeof(*source))) == NULL) {
		rc = err_mem(e);
		goto done;
	}
	for (n = 0, name = NULL; rc == 0 && (name = buf_next_string(&names, name)) != NULL; n++)
		rc = add_source(u, name, &source[n], e);
	free_sources(u->source, u->n);
	u->source = source;
	u->n = n;
done:	buf_release(&names);
	return (rc);
}

/* Whether there is a stream that we do not know; what cannot be asked now is asked later. */
static bool
more_sources(struct fleet_subscribe *u)
{
	struct buf names = BUF_INIT;
	struct err why = {0};
	const char *name = NULL;
	bool more = false;

	u->listed_ms = fleet_now_ms();
	if (fleet_streams(u->link, u->filter, &names, &why) == 0)
		while (!more && (name = buf_next_string(&names, name)) != NULL)
			more = known_source(u, name) == NULL;
	buf_release(&names);
	return (more);
}

/* What a message calls itself, as a position keeps it; "" where it does not, or strangely. */
static const char *
id_of(natsMsg *msg)
{
	const char *id = NULL;

	if (natsMsgHeader_Get(msg, "Nats-Msg-Id", &id) != NATS_OK || strlen(id) >= FLEET_MSGID_SIZE || strpbrk(id, "\"\\") != NULL)
		return ("");
	return (id);
}

/* Whether the stream still has the message of the position, under that number.  Return 1, 0 or -1. */
static int
still_there(struct fleet_subscribe *u, const struct fleet_source *s, struct err *e)
{
	jsDirectGetMsgOptions ask;
	natsMsg *msg = NULL;
	natsStatus status;
	int same;

	jsDirectGetMsgOptions_Init(&ask);
	ask.Sequence = s->position.seq;
	if ((status = js_DirectGetMsg(&msg, u->link->js, s->name, NULL, &ask)) == NATS_NOT_FOUND)
		return (0);
	if (status != NATS_OK)
		return (fleet_link_error(u->link, status, 0, "cannot ask for a message", e));
	same = natsMsg_GetTime(msg) == s->position.time_ns && strcmp(id_of(msg), s->position.id) == 0;
	natsMsg_Destroy(msg);
	return (same);
}

/*
 * What to ask a stream for: no more than what is wanted, as far as one filter can say it.  The server takes none that is neither within a subject of the
 * stream nor around one.
 */
static void
narrow(const struct fleet_subscribe *u, const jsStreamConfig *c, char *out, size_t size)
{
	size_t len = strlen(u->store->prefix);
	const char *rest = u->filter + len;

	snprintf(out, size, "%s", u->filter);
	if (strncmp(rest, ".*.", 3) != 0)
		return;
	/* The shard of a stream that has one; else all of the stream. */
	if (c->SubjectsLen == 1 && strlen(c->Subjects[0]) == len + 5)
		snprintf(out, size, "%.*s%s", (int)len + 3, c->Subjects[0], rest + 2);
	else if (c->SubjectsLen > 1)
		snprintf(out, size, "%s.>", u->store->prefix);
}

/* Whether the subject is wanted. */
static bool
matches(const char *filter, const char *subject)
{
	size_t f, s;

	for (;; filter += f + 1, subject += s + 1) {
		if (strcmp(filter, ">") == 0)
			return (*subject != '\0');
		f = strcspn(filter, ".");
		s = strcspn(subject, ".");
		if ((f != 1 || *filter != '*') && (f != s || memcmp(filter, subject, f) != 0))
			return (false);
		if (filter[f] == '\0' || subject[s] == '\0')
			return (filter[f] == subject[s]);
	}
}

/* Nothing of the stream, all of it, or what lies behind the position. */
static int
subscribe_to(struct fleet_subscribe *u, struct fleet_source *s, struct err *e)
{
	jsConsumerInfo *ci = NULL;
	jsStreamInfo *si = NULL;
	jsErrCode code = 0;
	natsStatus status;
	char filter[512];
	int64_t created;
	int same;

	if ((status = js_GetStreamInfo(&si, u->link->js, s->name, NULL, &code)) != NATS_OK)
		return (fleet_link_error(u->link, status, code, "cannot ask about a stream", e));
	s->end = si->State.LastSeq;
	created = si->Created;
	narrow(u, si->Config, filter, sizeof(filter));
	jsStreamInfo_Destroy(si);
	same = s->position.created_ns == created && s->position.seq <= s->end;
	if (same && s->position.seq > 0 && (same = still_there(u, s, e)) == -1)
		return (-1);
	if (!same)
		s->position = (struct fleet_position){.created_ns = created};
	s->taken = s->position.seq;
	s->came = 0;
	s->done = s->taken == s->end;
	if (s->done && !u->follow)
		return (0);
	status = fleet_queue_subscribe(&u->queue, u->link->js, filter, s->name, (size_t)(s - u->source), s->taken + 1, &s->sub, &code);
	if (status == NATS_OK && s->stuck)
		status = fleet_queue_room(s->sub, FLEET_QUEUE_MOST);
	if (status != NATS_OK)
		return (fleet_link_error(u->link, status, code, "cannot subscribe", e));
	/* It may be that nothing behind the position is for us: then nothing tells that all is there. */
	if ((status = natsSubscription_GetConsumerInfo(&ci, s->sub, NULL, &code)) == NATS_OK) {
		s->done = ci->NumPending == 0 && ci->Delivered.Consumer == 0;
		jsConsumerInfo_Destroy(ci);
	}
	return (0);
}

static void
unsubscribe(struct fleet_subscribe *u)
{
	struct fleet_source *s;

	fleet_queue_clear(&u->queue);
	for (s = u->source; s < u->source + u->n; s++) {
		natsSubscription_Destroy(s->sub);
		natsMsg_Destroy(s->last);
		s->sub = NULL;
		s->last = NULL;
	}
	fleet_store_drop(u->store);
}

/* ---- messages ---- */

/* What a server says of a message that it delivers. */
struct stamp {
	uint64_t seq;	 /* in the stream */
	uint64_t nth;	 /* of what the subscription brings, from 1 */
	int64_t time_ns; /* when it was stored */
};

/* Where it is not the one that is due, ${nth}, -1 (EXIT_RETRY): some were thrown away for want of room.  Return 1 where it is the last one there is, 0, or -1. */
static int
take_message(struct fleet_subscribe *u, natsMsg *msg, bool filling, uint64_t nth, struct stamp *ret, struct err *e)
{
	struct span data = {natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)};
	jsMsgMetaData *md = NULL;
	bool end;

	if (natsMsg_GetMetaData(&md, msg) != NATS_OK)
		return (err_retry(e, "a message came without its number"));
	*ret = (struct stamp){md->Sequence.Stream, md->Sequence.Consumer, md->Timestamp};
	end = md->NumPending == 0;
	jsMsgMetaData_Destroy(md);
	if (ret->nth != nth)
		return (err_retry(e, "messages were lost on the way here"));
	u->since_ms = fleet_now_ms();
	if (!matches(u->filter, natsMsg_GetSubject(msg)))
		return (end);
	u->messages++;
	return (fleet_store_take(u->store, natsMsg_GetSubject(msg), data, filling, e) == 0 ? end : -1);
}

/* What came before the lines that we have: all of the ledger again, of which most is passed over. */
static int
fill_gap(struct fleet_subscribe *u, struct fleet_ledger *l, struct err *e)
{
	natsSubscription *sub = NULL;
	struct buf names = BUF_INIT;
	jsErrCode code = 0;
	jsSubOptions o;
	natsMsg *msg;
	natsStatus s;
	struct stamp stamp;
	uint64_t nth;
	int rc;

	if ((rc = fleet_streams(u->link, l->subject, &names, e)) == 0 && names.len == 0)
		rc = fleet_no_stream(u->link, l->subject, true, e);
	if (rc != 0) {
		buf_release(&names);
		return (-1);
	}
	jsSubOptions_Init(&o);
	o.Stream = names.data;
	o.Ordered = true;
	if ((s = js_SubscribeSync(&sub, u->link->js, l->subject, NULL, &o, &code)) != NATS_OK)
		rc = fleet_link_error(u->link, s, code, "cannot subscribe", e);
	else
		(void)fleet_queue_room(sub, FLEET_QUEUE_MOST);
	for (nth = 1; rc == 0 && *u->link->stopped == 0; nth++) {
		if ((s = natsSubscription_NextMsg(&msg, sub, ANSWER_MS)) != NATS_OK) {
			rc = fleet_link_error(u->link, s, 0, "cannot get what is missing", e);
			break;
		}
		rc = take_message(u, msg, true, nth, &stamp, e);
		natsMsg_Destroy(msg);
		if (rc == 0 && u->store->pending >= FLEET_STORE_BYTES)
			rc = fleet_store_flush(u->store, e);
	}
	natsSubscription_Destroy(sub);
	buf_release(&names);
	if (rc == 1)
		return (fleet_store_filled(u->store, l, e));
	l->filling = false;
	return (rc == 0 ? err_retry(e, "stopped") : -1);
}

/* That messages come is no progress, as they may come again and again. */
static void
went_well(struct fleet_subscribe *u)
{
	u->well_ms = fleet_now_ms();
	fleet_link_progress(u->link);
}

/* All that was taken becomes durable, then the positions say so. */
static int
flush(struct fleet_subscribe *u, struct err *e)
{
	struct fleet_ledger *gap;
	struct fleet_source *s;

	u->flushed_ms = fleet_now_ms();
	if (fleet_store_flush(u->store, e) != 0)
		return (-1);
	while ((gap = fleet_store_gap(u->store)) != NULL)
		if (fill_gap(u, gap, e) != 0)
			return (-1);
	for (s = u->source; s < u->source + u->n; s++) {
		if (s->last == NULL)
			continue;
		s->position.seq = s->taken;
		s->position.time_ns = s->time_ns;
		snprintf(s->position.id, sizeof(s->position.id), "%s", id_of(s->last));
		natsMsg_Destroy(s->last);
		s->last = NULL;
		if (u->store->dir != NULL && fleet_position_store(u->store->fleet_fd, s->name, u->filter, &s->position, e) != 0)
			return (-1);
		went_well(u);
	}
	u->step(u->link->arg, u->store->events);
	return (0);
}

static int
take_item(struct fleet_subscribe *u, struct fleet_item *item, struct err *e)
{
	struct fleet_source *s = &u->source[item->stream];
	struct err why = {0};
	struct stamp stamp;
	int rc = take_message(u, item->msg, false, s->came + 1, &stamp, e);

	/* Where some are lost each time, what came before is progress. */
	if (rc == -1 && e->exit == EXIT_RETRY) {
		s->stuck = s->came == 0;
		return (flush(u, &why) != 0 ? (*e = why, -1) : -1);
	}
	if (rc == -1)
		return (-1);
	s->stuck = false;
	s->came++;
	s->taken = stamp.seq;
	s->time_ns = stamp.time_ns;
	s->done = s->done || rc == 1 || stamp.seq >= s->end;
	natsMsg_Destroy(s->last);
	s->last = item->msg;
	item->msg = NULL;
	return (u->store->pending >= FLEET_STORE_BYTES ? flush(u, e) : 0);
}

static int
take_all(struct fleet_subscribe *u, struct err *e)
{
	struct fleet_item *item, *next;
	int rc = 0;

	for (item = fleet_queue_take(&u->queue); item != NULL; item = next) {
		next = item->next;
		if (rc == 0)
			rc = take_item(u, item, e);
		fleet_item_free(item);
	}
	return (rc);
}

/* ---- sessions ---- */

static bool
all_done(const struct fleet_subscribe *u)
{
	size_t i;

	for (i = 0; i < u->asked && u->source[i].done; i++)
		;
	return (i == u->n);
}

/* Wait for messages, ${ms} at most. */
static void
wait_for(struct fleet_subscribe *u, int ms)
{
	struct pollfd p = {.fd = u->link->wake_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, ms) == 1 && read(p.fd, &count, sizeof(count)) == -1)
		return;
}

/*
 * Subscribe to what is next.  A stream that lags has much to send, and the library holds what we do not take at once: only one at a time has room for that, or
 * what is held would be many times as much.
 */
static int
advance(struct fleet_subscribe *u, struct err *e)
{
	size_t share = FLEET_QUEUE_AHEAD / u->n;
	struct fleet_source *last;
	natsStatus status;

	while (u->asked < u->n && (u->asked == 0 || u->source[u->asked - 1].done)) {
		last = u->asked == 0 ? NULL : &u->source[u->asked - 1];
		if (last != NULL && last->sub != NULL &&
		    (status = fleet_queue_room(last->sub, share > FLEET_QUEUE_LEAST ? share : FLEET_QUEUE_LEAST)) != NATS_OK)
			return (fleet_link_error(u->link, status, 0, "cannot subscribe", e));
		if (subscribe_to(u, &u->source[u->asked++], e) != 0)
			return (-1);
	}
	return (0);
}

/*
 * Whether the library threw the last of a stream away for want of room: what it held of it was taken, so no number will tell.  Each stream is looked at for
 * itself, as another may never be quiet.
 */
static bool
lost_the_last(const struct fleet_subscribe *u)
{
	struct fleet_source *s;
	int64_t dropped;
	int held;

	for (s = u->source; s < u->source + u->asked; s++)
		if (s->sub != NULL && natsSubscription_GetDropped(s->sub, &dropped) == NATS_OK && dropped > 0 &&
		    natsSubscription_GetPending(s->sub, &held, NULL) == NATS_OK && held == 0) {
			s->stuck = s->came == 0;
			return (true);
		}
	return (false);
}

/* Something was taken that no position on the disk says, be it of no ledger. */
static bool
unsaved(const struct fleet_subscribe *u)
{
	size_t i;

	for (i = 0; i < u->n && u->source[i].last == NULL; i++)
		;
	return (u->store->pending > 0 || i < u->n);
}

/* Take what comes.  Return 0 at the end, 1 where it is to be subscribed anew, or -1. */
static int
pump(struct fleet_subscribe *u, struct err *e)
{
	int64_t now, last = u->since_ms;
	bool waiting;

	while (*u->link->stopped == 0) {
		if (take_all(u, e) != 0 || advance(u, e) != 0)
			return (-1);
		now = fleet_now_ms();
		waiting = unsaved(u);
		if (!waiting && all_done(u))
			went_well(u);
		/* Nothing came since the last look, or it has waited for long enough. */
		if (waiting && (u->since_ms == last || now - u->flushed_ms >= GATHER_MAX_MS || all_done(u)) && flush(u, e) != 0)
			return (-1);
		if (!u->follow && all_done(u))
			return (flush(u, e));
		if (fleet_link_reconnects(u->link) != u->reconnects || natsConnection_IsClosed(u->link->nc))
			return (1);
		if (lost_the_last(u))
			return (flush(u, e) != 0 ? -1 : err_retry(e, "messages were lost on the way here"));
		if (u->follow && now - u->listed_ms >= LIST_MS && more_sources(u))
			return (flush(u, e) != 0 ? -1 : 1);
		if (u->follow && now - u->since_ms >= IDLE_MS) {
			u->since_ms = now;
			return (1);
		}
		if (!u->follow && now - u->since_ms >= u->wait_ms)
			return (err_retry(e, "nothing comes any more, though there is more"));
		if (!waiting)
			u->flushed_ms = now;
		last = u->since_ms;
		wait_for(u, unsaved(u) ? GATHER_MS : 1000);
	}
	return (flush(u, e));
}

static int
session(struct fleet_subscribe *u, struct err *e)
{
	int rc;

	if (u->link->nc != NULL && natsConnection_IsClosed(u->link->nc))
		fleet_link_close(u->link);
	if (u->link->nc == NULL && fleet_link_open(u->link, e) != 0)
		return (-1);
	if (find_sources(u, e) != 0)
		return (-1);
	u->reconnects = fleet_link_reconnects(u->link);
	u->asked = 0;
	if ((rc = advance(u, e)) == 0)
		rc = pump(u, e);
	unsubscribe(u);
	return (rc);
}

int
fleet_subscribe(struct fleet_subscribe *u, struct err *e)
{
	struct err why;
	bool told = false;
	int rc;

	fleet_queue_init(&u->queue, u->link);
	u->since_ms = u->well_ms = fleet_now_ms();
	for (;;) {
		why = (struct err){0};
		if ((rc = session(u, &why)) == 0 || (*u->link->stopped != 0 && (rc == 1 || why.exit == EXIT_RETRY)))
			return (0);
		if (rc == 1) {
			told = false;
			continue;
		}
		if (why.exit != EXIT_RETRY || (!u->follow && fleet_now_ms() - u->well_ms >= u->wait_ms)) {
			*e = why;
			return (-1);
		}
		/* Whatever went well since, this is another trouble. */
		told = told && u->link->tries > 0;
		if (u->follow && !told && u->link->tries > 1) {
			u->link->note(u->link->arg, why.text);
			told = true;
		}
		fleet_link_back_off(u->link);
	}
}

void
fleet_subscribe_release(struct fleet_subscribe *u)
{
	free_sources(u->source, u->n);
	fleet_queue_release(&u->queue);
}

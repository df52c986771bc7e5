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
#define ANSWER_MS 5000

/* ---- messages ---- */

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

/*
 * What came before the lines that we have: all of the ledger again, of which most is passed over.  The connection is closed then: see fleet_link_close().
 */
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

	if (u->link->nc == NULL && fleet_link_open(u->link, e) != 0)
		return (-1);
	if ((rc = fleet_streams(u->link, l->subject, &names, e)) == 0 && names.len == 0)
		rc = fleet_no_stream(u->link, l->subject, true, e);
	if (rc != 0) {
		buf_release(&names);
		return (-1);
	}
	fleet_queue_options(&o, names.data);
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
	fleet_link_close(u->link);
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
	int moved;

	u->flushed_ms = fleet_now_ms();
	if (fleet_store_flush(u->store, e) != 0)
		return (-1);
	while ((gap = fleet_store_gap(u->store)) != NULL)
		if (fill_gap(u, gap, e) != 0)
			return (-1);
	if ((moved = fleet_sources_save(&u->sources, e)) == -1)
		return (-1);
	if (moved > 0)
		went_well(u);
	u->step(u->link->arg, u->store->events);
	return (0);
}

static int
take_item(struct fleet_subscribe *u, struct fleet_item *item, struct err *e)
{
	struct fleet_source *s = &u->sources.source[item->stream];
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

/* Wait for messages, ${ms} at most. */
static void
wait_for(struct fleet_subscribe *u, int ms)
{
	struct pollfd p = {.fd = u->link->wake_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, ms) == 1 && read(p.fd, &count, sizeof(count)) == -1)
		return;
}

/* Something was taken that no position on the disk says. */
static bool
unsaved(const struct fleet_subscribe *u)
{
	return (u->store->pending > 0 || fleet_sources_unsaved(&u->sources));
}

static bool
is_closed(const struct fleet_subscribe *u)
{
	return (u->link->nc == NULL || natsConnection_IsClosed(u->link->nc));
}

/* Take what comes.  Return 0 at the end, 1 where it is to be subscribed anew, or -1. */
static int
pump(struct fleet_subscribe *u, struct err *e)
{
	int64_t now, last = u->since_ms;
	bool waiting;

	while (*u->link->stopped == 0) {
		if (take_all(u, e) != 0)
			return (-1);
		if (is_closed(u))
			return (flush(u, e) != 0 ? -1 : 1);
		if (fleet_sources_advance(&u->sources, e) != 0)
			return (-1);
		now = fleet_now_ms();
		waiting = unsaved(u);
		if (!waiting && fleet_sources_done(&u->sources))
			went_well(u);
		/* Nothing came since the last look, or it has waited for long enough. */
		if (waiting && (u->since_ms == last || now - u->flushed_ms >= GATHER_MAX_MS || fleet_sources_done(&u->sources)) && flush(u, e) != 0)
			return (-1);
		if (!u->follow && fleet_sources_done(&u->sources))
			return (flush(u, e));
		if (is_closed(u) || fleet_link_reconnects(u->link) != u->reconnects)
			return (1);
		if (fleet_link_missed(u->link))
			return (flush(u, e) != 0 ? -1 : 1);
		if (fleet_sources_lost(&u->sources))
			return (flush(u, e) != 0 ? -1 : err_retry(e, "messages were lost on the way here"));
		if (u->follow && fleet_sources_more(&u->sources))
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

	if (fleet_link_open(u->link, e) != 0)
		return (-1);
	u->reconnects = fleet_link_reconnects(u->link);
	(void)fleet_link_missed(u->link);
	u->sources.asked = 0;
	if ((rc = fleet_sources_find(&u->sources, e)) == 0 && (rc = fleet_sources_advance(&u->sources, e)) == 0)
		rc = pump(u, e);
	fleet_queue_clear(&u->queue);
	fleet_link_close(u->link);
	fleet_sources_end(&u->sources);
	fleet_store_drop(u->store);
	return (rc);
}

int
fleet_subscribe(struct fleet_subscribe *u, struct err *e)
{
	struct err why;
	bool told = false;
	int rc;

	fleet_queue_init(&u->queue, u->link);
	u->sources = (struct fleet_sources){.link = u->link, .store = u->store, .queue = &u->queue, .filter = u->filter, .follow = u->follow};
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
	fleet_sources_release(&u->sources);
	fleet_queue_release(&u->queue);
}

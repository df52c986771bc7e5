/* The streams that are subscribed to. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_sources.h"
#include "fleet_streams.h"

#include "banned.h"

#define LIST_MS 10000 /* as often it is asked whether there are more streams */

/* ---- which there are ---- */

static struct fleet_source *
known_source(const struct fleet_sources *u, const char *name)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		if (u->source[i].name != NULL && strcmp(u->source[i].name, name) == 0)
			return (&u->source[i]);
	return (NULL);
}

/* Take the source over from those of the session before, or begin with what is kept of it. */
static int
add_source(struct fleet_sources *u, const char *name, struct fleet_source *ret, struct err *e)
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

int
fleet_sources_find(struct fleet_sources *u, struct err *e)
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

bool
fleet_sources_more(struct fleet_sources *u)
{
	struct buf names = BUF_INIT;
	struct err why = {0};
	const char *name = NULL;
	bool more = false;

	if (fleet_now_ms() - u->listed_ms < LIST_MS)
		return (false);
	u->listed_ms = fleet_now_ms();
	if (fleet_streams(u->link, u->filter, &names, &why) == 0)
		while (!more && (name = buf_next_string(&names, name)) != NULL)
			more = known_source(u, name) == NULL;
	buf_release(&names);
	return (more);
}

/* ---- subscribing ---- */

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
still_there(struct fleet_sources *u, const struct fleet_source *s, struct err *e)
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
narrow(const struct fleet_sources *u, const jsStreamConfig *c, char *out, size_t size)
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

/* Nothing of the stream, all of it, or what lies behind the position. */
static int
subscribe_to(struct fleet_sources *u, struct fleet_source *s, struct err *e)
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
	status = fleet_queue_subscribe(u->queue, u->link->js, filter, s->name, (size_t)(s - u->source), s->taken + 1, &s->sub, &code);
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

int
fleet_sources_advance(struct fleet_sources *u, struct err *e)
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

void
fleet_sources_end(struct fleet_sources *u)
{
	struct fleet_source *s;

	for (s = u->source; s < u->source + u->n; s++) {
		natsSubscription_Destroy(s->sub);
		natsMsg_Destroy(s->last);
		s->sub = NULL;
		s->last = NULL;
	}
}

/* ---- how far they were taken ---- */

bool
fleet_sources_done(const struct fleet_sources *u)
{
	size_t i;

	for (i = 0; i < u->asked && u->source[i].done; i++)
		;
	return (i == u->n);
}

bool
fleet_sources_lost(struct fleet_sources *u)
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

bool
fleet_sources_unsaved(const struct fleet_sources *u)
{
	size_t i;

	for (i = 0; i < u->n && u->source[i].last == NULL; i++)
		;
	return (i < u->n);
}

int
fleet_sources_save(struct fleet_sources *u, struct err *e)
{
	struct fleet_source *s;
	int moved = 0;

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
		moved++;
	}
	return (moved);
}

void
fleet_sources_release(struct fleet_sources *u)
{
	free_sources(u->source, u->n);
}

/* The streams that are subscribed to, and how far each was taken (FLEET). */
#ifndef ECL_FLEET_SOURCES_H_
#define ECL_FLEET_SOURCES_H_

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "fleet_link.h"
#include "fleet_position.h"
#include "fleet_queue.h"
#include "fleet_store.h"

struct fleet_source {
	char *name; /* of the stream */
	natsSubscription *sub;
	struct fleet_position position; /* up to where all is appended */
	uint64_t taken;	/* seq of the last message that was taken */
	int64_t time_ns; /* when that was stored */
	uint64_t came;	/* how many messages this subscription brought */
	uint64_t end;	/* seq of the stream's last message when it was subscribed to */
	natsMsg *last;	/* message ${taken}; NULL: position names it */
	bool done;	/* all that was there when it was subscribed to was taken */
	bool stuck;	/* not even the first message behind the position came: it may be longer than there was room for */
};

struct fleet_sources {
	/* What the caller sets. */
	struct fleet_link *link;
	const struct fleet_store *store; /* open: where positions are, and the prefix of subjects */
	struct fleet_queue *queue;	 /* what is subscribed to comes there, with its number here */
	const char *filter;		 /* of subjects */
	bool follow;

	/* What it finds. */
	struct fleet_source *source;
	size_t n;

	/* Inside. */
	size_t asked;	   /* of them: they are subscribed to in turn */
	int64_t listed_ms; /* when it was last asked which streams there are */
};

/** fleet_sources_find(u, e): the streams that there are now: of an engine that was made anew they may be others, and while it is being set up they become more.  Return 0 or -1. */
int fleet_sources_find(struct fleet_sources *u, struct err *e);

/** fleet_sources_more(u): whether there is a stream that we do not know; asked every ten seconds, else false.  What cannot be asked now is asked later. */
bool fleet_sources_more(struct fleet_sources *u);

/**
 * fleet_sources_advance(u, e):
 * Subscribe to those that are next.  A stream that lags has much to send, and the library holds what we do not take at once: only one at a time has room for
 * that, or what is held would be many times as much.  Return 0 or -1.
 */
int fleet_sources_advance(struct fleet_sources *u, struct err *e);

/** fleet_sources_done(u): whether all that was there when they were subscribed to was taken. */
bool fleet_sources_done(const struct fleet_sources *u);

/**
 * fleet_sources_lost(u):
 * Whether the library threw the last of a stream away for want of room: what it held of it was taken, so no number will tell.  Each stream is looked at for
 * itself, as another may never be quiet.
 */
bool fleet_sources_lost(struct fleet_sources *u);

/** fleet_sources_unsaved(u): whether something was taken that no position says, be it of no ledger. */
bool fleet_sources_unsaved(const struct fleet_sources *u);

/** fleet_sources_save(u, e): what was taken is durable: the positions say so.  Return how many moved, or -1. */
int fleet_sources_save(struct fleet_sources *u, struct err *e);

/** fleet_sources_end(u): of what was subscribed to nothing comes any more, and what no position says was not taken. */
void fleet_sources_end(struct fleet_sources *u);
void fleet_sources_release(struct fleet_sources *u);

#endif

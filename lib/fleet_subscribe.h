/* Subscribing to ledgers of a fleet: messages of all streams into one store, and how far each stream was taken (FLEET). */
#ifndef ECL_FLEET_SUBSCRIBE_H_
#define ECL_FLEET_SUBSCRIBE_H_

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

struct fleet_subscribe {
	/* What the caller sets. */
	struct fleet_link *link;
	struct fleet_store *store; /* open */
	const char *filter; /* of subjects */
	bool follow;
	int wait_ms; /* without ${follow}: how long to try while nothing comes */
	void (*step)(void *arg, uint64_t events); /* now and then; of link->arg */

	/* What it finds. */
	uint64_t messages;
	size_t n; /* streams */

	/* Inside. */
	struct fleet_source *source;
	size_t asked;	     /* of the sources: they are subscribed to in turn */
	struct fleet_queue queue;
	uint64_t reconnects; /* of the link, when it was subscribed */
	int64_t since_ms;    /* when something last came */
	int64_t well_ms;     /* when what came was last appended, or there was nothing more */
	int64_t listed_ms;   /* when it was last asked which streams there are */
	int64_t flushed_ms;
};

/**
 * fleet_subscribe(u, e):
 * Take all that the streams have of ${filter}, and with ${follow} what comes, until *link->stopped.  Return 0; or -1: EXIT_RETRY where the engine is out of reach.
 * What the store found is no error.
 */
int fleet_subscribe(struct fleet_subscribe *u, struct err *e);
void fleet_subscribe_release(struct fleet_subscribe *u);

#endif

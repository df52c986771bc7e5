/* Subscribing to ledgers of a fleet: messages of all streams into one store, and how far each stream was taken (FLEET). */
#ifndef ECL_FLEET_SUBSCRIBE_H_
#define ECL_FLEET_SUBSCRIBE_H_

#include <stdint.h>

#include "err.h"
#include "fleet_link.h"
#include "fleet_queue.h"
#include "fleet_sources.h"
#include "fleet_store.h"

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

	/* Inside. */
	struct fleet_sources sources;
	struct fleet_queue queue;
	uint64_t reconnects; /* of the link, when it was subscribed */
	int64_t since_ms;    /* when something last came */
	int64_t well_ms;     /* when what came was last appended, or there was nothing more */
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

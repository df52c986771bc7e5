/* Publishing a ledger: what the engine lacks of it, up to its durable end, fast-forward only (FLEET). */
#ifndef ECL_FLEET_PUBLISH_H_
#define ECL_FLEET_PUBLISH_H_

#include <stdint.h>

#include "err.h"
#include "fleet_link.h"
#include "fleet_name.h"
#include "follow.h"
#include "layer.h"

#define FLEET_MESSAGE_SIZE (64u << 10) /* bytes of lines in a message; a line that is longer has one of its own */

struct fleet_publish {
	/* What the caller sets. */
	struct fleet_link *link;
	struct layer *layer; /* opened with LAYER_READ | LAYER_NO_INDEX | LAYER_ROOT */
	const char *prefix, *host;
	bool follow;
	int wait_ms; /* without ${follow}: how long to try while nothing is taken */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* now and then; of link->arg */

	/* What it finds. */
	char id[FLEET_ID_SIZE];
	char subject[FLEET_SUBJECT_SIZE];
	char stream[FLEET_STREAM_SIZE];
	uint64_t events, messages, bytes; /* that were acknowledged to this run */
	uint64_t size; /* events that the engine has */
	uint8_t hash[SHA256_SIZE]; /* of the last one */

	/* Inside. */
	struct follow end;
	struct log_reader reader;
	bool reading; /* ${reader} is at event ${size} of the present log */
	bool found;    /* the engine answered once: what it lacks now, it may have again */
	uint64_t reconnects; /* of the link, when the engine was asked what it has */
	uint64_t head; /* the stream's seq of the last message of the subject; 0: none */
	struct buf message;
	uint8_t message_hash[SHA256_SIZE]; /* of its last event */
	uint64_t message_events;
	struct buf line; /* read, and too long for the message before */
	int64_t since_ms; /* when something last went well */
};

/**
 * fleet_publish(p, e):
 * Publish, and with ${follow} go on until *link->stopped.  Return 0; or -1: EXIT_NO where the engine has another history of this ledger (${e} says where they
 * part), EXIT_RETRY where it is out of reach.  p->events and p->size are right in any case.
 */
int fleet_publish(struct fleet_publish *p, struct err *e);
void fleet_publish_release(struct fleet_publish *p);

#endif

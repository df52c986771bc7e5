/* Messages on their way from the client library's thread to ours: a queue with an end (FLEET). */
#ifndef ECL_FLEET_QUEUE_H_
#define ECL_FLEET_QUEUE_H_

#include "fleet_link.h"

#define FLEET_QUEUE_BYTES (4u << 20) /* what waits; whoever brings more waits too, and the server with him */

/*
 * What the library holds meanwhile of one subscription.  A server that is asked for flow control sends 32 MiB ahead at most; one
 * that sends more loses it, which the messages' numbers show.  Of several subscriptions only one at a time has this room: the others share as much.
 */
#define FLEET_QUEUE_AHEAD (40u << 20)
#define FLEET_QUEUE_LEAST (5u << 18) /* and have this each: more than the longest message */
#define FLEET_QUEUE_MOST (100u << 20) /* what it sends ahead, and behind that the longest message that a server takes, be it nobody's of ours */

struct fleet_item {
	struct fleet_item *next;
	natsMsg *msg;
	size_t stream; /* the caller's number of it */
};

struct bringer;

struct fleet_queue {
	pthread_mutex_t lock;
	pthread_cond_t taken;
	struct fleet_item *first, **last;
	size_t bytes;
	uint64_t session; /* only what was subscribed to in this one is taken */
	struct bringer *failed; /* of subscriptions that were not made */
	const struct fleet_link *link; /* to be woken */
};

/** fleet_queue_init(q, link): an empty one.  fleet_queue_release(q): with the connection closed. */
void fleet_queue_init(struct fleet_queue *q, const struct fleet_link *link);
void fleet_queue_release(struct fleet_queue *q);

/**
 * fleet_queue_options(o, stream):
 * Of a consumer as the library's ordered ones are (ADR-17): no acknowledgement, flow control, heart beats, in memory, each message once.  It is not made one:
 * where a message is missing, threads of the library (3.4.1) make such a consumer anew, and where it is unsubscribed at that moment they wait for each other for ever, or
 * read what was freed.  We see by the numbers what is missing, and ask again ourselves.
 */
void fleet_queue_options(jsSubOptions *o, const char *stream);

/**
 * fleet_queue_subscribe(q, js, subject, stream, n, from, ret, ret_code):
 * A consumer of ${stream} from seq ${from} on, whose messages come as those of stream number ${n}; it has room for FLEET_QUEUE_AHEAD.
 */
natsStatus fleet_queue_subscribe(struct fleet_queue *q, jsCtx *js, const char *subject, const char *stream, size_t n, uint64_t from, natsSubscription **ret, jsErrCode *ret_code);

/** fleet_queue_room(sub, bytes): how much the library may hold of ${sub} for us. */
natsStatus fleet_queue_room(natsSubscription *sub, size_t bytes);

/** fleet_queue_take(q): all that is there, in order, the caller's to free (with their messages); NULL: nothing. */
struct fleet_item *fleet_queue_take(struct fleet_queue *q);
void fleet_item_free(struct fleet_item *item);

/** fleet_queue_clear(q): throw away what is there, and whatever still comes from what was subscribed to before. */
void fleet_queue_clear(struct fleet_queue *q);

#endif

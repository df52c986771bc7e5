/* Messages on their way from the client library's thread to ours: a queue with an end (FLEET). */
#ifndef ECL_FLEET_QUEUE_H_
#define ECL_FLEET_QUEUE_H_

#include "fleet_link.h"

#define FLEET_QUEUE_BYTES (16u << 20) /* what waits; whoever brings more waits too, and the server with him */

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

/** fleet_queue_subscribe(q, js, subject, stream, n, from, ret, ret_code): an ordered consumer of ${stream} from seq ${from} on, whose messages come as those of stream number ${n}. */
natsStatus fleet_queue_subscribe(struct fleet_queue *q, jsCtx *js, const char *subject, const char *stream, size_t n, uint64_t from, natsSubscription **ret, jsErrCode *ret_code);

/** fleet_queue_take(q): all that is there, in order, the caller's to free (with their messages); NULL: nothing. */
struct fleet_item *fleet_queue_take(struct fleet_queue *q);
void fleet_item_free(struct fleet_item *item);

/** fleet_queue_clear(q): throw away what is there, and whatever still comes from what was subscribed to before. */
void fleet_queue_clear(struct fleet_queue *q);

#endif

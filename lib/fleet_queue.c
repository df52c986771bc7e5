/* Messages on their way from the client library's thread to ours. */
#include "config.h"

#include <stdlib.h>

#include "fleet_queue.h"

#include "banned.h"

#define ITEM_BYTES 512	/* about what a message takes beside its text */
#define LEAST_MESSAGE 400 /* as the server counts it, with its subjects and header */
#define HEARTBEAT_NS (5LL * 1000000000)

/* Who brings messages: lives as long as its subscription. */
struct bringer {
	struct fleet_queue *q;
	size_t stream;
	uint64_t session;
	struct bringer *next;
};

void
fleet_queue_init(struct fleet_queue *q, const struct fleet_link *link)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->taken, NULL);
	q->first = NULL;
	q->last = &q->first;
	q->bytes = 0;
	q->session = 0;
	q->failed = NULL;
	q->link = link;
}

static void
on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
	struct bringer *b = arg;
	struct fleet_queue *q = b->q;
	struct fleet_item *item = malloc(sizeof(*item));
	bool wake = false;

	(void)nc;
	(void)sub;
	pthread_mutex_lock(&q->lock);
	while (q->bytes >= FLEET_QUEUE_BYTES && q->session == b->session)
		pthread_cond_wait(&q->taken, &q->lock);
	/* Without memory it is as lost on the way: the next one shows the gap. */
	if (q->session == b->session && item != NULL) {
		*item = (struct fleet_item){NULL, msg, b->stream};
		wake = q->first == NULL;
		*q->last = item;
		q->last = &item->next;
		q->bytes += (size_t)natsMsg_GetDataLength(msg) + ITEM_BYTES;
		msg = NULL;
		item = NULL;
	}
	pthread_mutex_unlock(&q->lock);
	if (wake)
		fleet_link_wake(q->link);
	natsMsg_Destroy(msg);
	free(item);
}

static void
on_complete(void *arg)
{
	free(arg);
}

void
fleet_queue_options(jsSubOptions *o, const char *stream)
{
	jsSubOptions_Init(o);
	o->Stream = stream;
	o->ManualAck = true;
	o->Config.AckPolicy = js_AckNone;
	o->Config.MaxDeliver = 1;
	o->Config.FlowControl = true;
	o->Config.Heartbeat = HEARTBEAT_NS;
	o->Config.MemoryStorage = true;
	o->Config.Replicas = 1;
}

natsStatus
fleet_queue_subscribe(struct fleet_queue *q, jsCtx *js, const char *subject, const char *stream, size_t n, uint64_t from, natsSubscription **ret, jsErrCode *ret_code)
{
	struct bringer *b;
	jsSubOptions o;
	natsStatus s;

	if ((b = malloc(sizeof(*b))) == NULL)
		return (NATS_NO_MEMORY);
	*b = (struct bringer){q, n, q->session, q->failed};
	fleet_queue_options(&o, stream);
	if (from > 1) {
		o.Config.DeliverPolicy = js_DeliverByStartSequence;
		o.Config.OptStartSeq = from;
	}
	if ((s = js_Subscribe(ret, js, subject, on_message, b, NULL, &o, ret_code)) != NATS_OK) {
		/* What was asked for may have been done all the same, and come yet. */
		q->failed = b;
		return (s);
	}
	natsSubscription_SetOnCompleteCB(*ret, on_complete, b);
	return (fleet_queue_room(*ret, FLEET_QUEUE_AHEAD));
}

natsStatus
fleet_queue_room(natsSubscription *sub, size_t bytes)
{
	return (natsSubscription_SetPendingLimits(sub, (int)(bytes / LEAST_MESSAGE), (int)bytes));
}

struct fleet_item *
fleet_queue_take(struct fleet_queue *q)
{
	struct fleet_item *all;

	pthread_mutex_lock(&q->lock);
	all = q->first;
	q->first = NULL;
	q->last = &q->first;
	q->bytes = 0;
	pthread_cond_broadcast(&q->taken);
	pthread_mutex_unlock(&q->lock);
	return (all);
}

void
fleet_item_free(struct fleet_item *item)
{
	natsMsg_Destroy(item->msg);
	free(item);
}

void
fleet_queue_clear(struct fleet_queue *q)
{
	struct fleet_item *item, *next;

	pthread_mutex_lock(&q->lock);
	q->session++;
	pthread_mutex_unlock(&q->lock);
	for (item = fleet_queue_take(q); item != NULL; item = next) {
		next = item->next;
		fleet_item_free(item);
	}
}

void
fleet_queue_release(struct fleet_queue *q)
{
	struct bringer *b;

	fleet_queue_clear(q);
	while ((b = q->failed) != NULL) {
		q->failed = b->next;
		free(b);
	}
}

/* The connection to the engine, and what its errors mean.  With what stands on it, the only user of libnats. */
#ifndef ECL_FLEET_LINK_H_
#define ECL_FLEET_LINK_H_

#include <nats/nats.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define FLEET_API_MS 5000 /* an answer of JetStream is waited for */

struct fleet_link {
	/* What the caller sets. */
	const char *url;   /* one or several, with commas */
	const char *creds; /* files; NULL: none */
	const char *tls_ca, *tls_cert, *tls_key;
	const char *inbox; /* the prefix of the subjects for answers: who may do little may subscribe to no other */
	int wake_fd;	   /* an eventfd: written to where something changes, and by whoever wants the work to end; -1: none */
	volatile sig_atomic_t *stopped; /* not 0: the work is to end */
	void *arg;
	void (*note)(void *arg, const char *text); /* something to tell the user, from any thread */

	/* What it finds. */
	uint64_t reconnects; /* these change in other threads: fleet_link_reconnects(), fleet_link_outage() */
	int64_t outage_ms;   /* the longest time without a server, or without progress */

	/* Inside. */
	natsConnection *nc;
	jsCtx *js;
	pthread_mutex_t lock;
	char denied[300]; /* what the server refused; "": nothing */
	bool lost, closing, missed;
	int64_t lost_ms;
	unsigned tries; /* in a row, without success */
};

#define FLEET_LINK_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .wake_fd = -1}

/** fleet_link_open(k, e): connect, once.  Return 0, or -1: EXIT_RETRY where no server can be reached, EXIT_ERROR where one refuses. */
int fleet_link_open(struct fleet_link *k, struct err *e);

/**
 * fleet_link_close(k):
 * Nothing is read any more then, so only now what was subscribed to may be destroyed: while messages come, the library (3.4.1) goes on with a subscription
 * that it has freed.  What stands on the connection is the caller's; none is no error.
 */
void fleet_link_close(struct fleet_link *k);

/**
 * fleet_link_error(k, status, code, what, e):
 * Describe why ${what} failed; what the server was heard to refuse meanwhile is the cause.  EXIT_RETRY where it may go better later.  Return -1.
 */
int fleet_link_error(struct fleet_link *k, natsStatus status, jsErrCode code, const char *what, struct err *e);

/** fleet_link_denied(k): whether the server was heard to refuse something that no error has told yet. */
bool fleet_link_denied(struct fleet_link *k);

/** fleet_link_missed(k): whether since the last call a message or a heart beat of a consumer did not come: the library sees it by the next heart beat, and by the clock. */
bool fleet_link_missed(struct fleet_link *k);

/** fleet_link_back_off(k): wait before the next try, longer each time, up to half a minute, never the same time for all; ends early where the work is to end. */
void fleet_link_back_off(struct fleet_link *k);

/** fleet_link_progress(k): a try went well.  fleet_now_ms(): of a monotonic clock. */
void fleet_link_progress(struct fleet_link *k);
int64_t fleet_now_ms(void);

/** fleet_link_reconnects(k): how often the connection came back.  fleet_link_outage(k, ms): the longest outage, now that one of ${ms} has been; 0: none. */
uint64_t fleet_link_reconnects(struct fleet_link *k);
int64_t fleet_link_outage(struct fleet_link *k, int64_t ms);

/** fleet_link_wake(k): write to ${wake_fd}; also from a signal handler. */
void fleet_link_wake(const struct fleet_link *k);

#endif

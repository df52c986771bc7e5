/* How far a subscriber has come in a stream: a file beside the replicas (FLEET). */
#ifndef ECL_FLEET_POSITION_H_
#define ECL_FLEET_POSITION_H_

#include <stdint.h>

#include "err.h"

/*
 * DIR/.fleet/STREAM.position, one line (what a stream is called is not for us to say, and no other file there is called so):
 *   {"created":1763719200000000000,"filter":"ecl.>","id":"<ledger>:<hash>","seq":123,"time":1763719205000000000} LF
 * `created' (ns) tells one stream from another that took its name; `id' is what the message `seq' was called, and `time' (ns) when it was
 * stored, since a stream that lost its end gives the same numbers again, perhaps to the same message behind others.  It is written once the data is durable and is not synced itself: what it says is true, and an old one costs time.
 */
#define FLEET_MSGID_SIZE 112u /* "<uuid>:<64 hex>" and NUL, with room */

struct fleet_position {
	int64_t created_ns;
	uint64_t seq; /* of the last message that was taken; 0: none */
	int64_t time_ns; /* when the server stored that message */
	char id[FLEET_MSGID_SIZE];
};

/** fleet_position_load(dirfd, stream, filter, ret, e): all zeros where there is none, it is damaged, or was made with another filter.  Return 0 or -1. */
int fleet_position_load(int dirfd, const char *stream, const char *filter, struct fleet_position *ret, struct err *e);

/** fleet_position_store(dirfd, stream, filter, p, e): Return 0 or -1. */
int fleet_position_store(int dirfd, const char *stream, const char *filter, const struct fleet_position *p, struct err *e);

#endif

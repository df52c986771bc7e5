/* The streams of a fleet: making them, checking those that are there, and which of them take a subject (FLEET). */
#ifndef ECL_FLEET_STREAMS_H_
#define ECL_FLEET_STREAMS_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "fleet_link.h"
#include "fleet_name.h"

struct fleet_plan {
	const char *prefix;
	unsigned streams;  /* a power of two, up to FLEET_SHARDS */
	unsigned replicas; /* of each: 1, 3 or 5 */
	int64_t max_bytes; /* of each; -1: no limit */
	bool check;	   /* make nothing */
};

struct fleet_stream_state {
	char name[FLEET_STREAM_SIZE];
	bool made;	 /* now */
	bool missing;	 /* and not made, since plan->check */
	char differs[160]; /* in what it is not as planned; "": it is */
	uint64_t messages, bytes;
	int64_t subjects; /* ledgers */
	char leader[64];
};

/** fleet_stream_make(k, plan, n, ret, e): make stream ${n} of the plan where it is not there, look at it where it is.  Return 0 or -1. */
int fleet_stream_make(struct fleet_link *k, const struct fleet_plan *plan, unsigned n, struct fleet_stream_state *ret, struct err *e);

/** fleet_streams(k, filter, out, e): the names of the streams that take subjects of ${filter}, one behind the other, each with its NUL (buf_next_string()).  Return 0 or -1. */
int fleet_streams(struct fleet_link *k, const char *filter, struct buf *out, struct err *e);

/** fleet_no_stream(k, subject, later, e): it found none; ${later}: there may be one, so EXIT_RETRY.  Return -1. */
int fleet_no_stream(const struct fleet_link *k, const char *subject, bool later, struct err *e);

#endif

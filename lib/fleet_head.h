/* What the engine has last of a ledger, held against the log (FLEET). */
#ifndef ECL_FLEET_HEAD_H_
#define ECL_FLEET_HEAD_H_

#include "err.h"
#include "fleet_link.h"
#include "log.h"

struct fleet_head {
	uint64_t at;   /* the stream's seq of the last message; 0: there is none */
	uint64_t size; /* events up to its end */
	uint8_t hash[SHA256_SIZE]; /* of the last one */
};

/**
 * fleet_head(k, stream, subject, log, ret, e):
 * Ask for the last message of ${subject}, and find its last event in ${log}.  Return 0; or -1: EXIT_NO where it is not there, and ${e} says where the two part:
 * exactly, where who asks may read the messages before or the last one tells; else it names an event before which they do.
 */
int fleet_head(struct fleet_link *k, const char *stream, const char *subject, struct log *log, struct fleet_head *ret, struct err *e);

#endif

/* One replica of a fleet's ledger: its root, and lines for it that somebody else vouches for (FLEET). */
#ifndef ECL_FLEET_REPLICA_H_
#define ECL_FLEET_REPLICA_H_

#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "layer.h"
#include "verify_batch.h"

/* What can be wrong with a ledger that arrives. */
enum fleet_class {
	FLEET_GAP,	/* its lines begin behind the end of what is here */
	FLEET_CORRUPT,	/* a line that is none, or whose hash, time or parent is wrong */
	FLEET_FORKED,	/* a right line of another history than that which is here */
	FLEET_MISNAMED, /* its genesis names another ledger than the subject */
	FLEET_DISPUTED,	/* another subject than the one that the replica comes from */
	FLEET_UNUSABLE	/* the replica here is damaged, or none any more */
};

struct fleet_finding {
	enum fleet_class class;
	uint64_t seq; /* of the first event that is not as it should be */
	char message[400];
};

/** fleet_class_name(class): as findings call it. */
const char *fleet_class_name(enum fleet_class class);

/** fleet_find(ret, class, seq, fmt, ...): fill in ${ret}.  Return 1. */
int fleet_find(struct fleet_finding *ret, enum fleet_class class, uint64_t seq, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * fleet_run(work, lines, ret_len, ret_seq, f):
 * Of ${lines}, whole ones each with its LF, the longest beginning whose lines are right in themselves and follow each other: its bytes, and the seq of its
 * first event; ${work} has, in work->n and work->hash, how many and their hashes.  Return 0; or 1 with ${f}, where the line behind it is wrong in itself.
 * ${work} is zeros at first, and released by verify_batch_release().  At most 16 MiB.
 */
int fleet_run(struct verify_batch *work, struct span lines, size_t *ret_len, uint64_t *ret_seq, struct fleet_finding *f);

/** fleet_check_genesis(work, id, lines, f): whether ${lines} begin with the genesis of ledger ${id}: only then is a root made.  Return 0, or 1 with ${f}. */
int fleet_check_genesis(struct verify_batch *work, const char *id, struct span lines, struct fleet_finding *f);

/** fleet_replica_exists(dirfd, id): whether ${id} under ${dirfd} is a whole replica, perhaps without events. */
bool fleet_replica_exists(int dirfd, const char *id);

/** fleet_replica_origin(dirfd, id, out, e): append the subject that the replica ${id} under ${dirfd} comes from; nothing where there is no replica, or it does not say.  Return 0 or -1. */
int fleet_replica_origin(int dirfd, const char *id, struct buf *out, struct err *e);

/**
 * fleet_replica_open(dir, dirfd, id, subject, wait_ms, ret, e):
 * Open the replica of ledger ${id} under the directory ${dir} (also open as ${dirfd}); made where it is not there, to come from ${subject}.
 * ${*ret} is to be closed with fleet_replica_close().  Return 0 or -1.
 */
int fleet_replica_open(const char *dir, int dirfd, const char *id, const char *subject, int wait_ms, struct layer **ret, struct err *e);

/** fleet_replica_close(l): publish its index where much of it is not published, and close it. */
void fleet_replica_close(struct layer *l);

/**
 * fleet_replica_take(l, work, lines, wait_ms, ret_added, f, e):
 * Append ${lines} (whole ones, at most 16 MiB), as `ecl-append --replica' does; those that are there already are passed over where they are the same.
 * ${*ret_added} grows by the number of events that were added.  All that was added is durable.  Return 0; 1 with ${f}, with the lines before the finding added; or -1.
 */
int fleet_replica_take(struct layer *l, struct verify_batch *work, struct span lines, int wait_ms, uint64_t *ret_added, struct fleet_finding *f, struct err *e);

#endif

/* The replicas of a fleet under one directory: lines that arrive for any of them are piled up, then appended ledger by ledger (FLEET). */
#ifndef ECL_FLEET_STORE_H_
#define ECL_FLEET_STORE_H_

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "fleet_name.h"
#include "fleet_replica.h"

/*
 * DIR/<ledger id>/                  a replica root a ledger
 * DIR/.fleet/lock                   flock of the one who writes here
 * DIR/.fleet/<stream>.position      fleet_position.h
 * DIR/.fleet/<ledger id>.finding    the ledger is in quarantine: nothing more of it is taken until the file is removed; one line, the finding
 * DIR/.fleet/<ledger id>.lines      what arrived and was refused, as it came, from the first line that was not appended
 */
#define FLEET_STORE_OPEN 24u		 /* replicas open at a time */
#define FLEET_STORE_BYTES (8u << 20)	 /* lines that wait, of all ledgers, before they are appended */

struct fleet_ledger {
	struct fleet_ledger *next_dirty;
	char id[FLEET_ID_SIZE];
	char *subject;	/* from which it comes */
	struct buf pile; /* lines that wait */
	uint64_t next;	/* without a directory: the seq that comes next, and */
	uint8_t hash[SHA256_SIZE]; /* the hash of the event before */
	struct layer *layer; /* NULL: not open */
	uint64_t used;	/* when it was, in flushes */
	bool dirty, quarantined, disputed;
	bool broken;	/* the pile does not end with a whole line: that will be found */
	bool gap;	/* lines are missing before those that came */
	bool filling;	/* they are being asked for: one that stays is a finding */
};

struct fleet_store {
	/* What the caller sets. */
	const char *dir;    /* NULL: there are no replicas, lines that are right go to ${emit} */
	const char *prefix; /* of the subjects */
	int wait_ms;	    /* for a replica's lock */
	void *arg;
	/* A ledger is put in quarantine, or (FLEET_DISPUTED) a subject is not taken. */
	void (*found)(void *arg, const char *subject, const char *id, const struct fleet_finding *f);
	int (*emit)(void *arg, struct span lines, struct err *e);

	/* What it finds. */
	uint64_t events, bytes; /* appended, or emitted */
	uint64_t findings;	/* ledgers in quarantine, also from earlier runs, and subjects that were not taken */
	uint64_t strays;	/* messages whose subject is no ledger's */
	size_t ledgers;		/* that were met */

	/* Inside. */
	int dir_fd, fleet_fd, lock_fd;
	uint64_t key[2], clock;
	struct fleet_ledger **slot; /* open addressing, a power of two */
	size_t slots;
	struct fleet_ledger *dirty;
	struct fleet_ledger *open[FLEET_STORE_OPEN];
	size_t pending;	/* bytes in piles */
	size_t gaps;	/* ledgers that have one */
	struct verify_batch work;
};

/** fleet_store_open(s, e): with what the caller sets set and all else zero.  Makes ${dir}.  To be released with fleet_store_close(), also where it fails.  Return 0, or -1 (EXIT_RETRY: another one writes there). */
int fleet_store_open(struct fleet_store *s, struct err *e);
void fleet_store_close(struct fleet_store *s);

/**
 * fleet_store_take(s, subject, data, filling, e):
 * Whole lines of a message came.  They are copied, and appended by fleet_store_flush(), which is due where s->pending reaches FLEET_STORE_BYTES.  While a ledger has
 * a gap, only what comes with ${filling} is taken.  Return 0 or -1.
 */
int fleet_store_take(struct fleet_store *s, const char *subject, struct span data, bool filling, struct err *e);

/** fleet_store_flush(s, e): append all that was taken, durably.  Return 0 or -1: what was not appended is to be taken again. */
int fleet_store_flush(struct fleet_store *s, struct err *e);

/** fleet_store_drop(s): forget what was taken and not appended: it will be taken again. */
void fleet_store_drop(struct fleet_store *s);

/**
 * fleet_store_gap(s), fleet_store_filled(s, l, e):
 * A ledger with a gap, or NULL; what its subject has is then to be taken from the beginning, with ${filling}, before the second is called, which appends it: a
 * gap that is still there is a finding.  Return 0 or -1.
 */
struct fleet_ledger *fleet_store_gap(struct fleet_store *s);
int fleet_store_filled(struct fleet_store *s, struct fleet_ledger *l, struct err *e);

#endif

/* Recording a whole input: its lines become batches, and these are committed while the next ones are made (DESIGN 4). */
#ifndef ECL_RECORD_H_
#define ECL_RECORD_H_

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "intake.h"
#include "layer.h"
#include "worker.h"

/*
 * A trickle is read, made into a batch, and committed, portion by portion, in one thread.  In a flood the input is read and parsed
 * ahead in a second thread, batches are written and synced in a third, and the index is published in a fourth: the lock is then kept
 * from one batch to the next, until somebody else waits for it or the input pauses.
 *
 * Signals that would end the program (SIGINT, SIGTERM, SIGHUP, SIGQUIT) wait while the lock is held: a line is not torn by them, and what
 * was taken in is recorded.
 */
struct record {
	/* What the caller sets. */
	struct layer *layer;
	struct batch_rules rules;
	bool dry_run, replica, no_sync;
	const struct redact *redact; /* what is replaced before anything else sees it; NULL: nothing */
	bool expect;	      /* the log must end with expect_size events, before each batch */
	uint64_t expect_size;
	bool aloud;	      /* committed() shows the lines to somebody, who may be slow: never with the lock held */
	int wait_ms;	      /* for the lock */
	void *arg;	      /* of what follows */
	/* A line was refused (with its ${f}, NULL for a further piece of it): return 0 to go on, or -1 with ${e}.  NULL: none is. */
	int (*refuse)(void *arg, const struct source *s, const struct intake_line *line, const struct json_fault *f, struct err *e);
	/* The lock was taken: the layer may have something to report, and so may the batch that begins. */
	void (*began)(void *arg, const struct batch *b);
	/* Events are recorded (or, in a dry run, would be): b->lines has them. */
	void (*committed)(void *arg, const struct batch *b);
	/* The index could not be published, which costs nothing but time.  Perhaps more than once. */
	void (*unpublished)(void *arg, const struct err *e);
	/* Nor were vectors made of the events, which costs whoever searches time.  At most once. */
	void (*unembedded)(void *arg, const struct err *e);

	/* What it finds. */
	uint64_t recorded; /* events */
	uint64_t refused;  /* lines */

	/* Inside. */
	struct shop shop;
	struct worker committer, publisher;
	struct publication *publication; /* under way; NULL: none */
	bool unpublishable;		 /* one failed: not again before the end */
	uint64_t publish_from;		 /* somebody else published: not before the ledger has so many events */
	struct batch batch[2], *now; /* now: the one being made; the other may be on its way to the disk */
	bool begun, locked, in_flight;
	sigset_t signals; /* to be let through again with the lock released */
	uint64_t first_size; /* of the ledger when it was first read */
	struct seen seen;    /* elements in the input, for {"complete":...} */
};

/** record_init(r): all that the caller sets is zero; rules are those of this process. */
void record_init(struct record *r);

/**
 * record_source(r, s, e):
 * Record all of ${s}.  Return 0; or -1 with ${e}, which says what became of the events of a batch that failed.  Lines before one that is
 * refused stay recorded.  The lock is not held afterwards.
 */
int record_source(struct record *r, struct source *s, struct err *e);

/** record_line(r, name, line, e): the same of one line without LF, which ${name} calls in messages. */
int record_line(struct record *r, const char *name, struct span line, struct err *e);

/**
 * record_publish(r, lag):
 * With all committed: publish the index where more than ${lag} events lie beyond it, and then make vectors, too, of a few thousand events, so that what
 * was recorded little by little is searched at once.  A flood leaves them to ecl-index.
 */
void record_publish(struct record *r, uint64_t lag);

void record_release(struct record *r);

#endif

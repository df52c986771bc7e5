/* A batch of events being made under the lock, then committed by one write and one fdatasync. */
#ifndef ECL_BATCH_H_
#define ECL_BATCH_H_

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "durable.h"
#include "err.h"
#include "input.h"
#include "ledger.h"
#include "seen.h"

/* What does not change from event to event. */
struct batch_rules {
	uint32_t uid, login;
	bool keep_time;
	bool force;		  /* times in the future, large completions */
	struct span actor, cause; /* string tokens, defaults for events that lack them; p == NULL: none */
};

/* All zeros is a valid unused batch; it may be begun again and again, and keeps its memory. */
struct batch {
	struct ledger *ledger; /* whose events these become */
	const struct batch_rules *rules;
	struct log_end end; /* where the log will end with what is in the batch */
	struct buf lines;   /* the event lines, each with its LF; those in chain have no hashes yet */
	struct chain chain;
	struct log_piece *pieces;
	size_t n_pieces, cap_pieces;
	uint64_t events; /* in the batch */
	unsigned dims;	 /* of the vectors in it, or in batches that it follows; 0: none, the log is to be asked */
	int64_t now_us;
	int64_t behind_us;  /* how far the clock is behind the last event, 0 where it is not */
	struct buf scratch; /* an element's state, read from the log */
	char time[TIME_SIZE]; /* the text of time_us */
	int64_t time_us;

	/* how it is to be committed, and what became of it */
	struct durable_file *durable;
	bool sync;
	struct log_end before;
	enum log_outcome outcome;
	int failed;
	struct err e;
};

/** batch_rules_init(r): uid and login of this process, nothing else. */
void batch_rules_init(struct batch_rules *r);

/** batch_begin(b, ledger, rules): an empty batch behind the end of ${ledger}, at the present time.  The caller holds the lock, or only plans. */
void batch_begin(struct batch *b, struct ledger *ledger, const struct batch_rules *rules);

/** batch_follow(b, before): an empty batch behind what is in ${before}, which need not be committed yet, at the present time. */
void batch_follow(struct batch *b, const struct batch *before);

/** batch_release(b): free its memory.  What was not committed must have been given up with batch_abandon(). */
void batch_release(struct batch *b);

/** batch_abandon(b, e): forget what is in the batch: the ledger's index goes back to the end of its log.  Return 0 or -1. */
int batch_abandon(struct batch *b, struct err *e);

/**
 * batch_observe(b, in, ret_id, f, e):
 * Record what ${in} says: an event, or none where it has no action and the state is what the ledger has.  ${*ret_id} becomes the
 * element's number, EVENT_NONE where there never was one.
 * A vector must have as many numbers as the first one of the ledger (given.h).  Return 1 where an event was added, 0 where nothing changed, -1 with ${f} where the line is refused (the batch is
 * as it was), -2 with ${e} where the ledger could not be read.
 */
int batch_observe(struct batch *b, const struct input *in, uint64_t *ret_id, struct json_fault *f, struct err *e);

/**
 * batch_complete(b, glob, seen, first_size, f, e):
 * The input so far was the whole truth about the elements that match ${glob}: record as deleted those that live and whose numbers are
 * not in ${seen}, unless an event at or behind seq ${first_size} (the ledger's size when this run first read it) says otherwise.
 * Refused without rules->force where that would delete more than half of more than ten.  Returns as batch_observe().
 * O(elements that begin like the glob).
 */
int batch_complete(struct batch *b, struct span glob, const struct seen *seen, uint64_t first_size, struct json_fault *f, struct err *e);

/**
 * batch_add(b, ev, e):
 * Add an event as given: element, action, state, actor, cause, meta and vector; all else is filled in (seq, time, uid, login,
 * parent, prev, hash).  Return 0 or -1.
 */
int batch_add(struct batch *b, struct event *ev, struct err *e);

/**
 * batch_add_line(b, line, hash_ok, e):
 * Add a line of another ledger byte for byte, for a replica: it must be right in itself (${hash_ok}: event_hash_ok(line)) and chain
 * on.  A line that the log has already is passed over.  Return 1 where it was added, 0 where it was there, -1 on an error (EXIT_NO: it
 * forks).
 */
int batch_add_line(struct batch *b, struct span line, bool hash_ok, struct err *e);

/** batch_seal(b): complete the lines of the batch, so that they can be looked at. */
void batch_seal(struct batch *b);

/**
 * batch_prepare(b, durable, sync, e), batch_write(b), batch_finish(b, ret_outcome, e):
 * Commit a batch in three steps.  The first completes its lines.  The second writes and syncs them and keeps ${durable}
 * (NULL: there is none, in a tree that is being built); it touches only that, ${b} and the log's writer, so that another thread may
 * do it while the next batch is made.  The third makes them part of the ledger; b->lines is what may then be printed.  The events that
 * batch_finish() finds not to be recorded are forgotten by the index, and with them those of later batches.
 * Return 0 or -1; ${*ret_outcome} tells what became of the bytes.
 */
int batch_prepare(struct batch *b, struct durable_file *durable, bool sync, struct err *e);
void batch_write(struct batch *b);
int batch_finish(struct batch *b, enum log_outcome *ret_outcome, struct err *e);

/** batch_commit(b, durable, sync, ret_outcome, e): all three, one after the other. */
int batch_commit(struct batch *b, struct durable_file *durable, bool sync, enum log_outcome *ret_outcome, struct err *e);

#endif

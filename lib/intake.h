/* Input on its way in: portions of lines, read and parsed ahead of their use. */
#ifndef ECL_INTAKE_H_
#define ECL_INTAKE_H_

#include <stdbool.h>
#include <stdint.h>

#include "input.h"
#include "redact.h"
#include "source.h"
#include "worker.h"

#define INTAKE_PORTIONS 4
#define INTAKE_BYTES (512u << 10) /* of a portion, where there is more: what the caches hold */

enum intake_kind {
	INTAKE_INPUT,	 /* what input_parse() made of it */
	INTAKE_FAULT,	 /* what it refused */
	INTAKE_TOO_LONG, /* the beginning of a line longer than SOURCE_PORTION: it is refused too */
	INTAKE_PIECE,	 /* more of that line */
	INTAKE_EVENT	 /* of a replica's input: not parsed, but its hash was computed */
};

struct intake_line {
	enum intake_kind kind;
	bool ends;	  /* with a line feed, or with the input */
	bool hash_ok;	  /* INTAKE_EVENT: event_hash_ok() */
	uint32_t fault;	  /* INTAKE_FAULT: its number in the portion */
	uint64_t number;  /* in the source, from 1 */
	struct span text; /* as it came, without LF */
	struct input in;
};

/* Lines in order.  All spans point into data and scratch. */
struct portion {
	struct intake *intake;
	int status; /* of source_fill() */
	struct err e; /* where that is -1 */
	struct buf data, scratch;
	struct intake_line *line;
	size_t lines, cap;
	struct json_fault *fault;
	size_t faults, faults_cap;
};

struct intake {
	struct source *source;
	bool keep_time;
	bool replica;	   /* the lines are another ledger's */
	const struct redact *redact; /* secrets that nobody behind this may see; NULL: none */
	uint64_t number;   /* of the last line */
	bool partial;	   /* it goes on in the next portion */
	size_t limit;	   /* of a portion */
	struct json_work work;
	struct worker worker;
	struct portion portion[INTAKE_PORTIONS];
	uint64_t taken;	   /* portions that the caller has had */
	int stop_fd[2];	   /* a pipe; -1: none */
};

/** intake_init(in, source, shop, keep_time, replica): nothing is read yet.  The caller may then set in->redact. */
void intake_init(struct intake *in, struct source *source, struct shop *shop, bool keep_time, bool replica);

/** intake_release(in): stop reading, free all. */
void intake_release(struct intake *in);

/** intake_ahead(in): from now on read and parse ahead in a thread, where there is more to come and the system has a thread.  Return whether it is so. */
bool intake_ahead(struct intake *in);

/** intake_ready(in): whether intake_next() would return at once. */
bool intake_ready(struct intake *in);

/**
 * intake_next(in):
 * The next portion, which the caller may use until the next call.  Waits for it, and there is always one: portion->status
 * says whether it has lines (1), is the end (0), or an error (-1).
 */
const struct portion *intake_next(struct intake *in);

#endif

/* Rollback: live, or parts of it, become what they were in a block, and the log says so (DESIGN 7). */
#ifndef ECL_ROLLBACK_H_
#define ECL_ROLLBACK_H_

#include <stdbool.h>
#include <stddef.h>

#include "block.h"
#include "holders.h"
#include "layer.h"

/*
 * Without parts all of live goes back: it is exchanged as a whole.  With parts it stays what it is: the states of the elements
 * that are named go back by events alone, and of the files those that are named.
 */
struct rollback_options {
	int wait_ms;
	bool dry_run;	  /* only ${out}: the events that would be recorded */
	bool no_snap;	  /* no block is made of what was live */
	bool count;	  /* of a dry run: also how many files would change; O(files) */
	struct span cause; /* string token, or absent: then `rollback to block-...` */
	const char *const *element; /* parts: GLOBs */
	size_t elements;
	const char *const *path; /* parts: files or directories, relative to live */
	size_t paths;
};

/* What a rollback did, beside the events.  All zeros is a valid one. */
struct rollback_result {
	char undo[BLOCK_NAME_SIZE]; /* the block to which one would roll back to undo it; "" where there is none */
	struct holders holders;	    /* who still has open what is not in live any more; a caller that is told writes there */
	uint64_t files;		    /* counted by a dry run: that differ in type, mode, owner, size or time, where they are not the very same; contents are not read */
	bool asked;		    /* whether holders says anything: files went back */
};

/**
 * rollback_to(l, block, opt, ret, out, e):
 * Roll live back to ${block}.  ${l} as for snap_make(); for a dry run one opened with LAYER_READ will do.  The recorded (or planned)
 * event lines are appended to ${out}: first that of the rollback, then one for each element, in the order of bytes.  ${ret}, all zeros at
 * first, is filled in as far as it came; to be released with rollback_result_release().
 * Return 0, or -1: where nothing was appended to ${out}, live is as it was; else it was rolled back, and ${e} says what then failed.
 *
 * All of live: the one or the other, whenever a run dies.  Parts: each path is the old or the new; an error puts all back that went before,
 * and nothing is recorded; where a run dies between them some are the one and some the other, and snap_tidy() records those that went back.
 * O(elements), on btrfs; for paths O(files below them).
 */
int rollback_to(struct layer *l, const struct block *block, const struct rollback_options *opt, struct rollback_result *ret,
    struct buf *out, struct err *e);

void rollback_result_release(struct rollback_result *r);

#endif

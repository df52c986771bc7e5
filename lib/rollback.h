/* Rollback: live becomes what a block was, and the log says so (DESIGN 7). */
#ifndef ECL_ROLLBACK_H_
#define ECL_ROLLBACK_H_

#include <stdbool.h>

#include "block.h"
#include "layer.h"

struct rollback_options {
	int wait_ms;
	bool dry_run;	  /* only ${out}: the events that would be recorded */
	bool no_snap;	  /* what was live is deleted in place of becoming a block */
	struct span cause; /* string token, or absent: then `rollback to block-...` */
};

/**
 * rollback_to(l, block, opt, out, e):
 * Roll live back to ${block}.  ${l} as for snap_make(); for a dry run one opened with LAYER_READ will do.  The recorded (or planned)
 * event lines are appended to ${out}: first that of the rollback, then one for each element, in the order of bytes.
 * Return 0, or -1: where nothing was appended to ${out}, live is as it was; else it was rolled back, and ${e} says what then failed.
 */
int rollback_to(struct layer *l, const struct block *block, const struct rollback_options *opt, struct buf *out, struct err *e);

#endif

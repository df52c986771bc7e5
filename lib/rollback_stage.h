/* Single paths go back: what is to be exchanged, and then what was there, until the log says so. */
#ifndef ECL_ROLLBACK_STAGE_H_
#define ECL_ROLLBACK_STAGE_H_

#include "layer.h"

/**
 * rollback_stage_finish(l, name, seq, wait_ms, e):
 * With blocks.lock held: what a run that died left as live/.ecl/${name}, which is `.old-${seq}'.  Where it exchanged paths and did not come to record it, the log is
 * told so, of those and no others, as that run would have; then it is deleted.  Nothing of live changes.  Return 0 or -1.  O(paths), and the files that are deleted.
 */
int rollback_stage_finish(struct layer *l, const char *name, uint64_t seq, int wait_ms, struct err *e);

#endif

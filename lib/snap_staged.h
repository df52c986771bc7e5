/* Single paths go back: what is to be exchanged, and then what was there, lies in live/.ecl until the log says so. */
#ifndef ECL_SNAP_STAGED_H_
#define ECL_SNAP_STAGED_H_

#include "layer.h"

#define SNAP_STAGED_PLAN "plan" /* its file; snap_staged.c has the format */

/** snap_staged_inode(stage_fd, name, ret, e): the inode of the one name in the directory ${name}; 0 where it is empty.  Return 0 or -1.  O(1). */
int snap_staged_inode(int stage_fd, const char *name, uint64_t *ret, struct err *e);

/**
 * snap_staged_finish(l, name, seq, wait_ms, e):
 * With blocks.lock held: what a run that died left as live/.ecl/${name}, which is `.old-${seq}'.  Where it exchanged paths and did not come to record it, the log is
 * told so, of those and no others, as that run would have; then it is deleted.  Nothing of live changes.  Return 0 or -1.  O(paths), and the files that are deleted.
 */
int snap_staged_finish(struct layer *l, const char *name, uint64_t seq, int wait_ms, struct err *e);

#endif

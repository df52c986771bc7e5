/* FAISS segments of the rows: which there should be, sealed and named by the manifest. */
#ifndef ECL_VECTORS_SEAL_H_
#define ECL_VECTORS_SEAL_H_

#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "log.h"

/**
 * vectors_seal(ecl_fd, dir, space, step, arg, ret_segments, e):
 * With index.lock held: seal the segments of a space under ${ecl_fd}/${dir} that ivf_plan() wants and that are not there, or damaged: none of a space of
 * ivf_scan_rows() or fewer, whose segments stay as they are.  Each is published for itself; those it replaces are left to vectors_sweep().  ${step} is told now and then of how many of all rows to seal are done.  ${*ret_segments}: how
 * many there are now.  Without FAISS nothing is done.  Return 0, or -1 with what was sealed before still there.
 */
int vectors_seal(int ecl_fd, const char *dir, const char *space, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg,
    uint64_t *ret_segments, struct err *e);

/**
 * vectors_seal_check(ecl_fd, log, space, fault, e):
 * Read all segments of a space that count.  Return 0 where they are right (or there is no FAISS), 1 with what is wrong, and what mends it, appended to ${fault}, or -1.
 */
int vectors_seal_check(int ecl_fd, struct log *log, const char *space, struct buf *fault, struct err *e);

#endif

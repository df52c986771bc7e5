/* Making a root: its parts, and a replica that waits for its lines (DESIGN 2). */
#ifndef ECL_ROOT_H_
#define ECL_ROOT_H_

#include "backend.h"
#include "buf.h"
#include "err.h"

/* The mark `replica': nothing, or where the log comes from, or that it is being adopted, by the event that follows. */
#define ROOT_MARK "replica"
#define ROOT_MARK_MAX 4096u /* bytes of it */
#define ROOT_ADOPTING "adopting "

/** root_backend(dirfd): the backend of a root under ${dirfd}, where nobody says: btrfs where it can be. */
enum backend root_backend(int dirfd);

/**
 * root_make_parts(root_fd, backend, ret_live_fd, e):
 * live, its `.ecl/log`, and the directory of the blocks, each where it is not there, all durable.  ${*ret_live_fd} is live, open, the caller's.
 * The caller holds ROOT/lock.  Return 0, or -1 with ${*ret_live_fd} open or untouched.
 */
int root_make_parts(int root_fd, enum backend backend, int *ret_live_fd, struct err *e);

/**
 * root_make_replica(dirfd, name, mark, wait_ms, e):
 * As `ecl-init --replica': an empty replica ${name} under ${dirfd}, or a half-made one finished.  ${mark} is what its file `replica' says: where it
 * comes from.  A root that has events and no mark is refused.  Return 0, or -1 (EXIT_RETRY where it is locked for longer than ${wait_ms}).
 */
int root_make_replica(int dirfd, const char *name, struct span mark, int wait_ms, struct err *e);

#endif

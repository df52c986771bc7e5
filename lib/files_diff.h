/* Which managed files differ between two blocks, or a block and live, and in what. */
#ifndef ECL_FILES_DIFF_H_
#define ECL_FILES_DIFF_H_

#include <stdbool.h>

#include "block.h"
#include "buf.h"
#include "err.h"
#include "files_walk.h"

/* One of the two. */
struct files_side {
	int fd;
	const struct block_header *block; /* NULL: it is live */
};

#define FILES_CHANGE_SIZE 8

/**
 * files_diff(snap_fd, a, b, watch, visit, arg, e):
 * Call ${visit} for each path that differs, by path, with what it is: "+" it came, "-" it went, else one or more of "ctpux" in this order: another
 * content (bytes, link target, device number), type, permissions, owner or group, extended attributes; as the leaves of DESIGN 6 have
 * them, so that there is nothing to visit where the two have the same `files' root.  On btrfs, with CAP_SYS_ADMIN and where the two are
 * states of one subvolume, only what was changed between is looked at; else what the blocks remember of their files
 * is compared; and where they remember nothing (a copy), all files are read.  ${visit} returns 0 to go on, else files_diff() returns 0 at once.
 * Return 0 or -1.
 */
int files_diff(int snap_fd, const struct files_side *a, const struct files_side *b, struct files_watch watch,
    int (*visit)(void *arg, struct span path, const char *change), void *arg, struct err *e);

#endif

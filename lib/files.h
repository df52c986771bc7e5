/* The tree of managed files: one hash over names, types, modes, owners, contents and xattrs (DESIGN 6, `files`). */
#ifndef ECL_FILES_H_
#define ECL_FILES_H_

#include <stdint.h>

#include "err.h"
#include "files_seen.h"
#include "files_walk.h"
#include "sha256.h"

/**
 * files_root_of_block(block_fd, seen, from_disk, ret_entries, ret_root, e):
 * Number of, and RFC 6962 root over, the managed files below ${block_fd}: all but `.ecl` and the directory itself, sorted by path as
 * bytes.  For who verifies: every file is read, but for those whose bytes are the very ones on the disk of which ${seen} knows the hash,
 * as they were read in another block.  NULL: also those.
 * ${from_disk}: and not from the page cache.  Nested subvolumes and mounts are refused by name.  Return 0 or -1.  O(files + bytes read).
 */
int files_root_of_block(int block_fd, struct files_seen *seen, bool from_disk, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE],
    struct err *e);

#endif

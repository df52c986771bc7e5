/* The files of one block after another, for who verifies: of each but the first, only what is not as in the one before is looked at. */
#ifndef ECL_FILES_CHAIN_H_
#define ECL_FILES_CHAIN_H_

#include <stdbool.h>

#include "files_seen.h"
#include "files_table.h"

/*
 * What a block has in common with the one before was read there: the kernel gives the trees of both, and every item of the one is compared with that of the
 * other (subvol_differ.h), so that nothing is taken from an index, from a time, or from who may have made one block from the other.
 */
struct files_chain {
	struct files_seen *seen;
	int fd; /* of the block that was looked at last; -1: the next one is read as a whole */
	struct files_table known; /* its files, as they were found */
	struct mounts *mounts; /* see mounts_keep() */
};

/**
 * files_chain_begin(c, block_fd, seen):
 * For blocks on the file system of ${block_fd}, which is synced: changes that are not in the trees yet would be missed.  Return whether that can be done there
 * (btrfs, with CAP_SYS_ADMIN); release ${c} either way.
 */
bool files_chain_begin(struct files_chain *c, int block_fd, struct files_seen *seen);
void files_chain_release(struct files_chain *c);

/** files_chain_root(c, block_fd, ret_entries, ret_root, e): as files_root_of_block(), of the next block.  Return 0 or -1.  O(files in the tree + bytes that differ). */
int files_chain_root(struct files_chain *c, int block_fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e);

#endif

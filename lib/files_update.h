/* The files of a block in the making: what changed since the last one is looked at, or where that is not known, all. */
#ifndef ECL_FILES_UPDATE_H_
#define ECL_FILES_UPDATE_H_

#include "block.h"
#include "files_table.h"
#include "files_walk.h"
#include "subvol_changed.h"

struct files_update {
	struct files_table old; /* of an earlier block */
	struct subvol_identity block;
	bool has_old;
	struct files_walk walk;
	struct files_left left; /* for the next block; its records point into old and walk */
	int before_fd; /* the block that ${old} is of, where what differs from it is to be looked at; -1: what was touched since */
	bool strict; /* no ctime is believed: what was touched is read, and all where that is not known */
	bool remembers; /* it can be told what the files were in, so that the next block may know them */
};

/** files_update_init(u, watch), files_update_release(u): for a snapshot that is made from now on. */
void files_update_init(struct files_update *u, struct files_watch watch);
void files_update_release(struct files_update *u);

/**
 * files_update_load(u, snap_fd, h, live):
 * Take what the block under ${snap_fd} with the header ${h} remembers, if it holds for the subvolume that ${live} identifies: the block
 * was made from it, or it from the block.  Return whether it does.
 */
bool files_update_load(struct files_update *u, int snap_fd, const struct block_header *h, const struct subvol_identity *live);

/** files_update_recall(u, snap_fd, h): take it whatever it holds for.  Return whether it does remember, and it is of that block. */
bool files_update_recall(struct files_update *u, int snap_fd, const struct block_header *h);

/**
 * files_update_run(u, snapshot_fd, ret_entries, ret_root, e):
 * `entries' and `files' of the read-only snapshot ${snapshot_fd}.  Where there is something loaded, and with CAP_SYS_ADMIN, only what
 * was changed is looked at; without, the files are listed, and those opened whose inode, ctime or size is another.  Else all are read.
 * Nested subvolumes and mounts are refused by name.  Return 0 or -1.
 */
int files_update_run(struct files_update *u, int snapshot_fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e);

/** files_update_store(u, hashed_fd, into_fd, name, e): leave what is known of the files of ${hashed_fd} in the index of the layer ${into_fd}, which will be found as ${name}.  Return 0 or -1. */
int files_update_store(struct files_update *u, int hashed_fd, int into_fd, const char *name, struct err *e);

/**
 * files_update_search(u, snapshot_fd, e):
 * The part of it that asks the file system: put what changed since u->old into u->walk.  Return 1; 0 where that cannot be had, or what is remembered
 * does not fit what is there; or -1.
 */
int files_update_search(struct files_update *u, int snapshot_fd, struct err *e);

#endif

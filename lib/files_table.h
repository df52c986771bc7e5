/* What a block remembers of its own files, so that the next one need not look at those that stay as they are. */
#ifndef ECL_FILES_TABLE_H_
#define ECL_FILES_TABLE_H_

#include "block.h"
#include "files_view.h"

/*
 * `.ecl/index/files` of a block on btrfs, derived like all of the index, all numbers little-endian:
 *	magic "eclfile3"
 *	live, hashed: the UUIDs of the subvolume that the files were in, and of its snapshot that was hashed, and
 *		that the block is a snapshot of, 16 bytes each
 *	generation u64: of the snapshot; what a later transaction touched is not as it is here
 *	files u64, root (32 bytes): `entries' and `files' of the block's header
 *	id of the base (16 bytes): the files are those of `files.base' (files_base.h), which many blocks share, but for the changes
 *	origin (64 bytes, NULs behind it): the name of the block whose `files.base' it was first, and is more likely to be in memory
 *	changes u64, by path, each:
 *		path's length u32, removed u8, path; where it is not removed: inode u64, ctime i64, size u64, content (32), leaf (32)
 *	CRC-32C of all before, u32
 * It stands in the block itself, which is read-only, and speaks of that block only: it holds for a subvolume that has the UUID `live', and for
 * one that was made from the block by a rollback.  UUIDs are given by the file system, so that neither another root's table nor one that was
 * copied, sent or left by another history fits.
 */
#define FILES_TABLE "files"

struct files_binding {
	uint8_t live[16], hashed[16];
	uint64_t generation;
	uint64_t entries;
	uint8_t root[SHA256_SIZE];
};

struct files_table {
	struct files_binding bound;
	char origin[BLOCK_NAME_SIZE]; /* the block whose base it is that was opened */
	struct files_view view;
	struct buf text;
};

/**
 * files_table_open(snap_fd, name, ret):
 * What the block ${name} under ${snap_fd} remembers, where it belongs to the effective user or root, and nobody else can write there.  Return 0, or -1
 * where it is of no use; then and else files_table_release() it.
 */
int files_table_open(int snap_fd, const char *name, struct files_table *ret);
void files_table_release(struct files_table *t);

/* What is to be left in a block. */
struct files_left {
	struct files_binding bound;
	struct files_view view;
	struct buf base; /* bytes of a new base; empty: view.base will do, of the block ${origin} */
	uint8_t base_id[FILES_ID_SIZE];
	char origin[BLOCK_NAME_SIZE];
};

/**
 * files_table_take(ret, left, old):
 * What ${left} would leave, as files_table_open() would give it, without a file.  Takes left->base, or the base of ${old}, which ${left} is of.  Return 0, or
 * -1 where memory ran out; then and else files_table_release() it.
 */
int files_table_take(struct files_table *ret, struct files_left *left, struct files_table *old);

/**
 * files_table_store(block_fd, left, e):
 * Leave it in a block that is still writable.  Without a sync: what a crash damages is not believed.  Return 0 or -1.
 */
int files_table_store(int block_fd, const struct files_left *left, struct err *e);

#endif

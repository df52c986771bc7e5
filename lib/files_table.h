/* Which contents the last block's files had: what was hashed once and did not change is not read again. */
#ifndef ECL_FILES_TABLE_H_
#define ECL_FILES_TABLE_H_

#include <sys/stat.h>

#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "sha256.h"

/*
 * `.ecl/index/files`, derived like all of the index: magic "eclfile1", then a record a regular file, by inode number:
 *	inode u64, ctime i64 (ns since 1970), size u64, SHA-256 of the content (32 bytes)
 * all little-endian, then the CRC-32C of all before it, u32.  A record holds for a file with the same three.  A file
 * whose ctime was within a second of the snapshot is left out: clocks are coarse, it may have changed again.
 */
struct files_table {
	struct buf old;	     /* the file's records, as it was read */
	struct buf fresh;    /* those of this walk */
	int64_t snapshot_ns; /* taken before the snapshot was */
};

/**
 * files_table_init(t), files_table_release(t):
 * An empty table for a snapshot that is made from now on.
 */
void files_table_init(struct files_table *t);
void files_table_release(struct files_table *t);

/** files_table_load(t, layer_fd): read what the last block left in ${layer_fd}; a missing or damaged table is an empty one. */
void files_table_load(struct files_table *t, int layer_fd);

/** files_table_find(t, st): the SHA-256 of the regular file that ${st} describes, or NULL where it must be read.  O(log n). */
const uint8_t *files_table_find(const struct files_table *t, const struct stat *st);

/** files_table_add(t, st, hash): the file has this content.  A failure to remember shows in t->fresh.failed only. */
void files_table_add(struct files_table *t, const struct stat *st, const uint8_t hash[SHA256_SIZE]);

/** files_table_store(t, layer_fd, e): leave what was added to the next block, atomically and without a sync.  Return 0 or -1. */
int files_table_store(struct files_table *t, int layer_fd, struct err *e);

#endif

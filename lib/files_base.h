/* All files of a block as they were, with the hash tree over them: what the next block's root is made from. */
#ifndef ECL_FILES_BASE_H_
#define ECL_FILES_BASE_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "sha256.h"

/*
 * `.ecl/index/files.base`, all numbers little-endian:
 *	 0  magic "eclfile2"
 *	 8  n u64: files
 *	16  bytes of the names u64
 *	24  id, 16 random bytes
 *	40  CRC-32C of bytes 0 to 39 and of the sums, u32; zeros to 64
 *	64  sums: u32 for each 4 KiB of what follows, its CRC-32C; zeros to a multiple of 8
 *	    records, 56 bytes a file, by path: inode u64, ctime i64 (ns since 1970), size u64, SHA-256 of a
 *		regular file's bytes or a link's target, else zeros
 *	    the tree: leaf hashes by path, then each level of perfect subtrees above them, 32 bytes a node, n >> k nodes in level k
 *	    offsets, u64: where each path begins in the names, and where the last one ends
 *	    by inode: of each file its inode u64 and its number u32, sorted
 *	    names: the paths, one behind the other
 * A chunk is read when something in it is asked for, and only then: a few of a hundred thousand files cost a few chunks.
 */
#define FILES_BASE "files.base"
#define FILES_ID_SIZE 16
#define FILES_CTIME_NONE INT64_MIN /* not older than the snapshot by a second: the file may have changed and still have it */

struct files_record {
	struct span path;
	uint64_t ino;
	int64_t ctime_ns;
	uint64_t size;
	const uint8_t *content; /* of a regular file or a link, else zeros */
	const uint8_t *leaf;
	bool removed; /* of a change: there is no such file any more */
};

struct files_base {
	int fd;
	uint64_t n;
	uint8_t id[FILES_ID_SIZE];
	uint64_t names; /* bytes */
	uint64_t body, size; /* where the sums end, and how much is behind them */
	uint64_t tree, offsets, by_ino, text; /* where they begin, behind the sums */
	struct buf sums;
	uint8_t *mem;  /* what was read */
	uint8_t *have; /* a byte a chunk */
	bool bad;      /* something did not have its checksum: what was got since is not to be used */
};

/** files_base_open(dirfd, ret): open that file of a directory.  Return 0, or -1 where there is none that is of use. */
int files_base_open(int dirfd, struct files_base **ret);

/** files_base_take(bytes, ret): of what files_builder_end() made, which it takes, in memory.  Return 0, or -1 where that runs out. */
int files_base_take(struct buf *bytes, struct files_base **ret);
void files_base_free(struct files_base *b);

/** files_base_get(b, i, ret): file ${i} < n; ${ret} points into ${b}. */
void files_base_get(struct files_base *b, uint64_t i, struct files_record *ret);

/** files_base_find(b, path, ret): the first file whose path is not less.  Return whether it is that path.  O(log n). */
bool files_base_find(struct files_base *b, struct span path, uint64_t *ret);

/** files_base_find_ino(b, ino): the place in the order of inodes of the first that is not less.  O(log n). */
uint64_t files_base_find_ino(struct files_base *b, uint64_t ino);

/** files_base_by_ino(b, k): the file at place ${k} < n of that order. */
uint64_t files_base_by_ino(struct files_base *b, uint64_t k);

/** files_base_nodes(b, level, i, count): ${count} nodes of the tree from number ${i} of a level on; i + count <= n >> level. */
const uint8_t *files_base_nodes(struct files_base *b, unsigned level, uint64_t i, uint64_t count);

/* One in the making. */
struct files_builder {
	struct buf records, tree, offsets, names;
	uint64_t n;
};

void files_builder_release(struct files_builder *w);

/** files_builder_add(w, r): the next file by path. */
void files_builder_add(struct files_builder *w, const struct files_record *r);

/** files_builder_end(w, ret_root, ret_id, out, e): the root of the tree, and the bytes of the file.  Return 0 or -1.  O(n). */
int files_builder_end(struct files_builder *w, uint8_t ret_root[SHA256_SIZE], uint8_t ret_id[FILES_ID_SIZE], struct buf *out, struct err *e);

#endif

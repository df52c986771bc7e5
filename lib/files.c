/* The tree of managed files. */
#include "config.h"

#include "files.h"
#include "files_parts.h"
#include "merkle.h"

#include "banned.h"

int
files_root_of_block(int block_fd, struct files_seen *seen, bool from_disk, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE],
    struct err *e)
{
	struct files_walk w = {.e = e, .seen = seen, .from_disk = from_disk};
	struct merkle tree;
	size_t i;
	int rc = -1;

	if (files_walk_begin(&w, block_fd) != 0 || files_walk_all(&w, block_fd) != 0)
		goto out;
	files_walk_sort(&w);
	merkle_init(&tree);
	for (i = 0; i < w.n; i++)
		merkle_add(&tree, w.item[i].leaf);
	merkle_root(&tree, ret_root);
	*ret_entries = w.n;
	rc = 0;
out:	files_walk_release(&w);
	return (rc);
}

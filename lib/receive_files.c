/*
 * Receiving: the managed files of a block.  A difference to a block that is here is unpacked in a snapshot of it.  Of the newest block that was received
 * this replica remembers, in the index of its own live (files_table.h: `hashed' is the block itself), what its files were when they were verified, and
 * since when the file system would tell of a change: since the transaction that began to unpack it.  So where the kernel says that what came began as a
 * snapshot of that very subvolume, whatever the stream touched, and whatever anybody touched in the block it stands on, was touched behind that
 * transaction, is found in the tree of what came, and is read; the rest is what was verified.  A stream cannot say otherwise: UUIDs of
 * subvolumes, their parents and the transaction of an inode are the kernel's.  No ctime is believed, and nothing that came in the stream.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "receive_impl.h"

#include "banned.h"

#define LIVE "live"

/* What is remembered, where it is of what ${block} began as. */
static void
recall(struct files_update *u, struct layer *l, const struct subvol_identity *block)
{
	static const uint8_t none[sizeof(block->parent)];

	u->has_old = memcmp(block->parent, none, sizeof(none)) != 0 && files_table_open(l->root_fd, LIVE, &u->old) == 0 &&
	    memcmp(u->old.bound.hashed, block->parent, sizeof(block->parent)) == 0;
	if (!u->has_old)
		files_table_release(&u->old);
}

int
receive_files(struct files_update *u, struct layer *l, int block_fd, struct verify_known_files *ret, struct err *e)
{
	struct subvol_identity block;

	u->strict = true;
	if (subvol_identify(block_fd, &block) == 0)
		recall(u, l, &block);
	/* What is not yet in the tree is not found there. */
	if (u->has_old && syncfs(block_fd) != 0)
		return (err_sys(e, "cannot sync what came"));
	return (files_update_run(u, block_fd, &ret->entries, ret->root, e));
}

void
receive_files_keep(struct files_update *u, struct layer *l, int block_fd)
{
	(void)files_update_store(u, block_fd, l->live_fd, LIVE, NULL);
}

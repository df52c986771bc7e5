/* The files of one block after another. */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "files_chain.h"
#include "files_update.h"
#include "mounts.h"
#include "subvol_differ.h"

#include "banned.h"

bool
files_chain_begin(struct files_chain *c, int block_fd, struct files_seen *seen)
{
	*c = (struct files_chain){.seen = seen, .fd = -1, .mounts = mounts_keep()};
	return (subvol_searchable(block_fd) && syncfs(block_fd) == 0);
}

/* The next block is read as a whole. */
static void
forget(struct files_chain *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	files_table_release(&c->known);
}

void
files_chain_release(struct files_chain *c)
{
	forget(c);
	mounts_free(c->mounts);
	c->mounts = NULL;
}

/* What is mounted in a block is what its readers find, and stands in no tree of it. */
static bool
is_covered(const struct files_chain *c, int block_fd)
{
	struct buf path = BUF_INIT;
	int rc = mounts_below(c->mounts, block_fd, &path, NULL);

	buf_release(&path);
	return (rc != 0);
}

/* Keep what was found in ${block_fd}, where there is memory for it. */
static void
remember(struct files_chain *c, struct files_update *u, int block_fd)
{
	if (files_table_take(&c->known, &u->left, &u->old) == 0)
		c->fd = fcntl(block_fd, F_DUPFD_CLOEXEC, 0);
	if (c->fd == -1)
		forget(c);
}

int
files_chain_root(struct files_chain *c, int block_fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e)
{
	bool covered = is_covered(c, block_fd);
	struct files_update u;
	int rc;

	if (covered)
		forget(c);
	files_update_init(&u, (struct files_watch){NULL, NULL});
	u.strict = true;
	u.walk.seen = c->seen;
	u.has_old = c->fd != -1;
	u.before_fd = c->fd;
	u.old = c->known;
	memset(&c->known, 0, sizeof(c->known));
	rc = files_update_run(&u, block_fd, ret_entries, ret_root, e);
	forget(c);
	if (rc == 0 && !covered && !is_covered(c, block_fd))
		remember(c, &u, block_fd);
	files_update_release(&u);
	return (rc);
}

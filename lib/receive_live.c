/* Receiving: live follows the newest block. */
#include "config.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "io.h"
#include "receive_impl.h"
#include "snap.h"
#include "subvol.h"
#include "xattrs.h"

#include "banned.h"

struct following {
	struct layer *l;
	int block_fd;
	struct ledger *block; /* of the block */
	int tree_fd, ecl_fd;  /* what live will be, and its `.ecl` */
};

/* The directory as it was in the live before: no header commits to its owner, mode and ACLs, and the block's are those of another host. */
static int
take_over_dir(int from, int to, struct err *e)
{
	struct stat st;

	if (fstat(from, &st) != 0)
		return (err_sys(e, "cannot stat live"));
	if (fchown(to, st.st_uid, st.st_gid) != 0 || fchmod(to, st.st_mode & 07777) != 0)
		return (err_sys(e, "cannot set owner and mode of what live will be"));
	if (xattrs_drop_acls(to, NULL) != 0)
		return (err_sys(e, "cannot remove the ACL of what live will be"));
	return (0);
}

/* Files that were copied from the block become the replica's own. */
static int
own_files(int dirfd, const struct stat *owner, struct err *e)
{
	char path[XATTRS_PATH_SIZE];
	const struct dirent *d;
	DIR *dir;
	int fd, rc = 0;

	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the log of what live will be");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	if (xattrs_drop_acls(fd, NULL) != 0 || fchown(fd, owner->st_uid, owner->st_gid) != 0 || fchmod(fd, owner->st_mode & 07777) != 0)
		rc = err_sys(e, "cannot set owner and mode of a log");
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		xattrs_path(fd, d->d_name, path);
		if (xattrs_drop_acls(-1, path) != 0 || fchownat(fd, d->d_name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) != 0 || fchmodat(fd, d->d_name, 0640, 0) != 0)
			rc = err_sys(e, "cannot set owner and mode of '%s'", d->d_name);
	}
	if (rc == 0 && errno != 0)
		rc = err_sys(e, "cannot read the log of what live will be");
	closedir(dir);
	return (rc);
}

/* The log of the block, where it is the longer one. */
static int
take_block_log(struct following *f, const struct stat *owner, struct err *e)
{
	int from, to, rc = -1;

	if ((from = io_open_dir(f->block->ecl_fd, "log", e)) == -1)
		return (-1);
	if (subvol_clone_tree(from, f->ecl_fd, "log", e) == 0 && (to = io_open_dir(f->ecl_fd, "log", e)) != -1) {
		rc = own_files(to, owner, e);
		close(to);
	}
	close(from);
	return (rc);
}

static int
take_own(struct following *f, const char *name, struct err *e)
{
	struct err why = {0};
	int from, rc;

	if ((from = io_open_dir(f->l->ecl_fd, name, &why)) == -1) {
		if (why.sys == ENOENT)
			return (0);
		return (err_set(e, "%s", why.text));
	}
	rc = subvol_clone_tree(from, f->ecl_fd, name, e);
	close(from);
	return (rc);
}

/* With lock held: the ledger of what live will be: the longer log, and the index that this replica made of its own. */
static int
graft(struct following *f, struct err *e)
{
	const struct log_end *mine = &f->l->ledger->log->end;
	struct stat owner;
	bool held;
	int rc;

	if (receive_same_log(f->l->ledger->log, f->block->log, e) != 0)
		return (-1);
	if (fstat(f->l->ecl_fd, &owner) != 0)
		return (err_sys(e, "cannot stat '.ecl' of live"));
	if (io_make_dir(f->tree_fd, ".ecl", e) != 0 || (f->ecl_fd = io_open_dir(f->tree_fd, ".ecl", e)) == -1 ||
	    take_over_dir(f->l->ecl_fd, f->ecl_fd, e) != 0)
		return (-1);
	if ((mine->size >= f->block->log->end.size ? take_own(f, "log", e) : take_block_log(f, &owner, e)) != 0)
		return (-1);
	held = f->l->index_fd != -1 && io_lock(f->l->index_fd, true, 1000) == 0;
	rc = take_own(f, "index", e);
	if (held)
		flock(f->l->index_fd, LOCK_UN);
	return (rc);
}

/* The files of the block, without its ledger. */
static int
build(struct following *f, struct err *e)
{
	if (subvol_snapshot(BACKEND_BTRFS, f->block_fd, f->l->root_fd, RECEIVE_LIVE, false, e) != 0)
		return (-1);
	if ((f->tree_fd = io_open_dir(f->l->root_fd, RECEIVE_LIVE, e)) == -1 || take_over_dir(f->l->live_fd, f->tree_fd, e) != 0 ||
	    subvol_empty_dir(f->tree_fd, ".ecl", e) != 0)
		return (-1);
	if (unlinkat(f->tree_fd, ".ecl", AT_REMOVEDIR) != 0)
		return (err_sys(e, "cannot remove '%s/.ecl'", RECEIVE_LIVE));
	return (0);
}

/* With lock held. */
static int
exchange(struct following *f, struct err *e)
{
	const struct log_end before = f->l->ledger->log->end;
	const struct log_end *end = before.size >= f->block->log->end.size ? &before : &f->block->log->end;
	int rc;

	if (syncfs(f->tree_fd) != 0)
		return (err_sys(e, "cannot sync what live will be"));
	if (durable_write(f->l->root_fd, &before, DURABLE_DIRTY, e) != 0)
		return (-1);
	rc = subvol_exchange(f->l->root_fd, RECEIVE_LIVE, "live", e);
	/* A mark that cannot be cleared costs the next writer a second look. */
	if (rc != -2)
		durable_write(f->l->root_fd, rc == 0 ? end : &before, DURABLE_CLEAN, NULL);
	if (rc == 0)
		rc = layer_reopen_live(f->l, e);
	return (rc == 0 ? 0 : -1);
}

int
receive_live(struct layer *l, int block_fd, int wait_ms, struct err *e)
{
	struct following f = {.l = l, .block_fd = block_fd, .tree_fd = -1, .ecl_fd = -1};
	int sys, rc = -1;

	if (ledger_open(block_fd, -1, INDEX_IGNORE | INDEX_LAZY, &f.block, e) != 0)
		return (-1);
	if (build(&f, e) == 0 && snap_lock(l, wait_ms, e) == 0) {
		if (graft(&f, e) == 0)
			rc = exchange(&f, e);
		layer_unlock(l);
	}
	if (f.ecl_fd != -1)
		close(f.ecl_fd);
	if (f.tree_fd != -1)
		close(f.tree_fd);
	ledger_free(f.block);
	/* What was live, or what would have been; where it cannot be removed now, the next run does it. */
	sys = errno;
	if (faccessat(l->root_fd, RECEIVE_LIVE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snap_discard(l->root_fd, RECEIVE_LIVE, NULL);
	errno = sys;
	return (rc);
}

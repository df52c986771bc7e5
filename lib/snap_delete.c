/* Deleting blocks. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "mounts.h"
#include "received.h"
#include "snap.h"
#include "subvol.h"

#include "banned.h"

/* Return 1 where the block is mounted, 0, or -1. */
static int
is_mounted(const struct layer *l, const char *name, struct err *why)
{
	struct buf path = BUF_INIT;
	int fd, rc;

	if ((fd = io_open_dir(l->snap_fd, name, why)) == -1)
		return (-1);
	if ((rc = mounts_in(l->mounts, fd, &path, why)) == MOUNTS_OF)
		err_set(why, "mounted on '%s'", buf_cstr(&path));
	else if (rc == MOUNTS_BELOW)
		err_set(why, "'%s' is mounted in it", buf_cstr(&path));
	buf_release(&path);
	close(fd);
	return (rc == -1 ? -1 : rc != 0);
}

int
snap_in_use(const struct layer *l, const char *name, int *ret_fd, struct err *why)
{
	char header[BLOCK_NAME_SIZE + 16];
	int fd, rc;

	if ((rc = is_mounted(l, name, why)) != 0)
		return (rc);
	snprintf(header, sizeof(header), "%s/.ecl/block", name);
	if ((fd = io_open_file(l->snap_fd, header, O_RDONLY, 0, why)) == -1)
		return (-1);
	if (io_lock(fd, true, 0) != 0) {
		if (errno == EWOULDBLOCK) {
			err_set(why, "in use by a send");
			rc = 1;
		} else
			rc = err_sys(why, "cannot lock '%s'", header);
	}
	if (rc == 0 && ret_fd != NULL)
		*ret_fd = fd;
	else
		close(fd);
	return (rc);
}

/* Whether nothing was taken from the subvolume ${name} that was to be deleted. */
static bool
is_untouched(int dirfd, const char *name)
{
	bool read_only = false;
	enum backend b;
	int fd;

	if ((fd = io_open_dir(dirfd, name, NULL)) == -1)
		return (false);
	if (subvol_backend(fd, &b, NULL) != 0 || subvol_is_read_only(b, fd, &read_only, NULL) != 0)
		read_only = false;
	close(fd);
	return (read_only);
}

/* The kernel lets nobody delete, or make writable, what somebody sends, be that with other programs. */
static int
put_back(struct layer *l, const char *garbage, const char *name, struct err *why)
{
	if (!is_untouched(l->snap_fd, garbage) || io_rename_new(l->snap_fd, garbage, name) != 0)
		return (-1);
	if (why != NULL && why->sys == EPERM) {
		err_set(why, "in use by a send, or it takes CAP_SYS_ADMIN, or a mount with user_subvol_rm_allowed, to delete it");
		return (1);
	}
	return (-1);
}

int
snap_delete(struct layer *l, const char *name, struct err *why)
{
	char garbage[BLOCK_NAME_SIZE + 8];
	int fd, rc;

	if ((rc = snap_in_use(l, name, &fd, why)) != 0)
		return (rc);
	snprintf(garbage, sizeof(garbage), ".tmp-%s", name);
	if (renameat(l->snap_fd, name, l->snap_fd, garbage) == 0)
		rc = snap_discard_of(l->mounts, l->snap_fd, garbage, why) == 0 ? 0 : put_back(l, garbage, name, why);
	else if (errno == ENOSPC || errno == EDQUOT)
		rc = snap_discard_of(l->mounts, l->snap_fd, name, why); /* which may do without another name */
	else
		rc = err_sys(why, "cannot rename '%s' to '%s'", name, garbage);
	close(fd);
	return (rc);
}

/* A block of which ${ev} says that it was pruned.  One that came back since, by `btrfs receive', is not ours to take away again. */
static void
finish(struct layer *l, const struct event *ev)
{
	struct block_header h;
	struct json_fault f;
	char name[BLOCK_NAME_SIZE];
	bool received;
	int fd;

	if (ev->state.p == NULL || block_from_canonical(ev->state, &h, &f) != 0)
		return;
	block_name(&h, name);
	if ((fd = io_open_dir(l->snap_fd, name, NULL)) == -1)
		return;
	received = received_is(fd);
	close(fd);
	if (!received)
		(void)snap_delete(l, name, NULL);
}

int
snap_finish_pruned(struct layer *l, struct err *e)
{
	struct buf line = BUF_INIT;
	struct element el;
	struct event ev;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(l->ledger->index, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc);
	rc = 0;
	for (seq = el.last; seq != EVENT_NONE; seq = ev.parent) {
		if ((rc = index_event(l->ledger->index, seq, &line, &ev, e)) != 0 || !span_is(ev.action, SNAP_PRUNE))
			break;
		finish(l, &ev);
	}
	/* Before the log tells of a block behind them: from then on nobody looks. */
	if (rc == 0 && seq != el.last && io_fsync(l->snap_fd) != 0)
		rc = err_sys(e, "cannot sync '.snapshots'");
	buf_release(&line);
	return (rc);
}

/* Making a root. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io.h"
#include "ledger.h"
#include "root.h"
#include "subvol.h"

#include "banned.h"

enum backend
root_backend(int dirfd)
{
	return (subvol_can_btrfs(dirfd) ? BACKEND_BTRFS : BACKEND_COPY);
}

int
root_make_parts(int root_fd, enum backend backend, int *ret_live_fd, struct err *e)
{
	int live_fd, ecl_fd, rc = -1;

	if (faccessat(root_fd, "live", F_OK, AT_SYMLINK_NOFOLLOW) != 0 && subvol_create(backend, root_fd, "live", e) != 0)
		return (-1);
	if ((live_fd = io_open_dir(root_fd, "live", e)) == -1)
		return (-1);
	*ret_live_fd = live_fd;
	if (io_make_dir(root_fd, ".snapshots", e) != 0 || io_make_dir(live_fd, ".ecl", e) != 0)
		return (-1);
	if ((ecl_fd = io_open_dir(live_fd, ".ecl", e)) == -1)
		return (-1);
	if (io_make_dir(ecl_fd, "log", e) != 0)
		goto done;
	if (io_fsync(ecl_fd) != 0 || io_fsync(live_fd) != 0 || io_fsync(root_fd) != 0) {
		err_sys(e, "cannot sync the root");
		goto done;
	}
	rc = 0;
done:	close(ecl_fd);
	return (rc);
}

/* With the root's lock held. */
static int
make(int root_fd, struct span mark, struct err *e)
{
	struct ledger *ledger = NULL;
	int live_fd = -1, rc = -1;

	if (faccessat(root_fd, ROOT_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (0);
	if (root_make_parts(root_fd, root_backend(root_fd), &live_fd, e) != 0 || ledger_open(live_fd, -1, 0, &ledger, e) != 0)
		goto done;
	if (ledger->log->end.size > 0)
		err_set(e, "it is a ledger already, and not a replica");
	else
		rc = io_publish(root_fd, ROOT_MARK, mark.p, mark.len, 0640, true, e);
done:	ledger_free(ledger);
	if (live_fd != -1)
		close(live_fd);
	return (rc);
}

int
root_make_replica(int dirfd, const char *name, struct span mark, int wait_ms, struct err *e)
{
	int root_fd, lock_fd, rc = -1;

	if (io_make_dir(dirfd, name, e) != 0 || (root_fd = io_open_dir(dirfd, name, e)) == -1)
		return (-1);
	if ((lock_fd = io_open_file(root_fd, "lock", O_RDWR | O_CREAT, 0600, e)) == -1)
		goto err1;
	if (io_lock(lock_fd, true, wait_ms) != 0)
		err_retry(e, "it is locked by another program; try again later");
	else if ((rc = make(root_fd, mark, e)) == 0 && io_fsync(dirfd) != 0)
		rc = err_sys(e, "cannot sync the directory of '%s'", name);
	close(lock_fd);
err1:	close(root_fd);
	return (rc);
}

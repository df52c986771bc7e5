/* The index: made anew in a directory beside the present one, which serves readers until then. */
#include "config.h"

#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"

#include "banned.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

#define ANEW INDEX_DIR_ANEW

const char *
index_dir_name(const struct index *ix)
{
	return (ix->flags & INDEX_ANEW ? ANEW : "index");
}

int
index_remove_aside(struct index *ix, struct err *e)
{
	int fd, rc;

	if ((ix->flags & INDEX_ANEW) != 0)
		return (0);
	/* A directory of ours, or something in its way. */
	if ((fd = io_open_dir(ix->ecl_fd, ANEW, NULL)) != -1) {
		rc = index_sweep(NULL, fd, SWEEP_ALL, e);
		close(fd);
		if (rc != 0)
			return (-1);
	}
	if (unlinkat(ix->ecl_fd, ANEW, fd != -1 ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove '" ANEW "'"));
	return (0);
}

int
index_anew(struct index *ix, struct err *e)
{
	if (index_remove_aside(ix, e) != 0)
		return (-1);
	ix->flags |= INDEX_ANEW;
	return (0);
}

/* On file systems that cannot exchange there is no index for a moment. */
static int
rename_one_by_one(struct index *ix, struct err *e)
{
	if (index_remove(ix->ecl_fd, -1, e) != 0)
		return (-1);
	if (unlinkat(ix->ecl_fd, "index", AT_REMOVEDIR) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove 'index'"));
	if (renameat(ix->ecl_fd, ANEW, ix->ecl_fd, "index") != 0)
		return (err_sys(e, "cannot rename '" ANEW "' to 'index'"));
	return (0);
}

int
index_replace(struct index *ix, struct err *e)
{
	if (ix->published == 0) {
		ix->flags &= ~INDEX_ANEW;
		return (index_remove(ix->ecl_fd, -1, e) != 0 ? -1 : index_remove_aside(ix, e));
	}
	if (syscall(SYS_renameat2, ix->ecl_fd, ANEW, ix->ecl_fd, "index", RENAME_EXCHANGE) != 0) {
		if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
			return (err_sys(e, "cannot exchange '" ANEW "' and 'index'"));
		if (rename_one_by_one(ix, e) != 0)
			return (-1);
	}
	ix->flags &= ~INDEX_ANEW;
	if (fsync(ix->ecl_fd) != 0)
		return (err_sys(e, "cannot sync the ledger's directory"));
	return (index_remove_aside(ix, e));
}

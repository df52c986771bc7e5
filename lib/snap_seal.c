/* From a snapshot that was hashed to a block. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io.h"
#include "snap_impl.h"

#include "banned.h"

/* One file of a block's `.ecl`. */
static int
write_own(int ecl, const char *name, const struct buf *bytes, int (*sync)(int fd), struct err *e)
{
	int fd, rc = 0;

	if ((fd = io_open_file(ecl, name, O_WRONLY | O_CREAT | O_EXCL, 0640, e)) == -1)
		return (-1);
	if (io_write(fd, bytes->data, bytes->len) != 0 || sync(fd) != 0)
		rc = err_sys(e, "cannot write '.ecl/%s' of a block", name);
	close(fd);
	return (rc);
}

/* Put the header into the snapshot, and what is signed.  ${sync} tells whether a file that was written can be. */
static int
write_header(const struct making *m, int dir, int (*sync)(int fd), struct err *e)
{
	const struct {
		const char *name;
		const struct buf *bytes;
	} own[] = {{"block", &m->line}, {CHECKPOINT_FILE, &m->checkpoint}, {CHECKPOINT_NOTE, &m->note}};
	int ecl, rc = -1;
	size_t i;

	if ((ecl = io_open_dir(dir, ".ecl", e)) == -1)
		return (-1);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (unlinkat(ecl, own[i].name, 0) != 0 && errno != ENOENT) {
			err_sys(e, "cannot remove a foreign '.ecl/%s'", own[i].name);
			goto out;
		}
		if (own[i].bytes->len > 0 && write_own(ecl, own[i].name, own[i].bytes, sync, e) != 0)
			goto out;
	}
	rc = m->backend == BACKEND_BTRFS || io_fsync(ecl) == 0 ? 0 : err_sys(e, "cannot sync the '.ecl' of a block");
out:	close(ecl);
	return (rc);
}

/*
 * The block is a read-only snapshot of what was hashed and has its header now: it was never writable, so nobody has a descriptor that writes into it, and it
 * appears under its name, with all that is in it, in one transaction, which is on the disk before the call returns.  So nothing of what is written
 * before needs a sync of its own: making a snapshot writes out what is dirty in its source, and waits for that.  But it
 * does not say whether that went well, which io_write_out() does.  A crash before leaves `.tmp-*`, which means nothing.
 */
static int
seal_subvolume(struct making *m, int fd, const char *name, struct err *e)
{
	if (subvol_set_read_only(m->backend, fd, false, e) != 0)
		return (-1);
	/* Without it, the next block reads every file again: slower, and no worse. */
	(void)files_update_store(&m->files, fd, fd, name, NULL);
	if (write_header(m, fd, io_write_out, e) != 0)
		return (-1);
	return (subvol_snapshot(m->backend, fd, m->l->snap_fd, name, true, e));
}

/* The copy gets its header, which is on the disk before its name is. */
static int
seal_copy(struct making *m, int fd, const char *name, struct err *e)
{
	int snap_fd = m->l->snap_fd;

	if (write_header(m, fd, io_fdatasync, e) != 0)
		return (-1);
	if (io_rename_new(snap_fd, m->first, name) != 0)
		return (err_sys(e, "cannot rename '%s' to '%s'", m->first, name));
	if (io_fsync(snap_fd) != 0)
		return (err_sys(e, "'%s' was made, but may not be on the disk", name));
	return (0);
}

int
snap_seal(struct making *m, struct err *e)
{
	char name[BLOCK_NAME_SIZE];
	int fd, rc;

	if ((fd = io_open_dir(m->l->snap_fd, m->first, e)) == -1)
		return (-1);
	block_name(&m->header, name);
	rc = m->backend == BACKEND_BTRFS ? seal_subvolume(m, fd, name, e) : seal_copy(m, fd, name, e);
	close(fd);
	return (rc);
}

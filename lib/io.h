/* Files and descriptors: whole reads and writes, opens that stay inside a directory, publication by rename. */
#ifndef ECL_IO_H_
#define ECL_IO_H_

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/**
 * io_open_dir(dirfd, path, e), io_open_file(dirfd, path, flags, mode, e):
 * Open ${path}, relative to and never leaving ${dirfd} (openat2 with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS
 * and RESOLVE_NO_XDEV; where the kernel has no openat2, component by component with O_NOFOLLOW).
 * io_open_file takes regular files only; ${flags} are open(2)'s, O_CLOEXEC and O_NONBLOCK are added.  What is new has
 * ${mode}, whatever the umask.
 * Return a descriptor, or -1 with errno kept and ${e} filled in (e->sys == ENOENT where it is absent).
 */
int io_open_dir(int dirfd, const char *path, struct err *e);
int io_open_file(int dirfd, const char *path, int flags, mode_t mode, struct err *e);

/** io_make_dir(dirfd, name, e): a directory of mode 0750, whatever the umask; its group is its parent's where that is setgid.  Return 0, also where there is one, or -1. */
int io_make_dir(int dirfd, const char *name, struct err *e);

/** io_read(fd, p, len): read(2) again after EINTR. */
ssize_t io_read(int fd, void *p, size_t len);

/** io_pread(fd, p, len, offset): read until ${len} bytes or the end of file.  Return the number, or -1 with errno. */
ssize_t io_pread(int fd, void *p, size_t len, uint64_t offset);

/** io_is_cached(fd, offset): whether the byte there can be read without waiting for a disk; also where nobody can tell. */
bool io_is_cached(int fd, uint64_t offset);

/** io_read_ahead(fd, offset, len): have that read soon, and do not wait for it.  Nothing but time depends on it. */
void io_read_ahead(int fd, uint64_t offset, uint64_t len);

/** io_write(fd, p, len), io_pwrite(fd, p, len, offset): write all.  Return 0, or -1 with errno; a part may then be written. */
int io_write(int fd, const void *p, size_t len);
int io_pwrite(int fd, const void *p, size_t len, uint64_t offset);

/** io_slurp(dirfd, name, max, out, e): append a whole regular file of at most ${max} bytes to ${out}.  Return 0 or -1. */
int io_slurp(int dirfd, const char *name, size_t max, struct buf *out, struct err *e);

/** io_fsync(fd), io_fdatasync(fd): again after EINTR.  Return 0, or -1 with errno. */
int io_fsync(int fd);
int io_fdatasync(int fd);

/**
 * io_write_out(fd):
 * Have what is dirty of a file written, wait for that, and say whether it went well.  It is not on the disk then: that takes a commit of the file system, or a sync.  Return 0, or -1 with errno.
 */
int io_write_out(int fd);

/** io_rename_new(dirfd, from, to): rename within a directory, where there is no ${to} yet.  Return 0, or -1 with errno (EEXIST: there is). */
int io_rename_new(int dirfd, const char *from, const char *to);

/**
 * io_publish(dirfd, name, p, len, mode, sync, e):
 * Put a file of these bytes at ${name} atomically: temporary file, fsync where ${sync}, rename, fsync of
 * ${dirfd} where ${sync}.  Return 0, or -1 with nothing left behind, but where only
 * the last fsync failed: then what is there now, or what was there before, is there after a crash.
 */
int io_publish(int dirfd, const char *name, const void *p, size_t len, mode_t mode, bool sync, struct err *e);

/**
 * io_was_published(dirfd, name, p, len):
 * Behind an io_publish() that failed: whether ${name} may hold these bytes all the same, so that what they name must stay.
 */
bool io_was_published(int dirfd, const char *name, const void *p, size_t len);

/**
 * io_lock(fd, exclusive, wait_ms):
 * flock(2) ${fd}, waiting at most ${wait_ms} milliseconds (0: not at all, -1: as long as it takes).
 * Return 0, or -1 with errno EWOULDBLOCK where the time ran out.  Uses SIGALRM while it waits and puts
 * the former handler back.
 */
int io_lock(int fd, bool exclusive, int wait_ms);

#endif

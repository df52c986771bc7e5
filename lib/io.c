/* Files and descriptors. */
#include "config.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io.h"

#include "banned.h"

#define DIR_MODE 0750

/* Where the kernel has no openat2(2): one component after the other, none of them a link or "..". */
static int
open_walk(int dirfd, const char *path, int flags, mode_t mode)
{
	char name[256];
	const char *slash;
	size_t len;
	int at = dirfd, next, sys;

	for (;;) {
		slash = strchr(path, '/');
		len = slash == NULL ? strlen(path) : (size_t)(slash - path);
		if (len == 0 || len >= sizeof(name) || (len == 2 && path[0] == '.' && path[1] == '.')) {
			errno = len >= sizeof(name) ? ENAMETOOLONG : EXDEV;
			next = -1;
		} else {
			memcpy(name, path, len);
			name[len] = '\0';
			next = slash == NULL ? openat(at, name, flags | O_NOFOLLOW, mode)
					     : openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		sys = errno;
		if (at != dirfd)
			close(at);
		errno = sys;
		if (next == -1 || slash == NULL)
			return (next);
		at = next;
		path = slash + 1;
	}
}

static int
open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd == -1 && (errno == EINTR || errno == EAGAIN));
	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		return (open_walk(dirfd, path, flags | O_CLOEXEC, mode));
	return ((int)fd);
}

int
io_open_dir(int dirfd, const char *path, struct err *e)
{
	int fd;

	if ((fd = open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0)) == -1)
		err_sys(e, "cannot open directory '%s'", path);
	return (fd);
}

int
io_make_dir(int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int fd, rc = 0;

	if (mkdirat(dirfd, name, DIR_MODE) != 0)
		return (errno == EEXIST ? 0 : err_sys(e, "cannot make the directory '%s'", name));
	if ((fd = io_open_dir(dirfd, name, e)) == -1)
		return (-1);
	if (fstat(fd, &st) != 0 || ((DIR_MODE & ~st.st_mode) != 0 && fchmod(fd, (st.st_mode & S_ISGID) | DIR_MODE) != 0))
		rc = err_sys(e, "cannot set the mode of '%s'", name);
	close(fd);
	return (rc);
}

int
io_open_file(int dirfd, const char *path, int flags, mode_t mode, struct err *e)
{
	struct stat st;
	int fd;

	if ((fd = open_beneath(dirfd, path, flags | O_NONBLOCK, mode)) == -1) {
		err_sys(e, "cannot open '%s'", path);
		return (-1);
	}
	if (fstat(fd, &st) != 0) {
		err_sys(e, "cannot stat '%s'", path);
		goto err1;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, "'%s' is not a regular file", path);
		errno = EINVAL;
		goto err1;
	}
	/* A new file has the mode it is to have, whatever the umask: readers are not shut out because of who wrote first. */
	if ((flags & O_CREAT) != 0 && st.st_size == 0 && (mode & ~st.st_mode) != 0 && fchmod(fd, mode) != 0) {
		err_sys(e, "cannot set the mode of '%s'", path);
		goto err1;
	}
	return (fd);

err1:	close(fd);
	return (-1);
}

ssize_t
io_read(int fd, void *p, size_t len)
{
	ssize_t n;

	do
		n = read(fd, p, len);
	while (n == -1 && errno == EINTR);
	return (n);
}

ssize_t
io_pread(int fd, void *p, size_t len, uint64_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)p + done, len - done, (off_t)(offset + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return ((ssize_t)done);
}

bool
io_is_cached(int fd, uint64_t offset)
{
	char byte;
	struct iovec v = {&byte, 1};

	return (preadv2(fd, &v, 1, (off_t)offset, RWF_NOWAIT) != -1 || errno != EAGAIN);
}

void
io_read_ahead(int fd, uint64_t offset, uint64_t len)
{
	int sys = errno;

	(void)posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_WILLNEED);
	errno = sys;
}

int
io_write(int fd, const void *p, size_t len)
{
	const char *at = p;
	ssize_t n;

	while (len > 0) {
		n = write(fd, at, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		at += n;
		len -= (size_t)n;
	}
	return (0);
}

int
io_pwrite(int fd, const void *p, size_t len, uint64_t offset)
{
	const char *at = p;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, at, len, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return (0);
}

int
io_slurp(int dirfd, const char *name, size_t max, struct buf *out, struct err *e)
{
	struct stat st;
	ssize_t n;
	int fd;

	if ((fd = io_open_file(dirfd, name, O_RDONLY, 0, e)) == -1)
		goto err0;
	if (fstat(fd, &st) != 0) {
		err_sys(e, "cannot stat '%s'", name);
		goto err1;
	}
	if (st.st_size < 0 || (uint64_t)st.st_size > max) {
		err_set(e, "'%s' is larger than %zu bytes", name, max);
		goto err1;
	}
	if (buf_reserve(out, (size_t)st.st_size + 1) != 0) {
		err_mem(e);
		goto err1;
	}
	if ((n = io_pread(fd, out->data + out->len, (size_t)st.st_size, 0)) == -1) {
		err_sys(e, "cannot read '%s'", name);
		goto err1;
	}
	out->len += (size_t)n;
	close(fd);
	return (0);

err1:	close(fd);
err0:	return (-1);
}

int
io_fsync(int fd)
{
	int n;

	do
		n = fsync(fd);
	while (n == -1 && errno == EINTR);
	return (n);
}

int
io_fdatasync(int fd)
{
	int n;

	do
		n = fdatasync(fd);
	while (n == -1 && errno == EINTR);
	return (n);
}

int
io_write_out(int fd)
{
	int n;

	do
		n = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	while (n == -1 && errno == EINTR);
	return (n);
}

int
io_rename_new(int dirfd, const char *from, const char *to)
{
	if (syscall(SYS_renameat2, dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return (0);
	if (errno != EINVAL && errno != ENOSYS)
		return (-1);
	/* The file system has no such rename: whoever might come in between is kept out by a lock. */
	if (faccessat(dirfd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return (-1);
	}
	return (renameat(dirfd, from, dirfd, to));
}

int
io_publish(int dirfd, const char *name, const void *p, size_t len, mode_t mode, bool sync, struct err *e)
{
	char tmp[300];
	int fd;

	snprintf(tmp, sizeof(tmp), ".%s.%ld", name, (long)getpid());
	unlinkat(dirfd, tmp, 0);
	if ((fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)) == -1) {
		err_sys(e, "cannot create '%s'", tmp);
		goto err0;
	}
	if (fchmod(fd, mode) != 0 || io_write(fd, p, len) != 0 || (sync && io_fsync(fd) != 0)) {
		err_sys(e, "cannot write '%s'", tmp);
		goto err2;
	}
	if (close(fd) != 0) {
		err_sys(e, "cannot close '%s'", tmp);
		goto err1;
	}
	if (renameat(dirfd, tmp, dirfd, name) != 0) {
		err_sys(e, "cannot rename '%s' to '%s'", tmp, name);
		goto err1;
	}
	if (sync && io_fsync(dirfd) != 0) {
		err_sys(e, "cannot sync the directory of '%s'", name);
		goto err0;
	}
	return (0);

err2:	close(fd);
err1:	unlinkat(dirfd, tmp, 0);
err0:	return (-1);
}

bool
io_was_published(int dirfd, const char *name, const void *p, size_t len)
{
	struct buf text = BUF_INIT;
	struct err why = {0, 0, ""};
	bool was;

	if (io_slurp(dirfd, name, len, &text, &why) != 0)
		was = why.sys != ENOENT && why.sys != 0;
	else
		was = text.len == len && memcmp(text.data, p, len) == 0;
	buf_release(&text);
	return (was);
}

static void
on_alarm(int sig)
{
	(void)sig;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

int
io_lock(int fd, bool exclusive, int wait_ms)
{
	int op = exclusive ? LOCK_EX : LOCK_SH;
	struct sigaction act = {.sa_handler = on_alarm}, old_act;
	/*
	 * Not before the time is over: who is interrupted loses his place in the queue.  Repeated then, since the first alarm
	 * might come just before flock() sleeps.
	 */
	struct itimerval tick = {.it_interval = {0, 20000}, .it_value = {wait_ms / 1000, wait_ms % 1000 * 1000}}, old_tick;
	int64_t until;
	int ret, sys;

	while ((ret = flock(fd, op | LOCK_NB)) == -1 && errno == EINTR)
		;
	if (ret == 0)
		return (0);
	if (errno != EWOULDBLOCK || wait_ms == 0)
		return (-1);
	if (wait_ms < 0) {
		while ((ret = flock(fd, op)) == -1 && errno == EINTR)
			;
		return (ret);
	}
	until = now_ms() + wait_ms;
	sigemptyset(&act.sa_mask);
	if (sigaction(SIGALRM, &act, &old_act) != 0)
		return (-1);
	setitimer(ITIMER_REAL, &tick, &old_tick);
	do {
		if ((ret = flock(fd, op)) == 0 || errno != EINTR)
			break;
		errno = EWOULDBLOCK;
	} while (now_ms() < until);
	sys = errno;
	setitimer(ITIMER_REAL, &old_tick, NULL);
	sigaction(SIGALRM, &old_act, NULL);
	errno = sys;
	return (ret);
}

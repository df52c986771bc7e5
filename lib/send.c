/* Sending blocks: the kernel writes the stream into a pipe, we carry it on. */
#include "config.h"

#include <sys/file.h>
#include <sys/ioctl.h>

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "send.h"
#include "subvol.h"

#include "banned.h"

#define PIECE ((size_t)1 << 20) /* bytes of the pipe, and of a write */

/* A block that is held. */
struct held {
	int fd;
	int lock_fd; /* its `.ecl/block`, with a shared flock: prune lets it be */
	uint64_t id; /* of the subvolume */
};

struct sending {
	struct held block, parent;
	bool has_parent;
	int to; /* the kernel's end of the pipe */
	int sys; /* errno of the kernel; 0: all was sent */
};

static void
release(struct held *h)
{
	if (h->lock_fd != -1)
		close(h->lock_fd);
	if (h->fd != -1)
		close(h->fd);
	h->fd = h->lock_fd = -1;
}

static int
hold(int snap_fd, const char *name, struct held *h, struct err *e)
{
	bool read_only;
	enum backend b;

	h->lock_fd = -1;
	if ((h->fd = block_open(snap_fd, name, e)) == -1)
		return (-1);
	if ((h->lock_fd = io_open_file(h->fd, ".ecl/block", O_RDONLY, 0, e)) == -1 || subvol_backend(h->fd, &b, e) != 0)
		goto err1;
	if (b != BACKEND_BTRFS) {
		err_set(e, "'%s' is a copy, not a btrfs snapshot, and has no stream: 'ecl-replay | ecl-append --replica' copies the log, and tar or rsync the "
			   "files", name);
		goto err1;
	}
	if (subvol_is_read_only(b, h->fd, &read_only, e) != 0)
		goto err1;
	if (!read_only) {
		err_no(e, "'%s' is writable: it may not be what it was", name);
		goto err1;
	}
	if (flock(h->lock_fd, LOCK_SH | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			err_retry(e, "'%s' is being pruned", name);
		else
			err_sys(e, "cannot lock '%s'", name);
		goto err1;
	}
	if (btrfs_util_subvolume_id_fd(h->fd, &h->id) != BTRFS_UTIL_OK) {
		err_sys(e, "cannot tell which subvolume '%s' is", name);
		goto err1;
	}
	return (0);

err1:	release(h);
	return (-1);
}

static void *
run_kernel(void *arg)
{
	struct sending *s = arg;
	struct btrfs_ioctl_send_args args;
	__u64 source = s->parent.id;

	memset(&args, 0, sizeof(args));
	args.send_fd = s->to;
	if (s->has_parent) {
		args.parent_root = source;
		args.clone_sources = &source;
		args.clone_sources_count = 1;
	}
	s->sys = ioctl(s->block.fd, BTRFS_IOC_SEND, &args) == 0 ? 0 : errno;
	close(s->to);
	return (NULL);
}

/* From the pipe to ${out}.  Return 0 or -1. */
static int
carry(int from, int out, struct send_watch watch, struct err *e)
{
	uint64_t bytes = 0;
	ssize_t n;
	char *p;
	int rc = -1;

	if ((p = malloc(PIECE)) == NULL)
		return (err_mem(e));
	while ((n = io_read(from, p, PIECE)) > 0) {
		if (io_write(out, p, (size_t)n) != 0) {
			err_sys(e, "cannot write the stream");
			goto out;
		}
		bytes += (uint64_t)n;
		if (watch.step != NULL)
			watch.step(watch.arg, bytes);
	}
	rc = n == 0 ? 0 : err_sys(e, "cannot read the stream");
out:	free(p);
	return (rc);
}

static int
say_kernel(int sys, const char *name, struct err *e)
{
	if (sys == EPERM)
		return (err_set(e, "cannot send '%s': that takes the capability CAP_SYS_ADMIN: run as root", name));
	errno = sys;
	return (err_sys(e, "cannot send '%s'", name));
}

static int
send_held(struct sending *s, const char *name, int out_fd, struct send_watch watch, struct err *e)
{
	sigset_t pipe_signal, before;
	pthread_t thread;
	int fd[2], rc;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return (err_sys(e, "cannot make a pipe"));
	(void)fcntl(fd[0], F_SETPIPE_SZ, (int)PIECE);
	s->to = fd[1];
	/* Where we fail the kernel finds the pipe closed: that is to be an error for its thread, and no signal. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	rc = pthread_create(&thread, NULL, run_kernel, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		close(fd[0]);
		close(fd[1]);
		errno = rc;
		return (err_sys(e, "cannot start a thread"));
	}
	rc = carry(fd[0], out_fd, watch, e);
	close(fd[0]);
	pthread_join(thread, NULL);
	if (rc == 0 && s->sys != 0)
		rc = say_kernel(s->sys, name, e);
	return (rc);
}

int
send_block(int snap_fd, const char *name, const char *parent, int out_fd, struct send_watch watch, struct err *e)
{
	struct sending s = {.has_parent = parent != NULL};
	int rc = -1;

	if (hold(snap_fd, name, &s.block, e) != 0)
		return (-1);
	if (parent == NULL || hold(snap_fd, parent, &s.parent, e) == 0) {
		rc = send_held(&s, name, out_fd, watch, e);
		if (parent != NULL)
			release(&s.parent);
	}
	release(&s.block);
	return (rc);
}

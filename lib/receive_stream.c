/* Receiving: the stream, unpacked by btrfs(8) where its names lead nowhere else. */
#include "config.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "receive_filter.h"
#include "receive_impl.h"

#include "banned.h"

#define MAGIC "btrfs-stream" /* what a stream begins with, with its NUL */
#define PIECE ((size_t)256 << 10)

struct stream {
	int to;
	uint64_t bytes;
	struct receive_filter filter;
	struct buf out; /* what passes of a piece */
	bool refused; /* the command takes no more: it says why */
};

static int
start(struct receive_guard *g, int from, int staging_fd, int messages, struct err *e)
{
	static const char *const words[] = {"btrfs", "receive", "-q", "-C", ".", NULL};
	char *argv[sizeof(words) / sizeof(words[0])];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	pid_t pid;
	int rc;

	memcpy(argv, words, sizeof(words));
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGCHLD);
	if ((rc = posix_spawn_file_actions_init(&files)) != 0)
		goto err0;
	if ((rc = posix_spawnattr_init(&attr)) != 0)
		goto err1;
	if ((rc = posix_spawn_file_actions_adddup2(&files, from, 0)) != 0 || (rc = posix_spawn_file_actions_adddup2(&files, messages, 1)) != 0 ||
	    (rc = posix_spawn_file_actions_adddup2(&files, messages, 2)) != 0 ||
	    (rc = posix_spawn_file_actions_addfchdir_np(&files, staging_fd)) != 0 || (rc = posix_spawnattr_setsigmask(&attr, &none)) != 0 ||
	    (rc = posix_spawnattr_setsigdefault(&attr, &defaults)) != 0 ||
	    (rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) != 0)
		goto err2;
	if ((rc = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ)) == 0)
		receive_guard_child(g, pid);
err2:	posix_spawnattr_destroy(&attr);
err1:	posix_spawn_file_actions_destroy(&files);
err0:	if (rc == 0)
		return (0);
	errno = rc;
	return (rc == ENOENT ? err_set(e, "cannot find the program 'btrfs', which unpacks streams: install btrfs-progs") : err_sys(e, "cannot start 'btrfs'"));
}

/* The first bytes, before anything is made of them: ${p} has room for a piece.  Return their number, or -1. */
static ssize_t
read_magic(int in, char *p, struct err *e)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(MAGIC)) {
		if ((n = io_read(in, p + len, PIECE - len)) == -1)
			return (err_sys(e, "cannot read the stream"));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == 0)
		return (err_set(e, "the stream is empty: its sender failed"));
	if (len < sizeof(MAGIC) || memcmp(p, MAGIC, sizeof(MAGIC)) != 0)
		return (err_set(e, "this is no btrfs stream: 'ecl-snap --send' makes one"));
	return ((ssize_t)len);
}

/* Carry the stream on, its first ${n} bytes from ${p}. */
static int
carry(struct stream *s, int in, char *p, ssize_t n, const struct receive_options *opt, struct err *e)
{
	do {
		buf_reset(&s->out);
		if (receive_filter_feed(&s->filter, p, (size_t)n, &s->out, e) != 0)
			return (-1);
		if (io_write(s->to, s->out.data, s->out.len) != 0) {
			s->refused = errno == EPIPE;
			return (err_sys(e, "cannot hand the stream on"));
		}
		s->bytes += (uint64_t)n;
		if (opt->step != NULL)
			opt->step(opt->arg, s->bytes);
	} while ((n = io_read(in, p, PIECE)) > 0);
	return (n == 0 ? 0 : err_sys(e, "cannot read the stream"));
}

/* What the command said last. */
static int
say_refused(int messages, struct err *e)
{
	char text[512], *line, *lf;
	off_t size = lseek(messages, 0, SEEK_END);
	ssize_t n;

	n = io_pread(messages, text, sizeof(text) - 1, size > (off_t)sizeof(text) - 1 ? (uint64_t)size - (sizeof(text) - 1) : 0);
	text[n < 0 ? 0 : n] = '\0';
	line = text;
	while ((lf = strchr(line, '\n')) != NULL && lf[1] != '\0')
		line = lf + 1;
	if (lf != NULL)
		*lf = '\0';
	if (strncmp(line, "ERROR: ", 7) == 0)
		line += 7;
	return (err_no(e, "the stream cannot be unpacked: %s", *line != '\0' ? line : "'btrfs receive' failed"));
}

static int
unpack(struct receive_guard *g, int in, int staging_fd, char *first, ssize_t n, const struct receive_options *opt, int messages, struct err *e)
{
	struct stream s = {.to = -1, .out = BUF_INIT};
	int fd[2], rc, status;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return (err_sys(e, "cannot make a pipe"));
	rc = start(g, fd[0], staging_fd, messages, e);
	close(fd[0]);
	if (rc != 0) {
		close(fd[1]);
		return (-1);
	}
	s.to = fd[1];
	receive_filter_init(&s.filter);
	rc = carry(&s, in, first, n, opt, e);
	close(s.to);
	status = receive_guard_reap(g);
	if (rc == 0 && s.filter.left_out > 0 && opt->left_out != NULL)
		opt->left_out(opt->arg, s.filter.left_out, &s.filter.names, buf_cstr(&s.filter.where));
	receive_filter_release(&s.filter);
	buf_release(&s.out);
	if (rc != 0 && !s.refused)
		return (-1);
	if (s.refused || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return (say_refused(messages, e));
	return (0);
}

/* Whether the kernel lets us: the command would name a directory that has nothing to do with it. */
static bool
may_receive(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {0};

	return (syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & (1U << CAP_SYS_ADMIN)) != 0);
}

int
receive_stream(struct receive_guard *g, int in_fd, int staging_fd, const struct receive_options *opt, struct err *e)
{
	ssize_t n;
	char *p;
	int messages, rc = -1;

	if ((p = malloc(PIECE)) == NULL)
		return (err_mem(e));
	if ((n = read_magic(in_fd, p, e)) == -1)
		goto out;
	if (!may_receive()) {
		err_set(e, "cannot receive a block: that takes the capability CAP_SYS_ADMIN: run as root");
		goto out;
	}
	if ((messages = memfd_create("messages", MFD_CLOEXEC)) == -1) {
		err_sys(e, "cannot make a file in memory");
		goto out;
	}
	rc = unpack(g, in_fd, staging_fd, p, n, opt, messages, e);
	close(messages);
out:	free(p);
	return (rc);
}

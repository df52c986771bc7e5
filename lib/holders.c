/* Which processes have files of a directory open, or work in it. */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "holders.h"
#include "io.h"

#include "banned.h"

#define DELETED " (deleted)"

struct search {
	struct holders *found;
	char dir[PATH_MAX]; /* as the kernel names it now */
	size_t dir_len;
	bool whole_device;
	const char *own;
	dev_t dev;
	int64_t until_ms;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* Whether ${path} is the directory, or below it; then what follows. */
static const char *
below(const struct search *s, const char *path)
{
	if (strncmp(path, s->dir, s->dir_len) != 0)
		return (NULL);
	if (path[s->dir_len] == '\0')
		return (".");
	return (path[s->dir_len] == '/' ? path + s->dir_len + 1 : NULL);
}

/* Whether ${path}, relative to the directory, is one of those that do not count. */
static bool
is_own(const struct search *s, const char *path)
{
	size_t len = s->own == NULL ? 0 : strlen(s->own);

	return (strcmp(path, ".") == 0 || (len > 0 && strncmp(path, s->own, len) == 0 && (path[len] == '\0' || path[len] == '/')));
}

/* Without asking the server of a file system that may have gone away. */
static bool
same_device(const struct search *s, int dirfd, const char *link)
{
	struct statx st;

	return (statx(dirfd, link, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st) == 0 &&
	    makedev(st.stx_dev_major, st.stx_dev_minor) == s->dev);
}

static void
read_command(int proc_fd, char *command, size_t size)
{
	ssize_t n = -1;
	int fd;

	if ((fd = openat(proc_fd, "comm", O_RDONLY | O_CLOEXEC)) != -1) {
		n = io_read(fd, command, size - 1);
		close(fd);
	}
	n = n < 0 ? 0 : n;
	while (n > 0 && command[n - 1] == '\n')
		n--;
	command[n] = '\0';
}

/* The link ${name} of a process: count it in ${h}, which is new where its pid is 0. */
static void
look_at(struct search *s, int dirfd, const char *name, bool cwd, struct holder *h)
{
	char path[PATH_MAX + 32];
	const char *what;
	ssize_t n;

	if ((n = readlinkat(dirfd, name, path, sizeof(path) - 1)) <= 0 || path[0] != '/')
		return;
	path[n] = '\0';
	if ((size_t)n > strlen(DELETED) && strcmp(path + n - strlen(DELETED), DELETED) == 0)
		return;
	if ((what = below(s, path)) == NULL && (!s->whole_device || !same_device(s, dirfd, name)))
		return;
	if (what != NULL && !cwd && is_own(s, what))
		return;
	if (h->pid != 0) {
		h->more++;
		return;
	}
	h->pid = 1; /* the caller knows */
	h->cwd = cwd;
	h->path = s->found->paths.len;
	what = what == NULL ? path : what;
	buf_add(&s->found->paths, what, strlen(what) + 1);
}

/* The open files of a process.  Return -1 where we may not look. */
static int
look_at_files(struct search *s, int proc_fd, struct holder *h)
{
	const struct dirent *d;
	DIR *dir;
	int fd;

	if ((fd = openat(proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (errno == EACCES || errno == EPERM ? -1 : 0);
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.')
			look_at(s, dirfd(dir), d->d_name, false, h);
	}
	closedir(dir);
	return (0);
}

static void
look_at_process(struct search *s, int proc_fd, pid_t pid)
{
	struct holders *f = s->found;
	struct holder h = {0};

	look_at(s, proc_fd, "cwd", true, &h);
	look_at(s, proc_fd, "root", true, &h);
	if (look_at_files(s, proc_fd, &h) != 0)
		f->unseen++;
	if (h.pid == 0)
		return;
	if (f->n == HOLDERS_MAX || f->paths.failed) {
		f->unnamed++;
		return;
	}
	h.pid = pid;
	read_command(proc_fd, h.command, sizeof(h.command));
	f->holder[f->n++] = h;
}

static void
look_at_all(struct search *s, DIR *proc)
{
	const struct dirent *d;
	uint64_t pid;
	int fd;

	while ((d = readdir(proc)) != NULL) {
		if (decimal_parse(d->d_name, strlen(d->d_name), &pid) != 0 || (pid_t)pid == getpid())
			continue;
		if (now_ms() > s->until_ms) {
			s->found->cut = true;
			return;
		}
		if ((fd = openat(dirfd(proc), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
			continue; /* it ended */
		look_at_process(s, fd, (pid_t)pid);
		close(fd);
	}
}

void
holders_find(int dir_fd, bool whole_device, const char *own, struct holders *ret)
{
	struct search s = {.found = ret, .whole_device = whole_device, .own = own, .until_ms = now_ms() + HOLDERS_MS};
	struct stat st;
	char link[64];
	ssize_t n;
	DIR *proc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	if (fstat(dir_fd, &st) != 0 || (n = readlink(link, s.dir, sizeof(s.dir) - 1)) == -1 || (proc = opendir("/proc")) == NULL) {
		ret->blind = true;
		return;
	}
	s.dir[n] = '\0';
	s.dir_len = (size_t)n;
	s.dev = st.st_dev;
	look_at_all(&s, proc);
	closedir(proc);
}

void
holders_release(struct holders *h)
{
	buf_release(&h->paths);
	memset(h, 0, sizeof(*h));
}

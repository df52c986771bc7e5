/* Paths below a directory. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "files_path.h"
#include "io.h"

#include "banned.h"

/* How many bytes of a path are whole components, with their slashes, and can be opened at once.  0: it has but one component. */
static size_t
piece(struct span path)
{
	size_t n = path.len < PATH_MAX - 1 ? path.len : PATH_MAX - 1;

	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return (n);
}

int
files_open_parent(int top, struct span path, struct buf *ret_name)
{
	char dir[PATH_MAX];
	int fd, next, sys;
	size_t n;

	if ((fd = fcntl(top, F_DUPFD_CLOEXEC, 0)) == -1)
		return (-1);
	while ((n = piece(path)) > 0) {
		memcpy(dir, path.p, n - 1);
		dir[n - 1] = '\0';
		next = io_open_dir(fd, dir, NULL);
		sys = errno;
		close(fd);
		errno = sys;
		if ((fd = next) == -1)
			return (-1);
		path.p += n;
		path.len -= n;
	}
	buf_reset(ret_name);
	buf_addspan(ret_name, path);
	if (!ret_name->failed)
		return (fd);
	close(fd);
	errno = ENOMEM;
	return (-1);
}

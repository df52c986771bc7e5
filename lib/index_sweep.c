/* The index: files that are to go. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "index_impl.h"

#include "banned.h"

static bool
begins(const char *name, const char *with)
{
	return (strncmp(name, with, strlen(with)) == 0);
}

static bool
to_be_swept(const struct index *ix, const char *name, enum sweep how)
{
	char run[RUN_NAME_SIZE];
	size_t i;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return (false);
	if (how == SWEEP_ALL || begins(name, ".head."))
		return (true);
	if (how == SWEEP_OURS)
		return (strcmp(name, "head") == 0 || begins(name, "elements-") || begins(name, "rows-") || begins(name, "births-") ||
		    begins(name, "tree."));
	for (i = 0; i < ix->runs; i++) {
		run_name(ix->run[i]->number, run);
		if (strcmp(name, run) == 0)
			return (false);
	}
	return (begins(name, "elements-"));
}

int
index_sweep(const struct index *ix, int dir_fd, enum sweep how, struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int fd, ret = 0;

	/* The only door to the others goes first. */
	if (how != SWEEP_LEFT_OVER && unlinkat(dir_fd, "head", 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove 'index/head'"));
	if ((fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the directory 'index'");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (ret == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (to_be_swept(ix, d->d_name, how) && unlinkat(dir_fd, d->d_name, 0) != 0 && errno != ENOENT)
			ret = err_sys(e, "cannot remove 'index/%s'", d->d_name);
	if (ret == 0 && errno != 0)
		ret = err_sys(e, "cannot read the index's directory");
	closedir(dir);
	return (ret);
}

/* The roots that stand side by side in one directory. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "roots.h"

#include "banned.h"

/* Whether there is such a directory: 1, 0, or -1 with errno. */
static int
has_dir(int dirfd, const char *path)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, 0) == 0)
		return (S_ISDIR(st.st_mode));
	return (errno == ENOENT || errno == ENOTDIR ? 0 : -1);
}

/* What ${name} is.  Return 1, or 0 where it is nothing of ours. */
static int
look(int dirfd, const char *name, struct root_entry *ret)
{
	int fd, found;

	ret->kind = ROOT_WHOLE;
	if ((found = has_dir(dirfd, name)) == 0)
		return (0);
	if (found == -1 || (fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		ret->kind = ROOT_UNKNOWN;
		ret->sys = errno;
		return (1);
	}
	if ((found = has_dir(fd, "live/.ecl/log")) == 0)
		found = has_dir(fd, ".ecl/log");
	if (found == -1) {
		ret->kind = ROOT_UNKNOWN;
		ret->sys = errno;
	} else if (found == 0) {
		/* ecl-init makes the lock first of all, then live. */
		ret->kind = ROOT_HALF_MADE;
		found = has_dir(fd, "live") == 1 && faccessat(fd, "lock", F_OK, 0) == 0;
	}
	close(fd);
	return (found != 0);
}

static int
add(struct roots *r, size_t *cap, const char *name, const struct root_entry *found)
{
	struct root_entry *more;

	if (r->n == *cap) {
		*cap = *cap == 0 ? 16 : *cap * 2;
		if ((more = realloc(r->entry, *cap * sizeof(*more))) == NULL)
			return (-1);
		r->entry = more;
	}
	r->entry[r->n] = *found;
	if ((r->entry[r->n].name = strdup(name)) == NULL)
		return (-1);
	r->n++;
	return (0);
}

static int
by_name(const void *a, const void *b)
{
	const struct root_entry *x = a, *y = b;

	return (strcmp(x->name, y->name));
}

int
roots_list(const char *path, struct roots *ret, struct err *e)
{
	struct root_entry found = {0};
	struct roots r = {NULL, 0};
	struct dirent *d;
	size_t cap = 0;
	DIR *dir;

	if ((dir = opendir(path)) == NULL)
		return (err_sys(e, "cannot read the directory '%s'", path));
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.' || look(dirfd(dir), d->d_name, &found) == 0)
			continue;
		if (add(&r, &cap, d->d_name, &found) != 0) {
			err_mem(e);
			goto err1;
		}
	}
	if (errno != 0) {
		err_sys(e, "cannot read the directory '%s'", path);
		goto err1;
	}
	closedir(dir);
	if (r.n > 1)
		qsort(r.entry, r.n, sizeof(*r.entry), by_name);
	*ret = r;
	return (0);

err1:
	closedir(dir);
	roots_release(&r);
	return (-1);
}

void
roots_release(struct roots *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		free(r->entry[i].name);
	free(r->entry);
	*r = (struct roots){NULL, 0};
}

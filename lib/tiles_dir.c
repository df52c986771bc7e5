/* A directory of tiles. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "tiles_dir.h"

#include "banned.h"

#define FILE_MODE 0644 /* hashes tell nothing of what they are of, and a web server is somebody else */
#define DIR_MODE 0755

/* ---- paths ---- */

/* The directory of tile ${number}, and the name in it: its last three digits. */
static void
tile_path(int level, uint64_t number, char dir[TILES_PATH], char name[4])
{
	uint64_t group[8];
	size_t n = 0, at;

	for (; number >= 1000; number /= 1000)
		group[n++] = number % 1000;
	if (level == TILES_ENTRIES)
		at = (size_t)snprintf(dir, TILES_PATH, "tile/entries");
	else
		at = (size_t)snprintf(dir, TILES_PATH, "tile/%d", level);
	group[n] = number;
	for (; n > 0; n--)
		at += (size_t)snprintf(dir + at, TILES_PATH - at, "/x%03u", (unsigned)group[n]);
	snprintf(name, 4, "%03u", (unsigned)group[0]);
}

/* Whether the name is one that io_publish() gives to what is not finished. */
static bool
is_left_over(const char *name)
{
	size_t n;

	if (name[0] != '.')
		return (false);
	n = strncmp(name + 1, "checkpoint", 10) == 0 ? 10 : strspn(name + 1, "0123456789");
	return (n > 0 && name[1 + n] == '.' && name[2 + n] != '\0' && strspn(name + 2 + n, "0123456789") == strlen(name + 2 + n));
}

/* Remove from the directory ${fd} what a run that died left, or with ${all} what is there.  Return 0, or -1 with errno. */
static int
sweep(int fd, bool all)
{
	const struct dirent *d;
	DIR *dir;
	int again;

	if ((again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (-1);
	if ((dir = fdopendir(again)) == NULL) {
		close(again);
		return (-1);
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || !(all || is_left_over(d->d_name)))
			continue;
		if (unlinkat(fd, d->d_name, 0) != 0 && errno != ENOENT)
			break;
	}
	again = errno;
	closedir(dir);
	errno = again;
	return (again == 0 ? 0 : -1);
}

static int
make_dir(int fd, const char *path, struct err *e)
{
	if (mkdirat(fd, path, DIR_MODE) == 0 ? fchmodat(fd, path, DIR_MODE, 0) == 0 : errno == EEXIST)
		return (0);
	return (err_sys(e, "cannot make directory '%s'", path));
}

/* The directory ${path} below ${fd}, made where it is missing.  Return a descriptor, or -1. */
static int
make_path(int fd, const char *path, struct err *e)
{
	char part[TILES_PATH];
	const char *end;
	struct err why = {0};
	int at;

	if ((at = io_open_dir(fd, path, &why)) != -1)
		return (at);
	if (why.sys != ENOENT) {
		if (e != NULL)
			*e = why;
		return (-1);
	}
	for (end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		if (make_dir(fd, part, e) != 0)
			return (-1);
	}
	return (make_dir(fd, path, e) == 0 ? io_open_dir(fd, path, e) : -1);
}

/* ---- ours ---- */

int
tiles_dir_open(const char *path, struct tiles_dir *ret, struct err *e)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i <= TILES_LEVELS; i++)
		ret->open[i].fd = -1;
	if ((ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open directory '%s'", path));
	if (io_lock(ret->fd, true, 0) != 0) {
		if (errno == EWOULDBLOCK)
			err_retry(e, "another program writes tiles to '%s'; try again later", path);
		else
			err_sys(e, "cannot lock '%s'", path);
	} else if (sweep(ret->fd, false) != 0)
		err_sys(e, "cannot clear up '%s'", path);
	else
		return (0);
	close(ret->fd);
	return (-1);
}

void
tiles_dir_close(struct tiles_dir *d)
{
	size_t i;

	for (i = 0; i <= TILES_LEVELS; i++)
		if (d->open[i].fd != -1)
			close(d->open[i].fd);
	close(d->fd);
}

/* The directory of a tile, and its ${name} there. */
static int
open_for(struct tiles_dir *d, int level, uint64_t number, char name[4], struct err *e)
{
	size_t i = (size_t)(level + 1);
	char path[TILES_PATH];

	tile_path(level, number, path, name);
	if (strcmp(path, d->open[i].path) == 0)
		return (d->open[i].fd);
	if (d->open[i].fd != -1)
		close(d->open[i].fd);
	d->open[i].path[0] = '\0';
	if ((d->open[i].fd = make_path(d->fd, path, e)) == -1)
		return (-1);
	if (sweep(d->open[i].fd, false) != 0)
		return (err_sys(e, "cannot clear up '%s'", path));
	memcpy(d->open[i].path, path, sizeof(path));
	return (d->open[i].fd);
}

int
tiles_dir_put(struct tiles_dir *d, int level, uint64_t number, unsigned width, const void *p, size_t len, struct err *e)
{
	char name[4], part[8], last[4];
	int fd, in, rc;

	if ((fd = open_for(d, level, number, name, e)) == -1)
		return (-1);
	if (width == TILES_WIDTH) {
		rc = io_publish(fd, name, p, len, FILE_MODE, false, e);
	} else {
		snprintf(part, sizeof(part), "%s.p", name);
		snprintf(last, sizeof(last), "%u", width);
		if ((in = make_path(fd, part, e)) == -1)
			return (-1);
		if (sweep(in, false) != 0)
			rc = err_sys(e, "cannot clear up '%s'", part);
		else
			rc = io_publish(in, last, p, len, FILE_MODE, false, e);
		close(in);
	}
	if (rc != 0)
		return (err_within(e, d->open[level + 1].path));
	d->files++;
	d->bytes += len;
	return (0);
}

int
tiles_dir_drop(struct tiles_dir *d, int level, uint64_t number, struct err *e)
{
	char name[4], part[8];
	int fd, in, rc;

	if ((fd = open_for(d, level, number, name, e)) == -1)
		return (-1);
	snprintf(part, sizeof(part), "%s.p", name);
	if (unlinkat(fd, part, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return (0);
	if ((in = io_open_dir(fd, part, e)) == -1)
		return (-1);
	rc = sweep(in, true);
	close(in);
	if (rc != 0 || unlinkat(fd, part, AT_REMOVEDIR) != 0)
		return (err_sys(e, "cannot remove '%s/%s'", d->open[level + 1].path, part));
	return (0);
}

int
tiles_dir_commit(struct tiles_dir *d, const char *name, const void *p, size_t len, struct err *e)
{
	if (syncfs(d->fd) != 0)
		return (err_sys(e, "cannot sync the tiles"));
	return (io_publish(d->fd, name, p, len, FILE_MODE, true, e));
}

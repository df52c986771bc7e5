/* What is mounted where. */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounts.h"

#include "banned.h"

#define SUBVOLUME_INO 256 /* of the root of every btrfs subvolume, which has a device number of its own */

/* Spaces, tabs, line feeds and backslashes of a path stand there as three octal digits. */
static void
unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else
			*to++ = *s++;
	}
	*to = '\0';
}

/* One line: the device, the mount point and the type of the file system. */
struct mounted {
	char *dev, *point, *type;
};

/* Cut one line into its device (the third field), mount point (the fifth) and file system type (the one behind " - "). */
static int
split(char *line, struct mounted *ret)
{
	char *p = line;
	int i;

	for (i = 0; i < 4; i++) {
		if (i == 2)
			ret->dev = p;
		if ((p = strchr(p, ' ')) == NULL)
			return (-1);
		*p++ = '\0';
	}
	ret->point = p;
	if ((p = strchr(p, ' ')) == NULL)
		return (-1);
	*p++ = '\0';
	if ((p = strstr(p, " - ")) == NULL)
		return (-1);
	ret->type = p + 3;
	if ((p = strchr(ret->type, ' ')) == NULL)
		return (-1);
	*p = '\0';
	unescape(ret->point);
	return (0);
}

/* Return what ${match} says of the first mount that it likes, 0 for none, -1.  Where there is no /proc, nothing is known. */
static int
find(int (*match)(const void *arg, const struct mounted *m), const void *arg,
    struct buf *ret_path, struct err *e)
{
	FILE *f;
	struct mounted m;
	char *line = NULL;
	size_t cap = 0;
	int found, rc = 0;

	if ((f = fopen("/proc/self/mountinfo", "re")) == NULL) {
		if (errno == ENOENT)
			return (0);
		return (err_sys(e, "cannot open '/proc/self/mountinfo'"));
	}
	while (rc == 0 && getline(&line, &cap, f) != -1) {
		if (split(line, &m) != 0 || (found = match(arg, &m)) == 0)
			continue;
		buf_adds(ret_path, m.point);
		rc = ret_path->failed ? err_mem(e) : found;
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, "cannot read '/proc/self/mountinfo'");
	free(line);
	fclose(f);
	return (rc);
}

static int
is_below(const void *arg, const struct mounted *m)
{
	const char *dir = arg;
	size_t len = strlen(dir);

	return (len > 0 && strncmp(m->point, dir, len) == 0 && m->point[len] == '/');
}

/* Where the directory is; "" where there is no /proc. */
static int
path_of(int fd, char path[PATH_MAX], struct err *e)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, PATH_MAX - 1)) == -1) {
		if (errno != ENOENT)
			return (err_sys(e, "cannot read '%s'", link));
		n = 0;
	}
	path[n] = '\0';
	return (0);
}

int
mounts_below(int fd, struct buf *ret_path, struct err *e)
{
	char dir[PATH_MAX];

	return (path_of(fd, dir, e) != 0 ? -1 : find(is_below, dir, ret_path, e));
}

struct wanted {
	struct stat st;
	char dev[32]; /* as mountinfo has it; of a btrfs there is another one */
	char dir[PATH_MAX];
};

/* Only what may be it is touched: a server of another mount may not answer. */
static int
is_wanted(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;
	bool btrfs = strcmp(m->type, "btrfs") == 0;
	struct stat st;

	if ((!btrfs && strcmp(m->dev, w->dev) != 0) || stat(m->point, &st) != 0 || st.st_dev != w->st.st_dev)
		return (0);
	return (st.st_ino == w->st.st_ino || (btrfs && w->st.st_ino == SUBVOLUME_INO));
}

static int
is_either(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;

	return (is_wanted(w, m) ? MOUNTS_OF : is_below(w->dir, m) ? MOUNTS_BELOW : 0);
}

static int
want(int fd, struct wanted *ret, struct err *e)
{
	if (fstat(fd, &ret->st) != 0)
		return (err_sys(e, "cannot stat a directory of the root"));
	snprintf(ret->dev, sizeof(ret->dev), "%u:%u", major(ret->st.st_dev), minor(ret->st.st_dev));
	return (0);
}

int
mounts_of(int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	return (want(fd, &w, e) != 0 ? -1 : find(is_wanted, &w, ret_path, e));
}

int
mounts_in(int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	return (want(fd, &w, e) != 0 || path_of(fd, w.dir, e) != 0 ? -1 : find(is_either, &w, ret_path, e));
}

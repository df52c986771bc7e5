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

/* Return 1 for the first mount that ${match} likes, 0 for none, -1.  Where there is no /proc, nothing is known. */
static int
find(bool (*match)(const void *arg, const struct mounted *m), const void *arg,
    struct buf *ret_path, struct err *e)
{
	FILE *f;
	struct mounted m;
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	if ((f = fopen("/proc/self/mountinfo", "re")) == NULL) {
		if (errno == ENOENT)
			return (0);
		return (err_sys(e, "cannot open '/proc/self/mountinfo'"));
	}
	while (rc == 0 && getline(&line, &cap, f) != -1) {
		if (split(line, &m) != 0 || !match(arg, &m))
			continue;
		buf_adds(ret_path, m.point);
		rc = ret_path->failed ? err_mem(e) : 1;
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, "cannot read '/proc/self/mountinfo'");
	free(line);
	fclose(f);
	return (rc);
}

static bool
is_below(const void *arg, const struct mounted *m)
{
	const char *dir = arg;
	size_t len = strlen(dir);

	return (strncmp(m->point, dir, len) == 0 && m->point[len] == '/');
}

int
mounts_below(int fd, struct buf *ret_path, struct err *e)
{
	char link[64], dir[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, dir, sizeof(dir) - 1)) == -1)
		return (errno == ENOENT ? 0 : err_sys(e, "cannot read '%s'", link));
	dir[n] = '\0';
	return (find(is_below, dir, ret_path, e));
}

struct wanted {
	struct stat st;
	char dev[32]; /* as mountinfo has it; of a btrfs there is another one */
};

/* Only what may be it is touched: a server of another mount may not answer. */
static bool
is_wanted(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;
	bool btrfs = strcmp(m->type, "btrfs") == 0;
	struct stat st;

	if ((!btrfs && strcmp(m->dev, w->dev) != 0) || stat(m->point, &st) != 0 || st.st_dev != w->st.st_dev)
		return (false);
	return (st.st_ino == w->st.st_ino || (btrfs && w->st.st_ino == SUBVOLUME_INO));
}

int
mounts_of(int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	if (fstat(fd, &w.st) != 0)
		return (err_sys(e, "cannot stat a directory of the root"));
	snprintf(w.dev, sizeof(w.dev), "%u:%u", major(w.st.st_dev), minor(w.st.st_dev));
	return (find(is_wanted, &w, ret_path, e));
}

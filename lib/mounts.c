/* What is mounted where. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounts.h"

#include "banned.h"

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

/* Cut one line into its mount point (the fifth field) and file system type (the one behind " - "). */
static int
split(char *line, char **ret_point, char **ret_type)
{
	char *p = line;
	int i;

	for (i = 0; i < 4; i++) {
		if ((p = strchr(p, ' ')) == NULL)
			return (-1);
		p++;
	}
	*ret_point = p;
	if ((p = strchr(p, ' ')) == NULL)
		return (-1);
	*p++ = '\0';
	if ((p = strstr(p, " - ")) == NULL)
		return (-1);
	*ret_type = p + 3;
	if ((p = strchr(*ret_type, ' ')) == NULL)
		return (-1);
	*p = '\0';
	unescape(*ret_point);
	return (0);
}

/* Return 1 for the first mount that ${match} likes, 0 for none, -1.  Where there is no /proc, nothing is known. */
static int
find(int (*match)(const void *arg, const char *point, const char *type), const void *arg,
    struct buf *ret_path, struct err *e)
{
	FILE *f;
	char *line = NULL, *point, *type;
	size_t cap = 0;
	int rc = 0;

	if ((f = fopen("/proc/self/mountinfo", "re")) == NULL) {
		if (errno == ENOENT)
			return (0);
		return (err_sys(e, "cannot open '/proc/self/mountinfo'"));
	}
	while (rc == 0 && getline(&line, &cap, f) != -1) {
		if (split(line, &point, &type) != 0 || !match(arg, point, type))
			continue;
		buf_adds(ret_path, point);
		rc = ret_path->failed ? err_mem(e) : 1;
	}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, "cannot read '/proc/self/mountinfo'");
	free(line);
	fclose(f);
	return (rc);
}

static int
is_below(const void *arg, const char *point, const char *type)
{
	const char *dir = arg;
	size_t len = strlen(dir);

	(void)type;
	return (strncmp(point, dir, len) == 0 && point[len] == '/');
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

static int
is_subvolume(const void *arg, const char *point, const char *type)
{
	const struct stat *sub = arg;
	struct stat st;

	return (strcmp(type, "btrfs") == 0 && stat(point, &st) == 0 && st.st_dev == sub->st_dev &&
	    st.st_ino == sub->st_ino);
}

int
mounts_of_subvolume(int fd, struct buf *ret_path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return (err_sys(e, "cannot stat a subvolume"));
	return (find(is_subvolume, &st, ret_path, e));
}

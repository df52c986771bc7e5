/* What is mounted where. */
#include "config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "mounts.h"

#include "banned.h"

#define AT_ONCE ((size_t)16 << 10) /* bytes */
#define TRIES 8 /* where others mount all the time */
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

/* The list as it was read last. */
struct mounts {
	int fd;		  /* of mountinfo, which tells of changes; -1: there is no /proc */
	bool read;
	struct buf above; /* the directory above the one that was asked about last */
	struct buf text;  /* cut into the parts of its lines */
	struct mounted *line;
	size_t n, cap;
};

static int
open_list(struct mounts *m, struct err *e)
{
	memset(m, 0, sizeof(*m));
	if ((m->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) == -1 && errno != ENOENT)
		return (err_sys(e, "cannot open '/proc/self/mountinfo'"));
	return (0);
}

static void
release(struct mounts *m)
{
	if (m->fd != -1)
		close(m->fd);
	buf_release(&m->above);
	buf_release(&m->text);
	free(m->line);
}

struct mounts *
mounts_keep(void)
{
	struct mounts *m = malloc(sizeof(*m));

	if (m != NULL && open_list(m, NULL) == 0)
		return (m);
	free(m);
	return (NULL);
}

void
mounts_free(struct mounts *m)
{
	if (m == NULL)
		return;
	release(m);
	free(m);
}

/* Whether it is not, or may not be, what it was when this was asked before. */
static bool
has_changed(struct mounts *m)
{
	struct pollfd p = {m->fd, POLLPRI, 0};

	return (poll(&p, 1, 0) != 0);
}

static int
add_line(struct mounts *m, char *line)
{
	size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
	struct mounted *more;

	if (m->n == m->cap) {
		if ((more = realloc(m->line, cap * sizeof(*more))) == NULL)
			return (-1);
		m->line = more;
		m->cap = cap;
	}
	m->n += split(line, &m->line[m->n]) == 0;
	return (0);
}

static int
read_list(struct mounts *m, struct err *e)
{
	char *line, *next;
	ssize_t n;

	buf_reset(&m->text);
	m->n = 0;
	if (lseek(m->fd, 0, SEEK_SET) == -1)
		return (err_sys(e, "cannot read '/proc/self/mountinfo'"));
	do {
		if (buf_reserve(&m->text, AT_ONCE) != 0)
			return (err_mem(e));
		if ((n = io_read(m->fd, m->text.data + m->text.len, AT_ONCE)) == -1)
			return (err_sys(e, "cannot read '/proc/self/mountinfo'"));
		m->text.len += (size_t)n;
	} while (n > 0);
	buf_addc(&m->text, '\0');
	if (m->text.failed)
		return (err_mem(e));
	for (line = m->text.data; (next = strchr(line, '\n')) != NULL; line = next) {
		*next++ = '\0';
		if (add_line(m, line) != 0)
			return (err_mem(e));
	}
	return (0);
}

/* Have the list as it is now: one that changes while it is read is read again. */
static int
refresh(struct mounts *m, struct err *e)
{
	unsigned tries;

	if (m->fd == -1)
		return (0);
	for (tries = 0; (has_changed(m) || !m->read) && tries < TRIES; tries++) {
		m->read = false;
		if (read_list(m, e) != 0)
			return (-1);
		m->read = true;
	}
	return (0);
}

/* A directory that got another name changes the paths of what is mounted below, and the kernel does not tell: that is seen where ${dir} is below it, too. */
static void
follow_names(struct mounts *m, const char *dir)
{
	size_t len = strlen(dir);

	while (len > 0 && dir[--len] != '/')
		;
	if (m->above.len == len && (len == 0 || memcmp(m->above.data, dir, len) == 0))
		return;
	m->read = false;
	buf_reset(&m->above);
	buf_add(&m->above, dir, len);
}

/* Return what ${match} says of the first mount that it likes, 0 for none, -1.  Where there is no /proc, nothing is known. */
static int
look(struct mounts *m, int (*match)(const void *arg, const struct mounted *m), const void *arg, struct buf *ret_path, struct err *e)
{
	size_t i;
	int found;

	if (refresh(m, e) != 0)
		return (-1);
	for (i = 0; i < m->n; i++) {
		if ((found = match(arg, &m->line[i])) == 0)
			continue;
		buf_adds(ret_path, m->line[i].point);
		return (ret_path->failed ? err_mem(e) : found);
	}
	return (0);
}

static int
find(struct mounts *kept, int (*match)(const void *arg, const struct mounted *m), const void *arg, struct buf *ret_path, struct err *e)
{
	struct mounts own;
	int rc;

	if (kept != NULL)
		return (look(kept, match, arg, ret_path, e));
	if (open_list(&own, e) != 0)
		return (-1);
	rc = look(&own, match, arg, ret_path, e);
	release(&own);
	return (rc);
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

struct wanted {
	struct stat st;
	bool *lost; /* a mount point is not, or may not be, where the list has it */
	char dev[32]; /* as mountinfo has it; of a btrfs there is another one */
	char dir[PATH_MAX];
};

/* Whether a mount is in a neighbour of the directory that has another name now: it may be that directory. */
static bool
is_astray(const char *dir, const struct mounted *m)
{
	const char *slash = strrchr(dir, '/');
	size_t above = slash == NULL ? 0 : (size_t)(slash - dir) + 1, len;
	char path[PATH_MAX];
	struct stat st;

	if (above == 0 || strncmp(m->point, dir, above) != 0)
		return (false);
	len = above + strcspn(m->point + above, "/");
	if (m->point[len] == '\0' || len >= sizeof(path))
		return (false);
	snprintf(path, sizeof(path), "%.*s", (int)len, m->point);
	return (lstat(path, &st) != 0);
}

static int
is_below(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;
	size_t len = strlen(w->dir);

	if (len > 0 && strncmp(m->point, w->dir, len) == 0 && m->point[len] == '/')
		return (1);
	if (is_astray(w->dir, m))
		*w->lost = true;
	return (0);
}

/* Only what may be it is touched: a server of another mount may not answer. */
static int
is_wanted(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;
	bool btrfs = strcmp(m->type, "btrfs") == 0;
	struct stat st;

	if (!btrfs && strcmp(m->dev, w->dev) != 0)
		return (0);
	if (stat(m->point, &st) != 0) {
		*w->lost = true;
		return (0);
	}
	if (st.st_dev != w->st.st_dev)
		return (0);
	return (st.st_ino == w->st.st_ino || (btrfs && w->st.st_ino == SUBVOLUME_INO));
}

static int
is_either(const void *arg, const struct mounted *m)
{
	const struct wanted *w = arg;

	return (is_wanted(w, m) ? MOUNTS_OF : is_below(w, m) ? MOUNTS_BELOW : 0);
}

static int
want(int fd, struct wanted *ret, struct err *e)
{
	if (fstat(fd, &ret->st) != 0)
		return (err_sys(e, "cannot stat a directory of the root"));
	snprintf(ret->dev, sizeof(ret->dev), "%u:%u", major(ret->st.st_dev), minor(ret->st.st_dev));
	return (0);
}

/* Once more by a list that is new, where a place in the one that was kept has another name now. */
static int
find_wanted(struct mounts *kept, int (*match)(const void *arg, const struct mounted *m), struct wanted *w, struct buf *ret_path, struct err *e)
{
	bool lost = false;
	int rc;

	w->lost = &lost;
	if (kept != NULL)
		follow_names(kept, w->dir);
	rc = find(kept, match, w, ret_path, e);
	return (rc == 0 && kept != NULL && lost ? find(NULL, match, w, ret_path, e) : rc);
}

int
mounts_below(struct mounts *kept, int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	return (path_of(fd, w.dir, e) != 0 ? -1 : find_wanted(kept, is_below, &w, ret_path, e));
}

int
mounts_of(struct mounts *kept, int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	return (want(fd, &w, e) != 0 || path_of(fd, w.dir, e) != 0 ? -1 : find_wanted(kept, is_wanted, &w, ret_path, e));
}

int
mounts_in(struct mounts *kept, int fd, struct buf *ret_path, struct err *e)
{
	struct wanted w;

	return (want(fd, &w, e) != 0 || path_of(fd, w.dir, e) != 0 ? -1 : find_wanted(kept, is_either, &w, ret_path, e));
}

/*
 * The log, in what is live now.  A rollback puts another tree in the place of live, whose log is the same up to there, and
 * removes the former one: who reads without a lock finds the segments that it has not opened yet in the new one only.
 */
#include "config.h"

#include <sys/stat.h>

#include <stdlib.h>
#include <unistd.h>

#include "io.h"
#include "log_impl.h"

#include "banned.h"

/* Whether two descriptors are of the same file; -1 is none. */
static bool
same_file(int a, int b)
{
	struct stat x, y;

	return (a != -1 && b != -1 && fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

int
log_live(int root_fd, const char *path, int fd)
{
	int now;

	if (root_fd == -1 || (now = io_open_dir(root_fd, path, NULL)) == -1)
		return (-1);
	if (!same_file(now, fd))
		return (now);
	close(now);
	return (-1);
}

/* Whether ${there} has the segments of ${log}, and its last event where that is here.  Return 1, 0 or -1. */
static int
has_all(struct log *there, const struct log *log, struct err *e)
{
	size_t i, last;

	if (log->end.size == 0)
		return (1);
	if ((last = log_segment_at(there, log->end.segment)) == there->segments)
		return (0);
	for (i = 0; i < log->segments && i <= last; i++)
		if (log->segment[i].first != there->segment[i].first)
			return (0);
	return (log_ends_at(there, last, log->end.offset, log->end.hash, e));
}

/* Whether the log in the directory ${fd} goes on where ${log} ends.  Return 1, 0 or -1. */
static int
continues(const struct log *log, int fd, struct err *e)
{
	struct log there = {.dirfd = fd, .root_fd = -1, .writer.fd = -1};
	int rc;

	if ((rc = log_list_names(&there, e)) == 0)
		rc = has_all(&there, log, e);
	log_close_segments(&there);
	free(there.segment);
	return (rc);
}

int
log_moved(struct log *log, struct err *e)
{
	struct err why = {0};
	int fd, again, rc;

	if ((fd = log_live(log->root_fd, LOG_LIVE, log->dirfd)) == -1)
		return (0);
	/* What is not as it should be may be exchanged and half removed itself by now. */
	while ((rc = continues(log, fd, &why)) != 1 &&
	    (again = log_live(log->root_fd, LOG_LIVE, fd)) != -1) {
		close(fd);
		fd = again;
	}
	if (rc == 1) {
		close(log->dirfd);
		log->dirfd = fd;
		return (1);
	}
	close(fd);
	if (rc == 0)
		return (err_set(e, "'live' was replaced, and its log is not the one that was being read; run 'ecl-verify'"));
	if (e != NULL)
		*e = why;
	return (-1);
}

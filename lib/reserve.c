/* Room that is kept free. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "reserve.h"

#include "banned.h"

#define TRIES 10 /* of a tenth of a second */

/* Let the file have at least ${*size} bytes, or as many as there is room for; ${*size} is what it has then, 0: there is none. */
static void
grow(int root_fd, off_t *size)
{
	off_t want = RESERVE_SIZE, have = 0;
	struct stat st;
	int fd;

	*size = 0;
	if ((fd = io_open_file(root_fd, RESERVE_FILE, O_WRONLY | O_CREAT, 0600, NULL)) == -1)
		return;
	if (fstat(fd, &st) == 0)
		have = st.st_size;
	while (want > have && want >= (off_t)RESERVE_MIN && fallocate(fd, 0, 0, want) != 0)
		want /= 2;
	close(fd);
	*size = want > have ? want : have;
	if (*size < (off_t)RESERVE_MIN && unlinkat(root_fd, RESERVE_FILE, 0) == 0)
		*size = 0;
}

/* What there is now. */
static off_t
present(int root_fd)
{
	struct stat st;

	return (fstatat(root_fd, RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0);
}

bool
reserve_make(int root_fd)
{
	off_t size = present(root_fd);

	if (size < (off_t)RESERVE_SIZE)
		grow(root_fd, &size);
	return (size >= (off_t)RESERVE_MIN);
}

bool
reserve_make_late(int root_fd)
{
	const struct timespec tenth = {0, 100000000};
	off_t size = 0;
	unsigned i;

	for (i = 0; i < TRIES; i++) {
		(void)syncfs(root_fd);
		grow(root_fd, &size);
		if (size >= (off_t)RESERVE_SIZE)
			break;
		nanosleep(&tenth, NULL);
	}
	return (size >= (off_t)RESERVE_MIN);
}

bool
reserve_release(int root_fd)
{
	if (unlinkat(root_fd, RESERVE_FILE, 0) != 0)
		return (false);
	/* btrfs has it back once what unlinked it is committed. */
	(void)syncfs(root_fd);
	return (true);
}

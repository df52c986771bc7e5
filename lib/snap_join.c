/*
 * Before a snapshot: joining what many small appends left in many small pieces.  Each append writes its last block of the file anew, elsewhere, so that
 * what grows line by line has an extent for every few lines; and the first change of live behind a snapshot makes btrfs count one more reference to
 * each of those that stand in the same leaf, in every block.  So the time and the metadata of a block would grow with the length of the last segment.
 */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "extents.h"
#include "io.h"
#include "snap.h"

#include "banned.h"

#define WINDOW (8u << 20) /* of the end of a file: what lies before has been joined when it was the end */
#define LARGE (256u << 10) /* an extent that stays as it is: so each byte is written once or twice more in its life */
#define PIECES 32u	  /* that are not worth it */

static void
join(int dir_fd, const char *name)
{
	uint64_t from, whole;
	struct stat st;
	int fd;

	if ((fd = io_open_file(dir_fd, name, O_RDWR, 0, NULL)) == -1)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		from = st.st_size > WINDOW ? (uint64_t)st.st_size - WINDOW : 0;
		whole = ((uint64_t)st.st_size - from) / (LARGE / 2); /* half as large where they are compressed */
		if (extents_count(fd, from) > whole + PIECES)
			(void)extents_join(fd, from, LARGE);
	}
	close(fd);
}

/* The columns of the index that grow. */
static void
join_index(int ecl_fd)
{
	const struct dirent *d;
	DIR *dir;
	int fd;

	if ((fd = io_open_dir(ecl_fd, "index", NULL)) == -1)
		return;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			join(fd, d->d_name);
	closedir(dir);
}

void
snap_join(const struct layer *l)
{
	char name[LOG_NAME_SIZE];

	log_segment_name(l->ledger->log->end.segment, name);
	join(l->ledger->log->dirfd, name);
	join_index(l->ecl_fd);
}

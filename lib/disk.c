/* Reading files from the disk and not from the page cache. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "io.h"

#include "banned.h"

void
disk_prefer(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	/* Pages that somebody maps stay in the cache: therefore around it, too. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (flags != -1)
		fcntl(fd, F_SETFL, flags | O_DIRECT);
}

static ssize_t
through_cache(int fd, void *p, size_t len, uint64_t offset)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1 && (flags & O_DIRECT) != 0)
		fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
	return (io_pread(fd, p, len, offset));
}

/* Whole blocks, until ${len} bytes or the end of file: a short read ends where the file does. */
static ssize_t
read_blocks(int fd, char *p, size_t len, uint64_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, p + done, len - done, (off_t)(offset + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		done += (size_t)n;
		if (n == 0 || (size_t)n % DISK_ALIGN != 0)
			break;
	}
	return ((ssize_t)done);
}

/* read_blocks(), of places in the file and in memory that need not be those of blocks. */
static ssize_t
read_any(int fd, char *p, size_t len, uint64_t offset)
{
	size_t before = (size_t)(offset % DISK_ALIGN), whole = (before + len + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN;
	void *block;
	ssize_t n;
	int sys;

	if (before == 0 && len == whole && (uintptr_t)p % DISK_ALIGN == 0)
		return (read_blocks(fd, p, len, offset));
	if ((sys = posix_memalign(&block, DISK_ALIGN, whole)) != 0) {
		errno = sys;
		return (-1);
	}
	if ((n = read_blocks(fd, block, whole, offset - before)) == -1) {
		sys = errno;
		free(block);
		errno = sys;
		return (-1);
	}
	n = (size_t)n > before ? n - (ssize_t)before : 0;
	n = (size_t)n < len ? n : (ssize_t)len;
	memcpy(p, (char *)block + before, (size_t)n);
	free(block);
	return (n);
}

ssize_t
disk_pread(int fd, void *p, size_t len, uint64_t offset)
{
	ssize_t n = read_any(fd, p, len, offset);

	return (n == -1 && errno == EINVAL ? through_cache(fd, p, len, offset) : n);
}

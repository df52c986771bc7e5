/* Bytes of files to a descriptor: splice(2) into pipes, copy_file_range(2) into files, sendfile(2) into sockets, else read and write. */
#include "config.h"

#include <sys/sendfile.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "outlet.h"

#include "banned.h"

#define PIPE_SIZE (1 << 20) /* what anybody may ask for, by default */
#define PIECE (1u << 20)    /* bytes a call */
#define CHUNK (256u << 10)  /* bytes read at once where they are copied */
#define PARTS_MAX 1024	    /* IOV_MAX of Linux */

void
outlet_init(struct outlet *o, int fd)
{
	struct stat st;

	*o = (struct outlet){.fd = fd, .way = OUTLET_SENDFILE};
	if (fstat(fd, &st) != 0)
		return;
	o->regular = S_ISREG(st.st_mode);
	if (o->regular)
		o->way = OUTLET_RANGE;
	if (!S_ISFIFO(st.st_mode))
		return;
	o->way = OUTLET_SPLICE;
	/* Larger pipes mean fewer turns; where that is not allowed, nothing is lost. */
	if (fcntl(fd, F_GETPIPE_SZ) < PIPE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
}

void
outlet_release(struct outlet *o)
{
	free(o->chunk);
	o->chunk = NULL;
}

static void
begin(struct outlet *o)
{
	if (o->begin != NULL)
		o->begin(o->begin_arg);
	o->begin = NULL;
}

/* After a write that failed: 0 to try again, 1 where nobody reads any more, -1 for good. */
static int
again(const struct outlet *o, struct err *e)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};

	if (errno == EPIPE)
		return (1);
	if (errno == EINTR)
		return (0);
	if (errno != EAGAIN)
		return (err_sys(e, "cannot write standard output"));
	/* Somebody made it non-blocking. */
	(void)poll(&p, 1, -1);
	return (0);
}

static ssize_t
move(const struct outlet *o, int in_fd, uint64_t offset, uint64_t len)
{
	size_t want = len < PIECE ? (size_t)len : PIECE;
	off_t at = (off_t)offset;

	if (o->way == OUTLET_SPLICE)
		return (splice(in_fd, &at, o->fd, NULL, want, want < len ? SPLICE_F_MORE : 0));
	/* All at once: extents are shared only where both files have them at the borders of blocks. */
	if (o->way == OUTLET_RANGE)
		return (copy_file_range(in_fd, &at, o->fd, NULL, (size_t)len, 0));
	return (sendfile(o->fd, in_fd, &at, want));
}

int
outlet_copy(struct outlet *o, int in_fd, uint64_t offset, uint64_t len, struct err *e)
{
	struct iovec part;
	ssize_t n;
	int rc;

	if (len > 0)
		begin(o);
	if (o->chunk == NULL && (o->chunk = malloc(CHUNK)) == NULL)
		return (err_mem(e));
	for (; len > 0; offset += (uint64_t)n, len -= (uint64_t)n) {
		n = io_pread(in_fd, o->chunk, len < CHUNK ? (size_t)len : CHUNK, offset);
		if (n == -1)
			return (err_sys(e, "cannot read the log"));
		if (n == 0)
			return (2);
		part = (struct iovec){o->chunk, (size_t)n};
		if ((rc = outlet_parts(o, &part, 1, e)) != 0)
			return (rc);
	}
	return (0);
}

int
outlet_file(struct outlet *o, int in_fd, uint64_t offset, uint64_t len, struct err *e)
{
	ssize_t n;
	int rc;

	if (len > 0)
		begin(o);
	while (len > 0 && o->way != OUTLET_COPY) {
		if ((n = move(o, in_fd, offset, len)) > 0) {
			offset += (uint64_t)n;
			len -= (uint64_t)n;
		} else if (n == 0)
			/* It ends here, or its file system only says so: reading tells. */
			o->way = OUTLET_COPY;
		else if (errno != EPIPE && errno != EINTR && errno != EAGAIN)
			/* Not with such a file (another file system, O_APPEND, a terminal), or an error: copying tells whose it is. */
			o->way = o->way == OUTLET_RANGE ? OUTLET_SENDFILE : OUTLET_COPY;
		else if ((rc = again(o, e)) != 0)
			return (rc);
	}
	return (len > 0 ? outlet_copy(o, in_fd, offset, len, e) : 0);
}

int
outlet_parts(struct outlet *o, struct iovec *part, size_t n, struct err *e)
{
	ssize_t done;
	int rc;

	if (n > 0)
		begin(o);
	while (n > 0) {
		if ((done = writev(o->fd, part, n < PARTS_MAX ? (int)n : PARTS_MAX)) == -1) {
			if ((rc = again(o, e)) != 0)
				return (rc);
			continue;
		}
		for (; n > 0 && (size_t)done >= part->iov_len; part++, n--)
			done -= (ssize_t)part->iov_len;
		if (n > 0) {
			part->iov_base = (char *)part->iov_base + done;
			part->iov_len -= (size_t)done;
		}
	}
	return (0);
}

int
outlet_sync(struct outlet *o, struct err *e)
{
	if (o->regular && io_fdatasync(o->fd) != 0)
		return (err_sys(e, "cannot sync standard output"));
	return (0);
}

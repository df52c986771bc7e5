/* Columns of the index; column.h has the format. */
#include "config.h"

#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "column.h"
#include "crc32c.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define CHUNKS_PER_FILE (COLUMN_FILE / COLUMN_CHUNK)
#define NO_CHUNK UINT64_MAX

void
column_init(struct column *c, int dirfd, const char *name, unsigned width, uint32_t seed, uint64_t rows,
    uint32_t tail_crc)
{
	size_t i;

	memset(c, 0, sizeof(*c));
	c->dirfd = dirfd;
	memcpy(c->name, name, strnlen(name, sizeof(c->name) - 1));
	c->width = width;
	c->seed = seed;
	c->rows = rows;
	c->tail_crc = tail_crc;
	c->file_no = UINT64_MAX;
	c->fd = -1;
	c->cached = COLUMN_CACHE;
	for (i = 0; i < COLUMN_CACHE; i++)
		c->cache[i].number = NO_CHUNK;
}

static void
close_file(struct column *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->sums = 0;
	c->file_no = UINT64_MAX;
}

void
column_release(struct column *c)
{
	size_t i;

	if (c->width == 0) /* never initialised: its descriptors are nobody's */
		return;
	close_file(c);
	for (i = 0; i < COLUMN_CACHE; i++) {
		free(c->cache[i].data);
		c->cache[i] = (struct column_chunk){NO_CHUNK, NULL};
	}
}

static void
file_name(const struct column *c, uint64_t file_no, const char *suffix, char out[COLUMN_PATH])
{
	size_t len = strlen(c->name);

	memcpy(out, c->name, len);
	out[len] = '-';
	decimal_pad(file_no * (COLUMN_FILE / c->width), 20, out + len + 1);
	memcpy(out + len + 21, suffix, strlen(suffix) + 1);
}

void
column_path(const struct column *c, uint64_t row, char out[COLUMN_PATH])
{
	file_name(c, row / (COLUMN_FILE / c->width), "", out);
}

/* Where the CRC of a chunk begins. */
static uint32_t
chunk_seed(const struct column *c, uint64_t chunk)
{
	uint8_t number[8];

	le64_put(number, chunk);
	return (crc32c(crc32c(c->seed, c->name, strlen(c->name)), number, sizeof(number)));
}

static bool
long_enough(const struct column *c, const char *path, uint64_t bytes)
{
	struct stat st;

	return (fstatat(c->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size >= bytes);
}

/* The same of one file of the column, of which ${bytes} count, and its sums. */
static bool
check_file(const struct column *c, uint64_t file_no, uint64_t bytes)
{
	char path[COLUMN_PATH];

	file_name(c, file_no, "", path);
	if (!long_enough(c, path, bytes))
		return (false);
	file_name(c, file_no, ".sum", path);
	return (bytes < COLUMN_CHUNK || long_enough(c, path, bytes / COLUMN_CHUNK * 4));
}

bool
column_check_sizes(const struct column *c)
{
	uint64_t left = c->rows * c->width, file_no, here;

	for (file_no = 0; left > 0; file_no++, left -= here) {
		here = left < COLUMN_FILE ? left : COLUMN_FILE;
		if (!check_file(c, file_no, here))
			return (false);
	}
	return (true);
}

bool
column_check_end(const struct column *c)
{
	uint64_t bytes = c->rows * c->width, last = (bytes - 1) / COLUMN_FILE;

	return (bytes == 0 || check_file(c, last, bytes - last * COLUMN_FILE));
}

static int
open_file(struct column *c, uint64_t file_no, struct err *e)
{
	char path[COLUMN_PATH];

	if (c->file_no == file_no)
		return (0);
	close_file(c);
	file_name(c, file_no, "", path);
	if ((c->fd = io_open_file(c->dirfd, path, O_RDONLY, 0, e)) == -1)
		return (-1);
	c->file_no = file_no;
	return (0);
}

/* All sums of the file at hand. */
static int
read_sums(struct column *c, struct err *e)
{
	char path[COLUMN_PATH];
	ssize_t n;
	int fd;

	file_name(c, c->file_no, ".sum", path);
	if ((fd = io_open_file(c->dirfd, path, O_RDONLY, 0, e)) == -1)
		return (-1);
	if ((n = io_pread(fd, c->sum, sizeof(c->sum), 0)) == -1)
		err_sys(e, "cannot read '%s'", path);
	close(fd);
	c->sums = n == -1 ? 0 : (size_t)n;
	return (n == -1 ? -1 : 0);
}

/* The CRC that a chunk should have. */
static int
stored_crc(struct column *c, uint64_t chunk, bool full, uint32_t *ret, struct err *e)
{
	size_t at = chunk % CHUNKS_PER_FILE * 4;

	if (!full) {
		*ret = c->tail_crc;
		return (0);
	}
	/* Those that are there never change; since they were read there may be more. */
	if (at + 4 > c->sums && read_sums(c, e) != 0)
		return (-1);
	if (at + 4 > c->sums) {
		char path[COLUMN_PATH];

		file_name(c, c->file_no, ".sum", path);
		return (err_set(e, "'%s' is too short", path));
	}
	*ret = le32_get(c->sum + at);
	return (0);
}

static int
load_chunk(struct column *c, uint64_t chunk, uint8_t *data, struct err *e)
{
	uint64_t file_no = chunk / CHUNKS_PER_FILE, at = chunk * COLUMN_CHUNK, bytes = c->rows * c->width;
	size_t want = bytes - at < COLUMN_CHUNK ? (size_t)(bytes - at) : COLUMN_CHUNK;
	char path[COLUMN_PATH];
	uint32_t crc = 0;
	ssize_t n;

	if (open_file(c, file_no, e) != 0 || stored_crc(c, chunk, want == COLUMN_CHUNK, &crc, e) != 0)
		return (-1);
	file_name(c, file_no, "", path);
	if ((n = io_pread(c->fd, data, want, at % COLUMN_FILE)) == -1)
		return (err_sys(e, "cannot read '%s'", path));
	if ((size_t)n != want)
		return (err_set(e, "'%s' is too short", path));
	if (crc32c(chunk_seed(c, chunk), data, want) != crc)
		return (err_set(e, "the checksum of '%s' is wrong at offset %" PRIu64, path, at % COLUMN_FILE));
	return (0);
}

int
column_run(struct column *c, uint64_t row, const uint8_t **ret, uint64_t *ret_n, struct err *e)
{
	unsigned per_chunk = COLUMN_CHUNK / c->width;
	uint64_t chunk = row / per_chunk, left = c->rows - chunk * per_chunk;
	struct column_chunk found;
	size_t i;

	for (i = 0; i < c->cached - 1 && c->cache[i].number != chunk; i++)
		;
	if (i > 0) {
		found = c->cache[i];
		memmove(c->cache + 1, c->cache, i * sizeof(found));
		c->cache[0] = found;
	}
	if (c->cache[0].number != chunk) {
		c->cache[0].number = NO_CHUNK;
		if (c->cache[0].data == NULL && (c->cache[0].data = malloc(COLUMN_CHUNK)) == NULL)
			return (err_mem(e));
		if (load_chunk(c, chunk, c->cache[0].data, e) != 0)
			return (-1);
		c->cache[0].number = chunk;
	}
	*ret = c->cache[0].data;
	*ret_n = left < per_chunk ? left : per_chunk;
	return (0);
}

int
column_get(struct column *c, uint64_t row, const uint8_t **ret, struct err *e)
{
	const uint8_t *first;
	uint64_t n;

	if (column_run(c, row, &first, &n, e) != 0)
		return (-1);
	*ret = first + row % (COLUMN_CHUNK / c->width) * c->width;
	return (0);
}

int
column_peek(struct column *c, uint64_t row, void *out, struct err *e)
{
	uint64_t at = row * c->width;
	char path[COLUMN_PATH];
	ssize_t n;

	if (open_file(c, at / COLUMN_FILE, e) != 0)
		return (-1);
	if ((n = io_pread(c->fd, out, c->width, at % COLUMN_FILE)) == (ssize_t)c->width)
		return (0);
	column_path(c, row, path);
	return (n == -1 ? err_sys(e, "cannot read '%s'", path) : err_set(e, "'%s' is too short", path));
}

int
column_peek_now(struct column *c, uint64_t row, void *out)
{
	uint64_t at = row * c->width;
	struct iovec iov = {out, c->width};
	ssize_t n;

	if (open_file(c, at / COLUMN_FILE, NULL) != 0)
		return (-1);
	if ((n = preadv2(c->fd, &iov, 1, (off_t)(at % COLUMN_FILE), RWF_NOWAIT)) == (ssize_t)c->width)
		return (1);
	if (n != -1 || errno != EAGAIN) /* or the file system cannot tell */
		return (column_peek(c, row, out, NULL) == 0 ? 1 : -1);
	io_read_ahead(c->fd, at % COLUMN_FILE, c->width);
	return (0);
}

bool
column_is_cached(struct column *c, uint64_t row)
{
	return (open_file(c, row * c->width / COLUMN_FILE, NULL) != 0 || io_is_cached(c->fd, row * c->width % COLUMN_FILE));
}

void
column_read_ahead(struct column *c, uint64_t row, uint64_t n)
{
	uint64_t at = row * c->width, end = at + n * c->width, piece;

	for (; at < end; at += piece) {
		piece = COLUMN_FILE - at % COLUMN_FILE;
		piece = piece < end - at ? piece : end - at;
		if (open_file(c, at / COLUMN_FILE, NULL) == 0)
			io_read_ahead(c->fd, at % COLUMN_FILE, piece);
	}
}

static int
write_at(struct column *c, uint64_t file_no, const char *suffix, const void *p, size_t len, uint64_t at, bool sync, struct err *e)
{
	char path[COLUMN_PATH];
	int fd;

	if (len == 0)
		return (0);
	file_name(c, file_no, suffix, path);
	/* A new file: whatever stands there is in the way. */
	if (at == 0 && unlinkat(c->dirfd, path, 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove '%s'", path));
	if ((fd = io_open_file(c->dirfd, path, O_WRONLY | O_CREAT, 0640, e)) == -1)
		return (-1);
	if (io_pwrite(fd, p, len, at) != 0 || (sync ? io_fdatasync : io_write_out)(fd) != 0) {
		err_sys(e, "cannot write '%s'", path);
		close(fd);
		return (-1);
	}
	if (close(fd) != 0)
		return (err_sys(e, "cannot close '%s'", path));
	return (0);
}

/* Append what goes into one file; ${*crc} is that of the partial chunk before and behind. */
static int
append_file(struct column *c, uint64_t at, const uint8_t *data, size_t len, bool sync, uint32_t *crc, struct err *e)
{
	uint64_t first_sum = at / COLUMN_CHUNK;
	uint8_t sums[CHUNKS_PER_FILE * 4];
	size_t done, piece, n = 0;

	for (done = 0; done < len; done += piece) {
		piece = COLUMN_CHUNK - (size_t)((at + done) % COLUMN_CHUNK);
		if (piece > len - done)
			piece = len - done;
		if ((at + done) % COLUMN_CHUNK == 0)
			*crc = chunk_seed(c, (at + done) / COLUMN_CHUNK);
		*crc = crc32c(*crc, data + done, piece);
		if ((at + done + piece) % COLUMN_CHUNK == 0) {
			le32_put(sums + n, *crc);
			n += 4;
			*crc = 0;
		}
	}
	if (write_at(c, at / COLUMN_FILE, "", data, len, at % COLUMN_FILE, sync, e) != 0)
		return (-1);
	return (write_at(c, at / COLUMN_FILE, ".sum", sums, n, first_sum % CHUNKS_PER_FILE * 4, sync, e));
}

int
column_append(struct column *c, const uint8_t *data, uint64_t n, bool sync, struct err *e)
{
	uint64_t at = c->rows * c->width, end = at + n * c->width, piece;
	uint32_t crc = c->tail_crc;
	size_t i;

	for (; at < end; at += piece, data += piece) {
		piece = COLUMN_FILE - at % COLUMN_FILE;
		if (piece > end - at)
			piece = end - at;
		if (append_file(c, at, data, (size_t)piece, sync, &crc, e) != 0)
			return (-1);
	}
	/* What was the partial chunk is longer now. */
	for (i = 0; i < COLUMN_CACHE; i++)
		if (c->cache[i].number == c->rows * c->width / COLUMN_CHUNK)
			c->cache[i].number = NO_CHUNK;
	c->rows += n;
	c->tail_crc = crc;
	return (0);
}

/* ROOT/durable: how far the log is known to be on the disk. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "durable.h"
#include "io.h"

#include "banned.h"

/* The kernel's name for this boot, or dashes where /proc is not there: then every record is of this boot. */
static void
boot_id(char out[BOOT_ID_SIZE + 1])
{
	int fd;

	memset(out, '-', BOOT_ID_SIZE);
	out[BOOT_ID_SIZE] = '\0';
	if ((fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)) == -1)
		return;
	if (io_read(fd, out, BOOT_ID_SIZE) != BOOT_ID_SIZE)
		memset(out, '-', BOOT_ID_SIZE);
	close(fd);
}

/* ---- the line ---- */

/* The next word, behind one space. */
static bool
take_word(struct span *text, struct span *ret)
{
	const char *space;

	if (text->len == 0 || *text->p != ' ')
		return (false);
	*ret = (struct span){text->p + 1, text->len - 1};
	if ((space = memchr(ret->p, ' ', ret->len)) != NULL)
		ret->len = (size_t)(space - ret->p);
	text->p = ret->p + ret->len;
	text->len -= ret->len + 1;
	return (true);
}

static bool
take_number(struct span *text, uint64_t *ret)
{
	struct span word;

	return (take_word(text, &word) && decimal_parse(word.p, word.len, ret) == 0);
}

/* A time may lie before 1970. */
static bool
take_time(struct span *text, int64_t *ret)
{
	struct span word;
	uint64_t n;
	bool minus;

	if (!take_word(text, &word))
		return (false);
	minus = word.len > 0 && *word.p == '-';
	if (decimal_parse(word.p + minus, word.len - minus, &n) != 0 || n > INT64_MAX)
		return (false);
	*ret = minus ? -(int64_t)n : (int64_t)n;
	return (true);
}

static void
checksum(const char line[DURABLE_SIZE], struct buf *out)
{
	uint32_t crc = crc32c(0, line, DURABLE_SIZE - 9);
	uint8_t bytes[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc};

	buf_addhex(out, bytes, sizeof(bytes));
}

static bool
checksum_right(const char line[DURABLE_SIZE])
{
	struct buf crc = BUF_INIT;
	bool right;

	checksum(line, &crc);
	right = !crc.failed && memcmp(crc.data, line + DURABLE_SIZE - 9, 8) == 0 && line[DURABLE_SIZE - 1] == '\n';
	buf_release(&crc);
	return (right);
}

/* Understand a line; one that is damaged leaves all of ${ret} false. */
static void
parse(const char line[DURABLE_SIZE], const char here[BOOT_ID_SIZE], struct durable *ret)
{
	static const char magic[] = "ecl-durable 1";
	struct span text = {line + sizeof(magic) - 1, DURABLE_SIZE - 9 - (sizeof(magic) - 1)}, state, boot, hash;
	struct log_end end = {0};

	if (!checksum_right(line) || memcmp(line, magic, sizeof(magic) - 1) != 0 || !take_word(&text, &state) ||
	    !take_word(&text, &boot) || boot.len != BOOT_ID_SIZE || !take_number(&text, &end.segment) ||
	    !take_number(&text, &end.offset) || !take_number(&text, &end.size) || !take_time(&text, &end.time_us) ||
	    !take_word(&text, &hash) || hash.len != (size_t)2 * SHA256_SIZE || hex_decode(hash.p, SHA256_SIZE, end.hash) != 0)
		return;
	ret->end = end;
	ret->known = memcmp(boot.p, here, BOOT_ID_SIZE) == 0;
	ret->stale = !ret->known;
	ret->dirty = !span_is(state, "clean");
	ret->unsynced = span_is(state, "unsynced");
}

static int
format(const struct log_end *end, enum durable_mark mark, const char boot[BOOT_ID_SIZE], struct buf *out)
{
	static const char *const names[] = {[DURABLE_CLEAN] = "clean", [DURABLE_DIRTY] = "dirty", [DURABLE_UNSYNCED] = "unsynced"};

	if (buf_reserve(out, DURABLE_SIZE) != 0)
		return (-1);
	buf_adds(out, "ecl-durable 1 ");
	buf_adds(out, names[mark]);
	buf_addc(out, ' ');
	buf_add(out, boot, BOOT_ID_SIZE);
	buf_addc(out, ' ');
	buf_addu64(out, end->segment);
	buf_addc(out, ' ');
	buf_addu64(out, end->offset);
	buf_addc(out, ' ');
	buf_addu64(out, end->size);
	buf_adds(out, end->time_us < 0 ? " -" : " ");
	buf_addu64(out, end->time_us < 0 ? -(uint64_t)end->time_us : (uint64_t)end->time_us);
	buf_addc(out, ' ');
	buf_addhex(out, end->hash, SHA256_SIZE);
	if (out->failed || out->len > DURABLE_SIZE - 10)
		return (-1);
	memset(out->data + out->len, ' ', DURABLE_SIZE - 9 - out->len);
	out->len = DURABLE_SIZE - 9;
	checksum(out->data, out);
	buf_addc(out, '\n');
	return (out->failed ? -1 : 0);
}

/* ---- the file ---- */

void
durable_init(struct durable_file *f, int root_fd)
{
	f->root_fd = root_fd;
	f->fd = -1;
	f->boot[0] = '\0';
}

void
durable_close(struct durable_file *f)
{
	if (f->fd != -1)
		close(f->fd);
	f->fd = -1;
}

/* The boot does not change while a program runs. */
static const char *
boot_of(struct durable_file *f)
{
	if (f->boot[0] == '\0')
		boot_id(f->boot);
	return (f->boot);
}

/* What was removed, moved or replaced meanwhile is not what others read. */
static void
close_replaced(struct durable_file *f)
{
	struct stat ours, named;

	if (f->fd == -1)
		return;
	if (fstat(f->fd, &ours) != 0 || fstatat(f->root_fd, "durable", &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	    ours.st_dev != named.st_dev || ours.st_ino != named.st_ino)
		durable_close(f);
}

static int
load(struct durable_file *f, int flags, struct durable *ret, struct err *e)
{
	char line[DURABLE_SIZE];
	struct err absent = {0, 0, ""};
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	close_replaced(f);
	if (f->fd == -1 && (f->fd = io_open_file(f->root_fd, "durable", flags, 0, &absent)) == -1) {
		if (absent.sys == ENOENT)
			return (0);
		if (e != NULL)
			*e = absent;
		return (-1);
	}
	n = io_pread(f->fd, line, sizeof(line), 0);
	if (n == DURABLE_SIZE)
		parse(line, boot_of(f), ret);
	/* One that is empty was made by somebody who came no further, and so wrote nothing to the log. */
	ret->damaged = n != 0 && !ret->known && !ret->stale;
	return (0);
}

int
durable_load(struct durable_file *f, struct durable *ret, struct err *e)
{
	return (load(f, O_RDWR, ret, e));
}

int
durable_watch(struct durable_file *f, struct durable *ret, struct err *e)
{
	return (load(f, O_RDONLY, ret, e));
}

int
durable_store(struct durable_file *f, const struct log_end *end, enum durable_mark mark, struct err *e)
{
	struct buf line = BUF_INIT;
	int rc = -1;

	if (format(end, mark, boot_of(f), &line) != 0)
		err_mem(e);
	else if (f->fd == -1 && (f->fd = io_open_file(f->root_fd, "durable", O_RDWR | O_CREAT, 0640, e)) == -1)
		;
	else if (io_pwrite(f->fd, line.data, line.len, 0) != 0)
		err_sys(e, "cannot write 'durable'");
	else
		rc = 0;
	buf_release(&line);
	return (rc);
}

int
durable_read(int root_fd, struct durable *ret, struct err *e)
{
	struct durable_file f;
	int rc;

	durable_init(&f, root_fd);
	rc = load(&f, O_RDONLY, ret, e);
	durable_close(&f);
	return (rc);
}

int
durable_write(int root_fd, const struct log_end *end, enum durable_mark mark, struct err *e)
{
	struct durable_file f;
	int rc;

	durable_init(&f, root_fd);
	rc = durable_store(&f, end, mark, e);
	durable_close(&f);
	return (rc);
}

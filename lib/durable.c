/* ROOT/durable: how far the log is known to be on the disk. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "durable.h"
#include "io.h"

#include "banned.h"

#define BOOT_ID_SIZE 36

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

int
durable_read(int root_fd, struct durable *ret, struct err *e)
{
	char line[DURABLE_SIZE + 1], state[10], boot[BOOT_ID_SIZE + 1], here[BOOT_ID_SIZE + 1], hash[65], crc[10];
	struct err absent;
	ssize_t n;
	int fd;

	memset(ret, 0, sizeof(*ret));
	absent.sys = 0;
	if ((fd = io_open_file(root_fd, "durable", O_RDONLY, 0, &absent)) == -1) {
		if (absent.sys == ENOENT)
			return (0);
		if (e != NULL)
			*e = absent;
		return (-1);
	}
	n = io_pread(fd, line, DURABLE_SIZE, 0);
	close(fd);
	if (n != DURABLE_SIZE || line[DURABLE_SIZE - 1] != '\n')
		return (0);
	line[DURABLE_SIZE] = '\0';
	snprintf(crc, sizeof(crc), "%08" PRIx32 "\n", crc32c(0, line, DURABLE_SIZE - 9));
	if (memcmp(line + DURABLE_SIZE - 9, crc, 9) != 0)
		return (0);
	if (sscanf(line, "ecl-durable 1 %9s %36s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %64s", state, boot, &ret->end.segment,
		&ret->end.offset, &ret->end.size, &ret->end.time_us, hash) != 7 ||
	    strlen(hash) != 64 || hex_decode(hash, SHA256_SIZE, ret->end.hash) != 0)
		return (0);
	boot_id(here);
	ret->known = strcmp(boot, here) == 0;
	ret->stale = !ret->known;
	ret->dirty = strcmp(state, "clean") != 0;
	ret->unsynced = strcmp(state, "unsynced") == 0;
	return (0);
}

int
durable_write(int root_fd, const struct log_end *end, enum durable_mark mark, struct err *e)
{
	static const char *const names[] = {[DURABLE_CLEAN] = "clean", [DURABLE_DIRTY] = "dirty", [DURABLE_UNSYNCED] = "unsynced"};
	struct buf b = BUF_INIT;
	char line[DURABLE_SIZE], boot[BOOT_ID_SIZE + 1], crc[10];
	int fd;

	boot_id(boot);
	buf_addf(&b, "ecl-durable 1 %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " ", names[mark], boot,
	    end->segment, end->offset, end->size, end->time_us);
	buf_addhex(&b, end->hash, SHA256_SIZE);
	if (b.failed || b.len > DURABLE_SIZE - 10) {
		buf_release(&b);
		return (err_mem(e));
	}
	memset(line, ' ', sizeof(line));
	memcpy(line, b.data, b.len);
	buf_release(&b);
	snprintf(crc, sizeof(crc), "%08" PRIx32 "\n", crc32c(0, line, DURABLE_SIZE - 9));
	memcpy(line + DURABLE_SIZE - 9, crc, 9);
	if ((fd = io_open_file(root_fd, "durable", O_WRONLY | O_CREAT, 0600, e)) == -1)
		return (-1);
	if (io_pwrite(fd, line, sizeof(line), 0) != 0) {
		err_sys(e, "cannot write 'durable'");
		close(fd);
		return (-1);
	}
	close(fd);
	return (0);
}

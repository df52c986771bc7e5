/*
 * Any bytes as the small files that say how far something came: ROOT/durable, with the right checksum and without, and a
 * cursor.  Refused, or what was read is stored as the same bytes.
 */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "cursor.h"
#include "durable.h"
#include "io.h"

#include "fuzz.h"

#include "banned.h"

static char where[] = "/dev/shm/ecl-fuzz-XXXXXX";
static int dir = -1;

static void
leave(void)
{
	if (dir == -1)
		return;
	unlinkat(dir, "durable", 0);
	unlinkat(dir, "cursor", 0);
	rmdir(where);
}

static void
enter(void)
{
	MUST(mkdtemp(where) != NULL);
	MUST((dir = open(where, O_RDONLY | O_DIRECTORY)) != -1);
	atexit(leave);
}

static void
put(const char *name, const void *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	MUST(fd != -1);
	MUST(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void
check_file(const char *name, const void *data, size_t size)
{
	struct buf b = BUF_INIT;

	MUST(io_slurp(dir, name, 1 << 20, &b, NULL) == 0);
	MUST(span_eq((struct span){b.data, b.len}, (struct span){data, size}));
	buf_release(&b);
}

static void
try_durable(const uint8_t *data, size_t size, bool sealed)
{
	struct durable d, again;
	uint8_t line[DURABLE_SIZE], crc[4];
	struct buf hex = BUF_INIT;
	uint32_t sum;

	memset(line, ' ', sizeof(line));
	memcpy(line, data, size < sizeof(line) ? size : sizeof(line));
	if (sealed) {
		sum = crc32c(0, line, DURABLE_SIZE - 9);
		crc[0] = (uint8_t)(sum >> 24), crc[1] = (uint8_t)(sum >> 16), crc[2] = (uint8_t)(sum >> 8), crc[3] = (uint8_t)sum;
		buf_addhex(&hex, crc, 4);
		memcpy(line + DURABLE_SIZE - 9, hex.data, 8);
		line[DURABLE_SIZE - 1] = '\n';
		buf_release(&hex);
		put("durable", line, sizeof(line));
	} else
		put("durable", data, size);
	MUST(durable_read(dir, &d, NULL) == 0);
	MUST(!(d.known && d.stale) && !(d.damaged && (d.known || d.stale || d.dirty)));
	MUST(!d.unsynced || d.dirty);
	if (!d.known && !d.stale)
		return;
	/* Stored in this boot it is read as the same. */
	MUST(durable_write(dir, &d.end, d.unsynced ? DURABLE_UNSYNCED : d.dirty ? DURABLE_DIRTY : DURABLE_CLEAN, NULL) == 0);
	MUST(durable_read(dir, &again, NULL) == 0 && again.known);
	MUST(again.dirty == d.dirty && again.unsynced == d.unsynced && again.end.segment == d.end.segment &&
	    again.end.offset == d.end.offset && again.end.size == d.end.size && again.end.time_us == d.end.time_us &&
	    memcmp(again.end.hash, d.end.hash, SHA256_SIZE) == 0);
}

static void
try_cursor(const uint8_t *data, size_t size)
{
	char path[sizeof(where) + 8];
	struct err e = {0, 0, ""};
	struct cursor c;

	put("cursor", data, size);
	snprintf(path, sizeof(path), "%s/cursor", where);
	if (cursor_open(&c, path, &e) != 0) {
		MUST(e.exit == EXIT_ERROR && e.text[0] != '\0');
		return;
	}
	MUST(c.set);
	MUST(cursor_store(&c, c.seq, c.hash, &e) == 0);
	check_file("cursor", data, size);
	cursor_release(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (dir == -1)
		enter();
	if (size > 4096)
		return (0);
	try_durable(data, size, false);
	try_durable(data, size, true);
	try_cursor(data, size);
	return (0);
}

/* ROOT/durable: what was stored is told, by the boot that stored it; what is damaged says nothing. */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"
#include "durable.h"
#include "tap.h"

/* As every version has written it: boot id and checksum are filled in. */
#define BOOT_AT 20
#define CRC_AT (DURABLE_SIZE - 9)

static int dirfd_;
static const struct log_end end_ = {.segment = 1000, .offset = 4096, .size = 1017, .time_us = 1795276495126655, .hash = {0xab, 0xcd, [31] = 0x12}};

static bool
same(const struct log_end *a, const struct log_end *b)
{
	return (a->segment == b->segment && a->offset == b->offset && a->size == b->size && a->time_us == b->time_us &&
	    memcmp(a->hash, b->hash, SHA256_SIZE) == 0);
}

static void
read_file(char out[DURABLE_SIZE])
{
	int fd = openat(dirfd_, "durable", O_RDONLY);

	ok(fd != -1 && read(fd, out, DURABLE_SIZE) == DURABLE_SIZE, "the file is %d bytes long", DURABLE_SIZE);
	close(fd);
}

/* Write ${p} in place of the file, of the inode that is there. */
static void
write_file(const char *p, size_t len)
{
	int fd = openat(dirfd_, "durable", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (write(fd, p, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void
seal(char line[DURABLE_SIZE])
{
	char crc[10];

	snprintf(crc, sizeof(crc), "%08x\n", (unsigned)crc32c(0, line, CRC_AT));
	memcpy(line + CRC_AT, crc, 9);
}

static void
test_round_trip(void)
{
	static const struct {
		enum durable_mark mark;
		bool dirty, unsynced;
	} marks[] = {{DURABLE_CLEAN, false, false}, {DURABLE_DIRTY, true, false}, {DURABLE_UNSYNCED, true, true}};
	const struct log_end extreme = {UINT64_MAX, UINT64_MAX, UINT64_MAX, -62167219200000000, {0}};
	struct durable d;
	struct err e;
	size_t i;

	ok(durable_read(dirfd_, &d, &e) == 0 && !d.known && !d.dirty && !d.stale && !d.unsynced, "no file: nothing is known");
	for (i = 0; i < 3; i++)
		ok(durable_write(dirfd_, &end_, marks[i].mark, &e) == 0 && durable_read(dirfd_, &d, &e) == 0 && d.known && !d.stale &&
			d.dirty == marks[i].dirty && d.unsynced == marks[i].unsynced && same(&d.end, &end_),
		    "mark %zu comes back, and the end with it", i);
	ok(durable_write(dirfd_, &extreme, DURABLE_CLEAN, &e) == 0 && durable_read(dirfd_, &d, &e) == 0 && d.known && same(&d.end, &extreme),
	    "so do the largest numbers and a time in the year 0");
}

static void
test_format(void)
{
	char line[DURABLE_SIZE], want[DURABLE_SIZE + 1];
	struct durable d;
	struct err e;

	durable_write(dirfd_, &end_, DURABLE_CLEAN, &e);
	read_file(line);
	memset(want, ' ', sizeof(want));
	snprintf(want, sizeof(want), "ecl-durable 1 clean %.36s 1000 4096 1017 1795276495126655 abcd%058d12", line + BOOT_AT, 0);
	want[strlen(want)] = ' ';
	seal(want);
	ok(memcmp(line, want, DURABLE_SIZE) == 0, "the line is the one that DESIGN and the header show");

	line[BOOT_AT] = line[BOOT_AT] == '0' ? '1' : '0';
	seal(line);
	write_file(line, sizeof(line));
	ok(durable_read(dirfd_, &d, &e) == 0 && d.stale && !d.known && same(&d.end, &end_), "a line of another boot is stale, not known");
}

static void
test_damage(void)
{
	char line[DURABLE_SIZE], bad[DURABLE_SIZE];
	struct durable d;
	struct err e;
	size_t i, wrong = 0;

	durable_write(dirfd_, &end_, DURABLE_CLEAN, &e);
	read_file(line);
	for (i = 0; i < DURABLE_SIZE; i++) {
		memcpy(bad, line, sizeof(bad));
		bad[i] ^= 1;
		write_file(bad, sizeof(bad));
		wrong += durable_read(dirfd_, &d, &e) != 0 || d.known || d.stale || d.end.size != 0;
	}
	ok(wrong == 0, "a flipped bit says nothing");
	for (i = 0; i < DURABLE_SIZE; i++) {
		write_file(line, i);
		wrong += durable_read(dirfd_, &d, &e) != 0 || d.known || d.stale;
	}
	ok(wrong == 0, "nor does a cut file");
	/* Nonsense with a right checksum must not be understood either. */
	for (i = 0; i == 0 || line[i - 1] != ' ' || line[i] != ' '; i++) {
		memcpy(bad, line, sizeof(bad));
		memset(bad + i, '9', CRC_AT - i);
		seal(bad);
		write_file(bad, sizeof(bad));
		wrong += durable_read(dirfd_, &d, &e) != 0 || d.known;
	}
	ok(wrong == 0, "nor does nonsense with a right checksum");
	ok(unlinkat(dirfd_, "durable", 0) == 0 && symlinkat("other", dirfd_, "durable") == 0 && durable_read(dirfd_, &d, &e) == -1 &&
		durable_write(dirfd_, &end_, DURABLE_CLEAN, &e) == -1,
	    "a link is refused");
	unlinkat(dirfd_, "durable", 0);
}

/* A writer keeps the file open; what others do to it meanwhile is seen. */
static void
test_kept_open(void)
{
	struct log_end later = end_;
	struct durable_file f;
	struct durable d;
	struct err e;

	later.size++;
	durable_init(&f, dirfd_);
	ok(durable_load(&f, &d, &e) == 0 && !d.known, "there is none yet");
	ok(durable_store(&f, &end_, DURABLE_DIRTY, &e) == 0 && durable_read(dirfd_, &d, &e) == 0 && d.known && d.dirty, "others see the mark");
	durable_write(dirfd_, &later, DURABLE_CLEAN, &e);
	ok(durable_load(&f, &d, &e) == 0 && d.known && !d.dirty && same(&d.end, &later), "what another writer stored is seen");
	unlinkat(dirfd_, "durable", 0);
	ok(durable_load(&f, &d, &e) == 0 && !d.known, "also that the file was removed");
	ok(durable_store(&f, &end_, DURABLE_DIRTY, &e) == 0 && durable_read(dirfd_, &d, &e) == 0 && d.known && d.dirty,
	    "and the next mark goes where others look");
	durable_write(dirfd_, &end_, DURABLE_CLEAN, &e);
	renameat(dirfd_, "durable", dirfd_, "moved");
	durable_write(dirfd_, &later, DURABLE_CLEAN, &e);
	ok(durable_load(&f, &d, &e) == 0 && same(&d.end, &later) && durable_store(&f, &end_, DURABLE_DIRTY, &e) == 0 &&
		durable_read(dirfd_, &d, &e) == 0 && d.dirty,
	    "of a file that was moved away and the one that replaced it, the one with the name counts");
	unlinkat(dirfd_, "moved", 0);
	durable_close(&f);
	ok(durable_load(&f, &d, &e) == 0 && d.known, "after durable_close() it can be used again");
	durable_close(&f);
}

int
main(void)
{
	char dir[] = "/tmp/ecl-test-durable.XXXXXX";

	if (mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) == -1)
		return (1);
	test_round_trip();
	test_format();
	test_damage();
	test_kept_open();
	unlinkat(dirfd_, "durable", 0);
	close(dirfd_);
	rmdir(dir);
	return (tap_done());
}

/* Columns: what was appended comes back, across chunks and files, and damage never does. */
#include "config.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "column.h"
#include "le.h"
#include "random.h"
#include "tap.h"

#define SEED 0x12345678

static int dirfd_;
static char dir[64];

static void
row_bytes(unsigned width, uint64_t row, uint8_t *out)
{
	unsigned i;

	for (i = 0; i < width; i += 4)
		le32_put(out + i, (uint32_t)(row * 2654435761u + i));
}

static uint8_t *
rows_bytes(unsigned width, uint64_t first, uint64_t n)
{
	uint8_t *p = malloc(n * width + 1);
	uint64_t i;

	for (i = 0; i < n; i++)
		row_bytes(width, first + i, p + i * width);
	return (p);
}

static bool
append(struct column *c, uint64_t n)
{
	uint8_t *p = rows_bytes(c->width, c->rows, n);
	struct err e;
	bool yes = column_append(c, p, n, true, &e) == 0;

	free(p);
	return (yes);
}

static bool
same(struct column *c, uint64_t row)
{
	uint8_t want[64];
	const uint8_t *have;
	struct err e;

	row_bytes(c->width, row, want);
	return (column_get(c, row, &have, &e) == 0 && memcmp(have, want, c->width) == 0);
}

/* A column opened anew as a manifest would. */
static void
reopen(struct column *c)
{
	struct column again;

	column_init(&again, c->dirfd, c->name, c->width, c->seed, c->rows, c->tail_crc);
	column_release(c);
	*c = again;
}

static void
test_widths(void)
{
	static const unsigned width[] = {8, 32, 64};
	struct random r = {4};
	struct column c;
	const uint8_t *p;
	struct err e;
	uint64_t n, first, i;
	char name[16], path[COLUMN_PATH];
	uint8_t have[64], want[64];
	bool yes;
	size_t w;

	for (w = 0; w < sizeof(width) / sizeof(width[0]); w++) {
		snprintf(name, sizeof(name), "w%u", width[w]);
		column_init(&c, dirfd_, name, width[w], SEED, 0, 0);
		ok(column_check_sizes(&c) && column_check_end(&c), "an empty column of %u bytes needs no files", width[w]);
		/* Beyond one file, in steps that end at all sorts of places. */
		for (yes = true; yes && c.rows * c.width < COLUMN_FILE + 5 * COLUMN_CHUNK;) {
			n = random_below(&r, 4) == 0 ? COLUMN_CHUNK / c.width : 1 + random_below(&r, 5 * COLUMN_CHUNK / c.width);
			yes = append(&c, n) && same(&c, c.rows - 1) && same(&c, random_below(&r, (uint32_t)c.rows));
			if (random_below(&r, 5) == 0)
				reopen(&c);
		}
		ok(yes, "rows of %u bytes, appended in steps", width[w]);
		reopen(&c);
		ok(column_check_sizes(&c) && column_check_end(&c), "the sizes are right");
		for (yes = true, i = 0; yes && i < 3000; i++)
			yes = same(&c, random_below(&r, (uint32_t)c.rows));
		ok(yes && same(&c, 0) && same(&c, c.rows - 1), "all rows are there");
		for (yes = true, i = 0, n = 0; yes && i < c.rows; i += n) {
			yes = column_run(&c, i, &p, &n, &e) == 0 && n > 0 && n <= COLUMN_CHUNK / c.width;
			first = i % (COLUMN_CHUNK / c.width);
			yes = yes && first == 0;
		}
		ok(yes && i == c.rows, "runs of chunks cover it");
		for (yes = true, i = 0; yes && i < 3000; i++) {
			n = i == 0 ? c.rows - 1 : random_below(&r, (uint32_t)c.rows);
			row_bytes(width[w], n, want);
			yes = column_peek(&c, n, have, &e) == 0 && memcmp(have, want, width[w]) == 0;
		}
		ok(yes, "rows read without a look at their chunks are the same");
		reopen(&c);
		column_path(&c, 0, path);
		ok(unlinkat(dirfd_, path, 0) == 0 && column_check_end(&c) && same(&c, c.rows - 1) && !column_check_sizes(&c) &&
			column_get(&c, 0, &p, &e) == -1 && column_peek(&c, 0, have, &e) == -1,
		    "where the first file is gone, the end is right, and the first row is not there");
		column_release(&c);
	}
}

static void
flip(const char *name, off_t at)
{
	int fd = openat(dirfd_, name, O_RDWR);
	uint8_t b;

	if (fd == -1 || pread(fd, &b, 1, at) != 1)
		return;
	b ^= 16;
	if (pwrite(fd, &b, 1, at) != 1)
		printf("Bail out! pwrite\n");
	close(fd);
}

static void
test_damage(void)
{
	static const char file[] = "d-00000000000000000000", sum[] = "d-00000000000000000000.sum";
	const unsigned per = COLUMN_CHUNK / 32;
	struct column c, other;
	const uint8_t *p;
	uint8_t *bytes;
	struct err e;
	int fd;

	column_init(&c, dirfd_, "d", 32, SEED, 0, 0);
	ok(append(&c, 5 * per + 100), "a column of six chunks");
	ok(column_get(&c, 2 * per, &p, &e) == 0, "a good chunk");
	flip(file, 2 * COLUMN_CHUNK + 77);
	ok(same(&c, 2 * per + 3), "a chunk that was read is kept");
	reopen(&c);
	ok(column_get(&c, 2 * per, &p, &e) == -1 && strstr(e.text, file) != NULL, "a flipped bit is found, and the file named");
	ok(same(&c, 0) && same(&c, 3 * per), "the others are good");
	ok(column_get(&c, 2 * per, &p, &e) == -1, "it stays wrong");
	flip(file, 2 * COLUMN_CHUNK + 77);
	ok(same(&c, 2 * per), "repaired, it is read again");
	flip(sum, 5);
	reopen(&c);
	ok(column_get(&c, per, &p, &e) == -1 && same(&c, 0), "a wrong sum");
	flip(sum, 5);
	flip(file, 5 * COLUMN_CHUNK + 99 * 32);
	reopen(&c);
	ok(column_get(&c, 5 * per, &p, &e) == -1, "a flipped bit in the last, partial chunk");
	flip(file, 5 * COLUMN_CHUNK + 99 * 32);
	flip(file, 5 * COLUMN_CHUNK + 100 * 32);
	ok(same(&c, 5 * per + 99), "what is behind the last row does not matter");

	/* A publisher that died behind us left rows that nobody named. */
	column_init(&other, dirfd_, "d", 32, SEED, c.rows, c.tail_crc);
	bytes = calloc(3 * per, 32);
	ok(column_append(&other, bytes, 3 * per, true, &e) == 0, "another publisher");
	free(bytes);
	column_release(&other);
	reopen(&c);
	ok(same(&c, 5 * per + 99) && column_check_sizes(&c), "what another wrote behind does not matter");
	ok(append(&c, 3 * per) && same(&c, c.rows - 1) && same(&c, 5 * per + 100), "and is overwritten");
	reopen(&c);
	ok(same(&c, 5 * per + 100) && same(&c, 7 * per), "for good");

	column_init(&other, dirfd_, "d", 32, SEED + 1, c.rows, c.tail_crc);
	ok(column_get(&other, 0, &p, &e) == -1, "the chunk of another manifest is wrong");
	column_release(&other);
	column_init(&other, dirfd_, "e", 32, SEED, c.rows, c.tail_crc);
	ok(linkat(dirfd_, file, dirfd_, "e-00000000000000000000", 0) == 0 && linkat(dirfd_, sum, dirfd_, "e-00000000000000000000.sum", 0) == 0 &&
		column_get(&other, 0, &p, &e) == -1,
	    "so is that of another column");
	column_release(&other);

	fd = openat(dirfd_, file, O_RDWR);
	ok(ftruncate(fd, 3 * COLUMN_CHUNK + 5) == 0 && !column_check_sizes(&c) && !column_check_end(&c), "a cut file is found by its size");
	close(fd);
	reopen(&c);
	ok(column_get(&c, 4 * per, &p, &e) == -1 && column_get(&c, 3 * per, &p, &e) == -1 && same(&c, 0), "and when it is read");
	ok(unlinkat(dirfd_, sum, 0) == 0 && !column_check_sizes(&c) && !column_check_end(&c), "a missing sum is found");
	reopen(&c);
	ok(column_get(&c, 0, &p, &e) == -1, "also when it is read");
	ok(unlinkat(dirfd_, file, 0) == 0 && mkfifoat(dirfd_, file, 0600) == 0 && !column_check_sizes(&c), "a pipe is no file");
	reopen(&c);
	ok(column_get(&c, 0, &p, &e) == -1, "and is not waited for");
	column_release(&c);
}

static void
test_failure(void)
{
	struct column c, before;
	struct err e;
	uint8_t *p = rows_bytes(8, 0, 10);

	column_init(&c, dirfd_, "f", 8, SEED, 0, 0);
	ok(append(&c, 10), "ten rows");
	ok(symlinkat("nowhere", dirfd_, "f-00000000000001048576") == 0, "something in the way of the next file");
	before = c;
	ok(fchmodat(dirfd_, ".", 0500, 0) == 0, "a directory that cannot be written");
	if (getuid() != 0)
		ok(!append(&c, 1048576) && c.rows == before.rows && c.tail_crc == before.tail_crc, "a failed append changes nothing");
	ok(fchmodat(dirfd_, ".", 0700, 0) == 0, "and can be again");
	ok(append(&c, 1048576) && same(&c, 1048580) && same(&c, 0), "what is in the way goes");
	column_release(&c);
	column_init(&c, -1, "f", 8, SEED, 0, 0);
	ok(column_append(&c, p, 10, true, &e) == -1 && c.rows == 0, "no directory, no rows");
	column_release(&c);
	free(p);
}

int
main(void)
{
	char command[128];

	snprintf(dir, sizeof(dir), "%s/ecl-unit.XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) == -1) {
		printf("Bail out! no temporary directory\n");
		return (1);
	}
	test_widths();
	test_damage();
	test_failure();
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		return (1);
	return (tap_done());
}

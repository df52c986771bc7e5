/* Sorted runs: what was written is found, in order, and damage is noticed. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "crc32c.h"
#include "event.h"
#include "le.h"
#include "random.h"
#include "runs.h"
#include "runs_impl.h"
#include "tap.h"

#define SEED 99

static int dirfd_;

static struct span
name_of(uint64_t i, char out[ELEMENT_MAX + 1])
{
	/* Sorted by number; some long, so that blocks have all sorts of fill. */
	int len = snprintf(out, ELEMENT_MAX + 1, i % 97 == 5 ? "k%08u:%0480u" : "k%08u:%u", (unsigned)i, 7u);

	return ((struct span){out, (size_t)len});
}

static struct run_record
record_of(uint64_t i, char name[ELEMENT_MAX + 1])
{
	return ((struct run_record){name_of(i, name), (uint32_t)i * 3, i, i * 1000 + 7, i % 3 ? i * 1000 + 3 : EVENT_NONE, i % 3 == 1});
}

/* Every second number from 0 to 2n is there. */
static bool
write_run(uint64_t number, uint64_t n, uint64_t expected)
{
	char name[ELEMENT_MAX + 1];
	struct run_record rec;
	struct run_writer w;
	struct err e;
	uint64_t i;

	if (run_writer_begin(&w, dirfd_, number, SEED, expected, &e) != 0)
		return (false);
	for (i = 0; i < n; i++) {
		rec = record_of(2 * i, name);
		if (run_writer_add(&w, &rec, &e) != 0)
			return (false);
	}
	return (run_writer_end(&w, true, &e) == 0);
}

static bool
same_record(const struct run_record *rec, uint64_t i)
{
	char name[ELEMENT_MAX + 1];
	struct run_record want = record_of(i, name);

	return (span_eq(rec->name, want.name) && rec->id == want.id && rec->first == want.first && rec->last == want.last &&
	    rec->last_state == want.last_state && rec->alive == want.alive);
}

static void
test_good(uint64_t number, uint64_t n, uint64_t expected)
{
	char name[ELEMENT_MAX + 1];
	struct random r = {number};
	struct run_record rec;
	struct run_iter it;
	struct run *run;
	struct err e = {0, 0, ""};
	uint64_t i, at, seen = 0;
	bool yes = true;

	if (!ok(write_run(number, n, expected) && run_open(dirfd_, number, SEED, &run, &e) == 0, "a run of %u", (unsigned)n))
		return;
	ok(run->records == n && run_check(run, &e) == 0, "it is right");
	for (i = 0; i < 2 * n && yes; i += 1 + random_below(&r, n > 5000 ? 40 : 1))
		yes = run_find(run, name_of(i, name), &rec, &e) == (i % 2 == 0) && (i % 2 == 1 || same_record(&rec, i));
	ok(yes, "names are found, others not");
	ok(run_find(run, SPAN("a"), &rec, &e) == 0 && run_find(run, SPAN("z"), &rec, &e) == 0, "nor those before and behind");
	for (i = 0; i < 60 && yes; i++) {
		at = i == 0 ? 0 : random_below(&r, (uint32_t)(2 * n));
		yes = run_iter_begin(&it, run, i == 0 ? SPAN("") : name_of(at, name), &e) == 0;
		at += at % 2;
		for (seen = 0; yes && (i == 0 || seen < 200) && run_iter_next(&it, &rec, &e) == 1; seen++, at += 2)
			yes = same_record(&rec, at);
		yes = yes && (seen == 200 || at == 2 * n);
	}
	ok(yes, "iteration begins where it should, and goes to the end");
	ok(run_iter_begin(&it, run, SPAN("z"), &e) == 0 && run_iter_next(&it, &rec, &e) == 0, "nothing behind the last");
	run_free(run);
}

static void
test_filter(void)
{
	char name[ELEMENT_MAX + 1];
	struct run_record rec;
	struct run *run;
	struct err e;
	unsigned i, k, reads = 0;

	if (!ok(write_run(500, 20000, 20000) && run_open(dirfd_, 500, SEED, &run, &e) == 0, "a run of 20000"))
		return;
	for (i = 0; i < 5000; i++)
		(void)run_find(run, name_of(2 * i + 1, name), &rec, &e);
	/* Names that pass the filter wrongly read data blocks: few of them. */
	for (k = 0; k < RUN_CACHE; k++)
		reads += run->cache[k].number != 0;
	for (i = 0; i < run->filter_blocks; i++)
		if (run->filter[i] == NULL)
			break;
	ok(i == run->filter_blocks, "all of the filter was asked");
	ok(reads < RUN_CACHE, "and nearly always it said no");
	run_free(run);
}

/* Look at everything; only crashes and wrong answers matter. */
static bool
harmless(uint64_t number, uint64_t n, struct random *r)
{
	char name[ELEMENT_MAX + 1];
	struct run_record rec;
	struct run_iter it;
	struct run *run;
	struct err e;
	uint64_t i;
	int rc;

	if (run_open(dirfd_, number, SEED, &run, &e) != 0)
		return (true);
	(void)run_check(run, &e);
	for (i = 0; i < 50; i++) {
		uint64_t which = random_below(r, (uint32_t)(2 * n));

		rc = run_find(run, name_of(which, name), &rec, &e);
		if (rc == 1 && !same_record(&rec, which)) {
			run_free(run);
			return (false);
		}
	}
	if (run_iter_begin(&it, run, name_of(random_below(r, (uint32_t)n), name), &e) == 0)
		for (i = 0; i < 2 * n && run_iter_next(&it, &rec, &e) == 1; i++)
			;
	run_free(run);
	return (true);
}

static void
test_damage(void)
{
	const uint64_t n = 1500;
	char path[RUN_NAME_SIZE];
	struct random r = {5};
	struct run *run;
	struct err e;
	struct stat st;
	uint8_t *good, *bad, *block;
	unsigned i, found = 0, k;
	bool yes = true;
	int fd;

	run_name(7, path);
	ok(write_run(7, n, n), "a run to be damaged");
	fd = openat(dirfd_, path, O_RDWR);
	fstat(fd, &st);
	good = malloc((size_t)st.st_size);
	bad = malloc((size_t)st.st_size);
	if (pread(fd, good, (size_t)st.st_size, 0) != st.st_size)
		printf("Bail out! pread\n");
	for (i = 0; i < 400 && yes; i++) {
		memcpy(bad, good, (size_t)st.st_size);
		bad[random_below(&r, (uint32_t)st.st_size)] ^= (uint8_t)(1u << random_below(&r, 8));
		yes = pwrite(fd, bad, (size_t)st.st_size, 0) == st.st_size && harmless(7, n, &r);
		if (run_open(dirfd_, 7, SEED, &run, &e) != 0)
			found++;
		else {
			found += run_check(run, &e) != 0;
			run_free(run);
		}
	}
	ok(yes, "flipped bits give no wrong answer");
	ok(found == 400, "run_check() or run_open() finds each");
	/* Nonsense with right checksums: nothing may be believed of the bytes. */
	for (i = 0; i < 400 && yes; i++) {
		memcpy(bad, good, (size_t)st.st_size);
		block = bad + random_below(&r, (uint32_t)(st.st_size / RUN_BLOCK)) * RUN_BLOCK;
		for (k = 0; k < 1 + random_below(&r, 4); k++)
			block[random_below(&r, i % 2 ? 8 : RUN_BODY)] = (uint8_t)random_below(&r, 256);
		le32_put(block + RUN_BODY, run_block_crc(SEED, 7, (uint64_t)(block - bad) / RUN_BLOCK, block));
		yes = pwrite(fd, bad, (size_t)st.st_size, 0) == st.st_size;
		(void)harmless(7, n, &r);
	}
	ok(yes, "nonsense with right checksums crashes nothing");
	for (i = 0; i < 100; i++) {
		yes = yes && ftruncate(fd, 0) == 0 && pwrite(fd, good, (size_t)st.st_size, 0) == st.st_size &&
		    ftruncate(fd, (off_t)random_below(&r, (uint32_t)st.st_size)) == 0 && run_open(dirfd_, 7, SEED, &run, &e) == -1;
	}
	ok(yes, "a cut file is refused");
	yes = pwrite(fd, good, (size_t)st.st_size, 0) == st.st_size;
	ok(yes && run_open(dirfd_, 7, SEED + 1, &run, &e) == -1, "a run of another manifest is refused");
	ok(linkat(dirfd_, path, dirfd_, "elements-000000000008.run", 0) == 0 && run_open(dirfd_, 8, SEED, &run, &e) == -1,
	    "a run under another number is refused");
	ok(run_open(dirfd_, 9, SEED, &run, &e) == -1 && e.sys == ENOENT, "a run that is not there");
	ok(unlinkat(dirfd_, path, 0) == 0 && mkfifoat(dirfd_, path, 0600) == 0 && run_open(dirfd_, 7, SEED, &run, &e) == -1, "a pipe");
	close(fd);
	free(good);
	free(bad);
}

int
main(void)
{
	char dir[64], command[128], name[ELEMENT_MAX + 1];
	struct run_writer w;
	struct run_record rec = record_of(1, name);
	struct err e;

	snprintf(dir, sizeof(dir), "%s/ecl-unit.XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) == -1) {
		printf("Bail out! no temporary directory\n");
		return (1);
	}
	test_good(1, 1, 1);
	test_good(2, 3, 100000);
	test_good(3, 700, 700);
	test_good(4, 30000, 31000);
	test_filter();
	test_damage();
	ok(run_writer_begin(&w, dirfd_, 20, SEED, 1, &e) == 0 && run_writer_add(&w, &rec, &e) == 0, "a run begun");
	run_writer_abort(&w);
	ok(faccessat(dirfd_, "elements-000000000020.run", F_OK, 0) != 0, "and given up: no file is left");
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		return (1);
	return (tap_done());
}

/* Similarity segments: near rows are found, filters hold inside the search, and no damage crashes or deceives. */
#include "config.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "ivf.h"
#include "random.h"
#include "tap.h"

#define WIDTH 32
#define FROM 5000u
#define TO 17000u
#define N (TO - FROM)
#define K 200

struct segment {
	uint64_t bytes;
	uint32_t crc;
};

struct rows {
	int8_t *data; /* of rows [FROM, TO) */
	uint64_t reads, fail_at;
};

static int dirfd_;

/* Groups of rows that differ a little, as events of one element do. */
static void
make_rows(int8_t *out)
{
	struct random r = {42};
	int8_t centre[300][WIDTH];
	size_t i, k;

	for (i = 0; i < 300; i++)
		for (k = 0; k < WIDTH; k++)
			centre[i][k] = (int8_t)((int)random_below(&r, 121) - 60);
	for (i = 0; i < N; i++) {
		const int8_t *c = centre[random_below(&r, 300)];

		for (k = 0; k < WIDTH; k++)
			out[i * WIDTH + k] = (int8_t)(c[k] + (int)random_below(&r, 31) - 15);
	}
}

static int
read_rows(void *arg, uint64_t row, size_t n, int8_t *out, struct err *e)
{
	struct rows *rows = arg;

	rows->reads += n;
	if (rows->reads > rows->fail_at)
		return (err_set(e, "the rows are gone"));
	if (row < FROM || row + n > TO)
		return (err_set(e, "rows %u to %u were asked for", (unsigned)row, (unsigned)(row + n)));
	memcpy(out, rows->data + (row - FROM) * WIDTH, n * WIDTH);
	return (0);
}

static int
score(const int8_t *a, const int8_t *b)
{
	int s = 0, k;

	for (k = 0; k < WIDTH; k++)
		s += a[k] * b[k];
	return (s);
}

static bool
is_wanted(const struct ivf_query *q, uint64_t row)
{
	uint64_t i = row - FROM;

	return (row >= q->lo && row < q->hi && (q->wanted == NULL || (q->wanted[i / 8] >> i % 8 & 1) != 0));
}

static int
descending(const void *a, const void *b)
{
	return (*(const int *)b - *(const int *)a);
}

/* Of the ten best wanted rows, how many are among those found; -1 where what was found is wrong. */
static int
hits(const struct ivf_query *q, const struct rows *rows, const uint64_t *row, const float *got, size_t n)
{
	static int all[N];
	static bool met[N];
	size_t i, wanted = 0;
	int good = 0;

	memset(met, 0, sizeof(met));
	for (i = 0; i < N; i++)
		if (is_wanted(q, FROM + i))
			all[wanted++] = score(q->q, rows->data + i * WIDTH);
	qsort(all, wanted, sizeof(*all), descending);
	for (i = 0; i < n; i++) {
		if (row[i] < FROM || row[i] >= TO || met[row[i] - FROM] || !is_wanted(q, row[i]) || (i > 0 && got[i] > got[i - 1]))
			return (-1);
		met[row[i] - FROM] = true;
		good += wanted < 10 || score(q->q, rows->data + (row[i] - FROM) * WIDTH) >= all[9];
	}
	return (good > 10 ? 10 : good);
}

/* How far the scores are from the exact ones, in per cent of them. */
static double
score_error(struct ivf *x, const struct rows *rows)
{
	struct ivf_query q = {.k = K, .lo = 0, .hi = UINT64_MAX};
	double off = 0, all = 0;
	uint64_t row[K];
	float got[K];
	struct err e;
	size_t n, i, k;

	for (k = 0; k < 50; k++) {
		q.q = rows->data + k * WIDTH;
		if (ivf_search(x, &q, row, got, &n, &e) != 0)
			return (100);
		for (i = 0; i < n; i++) {
			int exact = score(q.q, rows->data + (row[i] - FROM) * WIDTH);

			off += got[i] > (float)exact ? got[i] - (float)exact : (float)exact - got[i];
			all += exact;
		}
	}
	return (100 * off / all);
}

/* Queries near rows: their recall in per cent, or -1. */
static int
recall(struct ivf *x, const struct rows *rows, struct ivf_query q)
{
	struct random r = {7};
	uint64_t row[K];
	float got[K];
	int8_t text[WIDTH];
	struct err e;
	int i, k, h, sum = 0;
	size_t n;

	for (i = 0; i < 100; i++) {
		memcpy(text, rows->data + random_below(&r, N) * WIDTH, WIDTH);
		for (k = 0; k < WIDTH; k += 3)
			text[k] = (int8_t)(text[k] + (int)random_below(&r, 21) - 10);
		q.q = text;
		q.k = K;
		if (ivf_search(x, &q, row, got, &n, &e) != 0 || (h = hits(&q, rows, row, got, n)) < 0)
			return (-1);
		sum += h;
	}
	return (sum / 10);
}

static void
test_search(const struct rows *rows, const struct segment *s)
{
	struct random r = {3};
	uint8_t wanted[N / 8 + 1], none[N / 8 + 1] = {0};
	uint64_t row[K];
	float got[K];
	struct ivf *x;
	struct err e;
	size_t i, n = 1;

	if (!ok(ivf_open(dirfd_, "ivf-1", FROM, TO, WIDTH, s->bytes, s->crc, &x, &e) == 0, "it opens"))
		return;
	ok(ivf_check(x, &e) == 0, "it is right");
	ok(recall(x, rows, (struct ivf_query){.lo = 0, .hi = UINT64_MAX}) >= 90, "the best rows are found");
	ok(score_error(x, rows) < 12, "and their scores are about right");
	ok(recall(x, rows, (struct ivf_query){.lo = FROM + 100, .hi = FROM + 3000}) >= 90, "also between two rows, and no others");
	ok(recall(x, rows, (struct ivf_query){.lo = 0, .hi = FROM + 3}) >= 0, "where there are few, no others");
	for (i = 0; i < sizeof(wanted); i++)
		wanted[i] = (uint8_t)(1u << random_below(&r, 8));
	ok(recall(x, rows, (struct ivf_query){.lo = 0, .hi = UINT64_MAX, .wanted = wanted}) >= 90, "also of a set of one in eight, and no others");
	ok(recall(x, rows, (struct ivf_query){.lo = FROM + 4000, .hi = TO - 1, .wanted = wanted}) >= 90, "and with both");
	ok(ivf_search(x, &(struct ivf_query){rows->data, K, 0, UINT64_MAX, none, 0}, row, got, &n, &e) == 0 && n == 0, "of none, none");
	ok(ivf_search(x, &(struct ivf_query){rows->data, K, TO, UINT64_MAX, NULL, 0}, row, got, &n, &e) == 0 && n == 0,
	    "nor behind the last row");
	ok(ivf_search(x, &(struct ivf_query){rows->data, 1, 0, UINT64_MAX, NULL, 1}, row, got, &n, &e) == 0 && n == 1,
	    "one candidate from one list");
	ivf_free(x);
	ok(ivf_open(dirfd_, "ivf-1", FROM, TO + 1, WIDTH, s->bytes, s->crc, &x, &e) != 0, "other rows than the manifest's are refused");
	ok(ivf_open(dirfd_, "ivf-1", FROM, TO, 2 * WIDTH, s->bytes, s->crc, &x, &e) != 0, "so is another width");
	ok(ivf_open(dirfd_, "ivf-1", FROM, TO, WIDTH, s->bytes, s->crc + 1, &x, &e) != 0 && strstr(e.text, "ecl-index --rebuild") != NULL,
	    "and another checksum: the error names what mends it");
	ok(ivf_open(dirfd_, "ivf-9", FROM, TO, WIDTH, s->bytes, s->crc, &x, &e) != 0 && e.sys == ENOENT, "one that is gone is told apart");
}

/* Whether a damaged file gives an error, or right rows.  good: all lists could be searched, and ivf_check() finds nothing. */
static bool
harmless(const struct rows *rows, const struct segment *s, bool *ret_opened, bool *ret_good)
{
	struct ivf_query q = {.q = rows->data, .k = 20, .lo = 0, .hi = UINT64_MAX, .nprobe = 1000};
	uint64_t row[20];
	float got[20];
	struct ivf *x;
	struct err e;
	size_t n;
	bool yes = true;

	*ret_opened = *ret_good = false;
	if (ivf_open(dirfd_, "ivf-1", FROM, TO, WIDTH, s->bytes, s->crc, &x, &e) != 0)
		return (true);
	*ret_opened = true;
	*ret_good = ivf_check(x, &e) == 0;
	if (ivf_search(x, &q, row, got, &n, &e) == 0)
		yes = *ret_good && hits(&q, rows, row, got, n) >= 0;
	q.hi = TO - 1;
	if (ivf_search(x, &q, row, got, &n, &e) == 0)
		yes = yes && *ret_good && hits(&q, rows, row, got, n) >= 0;
	ivf_free(x);
	return (yes);
}

static void
test_damage(const struct rows *rows, const struct segment *s)
{
	int fd = openat(dirfd_, "ivf-1", O_RDWR);
	uint64_t at, opened_at = 0, last = 0;
	bool yes = true, opened, good, found = true;
	uint8_t *file = malloc(s->bytes), byte;

	if (fd == -1 || file == NULL || pread(fd, file, s->bytes, 0) != (ssize_t)s->bytes) {
		printf("Bail out! cannot read it\n");
		return;
	}
	for (at = 0; at < s->bytes && yes; at += opened_at != 0 && at < s->bytes - 200 ? 17 : 1) {
		byte = file[at] ^ (uint8_t)(1u << at % 8);
		yes = pwrite(fd, &byte, 1, (off_t)at) == 1 && harmless(rows, s, &opened, &good);
		found = found && !good;
		if (opened) {
			opened_at = opened_at == 0 ? at : opened_at;
			last = at;
		}
		yes = yes && pwrite(fd, file + at, 1, (off_t)at) == 1;
	}
	ok(yes, "flipped bits give an error where they are met, with a filter and without");
	ok(found, "ivf_open() or ivf_check() finds each");
	ok(opened_at > 30000 && last < s->bytes - 100, "only those of the lists are left to who reads them");
	ok(harmless(rows, s, &opened, &good) && good, "(whole again)");
	for (at = s->bytes; at-- > 0 && yes;)
		yes = ftruncate(fd, (off_t)at) == 0 && harmless(rows, s, &opened, &good) && !opened;
	ok(yes, "a file that is cut is refused, wherever");
	yes = pwrite(fd, file, s->bytes, 0) == (ssize_t)s->bytes && pwrite(fd, "x", 1, (off_t)s->bytes) == 1;
	ok(yes && harmless(rows, s, &opened, &good) && !opened, "so is one that grew");
	close(fd);
	free(file);
}

/* A file that is cut while it is in use. */
static void
test_cut_in_use(const struct rows *rows)
{
	struct ivf_query q = {.q = rows->data, .k = K, .lo = 0, .hi = UINT64_MAX};
	const struct ivf_rows r = {read_rows, (void *)(uintptr_t)rows, WIDTH};
	struct segment s;
	uint64_t row[K];
	float got[K];
	struct ivf *x;
	struct err e;
	size_t n;
	int fd;

	if (!ok(ivf_seal(dirfd_, "ivf-3", &r, FROM, TO, 3, NULL, NULL, &s.bytes, &s.crc, &e) == 0 &&
	            ivf_open(dirfd_, "ivf-3", FROM, TO, WIDTH, s.bytes, s.crc, &x, &e) == 0,
	        "another segment"))
		return;
	fd = openat(dirfd_, "ivf-3", O_WRONLY);
	ok(ftruncate(fd, (off_t)(s.bytes / 3)) == 0 && ivf_search(x, &q, row, got, &n, &e) != 0 && ivf_check(x, &e) != 0,
	    "cut while it is open: an error");
	close(fd);
	ivf_free(x);
}

static int
stop_half_way(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	return (done >= total / 2);
}

static int
count_steps(void *arg, uint64_t done, uint64_t total)
{
	*(uint64_t *)arg = done;
	return (done > total);
}

static bool
is_there(const char *name)
{
	return (faccessat(dirfd_, name, F_OK, 0) == 0);
}

static void
test_seal_fails(struct rows *rows)
{
	const struct ivf_rows r = {read_rows, rows, WIDTH};
	struct rlimit before;
	struct segment s;
	struct err e = {0, 0, ""};
	bool yes = true;
	rlim_t limit;

	ok(ivf_seal(dirfd_, "ivf-2", &r, FROM, TO, 1, stop_half_way, NULL, &s.bytes, &s.crc, &e) != 0 && !is_there("ivf-2") &&
	       !is_there(".ivf-2.new"),
	    "who is stopped leaves nothing");
	rows->fail_at = rows->reads + 11000;
	ok(ivf_seal(dirfd_, "ivf-2", &r, FROM, TO, 1, NULL, NULL, &s.bytes, &s.crc, &e) != 0 && strcmp(e.text, "the rows are gone") == 0 &&
	       !is_there("ivf-2"),
	    "nor who cannot read the rows, and the error is theirs");
	rows->fail_at = UINT64_MAX;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	for (limit = 1000; limit < 200000 && yes; limit *= 3) {
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, before.rlim_max});
		yes = ivf_seal(dirfd_, "ivf-2", &r, FROM, TO, 1, NULL, NULL, &s.bytes, &s.crc, &e) != 0 && e.sys == EFBIG &&
		    !is_there("ivf-2") && !is_there(".ivf-2.new");
		setrlimit(RLIMIT_FSIZE, &before);
	}
	ok(yes, "nor who cannot write all of it, and the error is the system's");
	ok(ivf_seal(dirfd_, "ivf-2", &r, FROM, FROM + IVF_LEAST - 1, 1, NULL, NULL, &s.bytes, &s.crc, &e) != 0, "too few rows are refused");
	ok(ivf_seal(dirfd_, "nowhere/ivf-2", &r, FROM, TO, 1, NULL, NULL, &s.bytes, &s.crc, &e) != 0, "a directory that is not there is an error");
}

/* Rows that teach nothing. */
static void
test_dull(void)
{
	struct rows rows = {calloc(N, WIDTH), 0, UINT64_MAX};
	const struct ivf_rows r = {read_rows, &rows, WIDTH};
	struct segment s;
	struct ivf *x;
	struct err e;

	if (!ok(ivf_seal(dirfd_, "ivf-4", &r, FROM, TO, 1, NULL, NULL, &s.bytes, &s.crc, &e) == 0 &&
	            ivf_open(dirfd_, "ivf-4", FROM, TO, WIDTH, s.bytes, s.crc, &x, &e) == 0,
	        "rows that are all zeros"))
		return;
	ok(ivf_check(x, &e) == 0 && recall(x, &rows, (struct ivf_query){.lo = 0, .hi = UINT64_MAX}) >= 90, "can be searched");
	ivf_free(x);
	free(rows.data);
}

static void
test_plan(void)
{
	struct ivf_run run;
	uint64_t rows, at, n, sealed, old = UINT64_MAX;
	bool yes = true;

	ok(!ivf_plan(IVF_MIN - 1, 0, &run) && ivf_plan(IVF_MIN, 0, &run) && run.from == 0 && run.to == IVF_MIN, "the first segment");
	ok(ivf_plan(100 * IVF_MAX + 5, 3 * IVF_MAX, &run) && run.to == 4 * IVF_MAX, "bulk goes into the largest");
	ok(ivf_plan(100 * IVF_MAX, IVF_MIN, &run) && run.to == 2 * IVF_MIN && !ivf_plan(100 * IVF_MAX, 7, &run), "which begin at multiples of their size");
	for (rows = 0; rows < 5 * IVF_MAX && yes; rows += IVF_MIN / 2) {
		for (at = n = 0; ivf_plan(rows, at, &run); at = run.to, n++)
			yes = yes && run.from == at && run.to <= rows;
		yes = yes && rows - at < IVF_MIN && n <= rows / IVF_MAX + 7;
	}
	ok(yes, "few segments, and a short tail");
	for (rows = sealed = 0; rows <= 10 * IVF_MAX; rows += IVF_MIN)
		for (at = 0; ivf_plan(rows, at, &run); at = run.to)
			if (run.to == rows && rows != old)
				sealed += run.to - run.from, old = rows;
	ok(sealed <= 3 * 10 * IVF_MAX, "and each row is sealed three times at most");
}

int
main(void)
{
	char dir[64], command[128];
	struct rows rows = {malloc((size_t)N * WIDTH), 0, UINT64_MAX};
	const struct ivf_rows r = {read_rows, &rows, WIDTH};
	uint64_t steps = 0;
	struct segment s;
	struct err e;

	test_plan();
	if (!ivf_available()) {
		printf("ok %u - # SKIP built without FAISS\n", ++tap_count);
		free(rows.data);
		return (tap_done());
	}
	snprintf(dir, sizeof(dir), "%s/ecl-unit.XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
	if (rows.data == NULL || mkdtemp(dir) == NULL || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY)) == -1) {
		printf("Bail out! no temporary directory\n");
		return (1);
	}
	make_rows(rows.data);
	if (ok(ivf_seal(dirfd_, "ivf-1", &r, FROM, TO, 1, count_steps, &steps, &s.bytes, &s.crc, &e) == 0, "rows are sealed")) {
		ok(steps == N, "and one is told of it");
		test_search(&rows, &s);
		test_damage(&rows, &s);
		test_cut_in_use(&rows);
	}
	test_seal_fails(&rows);
	test_dull();
	free(rows.data);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		return (1);
	return (tap_done());
}

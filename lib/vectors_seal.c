/* FAISS segments of the rows. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "ivf.h"
#include "vectors_impl.h"
#include "vectors_seal.h"

#include "banned.h"

#define NUMBERS UINT64_C(1000000000000)

struct seal {
	int dir_fd;
	struct vectors_head head;
	struct vectors_columns column;
	struct ivf_run *todo; /* sorted, disjoint */
	size_t n;
	uint64_t done, total; /* rows */
	void (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/* Whether a segment is there that is what the manifest says. */
static bool
is_there(struct seal *s, const struct vectors_segment *seg)
{
	char name[VECTORS_NAME];
	struct err why;
	struct ivf *x;

	vectors_ivf_name(&s->head, seg->number, name);
	if (ivf_open(s->dir_fd, name, seg->from, seg->to, s->column.row.width, seg->bytes, seg->crc, &x, &why) != 0)
		return (false);
	ivf_free(x);
	return (true);
}

/* What is to be sealed. */
static int
plan(struct seal *s, struct err *e)
{
	struct ivf_run run, *more;
	uint64_t at;
	size_t i;

	/* Nobody would ask them. */
	if (s->head.rows.rows <= ivf_scan_rows())
		return (0);
	for (at = 0; s->column.row.width <= IVF_WIDTH_MAX && ivf_plan(s->head.rows.rows, at, &run); at = run.to) {
		for (i = 0; i < s->head.segments && s->head.segment[i].from < run.from; i++)
			;
		if (i < s->head.segments && s->head.segment[i].from == run.from && s->head.segment[i].to == run.to && is_there(s, &s->head.segment[i]))
			continue;
		if ((more = realloc(s->todo, (s->n + 1) * sizeof(*more))) == NULL)
			return (err_mem(e));
		s->todo = more;
		s->todo[s->n++] = run;
		s->total += run.to - run.from;
	}
	return (0);
}

static int
read_rows(void *arg, uint64_t row, size_t n, int8_t *out, struct err *e)
{
	struct seal *s = arg;
	uint64_t first, there, some;
	const uint8_t *chunk;
	struct err why;

	for (; n > 0; n -= some, row += some, out += some * s->column.row.width) {
		if (column_run(&s->column.row, row, &chunk, &there, &why) != 0)
			return (err_is_mem(&why) ? err_mem(e) : err_set(e, "the vectors are damaged: %.600s; 'ecl-index --rebuild' makes them anew", why.text));
		first = row / (COLUMN_CHUNK / s->column.row.width) * (COLUMN_CHUNK / s->column.row.width);
		some = first + there - row < n ? first + there - row : n;
		memcpy(out, chunk + (row - first) * s->column.row.width, some * s->column.row.width);
	}
	return (0);
}

static int
sealing(void *arg, uint64_t done, uint64_t total)
{
	struct seal *s = arg;

	(void)total;
	if (s->step != NULL)
		s->step(s->arg, s->done + done, s->total);
	return (0);
}

/* A number above all others, and of another time than those that were removed. */
static uint64_t
next_number(const struct seal *s)
{
	struct timespec t;
	uint64_t n;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &t);
	n = (uint64_t)t.tv_sec * 100 + (uint64_t)t.tv_nsec / 10000000;
	for (i = 0; i < s->head.segments; i++)
		if (n <= s->head.segment[i].number)
			n = s->head.segment[i].number + 1;
	return (n % NUMBERS);
}

/* Into the manifest, in place of those that it overlaps. */
static int
add_segment(struct seal *s, const struct vectors_segment *seg, struct err *e)
{
	struct vectors_segment *list;
	size_t i, n = 0;
	bool placed = false;

	if ((list = calloc(s->head.segments + 1, sizeof(*list))) == NULL)
		return (err_mem(e));
	for (i = 0; i < s->head.segments; i++) {
		if (s->head.segment[i].from >= seg->from && !placed) {
			list[n++] = *seg;
			placed = true;
		}
		if (s->head.segment[i].to <= seg->from || s->head.segment[i].from >= seg->to)
			list[n++] = s->head.segment[i];
	}
	if (!placed)
		list[n++] = *seg;
	free(s->head.segment);
	s->head.segment = list;
	s->head.segments = n;
	return (vectors_head_publish(&s->head, s->dir_fd, true, e));
}

static int
seal_one(struct seal *s, const struct ivf_run *run, struct err *e)
{
	struct ivf_rows rows = {.read = read_rows, .arg = s, .width = s->column.row.width};
	struct vectors_segment seg = {.from = run->from, .to = run->to, .number = next_number(s)};
	char name[VECTORS_NAME];

	vectors_ivf_name(&s->head, seg.number, name);
	if (ivf_seal(s->dir_fd, name, &rows, seg.from, seg.to, s->head.seed, sealing, s, &seg.bytes, &seg.crc, e) != 0)
		return (-1);
	if (add_segment(s, &seg, e) != 0) {
		if (!vectors_head_was_published(&s->head, s->dir_fd))
			unlinkat(s->dir_fd, name, 0);
		return (-1);
	}
	s->done += run->to - run->from;
	return (0);
}

int
vectors_seal(int ecl_fd, const char *dir, const char *space, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg,
    uint64_t *ret_segments, struct err *e)
{
	struct seal s = {.step = step, .arg = arg};
	size_t i;
	int rc;

	*ret_segments = 0;
	if (!ivf_available())
		return (0);
	if ((s.dir_fd = io_open_dir(ecl_fd, dir, e)) == -1)
		return (-1);
	if ((rc = vectors_head_load(s.dir_fd, vectors_space(space), &s.head, e)) == 1) {
		vectors_columns_init(&s.column, &s.head, s.dir_fd);
		rc = plan(&s, e);
		for (i = 0; i < s.n && rc == 0; i++)
			rc = seal_one(&s, &s.todo[i], e);
		*ret_segments = s.head.segments;
		vectors_columns_release(&s.column);
		vectors_head_release(&s.head);
	}
	free(s.todo);
	close(s.dir_fd);
	return (rc);
}

/* ---- comparing ---- */

int
vectors_seal_check(int ecl_fd, struct log *log, const char *space, struct buf *fault, struct err *e)
{
	const struct vectors_segment *seg;
	char name[VECTORS_NAME];
	struct vectors *v;
	struct err why;
	struct ivf *x;
	size_t i, n;
	int rc = 0;

	if (!ivf_available())
		return (0);
	if (vectors_open(ecl_fd, log, space, NULL, &v, e) != 0)
		return (-1);
	n = vectors_segments(v, &seg);
	for (i = 0; i < n && rc == 0; i++) {
		vectors_segment_name(v, &seg[i], name);
		if (ivf_open(vectors_dir(v), name, seg[i].from, seg[i].to, vectors_width(v), seg[i].bytes, seg[i].crc, &x, &why) != 0)
			rc = 1;
		else {
			rc = ivf_check(x, &why) != 0;
			ivf_free(x);
		}
	}
	if (rc == 1) {
		buf_adds(fault, why.text);
		rc = fault->failed || err_is_mem(&why) ? err_mem(e) : 1;
	}
	vectors_free(v);
	return (rc);
}

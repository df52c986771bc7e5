/* The manifest of the index, and opening what it names; index_impl.h has the format. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "index_impl.h"
#include "io.h"
#include "manifest.h"

#include "banned.h"

#define ID_MAX (ID_UNKNOWN - 1)
#define TRIES 8 /* manifests that are replaced before what they name is open */

static const char tree_name[TREE_LEVELS][7] = {"tree.0", "tree.1", "tree.2", "tree.3", "tree.4"};

static void
format_column(struct buf *out, const char *name, unsigned width, const struct head_column *c)
{
	buf_addf(out, "column %s %u %" PRIu64 " %08" PRIx32 "\n", name, width, c->rows, c->crc);
}

void
head_format(const struct head *h, struct buf *out)
{
	char name[RUN_NAME_SIZE];
	size_t i;

	buf_addf(out, "ecl-index 1\nseed %08" PRIx32 "\nevents %" PRIu64 " ", h->seed, h->events);
	buf_addhex(out, h->hash, SHA256_SIZE);
	buf_addf(out, "\nelements %" PRIu64 "\n", h->elements);
	format_column(out, "rows", ROW_SIZE, &h->rows);
	format_column(out, "births", 8, &h->births);
	for (i = 0; i < TREE_LEVELS; i++)
		format_column(out, tree_name[i], SHA256_SIZE, &h->tree[i]);
	for (i = 0; i < h->runs; i++) {
		run_name(h->run[i].number, name);
		buf_addf(out, "run %s %" PRIu64 " %" PRIu64 "\n", name, h->run[i].bytes, h->run[i].records);
	}
	manifest_seal(out);
}

static bool
take_column(struct manifest *t, const char *name, unsigned width, struct head_column *ret)
{
	uint64_t w;

	return (manifest_take(t, "column ") && manifest_take(t, name) && manifest_take(t, " ") && manifest_number(t, &w) && w == width && manifest_take(t, " ") &&
	    manifest_number(t, &ret->rows) && manifest_take(t, " ") && manifest_crc(t, &ret->crc) && manifest_take(t, "\n"));
}

static bool
take_run(struct manifest *t, struct head *h)
{
	struct head_run *more, run;
	size_t i;

	if ((size_t)(t->end - t->p) < 12)
		return (false);
	for (i = 0; i < 11 && t->p[i] == '0'; i++)
		;
	if (decimal_parse(t->p + i, 12 - i, &run.number) != 0)
		return (false);
	t->p += 12;
	if (!manifest_take(t, ".run ") || !manifest_number(t, &run.bytes) || !manifest_take(t, " ") || !manifest_number(t, &run.records) || !manifest_take(t, "\n"))
		return (false);
	if ((more = realloc(h->run, (h->runs + 1) * sizeof(run))) == NULL)
		return (false);
	h->run = more;
	h->run[h->runs++] = run;
	return (true);
}

/* Whether the numbers fit each other. */
static bool
consistent(const struct head *h)
{
	uint64_t rows = h->events;
	size_t i;

	if (h->events == 0 || h->events >= STATE_UNKNOWN || h->elements == 0 || h->elements > h->events || h->elements > ID_MAX ||
	    h->rows.rows != h->events || h->births.rows != h->elements || h->runs == 0)
		return (false);
	for (i = 0; i < TREE_LEVELS; i++, rows /= TREE_FAN)
		if (h->tree[i].rows != rows)
			return (false);
	return (true);
}

int
head_parse(struct span text, struct head *ret)
{
	struct manifest t = {text.p, text.p + text.len};
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (!manifest_take(&t, "ecl-index 1\nseed ") || !manifest_crc(&t, &ret->seed) || !manifest_take(&t, "\nevents ") ||
	    !manifest_number(&t, &ret->events) || !manifest_take(&t, " ") || !manifest_hex(&t, SHA256_SIZE, ret->hash) ||
	    !manifest_take(&t, "\nelements ") || !manifest_number(&t, &ret->elements) || !manifest_take(&t, "\n"))
		goto err1;
	if (!take_column(&t, "rows", ROW_SIZE, &ret->rows) || !take_column(&t, "births", 8, &ret->births))
		goto err1;
	for (i = 0; i < TREE_LEVELS; i++)
		if (!take_column(&t, tree_name[i], SHA256_SIZE, &ret->tree[i]))
			goto err1;
	while (manifest_take(&t, "run elements-"))
		if (!take_run(&t, ret))
			goto err1;
	if (!manifest_end(&t, text) || !consistent(ret))
		goto err1;
	return (0);

err1:	head_release(ret);
	return (-1);
}

void
head_release(struct head *h)
{
	free(h->run);
	memset(h, 0, sizeof(*h));
}

void
index_set_damage(struct index *ix, const char *text)
{
	ix->damaged = true;
	snprintf(ix->damage, sizeof(ix->damage), "%s", text);
}

static void
init_columns(struct index *ix, const struct head *h)
{
	size_t i;

	column_init(&ix->rows, ix->dir_fd, "rows", ROW_SIZE, h->seed, h->rows.rows, h->rows.crc);
	column_init(&ix->births, ix->dir_fd, "births", 8, h->seed, h->births.rows, h->births.crc);
	for (i = 0; i < TREE_LEVELS; i++)
		column_init(&ix->tree[i], ix->dir_fd, tree_name[i], SHA256_SIZE, h->seed, h->tree[i].rows, h->tree[i].crc);
}

void
index_close_files(struct index *ix)
{
	struct head none = {0};
	size_t i;

	column_release(&ix->rows);
	column_release(&ix->births);
	for (i = 0; i < TREE_LEVELS; i++)
		column_release(&ix->tree[i]);
	init_columns(ix, &none);
	for (i = 0; i < ix->runs; i++)
		run_free(ix->run[i]);
	free(ix->run);
	ix->run = NULL;
	ix->runs = 0;
	ix->seed = 0;
	ix->ahead = false;
	ix->published = ix->published_elements = ix->published_offset = 0;
	memset(ix->published_hash, 0, SHA256_SIZE);
	buf_reset(&ix->head);
}

static int
open_runs(struct index *ix, const struct head *h, struct err *e)
{
	char name[RUN_NAME_SIZE];
	struct run *r;
	size_t i;

	if ((ix->run = calloc(h->runs, sizeof(struct run *))) == NULL)
		return (err_mem(e));
	for (i = 0; i < h->runs; i++) {
		if (run_open(ix->dir_fd, h->run[i].number, h->seed, &r, e) != 0)
			return (-1);
		ix->run[ix->runs++] = r;
		run_name(r->number, name);
		if (r->records != h->run[i].records || run_bytes(r) != h->run[i].bytes)
			return (err_set(e, "'%s' is not the run that 'head' names", name));
	}
	return (0);
}

/*
 * Whether the log has the event that the files, as far as they count, end with: event ${size}-1, of that hash.  Where
 * its row says that it is: the row is not checked by its chunk's checksum (64 KiB), since nothing but the right line
 * has that seq and that hash.
 */
static int
confirm(struct index *ix, uint64_t size, const uint8_t hash[SHA256_SIZE], struct err *e)
{
	uint8_t packed[ROW_SIZE];
	struct json_fault f;
	struct event ev;
	struct row row;

	if (ix->log->end.size < size && log_refresh(ix->log, e) != 0)
		return (-1);
	if (ix->log->end.size < size)
		return (err_set(e, "the index has %" PRIu64 " events, the log %" PRIu64, size, ix->log->end.size));
	if (column_peek(&ix->rows, size - 1, packed, e) != 0)
		return (-1);
	index_row_decode(packed, &row);
	buf_reset(&ix->line);
	ix->line_seq = EVENT_NONE;
	if (row.length > EVENT_LINE_MAX || buf_reserve(&ix->line, row.length) != 0)
		return (err_set(e, "the index has a line of %" PRIu32 " bytes", row.length));
	if (log_pread(ix->log, log_segment_of(ix->log, size - 1), ix->line.data, row.length, row.offset, NULL) != 0 ||
	    event_parse((struct span){ix->line.data, row.length}, &ev, &f) != 0 || ev.seq != size - 1 ||
	    memcmp(ev.hash, hash, SHA256_SIZE) != 0)
		return (err_set(e, "the index is that of another log: event %" PRIu64 " is not the one it names", size - 1));
	ix->published_offset = (uint64_t)row.offset + row.length + 1;
	return (0);
}

static int
open_files(struct index *ix, const struct head *h, struct err *e)
{
	/* Who works with the tree makes the index complete: what is missing of it is to be noticed, and made anew. */
	bool (*check)(const struct column *) = (ix->flags & INDEX_TREE) != 0 ? column_check_sizes : column_check_end;
	size_t i;

	init_columns(ix, h);
	ix->seed = h->seed;
	if (open_runs(ix, h, e) != 0)
		return (-1);
	if (!check(&ix->rows) || !check(&ix->births))
		return (err_set(e, "a file of the columns 'rows' or 'births' is missing or too short"));
	for (i = 0; i < TREE_LEVELS && (ix->flags & INDEX_TREE) != 0; i++)
		if (!check(&ix->tree[i]))
			return (err_set(e, "a file of the column 'tree.%zu' is missing or too short", i));
	return (0);
}

uint32_t
index_head_crc(struct span text)
{
	uint32_t crc = crc32c(0, text.p, text.len);

	return (crc == 0 ? 1 : crc);
}

int
index_head_read(int dir_fd, struct buf *out, uint32_t *ret_crc, struct err *e)
{
	struct err why = {0, 0, ""};

	buf_reset(out);
	*ret_crc = 0;
	if (io_slurp(dir_fd, "head", MANIFEST_MAX, out, &why) != 0) {
		buf_reset(out);
		if (why.sys == ENOENT)
			return (0);
		if (e != NULL)
			*e = why;
		return (-1);
	}
	*ret_crc = index_head_crc((struct span){out->data, out->len});
	return (0);
}

/* One try.  ${view}: NULL, or as for index_reload().  Return 1 where the files are open, 0 where there are none, -1 with why they cannot be used. */
static int
load(struct index *ix, const struct view *view, struct err *e)
{
	struct buf text = BUF_INIT;
	struct head h = {0};
	bool ahead;
	int ret = -1;

	if (index_head_read(ix->dir_fd, &text, &ix->head_tried, e) != 0)
		goto done;
	if (ix->head_tried == 0) {
		ret = 0;
		goto done;
	}
	if (head_parse((struct span){text.data, text.len}, &h) != 0) {
		err_set(e, "'head' is damaged");
		goto done;
	}
	ahead = view != NULL && h.events > view->size;
	if (view != NULL && ((h.seed == view->seed && !view->moved) || (ahead && view->elements == 0))) {
		ret = 0;
		goto done;
	}
	if (open_files(ix, &h, e) != 0 ||
	    confirm(ix, ahead ? view->size : h.events, ahead ? view->hash : h.hash, e) != 0)
		goto done;
	ix->ahead = ahead;
	ix->published = ahead ? view->size : h.events;
	ix->published_elements = ahead ? view->elements : h.elements;
	memcpy(ix->published_hash, ahead ? view->hash : h.hash, SHA256_SIZE);
	buf_reset(&ix->head);
	buf_add(&ix->head, text.data, text.len);
	ret = 1;
done:	head_release(&h);
	buf_release(&text);
	return (ret);
}

/* As load(), until a manifest stays as it is: a publisher replaces runs between our reading `head` and opening them. */
static int
load_newest(struct index *ix, const struct view *view, struct err *e)
{
	uint32_t before = 0;
	unsigned try;
	int rc = -1;

	for (try = 0; try < TRIES; try++, before = ix->head_tried) {
		if (ix->dir_fd != -1)
			close(ix->dir_fd);
		ix->head_tried = 0;
		/* By its name: the directory, too, may be another one. */
		e->sys = 0;
		if ((ix->dir_fd = io_open_dir(ix->ecl_fd, index_dir_name(ix), e)) == -1)
			return (e->sys == ENOENT ? 0 : -1);
		if ((rc = load(ix, view, e)) >= 0)
			break;
		index_close_files(ix);
		if (try > 0 && ix->head_tried == before)
			break;
	}
	return (rc);
}

/* Whether live is another one than the one in which the files were looked for: then they are looked for there. */
static bool
moved(struct index *ix)
{
	int fd;

	if ((fd = log_live(ix->log->root_fd, "live/.ecl", ix->ecl_fd)) == -1)
		return (false);
	close(ix->ecl_fd);
	ix->ecl_fd = fd;
	return (true);
}

int
index_load(struct index *ix, struct err *e)
{
	struct err why = {0, 0, ""};
	int rc = 0;

	index_close_files(ix);
	ix->head_tried = 0;
	ix->damaged = false;
	if ((ix->flags & INDEX_IGNORE) == 0)
		while ((rc = load_newest(ix, NULL, &why)) != 1 && moved(ix))
			;
	if (rc == -1 && err_is_mem(&why))
		return (err_mem(e));
	if (rc == -1)
		index_set_damage(ix, why.text);
	return (index_tail_reset(ix, e));
}

int
index_reload(struct index *ix, struct view *view)
{
	struct err why = {0, 0, ""};

	view->moved = moved(ix);
	while (load_newest(ix, view, &why) != 1) {
		if (!moved(ix))
			return (0);
		view->moved = true;
	}
	ix->damaged = false;
	return (1);
}

/* The index: a publication being written.  It shares nothing with the index that goes on. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define ROWS_AT_ONCE 32768

/* ---- the runs ---- */

static int
fill_run(struct publication *p, struct merge *m, struct run_writer *w)
{
	struct run_record rec;
	int rc;

	while ((rc = merge_next(m, &rec, &p->e)) == 1)
		if (run_writer_add(w, &rec, &p->e) != 0)
			return (-1);
	return (rc);
}

static int
write_run(struct publication *p)
{
	struct span none = {NULL, 0};
	struct run_writer w;
	struct merge m;
	int rc;

	if ((rc = merge_begin(&m, p->table, p->merged, p->n_merged, (struct span){"", 0}, none, &p->e)) != 0)
		goto out;
	if ((rc = run_writer_begin(&w, p->dir_fd, p->number, p->seed, p->records, &p->e)) != 0)
		goto out;
	if ((rc = fill_run(p, &m, &w)) != 0) {
		run_writer_abort(&w);
		goto out;
	}
	if ((rc = run_writer_end(&w, p->sync, &p->e)) != 0)
		goto out;
	if ((rc = run_open(p->dir_fd, p->number, p->seed, &p->run, &p->e)) != 0)
		unlinkat(p->dir_fd, w.name, 0);
out:	merge_end(&m);
	return (rc);
}

/* ---- the columns ---- */

/* The rows, with the numbers of elements in place of those of entries. */
static int
append_rows(struct publication *p)
{
	uint64_t n = p->tail.rows.len / ROW_SIZE, done, some, i;
	const uint8_t *from = (const uint8_t *)p->tail.rows.data;
	uint8_t *rows, *id;
	int rc = 0;

	if ((rows = malloc((size_t)ROWS_AT_ONCE * ROW_SIZE)) == NULL)
		return (err_mem(&p->e));
	for (done = 0; done < n && rc == 0; done += some) {
		some = n - done < ROWS_AT_ONCE ? n - done : ROWS_AT_ONCE;
		memcpy(rows, from + done * ROW_SIZE, some * ROW_SIZE);
		for (i = 0; i < some; i++) {
			id = rows + i * ROW_SIZE + ROW_ID;
			le32_put(id, p->ids[le32_get(id)]);
		}
		rc = column_append(&p->rows, rows, some, p->sync, &p->e);
	}
	free(rows);
	return (rc);
}

static int
append_columns(struct publication *p)
{
	const struct tail *t = &p->tail;
	unsigned k;

	if (append_rows(p) != 0 || column_append(&p->births, (const uint8_t *)t->births.data, t->births.len / 8, p->sync, &p->e) != 0)
		return (-1);
	for (k = 0; k < TREE_LEVELS; k++)
		if (column_append(&p->tree[k], (const uint8_t *)t->tree[k].data, t->tree[k].len / SHA256_SIZE, p->sync, &p->e) != 0)
			return (-1);
	return (0);
}

/* ---- the manifest ---- */

static int
make_head(struct publication *p)
{
	struct head h = {.seed = p->seed, .events = p->size, .elements = p->elements};
	unsigned k;

	memcpy(h.hash, p->hash, SHA256_SIZE);
	h.rows = (struct head_column){p->rows.rows, p->rows.tail_crc};
	h.births = (struct head_column){p->births.rows, p->births.tail_crc};
	for (k = 0; k < TREE_LEVELS; k++)
		h.tree[k] = (struct head_column){p->tree[k].rows, p->tree[k].tail_crc};
	if ((h.run = calloc(p->n_kept + 1, sizeof(*h.run))) == NULL)
		return (err_mem(&p->e));
	if (p->n_kept > 0)
		memcpy(h.run, p->kept, p->n_kept * sizeof(*h.run));
	h.run[p->n_kept] = (struct head_run){p->run->number, run_bytes(p->run), p->run->records};
	h.runs = p->n_kept + 1;
	head_format(&h, &p->head);
	head_release(&h);
	return (p->head.failed ? err_mem(&p->e) : 0);
}

/* ---- all together ---- */

static int
write_all(struct publication *p)
{
	struct tree tree = {p->tree, &p->tail, p->from, p->size};
	int rc;

	if ((rc = tree_extend(&tree, &p->e)) != 0 || (rc = write_run(p)) != 0)
		return (rc);
	if (append_columns(p) != 0 || make_head(p) != 0)
		return (-1);
	return (io_publish(p->dir_fd, "head", p->head.data, p->head.len, 0640, p->sync, &p->e));
}

void
publication_run(struct publication *p)
{
	p->rc = write_all(p);
}

void
publication_free(struct publication *p)
{
	char name[RUN_NAME_SIZE];
	unsigned k;
	size_t i;

	/* Where only the sync of the directory failed, the manifest that names it may stay. */
	if (p->rc != 0 && p->run != NULL && !io_was_published(p->dir_fd, "head", p->head.data, p->head.len)) {
		run_name(p->run->number, name);
		unlinkat(p->dir_fd, name, 0);
	}
	run_free(p->run);
	column_release(&p->rows);
	column_release(&p->births);
	for (k = 0; k < TREE_LEVELS; k++)
		column_release(&p->tree[k]);
	for (i = 0; i < p->n_merged; i++)
		run_free(p->merged[i]);
	free(p->merged);
	free(p->kept);
	free(p->ids);
	etable_free(p->table);
	index_tail_release(&p->tail);
	buf_release(&p->head);
	close(p->dir_fd);
	free(p);
}

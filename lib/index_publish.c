/* The index: publication of what the files lack. */
#include "config.h"

#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define REMOVE_WAIT_MS 10000

/* ---- what is to be written ---- */

/* How many of the oldest runs stay as they are; ${*ret_records}: of all that is merged, at most. */
static size_t
runs_kept(const struct index *ix, bool all, uint64_t *ret_records)
{
	uint64_t records = ix->table->dirties;
	size_t kept = all ? 0 : ix->runs;
	bool many = ix->runs + 1 > RUNS_MAX;
	size_t i;

	/* The new run swallows what is at most twice its size, and so on. */
	while (kept > 0 && records * 2 >= ix->run[kept - 1]->records &&
	    (many || records + ix->run[kept - 1]->records <= MERGE_RECORDS))
		records += ix->run[--kept]->records;
	for (i = 0; all && i < ix->runs; i++)
		records += ix->run[i]->records;
	*ret_records = records;
	return (kept);
}

/* A number above all others, and of another time than those that a removed index had. */
static uint64_t
next_number(const struct index *ix)
{
	struct timespec t;
	uint64_t n, i;

	clock_gettime(CLOCK_REALTIME, &t);
	n = (uint64_t)t.tv_sec * 100 + (uint64_t)t.tv_nsec / 10000000;
	for (i = 0; i < ix->runs; i++)
		if (n <= ix->run[i]->number)
			n = ix->run[i]->number + 1;
	return (n % (RUN_NUMBER_MAX + 1));
}

/* A column that goes on where ${from} ends. */
static void
continue_column(const struct publication *p, struct column *c, const struct column *from)
{
	column_init(c, p->dir_fd, from->name, from->width, p->seed, from->rows, from->tail_crc);
}

/* The runs: which stay, and handles of its own for those that are merged.  Return 0, -1 (memory) or INDEX_DAMAGED. */
static int
take_runs(struct publication *p, const struct index *ix, bool all, struct err *e)
{
	size_t i;

	p->n_kept = runs_kept(ix, all, &p->records);
	p->number = next_number(ix);
	p->kept = calloc(p->n_kept + 1, sizeof(*p->kept));
	p->merged = calloc(ix->runs - p->n_kept + 1, sizeof(struct run *));
	if (p->kept == NULL || p->merged == NULL)
		return (err_mem(e));
	for (i = 0; i < p->n_kept; i++)
		p->kept[i] = (struct head_run){ix->run[i]->number, run_bytes(ix->run[i]), ix->run[i]->records};
	for (; i < ix->runs; i++) {
		if (run_open(p->dir_fd, ix->run[i]->number, ix->seed, &p->merged[p->n_merged], e) != 0)
			return (INDEX_DAMAGED);
		p->n_merged++;
	}
	return (0);
}

/* A publication of all that the index covers: its tail goes there.  Return 0, -1 or INDEX_AGAIN. */
static int
prepare(struct index *ix, bool all, bool sync, struct publication **ret, struct err *e)
{
	struct publication *p;
	struct err why;
	unsigned k;
	int rc;

	if (index_resolve_all(ix, e) != 0)
		return (-1);
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return (err_mem(e));
	p->rc = -1;
	p->sync = sync;
	p->seed = ix->seed;
	if ((p->dir_fd = fcntl(ix->dir_fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		free(p);
		return (err_sys(e, "cannot duplicate a descriptor"));
	}
	rc = -1;
	if (ix->published == 0 && getrandom(&p->seed, sizeof(p->seed), 0) != (ssize_t)sizeof(p->seed)) {
		err_sys(e, "cannot get random bytes");
		goto err1;
	}
	if (ix->published == 0 && index_sweep(ix, ix->dir_fd, SWEEP_OURS, e) != 0)
		goto err1;
	if ((rc = take_runs(p, ix, all, &why)) != 0) {
		if (rc == INDEX_DAMAGED)
			rc = index_lost(ix, &why, e);
		else if (e != NULL)
			*e = why;
		goto err1;
	}
	if ((p->table = etable_dirty_copy(ix->table, &p->ids)) == NULL) {
		rc = err_mem(e);
		goto err1;
	}
	p->from = ix->published;
	p->size = ix->size;
	p->elements = ix->elements;
	p->offset = ix->offset;
	memcpy(p->hash, ix->hash, SHA256_SIZE);
	continue_column(p, &p->rows, &ix->rows);
	continue_column(p, &p->births, &ix->births);
	for (k = 0; k < TREE_LEVELS; k++)
		continue_column(p, &p->tree[k], &ix->tree[k]);
	p->tail = ix->tail;
	memset(&ix->tail, 0, sizeof(ix->tail));
	ix->base = ix->size;
	ix->base_elements = ix->elements;
	ix->going = p;
	etable_clean(ix->table);
	*ret = p;
	return (0);

err1:	publication_free(p);
	return (rc);
}

/* ---- what became of it ---- */

/* Memory of elements whose last events are in the files. */
static void
forget_elements(struct index *ix)
{
	struct etable *fresh;
	uint32_t *moved;
	uint8_t *id;
	size_t at;

	if (ix->table->n <= TABLE_MAX || index_resolve_all(ix, NULL) != 0 || (fresh = etable_only_dirty(ix->table, &moved)) == NULL)
		return;
	for (at = 0; at < ix->tail.rows.len; at += ROW_SIZE) {
		id = (uint8_t *)ix->tail.rows.data + at + ROW_ID;
		le32_put(id, moved[le32_get(id)]);
	}
	free(moved);
	ix->table = fresh;
	ix->memo = NO_ENTRY;
	ix->generation++;
}

/* The columns of ${p} in place of those before. */
static void
take_columns(struct index *ix, struct publication *p)
{
	struct column *had[2 + TREE_LEVELS] = {&ix->rows, &ix->births}, *now[2 + TREE_LEVELS] = {&p->rows, &p->births};
	unsigned k;

	for (k = 0; k < TREE_LEVELS; k++) {
		had[2 + k] = &ix->tree[k];
		now[2 + k] = &p->tree[k];
	}
	for (k = 0; k < 2 + TREE_LEVELS; k++) {
		column_release(had[k]);
		*had[k] = *now[k];
		had[k]->dirfd = ix->dir_fd;
		memset(now[k], 0, sizeof(*now[k]));
		column_init(now[k], -1, had[k]->name, had[k]->width, 0, 0, 0);
	}
}

/* The publication is on the disk: it is what the index has now. */
static void
adopt(struct index *ix, struct publication *p, struct run **runs)
{
	char name[RUN_NAME_SIZE];
	size_t i;

	take_columns(ix, p);
	for (i = p->n_kept; i < ix->runs; i++) {
		run_name(ix->run[i]->number, name);
		unlinkat(ix->dir_fd, name, 0);
		run_free(ix->run[i]);
	}
	if (p->n_kept > 0)
		memcpy(runs, ix->run, p->n_kept * sizeof(struct run *));
	runs[p->n_kept] = p->run;
	p->run = NULL;
	free(ix->run);
	ix->run = runs;
	ix->runs = p->n_kept + 1;
	ix->seed = p->seed;
	ix->published = p->size;
	ix->published_elements = p->elements;
	ix->published_offset = p->offset;
	memcpy(ix->published_hash, p->hash, SHA256_SIZE);
	buf_release(&ix->head);
	ix->head = p->head;
	memset(&p->head, 0, sizeof(p->head));
	ix->head_tried = index_head_crc((struct span){ix->head.data, ix->head.len});
	ix->damaged = false;
	ix->missed_size = EVENT_NONE;
	forget_elements(ix);
}

/* Put what ${from} has before what ${to} has. */
static int
prepend(struct buf *to, struct buf *from)
{
	struct buf swap = *to;

	buf_addspan(from, (struct span){to->data, to->len});
	if (from->failed)
		return (-1);
	*to = *from;
	*from = swap;
	return (0);
}

/* It is not on the disk: its events are part of the tail again, and its elements dirty. */
static int
take_back(struct index *ix, struct publication *p)
{
	uint32_t n, tag;
	size_t i;

	for (i = 0; i < p->table->dirties; i++) {
		n = etable_find(ix->table, entry_name(&p->table->entry[i]), &tag);
		if (n == NO_ENTRY || etable_dirty(ix->table, n) != 0)
			return (-1);
	}
	/* The tree of what came later was not begun. */
	if (prepend(&ix->tail.rows, &p->tail.rows) != 0 || prepend(&ix->tail.hashes, &p->tail.hashes) != 0 ||
	    prepend(&ix->tail.births, &p->tail.births) != 0)
		return (-1);
	ix->base = ix->published;
	ix->base_elements = ix->published_elements;
	return (0);
}

/* ---- all together ---- */

static int
open_dir(struct index *ix, struct err *e)
{
	const char *name = index_dir_name(ix);
	int fd;

	if (io_make_dir(ix->ecl_fd, name, e) != 0)
		return (-1);
	if ((fd = io_open_dir(ix->ecl_fd, name, e)) == -1)
		return (-1);
	/* The directory may be another one by now; the columns go on with this descriptor. */
	if (ix->dir_fd == -1)
		ix->dir_fd = fd;
	else if (dup3(fd, ix->dir_fd, O_CLOEXEC) == -1) {
		err_sys(e, "cannot duplicate a descriptor");
		close(fd);
		return (-1);
	} else
		close(fd);
	return (0);
}

/* Take in what somebody else published (or removed) since we looked. */
static int
follow_head(struct index *ix, struct err *e)
{
	struct buf text = BUF_INIT;
	uint64_t size = ix->size;
	uint32_t crc;
	bool same;

	if ((ix->flags & INDEX_IGNORE) != 0)
		return (0);
	if (index_head_read(ix->dir_fd, &text, &crc, NULL) != 0)
		same = ix->published == 0;
	else
		same = text.len == ix->head.len && (text.len == 0 || memcmp(text.data, ix->head.data, text.len) == 0);
	buf_release(&text);
	if ((same && !ix->ahead) || (ix->published == 0 && crc == ix->head_tried))
		return (0);
	if (index_load(ix, e) != 0)
		return (-1);
	return (index_scan(ix, size, e));
}

/* As index_publish_begin(), with the lock held.  Return 1, 0, or -1. */
static int
begin_locked(struct index *ix, bool all, bool sync, struct publication **ret, struct err *e)
{
	int rc;

	index_free_aside(ix);
	if (open_dir(ix, e) != 0 || follow_head(ix, e) != 0)
		return (-1);
	do {
		if (ix->size == 0 || (ix->size == ix->published && (!all || ix->runs <= 1)))
			return (0);
		rc = prepare(ix, all, sync, ret, e);
	} while (rc == INDEX_AGAIN);
	return (rc == 0 ? 1 : -1);
}

/* Whether there is something, and the index has what it takes. */
static bool
to_be_published(const struct index *ix)
{
	return (ix->going == NULL && ix->size > ix->published && ix->size <= ix->log->end.size && (ix->flags & INDEX_NO_HASHES) == 0);
}

int
index_publish_begin(struct index *ix, int lock_fd, struct publication **ret, struct err *e)
{
	int rc;

	if (!to_be_published(ix))
		return (0);
	if (lock_fd != -1 && io_lock(lock_fd, true, 0) != 0)
		return (errno == EWOULDBLOCK ? 0 : err_sys(e, "cannot lock 'index.lock'"));
	if ((rc = begin_locked(ix, false, true, ret, e)) == 1)
		(*ret)->lock_fd = lock_fd;
	else if (lock_fd != -1)
		flock(lock_fd, LOCK_UN);
	return (rc);
}

void
index_publish_run(struct publication *p)
{
	publication_run(p);
}

/* As index_publish_end(), with the lock still held.  Return 0, -1, or INDEX_AGAIN. */
static int
end_locked(struct index *ix, struct publication *p, struct err *e)
{
	struct run **runs = NULL;
	int rc = p->rc;

	if (ix->going != p) {
		/* Meanwhile the files were found to be damaged, or the index is another one: what is in them is for others. */
		publication_free(p);
		return (0);
	}
	if (rc == 0 && (runs = calloc(p->n_kept + 1, sizeof(struct run *))) == NULL)
		rc = err_mem(&p->e);
	if (rc == 0)
		adopt(ix, p, runs);
	else if (e != NULL)
		*e = p->e;
	ix->going = NULL;
	if (rc == INDEX_DAMAGED) {
		if (take_back(ix, p) != 0)
			rc = index_tail_reset(ix, e) == 0 ? index_scan(ix, ix->log->end.size, e) : -1;
		rc = rc == -1 ? -1 : index_lost(ix, &p->e, e);
	} else if (rc == -1 && take_back(ix, p) != 0 && index_tail_reset(ix, NULL) == 0)
		(void)index_scan(ix, ix->log->end.size, NULL);
	publication_free(p);
	return (rc);
}

int
index_publish_end(struct index *ix, struct publication *p, struct err *e)
{
	int lock_fd = p->lock_fd, rc = end_locked(ix, p, e);

	if (lock_fd != -1)
		flock(lock_fd, LOCK_UN);
	/* Where the files were damaged, the next publication makes them anew. */
	return (rc == -1 ? -1 : 0);
}

/* With the lock held: one after the other, until it is done. */
static int
publish_locked(struct index *ix, bool all, bool sync, struct err *e)
{
	struct publication *p;
	int rc;

	do {
		if ((rc = begin_locked(ix, all, sync, &p, e)) != 1)
			return (rc);
		p->lock_fd = -1;
		publication_run(p);
		rc = end_locked(ix, p, e);
	} while (rc == INDEX_AGAIN);
	return (rc);
}

int
index_publish(struct index *ix, int lock_fd, bool sync, struct err *e)
{
	int rc;

	if (!to_be_published(ix))
		return (0);
	if (lock_fd != -1 && io_lock(lock_fd, true, 0) != 0)
		return (errno == EWOULDBLOCK ? 0 : err_sys(e, "cannot lock 'index.lock'"));
	rc = publish_locked(ix, false, sync, e);
	if (lock_fd != -1)
		flock(lock_fd, LOCK_UN);
	return (rc);
}

/* ---- for ecl-index ---- */

static int
lock_or_retry(int lock_fd, struct err *e)
{
	if (lock_fd == -1 || io_lock(lock_fd, true, REMOVE_WAIT_MS) == 0)
		return (0);
	if (errno == EWOULDBLOCK)
		return (err_retry(e, "the index is being published by another program ('index.lock'); try again later"));
	return (err_sys(e, "cannot lock 'index.lock'"));
}

int
index_compact(struct index *ix, int lock_fd, struct err *e)
{
	int rc;

	if (ix->size > ix->log->end.size || (ix->flags & INDEX_NO_HASHES) != 0)
		return (0);
	if (lock_or_retry(lock_fd, e) != 0)
		return (-1);
	if ((rc = publish_locked(ix, true, true, e)) == 0)
		rc = index_sweep(ix, ix->dir_fd, SWEEP_LEFT_OVER, e);
	if (rc == 0)
		rc = index_remove_aside(ix, e);
	if (lock_fd != -1)
		flock(lock_fd, LOCK_UN);
	return (rc);
}

int
index_remove(int ecl_fd, int lock_fd, struct err *e)
{
	struct err why = {0, 0, ""};
	int fd, rc;

	if ((fd = io_open_dir(ecl_fd, "index", &why)) == -1) {
		if (why.sys == ENOENT)
			return (0);
		if (e != NULL)
			*e = why;
		return (-1);
	}
	if ((rc = lock_or_retry(lock_fd, e)) == 0) {
		rc = index_sweep(NULL, fd, SWEEP_ALL, e);
		if (lock_fd != -1)
			flock(lock_fd, LOCK_UN);
	}
	close(fd);
	return (rc);
}

/* The index: publication of what the files lack. */
#include "config.h"

#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index_impl.h"
#include "io.h"
#include "le.h"

#include "banned.h"

#define REMOVE_WAIT_MS 10000

/* A publication on its way: nothing of the index itself changes before it is done. */
struct publication {
	struct column rows, births, tree[TREE_LEVELS]; /* as they will be */
	uint32_t seed;
	size_t kept;	  /* runs that stay; the newer ones are merged into ${run} */
	struct run *run;
	struct run **runs; /* room for those that stay and the new one */
	struct buf head;
};

/* ---- the columns ---- */

/* A column that goes on where ${from} ends. */
static void
continue_column(const struct publication *p, struct column *c, const struct index *ix, const struct column *from)
{
	column_init(c, ix->dir_fd, from->name, from->width, p->seed, from->rows, from->tail_crc);
}

/* The tail's rows get the numbers of elements in place of those of entries, for good. */
static void
put_ids(struct index *ix)
{
	uint64_t n = ix->tail.rows.len / ROW_SIZE, i;
	uint8_t *id;

	for (i = ix->tail.with_ids; i < n; i++) {
		id = (uint8_t *)ix->tail.rows.data + i * ROW_SIZE + ROW_ID;
		le32_put(id, ix->table->entry[le32_get(id)].id);
	}
	ix->tail.with_ids = n;
}

static int
append_columns(struct publication *p, struct index *ix, struct err *e)
{
	const struct tail *t = &ix->tail;
	unsigned k;

	continue_column(p, &p->rows, ix, &ix->rows);
	continue_column(p, &p->births, ix, &ix->births);
	for (k = 0; k < TREE_LEVELS; k++)
		continue_column(p, &p->tree[k], ix, &ix->tree[k]);
	put_ids(ix);
	if (column_append(&p->rows, (const uint8_t *)t->rows.data, t->rows.len / ROW_SIZE, e) != 0 ||
	    column_append(&p->births, (const uint8_t *)t->births.data, t->births.len / 8, e) != 0)
		return (-1);
	for (k = 0; k < TREE_LEVELS; k++)
		if (column_append(&p->tree[k], (const uint8_t *)t->tree[k].data, t->tree[k].len / SHA256_SIZE, e) != 0)
			return (-1);
	return (0);
}

/* ---- the runs ---- */

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

/* Return 0, -1 or INDEX_AGAIN. */
static int
write_run(struct publication *p, struct index *ix, bool all, struct err *e)
{
	struct span none = {NULL, 0};
	struct run_record rec;
	struct run_writer w;
	struct merge m;
	uint64_t records;
	int rc;

	p->kept = runs_kept(ix, all, &records);
	if ((rc = merge_begin(&m, ix, p->kept, (struct span){"", 0}, none, e)) != 0)
		goto err1;
	if ((rc = run_writer_begin(&w, ix->dir_fd, next_number(ix), p->seed, records, e)) != 0)
		goto err1;
	while ((rc = merge_next(&m, &rec, e)) == 1)
		if ((rc = run_writer_add(&w, &rec, e)) != 0)
			break;
	if (rc != 0) {
		run_writer_abort(&w);
		goto err1;
	}
	merge_end(&m);
	if (run_writer_end(&w, e) != 0)
		return (-1);
	if (run_open(ix->dir_fd, w.number, p->seed, &p->run, e) != 0) {
		unlinkat(ix->dir_fd, w.name, 0);
		return (-1);
	}
	return (0);

err1:	merge_end(&m);
	return (rc);
}

/* ---- the manifest ---- */

static int
make_head(struct publication *p, const struct index *ix, struct err *e)
{
	struct head h = {.seed = p->seed, .events = ix->size, .elements = ix->elements};
	const struct run *r;
	unsigned k;

	memcpy(h.hash, ix->hash, SHA256_SIZE);
	h.rows = (struct head_column){p->rows.rows, p->rows.tail_crc};
	h.births = (struct head_column){p->births.rows, p->births.tail_crc};
	for (k = 0; k < TREE_LEVELS; k++)
		h.tree[k] = (struct head_column){p->tree[k].rows, p->tree[k].tail_crc};
	if ((h.run = calloc(p->kept + 1, sizeof(*h.run))) == NULL)
		return (err_mem(e));
	for (h.runs = 0; h.runs <= p->kept; h.runs++) {
		r = h.runs < p->kept ? ix->run[h.runs] : p->run;
		h.run[h.runs] = (struct head_run){r->number, run_bytes(r), r->records};
	}
	head_format(&h, &p->head);
	head_release(&h);
	return (p->head.failed ? err_mem(e) : 0);
}

/* ---- all together ---- */

static void
abandon(struct publication *p, const struct index *ix)
{
	char name[RUN_NAME_SIZE];
	unsigned k;

	column_release(&p->rows);
	column_release(&p->births);
	for (k = 0; k < TREE_LEVELS; k++)
		column_release(&p->tree[k]);
	if (p->run != NULL) {
		run_name(p->run->number, name);
		unlinkat(ix->dir_fd, name, 0);
		run_free(p->run);
	}
	free(p->runs);
	buf_release(&p->head);
}

/* The publication is on the disk: it is what the index has now. */
static void
adopt(struct publication *p, struct index *ix)
{
	char name[RUN_NAME_SIZE];
	struct etable *fresh;
	unsigned k;
	size_t i;

	column_release(&ix->rows);
	ix->rows = p->rows;
	column_release(&ix->births);
	ix->births = p->births;
	for (k = 0; k < TREE_LEVELS; k++) {
		column_release(&ix->tree[k]);
		ix->tree[k] = p->tree[k];
	}
	for (i = p->kept; i < ix->runs; i++) {
		run_name(ix->run[i]->number, name);
		unlinkat(ix->dir_fd, name, 0);
		run_free(ix->run[i]);
	}
	if (p->kept > 0)
		memcpy(p->runs, ix->run, p->kept * sizeof(struct run *));
	p->runs[p->kept] = p->run;
	free(ix->run);
	ix->run = p->runs;
	ix->runs = p->kept + 1;
	ix->seed = p->seed;
	ix->published = ix->size;
	ix->published_elements = ix->elements;
	ix->published_offset = ix->offset;
	memcpy(ix->published_hash, ix->hash, SHA256_SIZE);
	buf_release(&ix->head);
	ix->head = p->head;
	ix->head_tried = index_head_crc((struct span){ix->head.data, ix->head.len});
	ix->damaged = false;
	index_tail_empty(ix);
	etable_clean(ix->table);
	if (ix->table->n > TABLE_MAX && (fresh = etable_new()) != NULL) {
		etable_free(ix->table);
		ix->table = fresh;
		ix->memo = NO_ENTRY;
		ix->generation++;
	}
	ix->missed_size = EVENT_NONE;
}

static bool
begins(const char *name, const char *with)
{
	return (strncmp(name, with, strlen(with)) == 0);
}

/* What of the directory is to go. */
enum sweep {
	SWEEP_LEFT_OVER, /* what publishers that died left behind */
	SWEEP_OURS,	 /* all that a new manifest would begin anew */
	SWEEP_ALL
};

static bool
to_be_swept(const struct index *ix, const char *name, enum sweep how)
{
	char run[RUN_NAME_SIZE];
	size_t i;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return (false);
	if (how == SWEEP_ALL || begins(name, ".head."))
		return (true);
	if (how == SWEEP_OURS)
		return (strcmp(name, "head") == 0 || begins(name, "elements-") || begins(name, "rows-") || begins(name, "births-") ||
		    begins(name, "tree."));
	for (i = 0; i < ix->runs; i++) {
		run_name(ix->run[i]->number, run);
		if (strcmp(name, run) == 0)
			return (false);
	}
	return (begins(name, "elements-"));
}

static int
sweep(const struct index *ix, int dir_fd, enum sweep how, struct err *e)
{
	struct dirent *d;
	DIR *dir;
	int fd, ret = 0;

	/* The only door to the others goes first. */
	if (how != SWEEP_LEFT_OVER && unlinkat(dir_fd, "head", 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove 'index/head'"));
	if ((fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read the directory 'index'");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while (ret == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (to_be_swept(ix, d->d_name, how) && unlinkat(dir_fd, d->d_name, 0) != 0 && errno != ENOENT)
			ret = err_sys(e, "cannot remove 'index/%s'", d->d_name);
	if (ret == 0 && errno != 0)
		ret = err_sys(e, "cannot read the index's directory");
	closedir(dir);
	return (ret);
}

/* Return 0, -1 or INDEX_AGAIN. */
static int
write_all(struct index *ix, bool all, struct err *e)
{
	struct publication p = {.kept = 0};
	uint64_t generation;
	bool fresh;
	int rc = -1;

	if (index_resolve_all(ix, e) != 0 || index_tree_extend(ix, e) != 0)
		return (-1);
	generation = ix->generation;
	fresh = ix->published == 0;
	p.seed = ix->seed;
	if (fresh && getrandom(&p.seed, sizeof(p.seed), 0) != (ssize_t)sizeof(p.seed))
		return (err_sys(e, "cannot get random bytes"));
	if (fresh && sweep(ix, ix->dir_fd, SWEEP_OURS, e) != 0)
		return (-1);
	if ((p.runs = calloc(ix->runs + 1, sizeof(struct run *))) == NULL)
		return (err_mem(e));
	if ((rc = write_run(&p, ix, all, e)) != 0)
		goto err1;
	if (ix->generation != generation) {
		rc = INDEX_AGAIN;
		goto err1;
	}
	if ((rc = append_columns(&p, ix, e)) != 0 || (rc = make_head(&p, ix, e)) != 0 ||
	    (rc = io_publish(ix->dir_fd, "head", p.head.data, p.head.len, 0640, true, e)) != 0)
		goto err1;
	adopt(&p, ix);
	return (0);

err1:	abandon(&p, ix);
	return (rc);
}

static int
open_dir(struct index *ix, struct err *e)
{
	int fd;

	if (mkdirat(ix->ecl_fd, "index", 0750) != 0 && errno != EEXIST)
		return (err_sys(e, "cannot make the directory 'index'"));
	if ((fd = io_open_dir(ix->ecl_fd, "index", e)) == -1)
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
	if (index_head_read(ix, &text, &crc, NULL) != 0)
		same = ix->published == 0;
	else
		same = text.len == ix->head.len && (text.len == 0 || memcmp(text.data, ix->head.data, text.len) == 0);
	buf_release(&text);
	if (same || (ix->published == 0 && crc == ix->head_tried))
		return (0);
	if (index_load(ix, e) != 0)
		return (-1);
	return (index_scan(ix, size, e));
}

static int
publish_locked(struct index *ix, bool all, struct err *e)
{
	int rc;

	index_free_aside(ix);
	if (open_dir(ix, e) != 0 || follow_head(ix, e) != 0)
		return (-1);
	do {
		if (ix->size == 0 || (ix->size == ix->published && (!all || ix->runs <= 1)))
			return (0);
		rc = write_all(ix, all, e);
	} while (rc == INDEX_AGAIN);
	return (rc);
}

int
index_publish(struct index *ix, int lock_fd, struct err *e)
{
	int rc;

	if (ix->size == ix->published || ix->size > ix->log->end.size)
		return (0);
	if (lock_fd != -1 && io_lock(lock_fd, true, 0) != 0)
		return (errno == EWOULDBLOCK ? 0 : err_sys(e, "cannot lock 'index.lock'"));
	rc = publish_locked(ix, false, e);
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

	if (ix->size > ix->log->end.size)
		return (0);
	if (lock_or_retry(lock_fd, e) != 0)
		return (-1);
	if ((rc = publish_locked(ix, true, e)) == 0)
		rc = sweep(ix, ix->dir_fd, SWEEP_LEFT_OVER, e);
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
		rc = sweep(NULL, fd, SWEEP_ALL, e);
		if (lock_fd != -1)
			flock(lock_fd, LOCK_UN);
	}
	close(fd);
	return (rc);
}

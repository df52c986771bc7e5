/* Vectors of a ledger's events: reading. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "code.h"
#include "embedder.h"
#include "io.h"
#include "json.h"
#include "le.h"
#include "received.h"
#include "vectors_impl.h"

#include "banned.h"

#define TRIES 8 /* manifests that are replaced before what they name is open */

struct vectors {
	int ecl_fd, dir_fd; /* dir_fd: -1 where there is no directory */
	int root_fd;	    /* of the root whose live it is in, not owned; -1: none */
	const char *space;
	char *token;		  /* that was asked for; NULL: any */
	struct vectors_head head; /* where there are no rows: all zeros, but for the space */
	uint64_t rows, events;	  /* of which the caller knows: files that were made anew since may have more */
	struct vectors_columns column;
	struct buf other;	/* with its NUL */
	struct vectors *aside;	/* those before: what they handed out may still be looked at */
	char damage[sizeof(((struct err *)0)->text)];
};

/* ---- opening ---- */

static void
forget_files(struct vectors *v)
{
	if (v->head.token.data != NULL) {
		vectors_columns_release(&v->column);
	}
	vectors_head_release(&v->head);
	v->head.space = v->space;
}

/* Checksums are no evidence of who wrote a file, and FAISS crashes on one that was made for that: segments are read where we or root made them. */
static bool
is_trusted(int dir_fd)
{
	struct stat st;

	return (fstat(dir_fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()));
}

/* What the manifest in the directory names.  Return 1, 0 where there is none, or it is of another embedder, or others made it, or -1 with why it cannot be used. */
static int
load(struct vectors *v, struct log *log, struct err *e)
{
	int rc;

	buf_reset(&v->other);
	if (received_is(v->dir_fd))
		return (0);
	if ((rc = vectors_head_load(v->dir_fd, v->space, &v->head, e)) != 1) {
		v->head.space = v->space;
		return (rc);
	}
	vectors_columns_init(&v->column, &v->head, v->dir_fd);
	if (v->token != NULL && (rc = vectors_head_made_by(&v->head, v->token, e)) != 1) {
		if (rc == -1)
			return (-1);
		json_unescape((struct span){v->head.token.data, v->head.token.len}, &v->other);
		buf_addc(&v->other, '\0');
		return (0);
	}
	if (!column_check_end(&v->column.row) || !column_check_end(&v->column.code) || !column_check_end(&v->column.seq))
		return (err_set(e, "a file of the column '%s' is missing or too short", v->column.row.name));
	if (log->end.size < v->head.events && log_refresh(log, e) != 0)
		return (-1);
	if (vectors_head_confirm(&v->head, log, e) != 0)
		return (-1);
	if (!is_trusted(v->dir_fd))
		v->head.segments = 0;
	return (1);
}

/* As load(), until a manifest stays as it is: what it names may be removed between our reading the two. */
static int
load_newest(struct vectors *v, struct log *log, struct err *e)
{
	uint32_t before = 0;
	unsigned try;
	int rc = 0;

	for (try = 0; try < TRIES; try++) {
		if (v->dir_fd != -1)
			close(v->dir_fd);
		e->sys = 0;
		/* By its name: the directory, too, may be another one. */
		if ((v->dir_fd = io_open_dir(v->ecl_fd, "index", e)) == -1)
			return (e->sys == ENOENT ? 0 : -1);
		if ((rc = load(v, log, e)) == 1)
			return (1);
		if (rc == 0 || (try > 0 && v->head.seed == before))
			break;
		before = v->head.seed;
		forget_files(v);
	}
	forget_files(v);
	return (rc);
}

/* Whether live is another one than the one in which the files were looked for: then they are looked for there. */
static bool
moved(struct vectors *v)
{
	int fd;

	if ((fd = log_live(v->root_fd, "live/.ecl", v->ecl_fd)) == -1)
		return (false);
	close(v->ecl_fd);
	v->ecl_fd = fd;
	return (true);
}

static struct vectors *
new_vectors(int ecl_fd, int root_fd, const char *space, const char *token)
{
	struct vectors *v;

	if ((v = calloc(1, sizeof(*v))) == NULL)
		return (NULL);
	v->ecl_fd = v->dir_fd = -1;
	v->root_fd = root_fd;
	v->space = v->head.space = vectors_space(space);
	if ((token != NULL && (v->token = strdup(token)) == NULL) || (v->ecl_fd = fcntl(ecl_fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		vectors_free(v);
		return (NULL);
	}
	return (v);
}

int
vectors_open(int ecl_fd, struct log *log, const char *space, const char *token, struct vectors **ret, struct err *e)
{
	struct err why = {0, 0, ""};
	struct vectors *v;
	int rc;

	if ((v = new_vectors(ecl_fd, log->root_fd, space, token)) == NULL)
		return (errno == ENOMEM ? err_mem(e) : err_sys(e, "cannot open the vectors"));
	while ((rc = load_newest(v, log, &why)) != 1 && moved(v))
		;
	if (rc == -1 && err_is_mem(&why)) {
		vectors_free(v);
		return (err_mem(e));
	}
	if (rc == -1)
		snprintf(v->damage, sizeof(v->damage), "%s", why.text);
	v->rows = v->head.rows.rows;
	v->events = v->head.events;
	*ret = v;
	return (0);
}

void
vectors_free(struct vectors *v)
{
	if (v == NULL)
		return;
	vectors_free(v->aside);
	forget_files(v);
	buf_release(&v->other);
	free(v->token);
	if (v->dir_fd != -1)
		close(v->dir_fd);
	if (v->ecl_fd != -1)
		close(v->ecl_fd);
	free(v);
}

struct vectors *
vectors_clone(const struct vectors *v)
{
	struct buf text = BUF_INIT;
	struct vectors *c;

	if ((c = new_vectors(v->ecl_fd, v->root_fd, v->space, v->token)) == NULL)
		return (NULL);
	if (v->head.events == 0)
		return (c);
	vectors_head_format(&v->head, &text);
	if (text.failed || vectors_head_parse((struct span){text.data, text.len}, v->space, &c->head) != 0)
		goto err1;
	if ((c->dir_fd = fcntl(v->dir_fd, F_DUPFD_CLOEXEC, 3)) == -1)
		goto err1;
	buf_release(&text);
	vectors_columns_init(&c->column, &c->head, c->dir_fd);
	c->rows = v->rows;
	c->events = v->events;
	return (c);

err1:	buf_release(&text);
	vectors_head_release(&c->head);
	vectors_free(c);
	return (NULL);
}

/* ---- what there is ---- */

const char *
vectors_damage(const struct vectors *v)
{
	return (v->damage[0] != '\0' ? v->damage : NULL);
}

const char *
vectors_other(const struct vectors *v)
{
	return (v->other.len > 0 ? v->other.data : NULL);
}

uint64_t
vectors_events(const struct vectors *v)
{
	return (v->events);
}

uint64_t
vectors_rows(const struct vectors *v)
{
	return (v->rows);
}

unsigned
vectors_dims(const struct vectors *v)
{
	return (v->head.dims);
}

unsigned
vectors_width(const struct vectors *v)
{
	return (v->head.dims == 0 ? 0 : v->column.row.width);
}

uint64_t
vectors_others(const struct vectors *v, uint64_t *ret_first)
{
	*ret_first = v->head.first_other;
	return (v->head.others);
}

size_t
vectors_segments(const struct vectors *v, const struct vectors_segment **ret)
{
	*ret = v->head.segment;
	return (v->head.segments);
}

void
vectors_segment_name(const struct vectors *v, const struct vectors_segment *s, char out[VECTORS_NAME])
{
	vectors_ivf_name(&v->head, s->number, out);
}

int
vectors_dir(const struct vectors *v)
{
	return (v->dir_fd);
}

/* ---- rows ---- */

/*
 * The files cannot be read: where others were made in their place, by a rebuild or a rollback, that have all that the caller knows of,
 * go on with those.  Their rows are the same.  Return 0, or -1.
 */
static int
reload(struct vectors *v)
{
	uint32_t seed = v->head.seed;
	bool elsewhere = moved(v);
	struct vectors *fresh, swap;
	struct log *log;
	int rc = -1;

	/* A log of its own: that of the opener may be in use by another thread. */
	if (log_open(v->ecl_fd, v->root_fd, &log, NULL) != 0)
		return (-1);
	if (vectors_open(v->ecl_fd, log, v->space, v->token, &fresh, NULL) != 0)
		goto out;
	if ((fresh->head.seed != seed || elsewhere) && fresh->rows >= v->rows && fresh->events >= v->events && fresh->head.dims == v->head.dims) {
		fresh->rows = v->rows;
		fresh->events = v->events;
		swap = *v;
		*v = *fresh;
		*fresh = swap;
		v->aside = fresh;
		rc = 0;
	} else
		vectors_free(fresh);
out:	log_free(log);
	return (rc);
}

/* Say what is wrong, and what to do about it. */
static int
damaged(const struct err *why, struct err *e)
{
	if (err_is_mem(why))
		return (err_mem(e));
	return (err_set(e, "the vectors are damaged: %.600s; 'ecl-index --rebuild' makes them anew", why->text));
}

/* The chunk of ${c}, one of the columns, in which ${row} stands, of ${rows} that are known. */
static int
chunk(struct vectors *v, struct column *c, uint64_t row, uint64_t rows, const uint8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e)
{
	struct err why = {0, 0, ""};

	if (row >= rows)
		return (err_set(e, "there is no row %" PRIu64 ": there are %" PRIu64, row, rows));
	if (column_run(c, row, ret, ret_n, &why) != 0 && (reload(v) != 0 || column_run(c, row, ret, ret_n, &why) != 0))
		return (damaged(&why, e));
	*ret_first = row - row % (COLUMN_CHUNK / c->width);
	if (*ret_n > rows - *ret_first)
		*ret_n = rows - *ret_first;
	return (0);
}

int
vectors_chunk(struct vectors *v, uint64_t row, const int8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e)
{
	const uint8_t *first;

	if (chunk(v, &v->column.row, row, v->rows, &first, ret_first, ret_n, e) != 0)
		return (-1);
	*ret = (const int8_t *)first;
	return (0);
}

void
vectors_scanned(struct vectors *v, bool scanned)
{
	v->column.row.cached = scanned ? 1 : COLUMN_CACHE;
}

unsigned
vectors_code_bytes(const struct vectors *v)
{
	return (vectors_code_width(&v->head));
}

uint64_t
vectors_coded(const struct vectors *v)
{
	return (vectors_code_bytes(v) == 0 ? 0 : v->rows - v->rows % CODE_BLOCK);
}

int
vectors_codes(struct vectors *v, uint64_t row, const uint8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e)
{
	if (chunk(v, &v->column.code, row / CODE_BLOCK, v->rows / CODE_BLOCK, ret, ret_first, ret_n, e) != 0)
		return (-1);
	*ret_first *= CODE_BLOCK;
	*ret_n *= CODE_BLOCK;
	return (0);
}

int
vectors_row(struct vectors *v, uint64_t row, int8_t *out, struct err *e)
{
	const int8_t *rows;
	uint64_t first, n;

	if (vectors_chunk(v, row, &rows, &first, &n, e) != 0)
		return (-1);
	memcpy(out, rows + (row - first) * v->column.row.width, v->column.row.width);
	return (0);
}

void
vectors_ahead(struct vectors *v, bool codes, uint64_t from, uint64_t to)
{
	struct column *c = codes ? &v->column.code : &v->column.row;
	uint64_t per = codes ? CODE_BLOCK : 1;

	if (from >= to || to > v->rows || column_is_cached(c, from / per))
		return;
	column_read_ahead(c, from / per, (to - 1) / per + 1 - from / per);
}

int
vectors_peek(struct vectors *v, uint64_t row, bool wait, int8_t *out)
{
	if (!wait)
		return (column_peek_now(&v->column.row, row, out));
	return (column_peek(&v->column.row, row, out, NULL) == 0 ? 1 : -1);
}

/* ---- seqs ---- */

int
vectors_seq(struct vectors *v, uint64_t row, uint64_t *ret, struct err *e)
{
	const uint8_t *p;
	struct err why = {0, 0, ""};

	if (row >= v->rows)
		return (err_set(e, "there is no row %" PRIu64 ": there are %" PRIu64, row, v->rows));
	if (v->space[0] != 'g') {
		*ret = row;
		return (0);
	}
	if (column_get(&v->column.seq, row, &p, &why) != 0 && (reload(v) != 0 || column_get(&v->column.seq, row, &p, &why) != 0))
		return (damaged(&why, e));
	*ret = le64_get(p);
	return (0);
}

int
vectors_find(struct vectors *v, uint64_t seq, uint64_t *ret_row, struct err *e)
{
	uint64_t lo = 0, hi = v->rows, mid, at;

	if (v->space[0] != 'g') {
		*ret_row = seq < v->rows ? seq : v->rows;
		return (0);
	}
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (vectors_seq(v, mid, &at, e) != 0)
			return (-1);
		if (at < seq)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_row = lo;
	return (0);
}

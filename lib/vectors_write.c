/* Vectors of a ledger's events: bringing them up to date. */
#include "config.h"

#include <sys/file.h>
#include <sys/random.h>

#include <errno.h>
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
#include "vectorize.h"
#include "vectors_impl.h"

#include "banned.h"

#define PUBLISH 262144	     /* events between two manifests: so much is lost at most */
#define FLUSH (8u << 20)     /* bytes of rows that are kept in memory */
#define GIVEN_LAG 32768	     /* events without a vector that readers may scan for themselves */

/* A space that is being written. */
struct writer {
	struct vectors_update *u;
	int dir_fd;
	struct vectors_head head; /* what will be published */
	bool published;		  /* a manifest names the files */
	bool sync;
	struct vectors_columns column;
	struct buf new_rows, new_codes, new_seqs; /* not in the columns yet */
	struct buf uncoded; /* the rows behind the last block of codes */
	uint64_t total;		  /* events to do, for who watches */
	uint64_t from;
};

/* ---- what is there ---- */

/* The stored rows behind the last block of codes, which are part of the next one. */
static int
read_uncoded(struct writer *w, struct err *why)
{
	struct column *c = &w->column.row;
	const uint8_t *row;
	uint64_t i;

	for (i = w->head.codes.rows * CODE_BLOCK; vectors_code_width(&w->head) != 0 && i < c->rows; i++) {
		if (column_get(c, i, &row, why) != 0)
			return (-1);
		buf_add(&w->uncoded, row, c->width);
	}
	return (w->uncoded.failed ? err_mem(why) : 0);
}

/* Whether it can be continued.  Return 1, 0 where it is to be begun anew, or -1 where that is to be left to others. */
static int
usable(struct writer *w, const char *token, struct err *why)
{
	struct vectors_update *u = w->u;
	const char *space = w->head.space;
	int rc;

	if (u->anew)
		return (0);
	if ((rc = vectors_head_load(w->dir_fd, space, &w->head, why)) != 1) {
		w->head.space = space;
		/* What could not be read may be all right: a small part is not put in its place. */
		return (u->max != 0 && why->sys != 0 && why->sys != ENOENT ? -1 : 0);
	}
	vectors_columns_init(&w->column, &w->head, w->dir_fd);
	if ((rc = vectors_head_made_by(&w->head, token, why)) != 1)
		return (rc);
	if (w->head.events > u->log->end.size) {
		/* Who wants it cheap is behind others, who saw more; who wants all of it looks again. */
		if (u->max != 0)
			return (-1);
		if (log_refresh(u->log, why) != 0)
			return (0);
	}
	if (!column_check_sizes(&w->column.row) || !column_check_sizes(&w->column.code) || !column_check_sizes(&w->column.seq)) {
		err_set(why, "a file of the column '%s' is missing or too short", w->column.row.name);
		return (0);
	}
	if (vectors_head_confirm(&w->head, u->log, why) != 0)
		return (0);
	if (read_uncoded(w, why) != 0)
		return (err_is_mem(why) ? -1 : 0);
	return (1);
}

static int
begin_anew(struct writer *w, const char *token, struct err *e)
{
	const char *space = w->head.space;

	vectors_columns_release(&w->column);
	vectors_head_release(&w->head);
	buf_reset(&w->uncoded);
	w->head.space = space;
	json_escape(&w->head.token, (struct span){token, strlen(token)});
	if (w->head.token.failed)
		return (err_mem(e));
	if (getrandom(&w->head.seed, sizeof(w->head.seed), 0) != (ssize_t)sizeof(w->head.seed))
		return (err_sys(e, "cannot get random bytes"));
	vectors_columns_init(&w->column, &w->head, w->dir_fd);
	return (0);
}

/* Return 1 where the space is open for writing, 0 where there is nothing to do, or -1. */
static int
writer_begin(struct writer *w, struct vectors_update *u, int dir_fd, const char *space, const char *token, struct err *e)
{
	struct err why = {0, 0, ""};
	int rc;

	memset(w, 0, sizeof(*w));
	w->u = u;
	w->dir_fd = dir_fd;
	w->head.space = space;
	if ((rc = usable(w, token, &why)) == -1)
		return (err_is_mem(&why) ? err_mem(e) : 0);
	w->published = rc == 1;
	if (rc == 0 && why.text[0] != '\0' && why.sys != ENOENT)
		snprintf(u->damage, sizeof(u->damage), "%s", why.text);
	if (rc == 0 && begin_anew(w, token, e) != 0)
		return (-1);
	w->from = w->head.events;
	w->total = w->from < u->size ? u->size - w->from : 0;
	if (u->max != 0 && w->total > u->max)
		w->total = u->max;
	/* What took long to make is not to be made again. */
	w->sync = !u->unsynced || w->total > PUBLISH;
	return (w->total > 0);
}

/* ---- what comes ---- */

static void
make_codes(struct writer *w)
{
	size_t block = (size_t)w->column.row.width * CODE_BLOCK, bytes = w->column.code.width, at;

	if (vectors_code_width(&w->head) == 0)
		return;
	buf_add(&w->uncoded, w->new_rows.data, w->new_rows.len);
	if (w->uncoded.failed || buf_reserve(&w->new_codes, w->uncoded.len / block * bytes) != 0)
		return;
	for (at = 0; at + block <= w->uncoded.len; at += block, w->new_codes.len += bytes)
		code_make_block((const int8_t *)w->uncoded.data + at, w->column.row.width, (uint8_t *)w->new_codes.data + w->new_codes.len);
	memmove(w->uncoded.data, w->uncoded.data + at, w->uncoded.len - at);
	w->uncoded.len -= at;
}

static int
flush(struct writer *w, struct err *e)
{
	struct vectors_columns *c = &w->column;

	make_codes(w);
	if (w->new_rows.failed || w->uncoded.failed || w->new_codes.failed || w->new_seqs.failed)
		return (err_mem(e));
	if (column_append(&c->row, (const uint8_t *)w->new_rows.data, w->new_rows.len / c->row.width, w->sync, e) != 0 ||
	    column_append(&c->code, (const uint8_t *)w->new_codes.data, w->new_codes.len / c->code.width, w->sync, e) != 0 ||
	    column_append(&c->seq, (const uint8_t *)w->new_seqs.data, w->new_seqs.len / c->seq.width, w->sync, e) != 0)
		return (-1);
	buf_reset(&w->new_rows);
	buf_reset(&w->new_codes);
	buf_reset(&w->new_seqs);
	return (0);
}

/* The events below ${size} are in it from now on. */
static int
publish(struct writer *w, uint64_t size, struct err *e)
{
	if (flush(w, e) != 0 || vectors_event_hash(w->u->log, size - 1, w->head.hash, e) != 0)
		return (-1);
	w->head.events = size;
	w->head.rows = (struct vectors_column){w->column.row.rows, w->column.row.tail_crc};
	w->head.codes = (struct vectors_column){w->column.code.rows, w->column.code.tail_crc};
	w->head.seqs = (struct vectors_column){w->column.seq.rows, w->column.seq.tail_crc};
	if (vectors_head_publish(&w->head, w->dir_fd, w->sync, e) != 0)
		return (-1);
	w->published = true;
	return (0);
}

/* The first row tells how wide they are. */
static void
set_dims(struct writer *w, unsigned dims)
{
	if (w->head.dims != 0)
		return;
	w->head.dims = dims;
	vectors_columns_release(&w->column);
	vectors_columns_init(&w->column, &w->head, w->dir_fd);
}

struct visit {
	struct writer *w;
	struct err *e;
};

static int
take_rows(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct visit *v = arg;
	struct writer *w = v->w;

	buf_add(&w->new_rows, rows, n * w->column.row.width);
	if (w->u->step != NULL)
		w->u->step(w->u->arg, seq + n - w->from, w->total);
	return (w->new_rows.failed || w->new_rows.len >= FLUSH ? flush(w, v->e) : 0);
}

static int
take_given(void *arg, uint64_t seq, const float *v, unsigned dims)
{
	struct writer *w = ((struct visit *)arg)->w;
	struct err *e = ((struct visit *)arg)->e;
	uint8_t text[8];
	int8_t *row;

	/* A vector that is too long, or has a number that is none, cannot be the one that fixes the dimension. */
	if (dims <= EMBEDDER_DIMS_MAX && (w->head.dims == 0 || w->head.dims == dims)) {
		if (buf_reserve(&w->new_rows, embedder_width(dims)) != 0)
			return (err_mem(e));
		row = (int8_t *)w->new_rows.data + w->new_rows.len;
		if (embedder_quantize(v, dims, row) == 0) {
			set_dims(w, dims);
			memset(row + dims, 0, w->column.row.width - dims);
			w->new_rows.len += w->column.row.width;
			le64_put(text, seq);
			buf_add(&w->new_seqs, text, sizeof(text));
			return (w->new_seqs.failed || w->new_rows.len >= FLUSH ? flush(w, e) : 0);
		}
	}
	if (w->head.others++ == 0)
		w->head.first_other = seq;
	return (0);
}

/* ---- the two spaces ---- */

/* What was begun and is named by no manifest. */
static void
writer_end(struct writer *w, bool good)
{
	struct column *c[] = {&w->column.row, &w->column.code, &w->column.seq};
	char path[COLUMN_PATH], sum[COLUMN_PATH + 4];
	uint64_t row;
	size_t i;

	for (i = 0; i < 3 && !good && !w->published && w->column.row.width != 0; i++)
		for (row = 0;; row += COLUMN_FILE / c[i]->width) {
			column_path(c[i], row, path);
			snprintf(sum, sizeof(sum), "%s.sum", path);
			unlinkat(w->dir_fd, sum, 0);
			if (unlinkat(w->dir_fd, path, 0) != 0)
				break;
		}
	vectors_columns_release(&w->column);
	vectors_head_release(&w->head);
	buf_release(&w->new_rows);
	buf_release(&w->uncoded);
	buf_release(&w->new_codes);
	buf_release(&w->new_seqs);
}

static uint64_t
step_from(const struct writer *w, uint64_t at)
{
	uint64_t end = w->from + w->total;

	return (end - at < PUBLISH ? end : at + PUBLISH);
}

static int
extend_given(struct vectors_update *u, int dir_fd, struct err *e)
{
	struct writer w;
	struct visit v = {&w, e};
	uint64_t at, next, before, others;
	bool mend;
	int rc;

	rc = writer_begin(&w, u, dir_fd, VECTORS_GIVEN, "", e);
	mend = u->damage[0] != '\0';
	before = w.head.rows.rows;
	others = w.head.others;
	for (at = w.from; rc == 1 && at < w.from + w.total; at = next) {
		next = step_from(&w, at);
		if (given_scan(u->log, at, next, take_given, &v, e) != 0)
			rc = -1;
		else if (!mend && next - w.from < GIVEN_LAG && w.column.row.rows == before && w.new_rows.len == 0 && w.head.others == others)
			break; /* nothing to write down: who has none need not pay */
		else if (publish(&w, next, e) != 0)
			rc = -1;
	}
	u->given = w.column.row.rows;
	writer_end(&w, rc != -1);
	return (rc == -1 ? -1 : 0);
}

static int
make_rows(struct writer *w, struct embedder *em, struct err *e)
{
	struct visit v = {w, e};
	uint64_t at, next;

	if (embedder_probe(em, e) != 0)
		return (-1);
	set_dims(w, embedder_dims(em));
	for (at = w->from; at < w->from + w->total; at = next) {
		next = step_from(w, at);
		if (vectorize(w->u->log, em, at, next, w->u->threads, take_rows, &v, e) != 0 || publish(w, next, e) != 0)
			return (-1);
	}
	return (0);
}

static int
extend_made(struct vectors_update *u, int dir_fd, struct err *e)
{
	struct embedder *em;
	struct writer w;
	int rc;

	if ((rc = writer_begin(&w, u, dir_fd, VECTORS_MADE, u->token, e)) == 1) {
		if (embedder_open(u->token, w.head.dims, u->flags, &em, e) != 0)
			rc = -1;
		else {
			rc = make_rows(&w, em, e);
			embedder_free(em);
		}
	}
	u->rows = w.column.row.rows;
	writer_end(&w, rc != -1);
	return (rc == -1 ? -1 : 0);
}

/* Rows that no embedder stands behind any more. */
static int
remove_made(int dir_fd, struct err *e)
{
	char name[VECTORS_NAME];

	vectors_head_file(VECTORS_MADE, name);
	if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
		return (err_sys(e, "cannot remove 'index/%s'", name));
	return (0);
}

static int
catch_up_locked(struct vectors_update *u, struct err *e)
{
	int dir_fd, rc;

	if (io_make_dir(u->ecl_fd, u->dir, e) != 0 || (dir_fd = io_open_dir(u->ecl_fd, u->dir, e)) == -1)
		return (-1);
	if ((rc = extend_given(u, dir_fd, e)) == 0 && u->token != NULL) {
		if (strcmp(u->token, "none") != 0)
			rc = extend_made(u, dir_fd, e);
		else if (u->max == 0)
			rc = remove_made(dir_fd, e);
	}
	close(dir_fd);
	return (rc);
}

int
vectors_catch_up(struct vectors_update *u, struct err *e)
{
	int rc;

	u->busy = false;
	u->rows = u->given = 0;
	u->damage[0] = '\0';
	if (u->lock_fd != -1 && io_lock(u->lock_fd, true, 0) != 0) {
		u->busy = errno == EWOULDBLOCK;
		return (u->busy ? 0 : err_sys(e, "cannot lock 'index.lock'"));
	}
	rc = catch_up_locked(u, e);
	if (u->lock_fd != -1)
		flock(u->lock_fd, LOCK_UN);
	return (rc);
}

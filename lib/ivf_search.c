/* Similarity segments: open, search, check.  In the module that links FAISS. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "faiss_c.h"
#include "io.h"
#include "ivf.h"
#include "ivf_file.h"
#include "ivf_impl.h"

#include "banned.h"

/* Of the lists, so many are probed: at least MIN_PROBES, else one of PROBE_PART; with filters up to MORE_PROBES times as many. */
#define MIN_PROBES 8
#define PROBE_PART 8
#define MORE_PROBES 4

#define ALIGNMENT 16

struct ivf {
	int fd;
	char name[64];
	struct ivf_file file;
	void *memory;
	uint8_t *head; /* the file's bytes before data, so placed in memory that the centroids are aligned */
};

/* A list that a query probes. */
struct probed {
	uint32_t list, rows; /* rows: those that are wanted */
	uint8_t *data;	     /* their codes, then their ids; NULL: all that the file has */
};

/* What FAISS reads as if it were a file: pieces of memory, or of the segment. */
struct piece {
	const uint8_t *p; /* NULL: in the file */
	uint64_t at;
	size_t len;
	uint32_t crc, want; /* of what was read of the file, and of the whole piece */
};

struct stream {
	const struct ivf *x;
	struct piece *piece;
	size_t n, first;
	struct err *e;
	bool failed;
};

int
faiss_failed(struct err *e, const char *what)
{
	const char *said = faiss_get_last_error();

	if (said != NULL && strstr(said, "bad_alloc") != NULL)
		return (err_mem(e));
	return (err_set(e, "FAISS cannot %s: %s", what, said == NULL ? "it does not say why" : said));
}

/* Say whose error it is, and what mends it. */
static int
damaged(const struct ivf *x, struct err *e)
{
	struct err why = *e;

	err_set(e, "'%s': %s: run ecl-index --rebuild", x->name, why.text);
	e->sys = why.sys;
	return (-1);
}

/*
 * The next ${n} bytes of the segment's file, which are the piece's first.  Where they are damaged FAISS reads on all the same,
 * since it leaks what it has where it cannot; they are codes and ids, of which all are possible, and nothing is made of them.
 */
static void
read_from_file(struct stream *s, struct piece *piece, char *out, size_t n)
{
	ssize_t got = io_pread(s->x->fd, out, n, piece->at);
	bool failed = true;

	if (got < 0)
		err_sys(s->failed ? NULL : s->e, "cannot read");
	else if ((size_t)got != n)
		err_set(s->failed ? NULL : s->e, "it is cut");
	else {
		piece->crc = crc32c(piece->crc, out, n);
		failed = n == piece->len && piece->crc != piece->want;
		if (failed)
			err_set(s->failed ? NULL : s->e, "the checksum of a list is wrong");
	}
	if (got < 0 || (size_t)got != n)
		memset(out, 0, n);
	s->failed |= failed;
}

static ssize_t
read_pieces(void *cookie, char *out, size_t len)
{
	struct stream *s = cookie;
	struct piece *piece;
	size_t done = 0, n;

	while (done < len && s->first < s->n) {
		piece = &s->piece[s->first];
		n = piece->len < len - done ? piece->len : len - done;
		if (piece->p == NULL) {
			read_from_file(s, piece, out + done, n);
			piece->at += n;
		} else {
			memcpy(out + done, piece->p, n);
			piece->p += n;
		}
		piece->len -= n;
		done += n;
		if (piece->len == 0)
			s->first++;
	}
	return ((ssize_t)done);
}

static int
read_index(struct stream *s, FaissIndex **ret, struct err *e)
{
	FILE *f;
	int rc = 0;

	if ((f = fopencookie(s, "r", (cookie_io_functions_t){.read = read_pieces})) == NULL)
		return (err_mem(e));
	if (faiss_read_index(f, 0, ret) != 0)
		rc = faiss_failed(e, "read a segment");
	else if (s->failed) {
		faiss_Index_free(*ret);
		rc = damaged(s->x, e);
	}
	fclose(f);
	return (rc);
}

/* FAISS's own idea of what it read: what we rely on. */
static int
check_index(const struct ivf *x, FaissIndex *index, struct err *e)
{
	FaissIndexIVF *v = faiss_IndexIVF_cast(index);

	if (v != NULL && faiss_Index_d(index) == (int)x->file.width && faiss_IndexIVF_nlist(v) == x->file.nlist)
		return (0);
	err_set(e, "it is not of the kind that this program makes");
	return (damaged(x, e));
}

/* An index of these lists of ${x}, as if the others were empty. */
static int
make_index(const struct ivf *x, const struct probed *probed, uint32_t n, FaissIndex **ret, struct err *e)
{
	struct stream s = {.x = x, .e = e};
	uint32_t *chosen, *rows, i;
	struct piece *piece;
	uint8_t *lists;
	int rc = -1;

	chosen = malloc((n + 1) * sizeof(*chosen));
	rows = malloc((n + 1) * sizeof(*rows));
	lists = malloc(IVF_LISTS(n));
	s.piece = calloc(n + 2, sizeof(*s.piece));
	if (chosen == NULL || rows == NULL || lists == NULL || s.piece == NULL) {
		err_mem(e);
		goto err1;
	}
	s.piece[s.n++] = (struct piece){.p = x->head, .len = x->file.head};
	s.piece[s.n++] = (struct piece){.p = lists, .len = IVF_LISTS(n)};
	for (i = 0; i < n; i++) {
		chosen[i] = probed[i].list;
		rows[i] = probed[i].rows;
		piece = &s.piece[s.n++];
		piece->p = probed[i].data;
		piece->at = x->file.list[probed[i].list].at;
		piece->len = probed[i].rows * (size_t)(x->file.code + IVF_ID);
		piece->want = x->file.list[probed[i].list].crc;
	}
	ivf_file_lists(&x->file, chosen, rows, n, lists);
	if (read_index(&s, ret, e) == 0 && (rc = check_index(x, *ret, e)) != 0)
		faiss_Index_free(*ret);
err1:	free(s.piece);
	free(lists);
	free(rows);
	free(chosen);
	return (rc);
}

int
ivf_impl_open(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
    struct ivf **ret, struct err *e)
{
	struct ivf *x;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return (err_mem(e));
	snprintf(x->name, sizeof(x->name), "%s", name);
	if ((x->fd = io_open_file(dir_fd, name, O_RDONLY, 0, e)) == -1) {
		free(x);
		return (-1);
	}
	if (ivf_file_read(x->fd, bytes, crc, &x->file, e) != 0)
		goto err1;
	if (x->file.from != from || x->file.to != to || x->file.width != width) {
		err_set(e, "it holds other rows than the manifest says");
		goto err1;
	}
	if ((x->memory = malloc(x->file.data + ALIGNMENT)) == NULL) {
		err_mem(e);
		goto err2;
	}
	x->head = (uint8_t *)x->memory + (ALIGNMENT - x->file.centroids % ALIGNMENT) % ALIGNMENT;
	if (ivf_file_part(x->fd, 0, x->file.data, x->file.crc, x->head, e) != 0)
		goto err1;
	*ret = x;
	return (0);

err1:	damaged(x, e);
err2:	ivf_impl_free(x);
	return (-1);
}

void
ivf_impl_free(struct ivf *x)
{
	if (x == NULL)
		return;
	ivf_file_release(&x->file);
	free(x->memory);
	close(x->fd);
	free(x);
}

static bool
is_wanted(const struct ivf *x, const struct ivf_query *q, int64_t id)
{
	uint64_t row = x->file.from + (uint64_t)id;

	return (row >= q->lo && row < q->hi && (q->wanted == NULL || (q->wanted[id >> 3] >> (id & 7) & 1) != 0));
}

/* Read list ${i}, checked. */
static int
read_list(const struct ivf *x, uint32_t i, uint8_t **ret, struct err *e)
{
	const struct ivf_list *list = &x->file.list[i];

	if ((*ret = malloc(ivf_file_list_bytes(&x->file, i))) == NULL)
		return (err_mem(e));
	if (ivf_file_part(x->fd, list->at, ivf_file_list_bytes(&x->file, i), list->crc, *ret, e) == 0)
		return (0);
	free(*ret);
	return (damaged(x, e));
}

static int64_t
id_of(const uint8_t *ids, uint32_t k)
{
	int64_t id;

	memcpy(&id, ids + k * (size_t)IVF_ID, sizeof(id));
	return (id);
}

/* Keep what is wanted of a list's codes and ids.  Return the number. */
static uint32_t
keep_wanted(const struct ivf *x, const struct ivf_query *q, uint8_t *data, uint32_t rows)
{
	uint64_t n = x->file.to - x->file.from;
	size_t code = x->file.code;
	uint8_t *ids = data + rows * code;
	uint32_t k, kept = 0;
	int64_t id;

	for (k = 0; k < rows; k++) {
		id = id_of(ids, k);
		if (id < 0 || (uint64_t)id >= n || !is_wanted(x, q, id))
			continue;
		memmove(data + kept * code, data + k * code, code);
		memcpy(ids + kept * (size_t)IVF_ID, &id, sizeof(id));
		kept++;
	}
	memmove(data + kept * code, ids, kept * (size_t)IVF_ID);
	return (kept);
}

static int
by_list(const void *pa, const void *pb)
{
	const struct probed *a = pa, *b = pb;

	return ((a->list > b->list) - (a->list < b->list));
}

struct near {
	float score;
	uint32_t list;
};

static int
nearer(const void *pa, const void *pb)
{
	const struct near *a = pa, *b = pb;

	return (a->score > b->score ? -1 : a->score < b->score ? 1 : (a->list > b->list) - (a->list < b->list));
}

/* All lists, those nearest to the query first, as FAISS's own quantizer would have them. */
static struct near *
nearest_lists(const struct ivf *x, const float *q)
{
	const float *centroids = (const float *)(const void *)(x->head + x->file.centroids);
	uint32_t n = x->file.nlist, i;
	struct near *near;
	float *score;

	score = malloc(n * sizeof(*score));
	near = malloc(n * sizeof(*near));
	if (score != NULL && near != NULL) {
		faiss_fvec_inner_products_ny(score, q, centroids, x->file.width, n);
		for (i = 0; i < n; i++)
			near[i] = (struct near){score[i], i};
		qsort(near, n, sizeof(*near), nearer);
	} else {
		free(near);
		near = NULL;
	}
	free(score);
	return (near);
}

/* Choose the lists to be probed; with a filter, read them, and keep what is wanted.  ret[] has room for ${most}. */
static int
probe(const struct ivf *x, const struct ivf_query *query, const float *q, size_t least, size_t most, struct probed *ret,
    uint32_t *ret_n, struct err *e)
{
	bool all = query->wanted == NULL && query->lo <= x->file.from && query->hi >= x->file.to;
	uint64_t rows = 0, enough = least * (x->file.to - x->file.from) / x->file.nlist;
	struct near *near;
	struct probed *p;
	size_t i;

	if ((near = nearest_lists(x, q)) == NULL)
		return (err_mem(e));
	for (i = 0; i < most && (i < least || (!all && rows < enough)); i++) {
		p = &ret[*ret_n];
		*p = (struct probed){near[i].list, x->file.list[near[i].list].rows, NULL};
		if (p->rows != 0 && !all) {
			if (read_list(x, p->list, &p->data, e) != 0)
				goto err1;
			if ((p->rows = keep_wanted(x, query, p->data, p->rows)) == 0)
				free(p->data);
		}
		rows += p->rows;
		*ret_n += p->rows != 0;
	}
	free(near);
	qsort(ret, *ret_n, sizeof(*ret), by_list);
	return (0);

err1:	free(near);
	return (-1);
}

/* Let FAISS search an index of what was probed, all of it. */
static int
search(const struct ivf *x, const float *q, size_t k, const struct probed *probed, uint32_t n, uint64_t *ret_row,
    float *ret_score, size_t *ret_n, struct err *e)
{
	FaissIndex *index;
	int64_t *id;
	size_t i, found = 0;
	int rc = -1;

	if ((id = malloc(k * sizeof(*id))) == NULL)
		return (err_mem(e));
	if (make_index(x, probed, n, &index, e) != 0)
		goto err1;
	faiss_IndexIVF_set_nprobe(faiss_IndexIVF_cast(index), x->file.nlist);
	if (faiss_Index_search(index, 1, q, (int64_t)k, ret_score, id) != 0) {
		faiss_failed(e, "search");
		goto err2;
	}
	for (i = 0; i < k; i++) {
		if (id[i] < 0 || (uint64_t)id[i] >= x->file.to - x->file.from)
			continue;
		ret_score[found] = ret_score[i];
		ret_row[found++] = x->file.from + (uint64_t)id[i];
	}
	*ret_n = found;
	rc = 0;
err2:	faiss_Index_free(index);
err1:	free(id);
	return (rc);
}

int
ivf_impl_search(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
    struct err *e)
{
	size_t i, least = query->nprobe, most;
	struct probed *probed = NULL;
	uint32_t n = 0;
	float *q;
	int rc = -1;

	*ret_n = 0;
	if (least == 0)
		least = x->file.nlist / PROBE_PART < MIN_PROBES ? MIN_PROBES : x->file.nlist / PROBE_PART;
	if (least > x->file.nlist)
		least = x->file.nlist;
	most = least * MORE_PROBES < x->file.nlist ? least * MORE_PROBES : x->file.nlist;
	q = malloc(x->file.width * sizeof(*q));
	probed = malloc(most * sizeof(*probed));
	if (q == NULL || probed == NULL) {
		err_mem(e);
		goto err1;
	}
	for (i = 0; i < x->file.width; i++)
		q[i] = query->q[i];
	if (probe(x, query, q, least, most, probed, &n, e) == 0)
		rc = n == 0 || query->k == 0 ? 0 : search(x, q, query->k, probed, n, ret_row, ret_score, ret_n, e);
	for (i = 0; i < n; i++)
		free(probed[i].data);
err1:	free(probed);
	free(q);
	return (rc);
}

/* Each id of list ${i} is a row of the segment that no other list has. */
static int
check_list(const struct ivf *x, uint32_t i, uint8_t *seen, struct err *e)
{
	uint32_t k, rows = x->file.list[i].rows;
	uint8_t *data;
	int64_t id;
	int rc = 0;

	if (read_list(x, i, &data, e) != 0)
		return (-1);
	for (k = 0; k < rows && rc == 0; k++) {
		id = id_of(data + rows * (size_t)x->file.code, k);
		if (id < 0 || (uint64_t)id >= x->file.to - x->file.from || (seen[id >> 3] >> (id & 7) & 1) != 0) {
			err_set(e, "its lists are not those of its rows");
			rc = damaged(x, e);
		} else
			seen[id >> 3] |= (uint8_t)(1 << (id & 7));
	}
	free(data);
	return (rc);
}

int
ivf_impl_check(struct ivf *x, struct err *e)
{
	FaissIndex *index;
	uint8_t *seen;
	uint32_t i;
	int rc;

	if ((seen = calloc((x->file.to - x->file.from + 7) / 8, 1)) == NULL)
		return (err_mem(e));
	if ((rc = make_index(x, NULL, 0, &index, e)) == 0)
		faiss_Index_free(index);
	for (i = 0; i < x->file.nlist && rc == 0; i++)
		if (x->file.list[i].rows != 0)
			rc = check_list(x, i, seen, e);
	free(seen);
	return (rc);
}

const struct ivf_impl ecl_ivf_impl = {
    IVF_IMPL_VERSION, ivf_impl_seal, ivf_impl_open, ivf_impl_free, ivf_impl_search, ivf_impl_check};

/* Similarity segments: open, search, check.  In the module that links FAISS. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "faiss_c.h"
#include "io.h"
#include "ivf.h"
#include "ivf_file.h"
#include "ivf_impl.h"

#include "banned.h"

/* Of the lists, so many are probed: at least MIN_PROBES, else one of PROBE_PART; with filters up to MORE_PROBES times as many. */
#define MIN_PROBES 16
#define PROBE_PART 16
#define MORE_PROBES 4

struct ivf {
	int fd;
	char name[64];
	struct ivf_file file;
	uint8_t *head;	    /* the file's bytes before data */
	FaissIndex *coarse; /* the index without its lists */
};

/* What one query read of a list. */
struct probed {
	uint32_t list, rows; /* rows: those that are wanted */
	uint8_t *data;	     /* their codes, then their ids */
};

/* A stream of pieces of memory, for FAISS to read an index from. */
struct piece {
	const uint8_t *p;
	size_t len;
};

struct stream {
	struct piece *piece;
	size_t n, first;
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

static ssize_t
read_pieces(void *cookie, char *out, size_t len)
{
	struct stream *s = cookie;
	struct piece *piece;
	size_t done = 0, n;

	while (done < len && s->first < s->n) {
		piece = &s->piece[s->first];
		n = piece->len < len - done ? piece->len : len - done;
		memcpy(out + done, piece->p, n);
		piece->p += n;
		piece->len -= n;
		done += n;
		if (piece->len == 0)
			s->first++;
	}
	return ((ssize_t)done);
}

/* An index of these lists of ${x}, as if the others were empty. */
static int
make_index(const struct ivf *x, const struct probed *probed, uint32_t n, FaissIndex **ret, struct err *e)
{
	struct stream s = {0};
	uint32_t *chosen, *rows, i;
	uint8_t *lists;
	FILE *f;
	int rc = -1;

	chosen = malloc((n + 1) * sizeof(*chosen));
	rows = malloc((n + 1) * sizeof(*rows));
	lists = malloc(IVF_LISTS(n));
	s.piece = malloc((n + 2) * sizeof(*s.piece));
	if (chosen == NULL || rows == NULL || lists == NULL || s.piece == NULL) {
		err_mem(e);
		goto err1;
	}
	s.piece[s.n++] = (struct piece){x->head, x->file.head};
	s.piece[s.n++] = (struct piece){lists, IVF_LISTS(n)};
	for (i = 0; i < n; i++) {
		chosen[i] = probed[i].list;
		rows[i] = probed[i].rows;
		s.piece[s.n++] = (struct piece){probed[i].data, probed[i].rows * (size_t)(x->file.code + IVF_ID)};
	}
	ivf_file_lists(&x->file, chosen, rows, n, lists);
	if ((f = fopencookie(&s, "r", (cookie_io_functions_t){.read = read_pieces})) == NULL) {
		err_mem(e);
		goto err1;
	}
	if (faiss_read_index(f, 0, ret) == 0)
		rc = 0;
	else
		faiss_failed(e, "read a segment");
	fclose(f);
err1:	free(s.piece);
	free(lists);
	free(rows);
	free(chosen);
	return (rc);
}

/* FAISS's own idea of what it read: what we rely on. */
static int
check_coarse(const struct ivf *x, struct err *e)
{
	FaissIndexIVF *v = faiss_IndexIVF_cast(x->coarse);

	if (v == NULL || faiss_Index_d(x->coarse) != (int)x->file.width || faiss_IndexIVF_nlist(v) != x->file.nlist ||
	    faiss_Index_ntotal(faiss_IndexIVF_quantizer(v)) != (int64_t)x->file.nlist)
		return (err_set(e, "it is not of the kind that this program makes"));
	return (0);
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
	if ((x->head = malloc(x->file.data)) == NULL) {
		err_mem(e);
		goto err2;
	}
	if (ivf_file_part(x->fd, 0, x->file.data, x->file.crc, x->head, e) != 0 || make_index(x, NULL, 0, &x->coarse, e) != 0 ||
	    check_coarse(x, e) != 0)
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
	if (x->coarse != NULL)
		faiss_Index_free(x->coarse);
	ivf_file_release(&x->file);
	free(x->head);
	close(x->fd);
	free(x);
}

static bool
is_wanted(const struct ivf *x, const struct ivf_query *q, int64_t id)
{
	uint64_t row = x->file.from + (uint64_t)id;

	return (row >= q->lo && row < q->hi && (q->wanted == NULL || (q->wanted[id >> 3] >> (id & 7) & 1) != 0));
}

/* Read list ${i} and keep what is wanted of it. */
static int
read_list(const struct ivf *x, uint32_t i, const struct ivf_query *q, bool all, struct probed *ret, struct err *e)
{
	const struct ivf_list *list = &x->file.list[i];
	uint64_t n = x->file.to - x->file.from;
	uint32_t k, kept = 0, code = x->file.code;
	uint8_t *data, *ids;
	int64_t id;

	if ((data = malloc(ivf_file_list_bytes(&x->file, i))) == NULL)
		return (err_mem(e));
	if (ivf_file_part(x->fd, list->at, ivf_file_list_bytes(&x->file, i), list->crc, data, e) != 0) {
		damaged(x, e);
		free(data);
		return (-1);
	}
	*ret = (struct probed){i, list->rows, data};
	if (all)
		return (0);
	ids = data + list->rows * (size_t)code;
	for (k = 0; k < list->rows; k++) {
		memcpy(&id, ids + k * (size_t)IVF_ID, sizeof(id));
		if (id < 0 || (uint64_t)id >= n || !is_wanted(x, q, id))
			continue;
		memmove(data + kept * (size_t)code, data + k * (size_t)code, code);
		memcpy(ids + kept * (size_t)IVF_ID, &id, sizeof(id));
		kept++;
	}
	memmove(data + kept * (size_t)code, ids, kept * (size_t)IVF_ID);
	ret->rows = kept;
	return (0);
}

static int
by_list(const void *pa, const void *pb)
{
	const struct probed *a = pa, *b = pb;

	return ((a->list > b->list) - (a->list < b->list));
}

/* The lists nearest to the query, nearest first, no more than ${n}. */
static int
nearest_lists(const struct ivf *x, const float *q, size_t n, int64_t *list, struct err *e)
{
	float *score;
	int rc = 0;

	if ((score = malloc(n * sizeof(*score))) == NULL)
		return (err_mem(e));
	if (faiss_Index_search(faiss_IndexIVF_quantizer(faiss_IndexIVF_cast(x->coarse)), 1, q, (int64_t)n, score, list) != 0)
		rc = faiss_failed(e, "search");
	free(score);
	return (rc);
}

/* Read the lists to be probed.  ret[] has room for ${most}. */
static int
probe(const struct ivf *x, const struct ivf_query *query, const float *q, size_t least, size_t most, struct probed *ret,
    uint32_t *ret_n, struct err *e)
{
	bool all = query->wanted == NULL && query->lo <= x->file.from && query->hi >= x->file.to;
	uint64_t rows = 0, enough = least * (x->file.to - x->file.from) / x->file.nlist;
	int64_t *list;
	size_t i;

	if ((list = malloc(most * sizeof(*list))) == NULL)
		return (err_mem(e));
	if (nearest_lists(x, q, most, list, e) != 0)
		goto err1;
	for (i = 0; i < most && (i < least || (!all && rows < enough)); i++) {
		if (list[i] < 0 || list[i] >= (int64_t)x->file.nlist || x->file.list[list[i]].rows == 0)
			continue;
		if (read_list(x, (uint32_t)list[i], query, all, &ret[*ret_n], e) != 0)
			goto err1;
		rows += ret[*ret_n].rows;
		if (ret[*ret_n].rows == 0)
			free(ret[*ret_n].data);
		else
			(*ret_n)++;
	}
	free(list);
	qsort(ret, *ret_n, sizeof(*ret), by_list);
	return (0);

err1:	free(list);
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
	const struct ivf_query every = {.lo = 0, .hi = UINT64_MAX};
	struct probed got;
	uint32_t k;
	int64_t id;
	int rc = 0;

	if (read_list(x, i, &every, true, &got, e) != 0)
		return (-1);
	for (k = 0; k < got.rows && rc == 0; k++) {
		memcpy(&id, got.data + got.rows * (size_t)x->file.code + k * (size_t)IVF_ID, sizeof(id));
		if (id < 0 || (uint64_t)id >= x->file.to - x->file.from || (seen[id >> 3] >> (id & 7) & 1) != 0) {
			err_set(e, "its lists are not those of its rows");
			rc = damaged(x, e);
		} else
			seen[id >> 3] |= (uint8_t)(1 << (id & 7));
	}
	free(got.data);
	return (rc);
}

int
ivf_impl_check(struct ivf *x, struct err *e)
{
	uint8_t *seen;
	uint32_t i;
	int rc = 0;

	if ((seen = calloc((x->file.to - x->file.from + 7) / 8, 1)) == NULL)
		return (err_mem(e));
	for (i = 0; i < x->file.nlist && rc == 0; i++)
		if (x->file.list[i].rows != 0)
			rc = check_list(x, i, seen, e);
	free(seen);
	return (rc);
}

const struct ivf_impl ecl_ivf_impl = {
    IVF_IMPL_VERSION, ivf_impl_seal, ivf_impl_open, ivf_impl_free, ivf_impl_search, ivf_impl_check};

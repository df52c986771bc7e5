/* Similarity segments: train one and write it. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faiss_c.h"
#include "io.h"
#include "ivf.h"
#include "ivf_file.h"
#include "ivf_impl.h"
#include "ivf_threads.h"

#include "banned.h"

#define LISTS_MIN 64
#define LISTS_PER_ROOT 4 /* about as many lists as the root of the number of rows, divided by this */
#define DIMS_PER_CODE 8	    /* a byte of code stands for so many dims */
#define TRAIN_PER_LIST 64   /* rows */
#define TRAIN_CODES IVF_LEAST /* rows: FAISS wants 39 for each of 256 code words */
#define TRAIN_BYTES (64u << 20)
#define BATCH_BYTES (16u << 20)
#define ROUNDS 10 /* of k-means */

struct seal {
	const struct ivf_rows *rows;
	uint64_t from, to;
	uint32_t seed, nlist;
	int (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	FaissIndex *index;
	float *centroids;
};

static int
tell(struct seal *s, uint64_t done, struct err *e)
{
	if (s->step != NULL && s->step(s->arg, done, s->to - s->from) != 0)
		return (err_set(e, "stopped"));
	return (0);
}

/* xorshift64*: where samples are taken. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(2685821657736338717));
}

static void
as_floats(const int8_t *row, size_t n, float *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = row[i];
}

/* ${n} rows spread over the segment, one out of each n-th part of it. */
static float *
sample(struct seal *s, size_t n, struct err *e)
{
	uint64_t state = s->seed | UINT64_C(0x9e3779b900000000), total = s->to - s->from, begin, end;
	size_t width = s->rows->width, i;
	int8_t *row;
	float *x;

	x = malloc(n * width * sizeof(*x));
	row = malloc(width);
	if (x == NULL || row == NULL) {
		err_mem(e);
		goto err1;
	}
	for (i = 0; i < n; i++) {
		begin = total * i / n;
		end = total * (i + 1) / n;
		if (s->rows->read(s->rows->arg, s->from + begin + next_random(&state) % (end - begin), 1, row, e) != 0)
			goto err1;
		as_floats(row, width, x + i * width);
	}
	free(row);
	return (x);

err1:	free(row);
	free(x);
	return (NULL);
}

static int
keep_centroids(struct seal *s, FaissClustering *c, struct err *e)
{
	float *x;
	size_t n;

	faiss_Clustering_centroids(c, &x, &n);
	if (n != s->nlist * (size_t)s->rows->width)
		return (err_set(e, "FAISS made %zu numbers of centroids in place of %zu", n, s->nlist * (size_t)s->rows->width));
	if ((s->centroids = malloc(n * sizeof(*x))) == NULL)
		return (err_mem(e));
	memcpy(s->centroids, x, n * sizeof(*x));
	return (0);
}

/* The centroids of the lists. */
static int
train_lists(struct seal *s, size_t n, const float *x, struct err *e)
{
	FaissClusteringParameters p;
	FaissClustering *c;
	int rc = 0;

	faiss_ClusteringParameters_init(&p);
	p.niter = ROUNDS;
	p.spherical = 1;
	p.min_points_per_centroid = 1;
	p.max_points_per_centroid = TRAIN_PER_LIST;
	p.seed = (int)(s->seed & 0x7fffffff);
	if (faiss_Clustering_new_with_params(&c, (int)s->rows->width, (int)s->nlist, &p) != 0)
		return (faiss_failed(e, "train"));
	if (faiss_Clustering_train(c, (int64_t)n, x, faiss_IndexIVF_quantizer(faiss_IndexIVF_cast(s->index))) != 0)
		rc = faiss_failed(e, "train");
	else
		rc = keep_centroids(s, c, e);
	faiss_Clustering_free(c);
	return (rc);
}

static uint64_t
square(uint64_t n)
{
	return (n * n);
}

static int
train(struct seal *s, struct err *e)
{
	size_t width = s->rows->width, most = TRAIN_BYTES / (width * sizeof(float)), n;
	uint64_t total = s->to - s->from;
	char what[64];
	float *x;
	int rc;

	for (s->nlist = LISTS_MIN; 2 * square(s->nlist * LISTS_PER_ROOT) <= total && s->nlist * (size_t)TRAIN_PER_LIST < most;)
		s->nlist *= 2;
	snprintf(what, sizeof(what), "IVF%u,PQ%zunp", s->nlist, width / DIMS_PER_CODE);
	if (faiss_index_factory(&s->index, (int)width, what, METRIC_INNER_PRODUCT) != 0)
		return (faiss_failed(e, "make an index"));
	n = s->nlist * (size_t)TRAIN_PER_LIST;
	n = n < total ? n : (size_t)total;
	if ((x = sample(s, n, e)) == NULL)
		return (-1);
	rc = train_lists(s, n, x, e);
	free(x);
	if (rc != 0 || tell(s, 0, e) != 0)
		return (-1);
	n = TRAIN_CODES;
	if ((x = sample(s, n, e)) == NULL)
		return (-1);
	if (faiss_Index_train(s->index, (int64_t)n, x) != 0)
		rc = faiss_failed(e, "train");
	free(x);
	return (rc);
}

/* One of the threads that add rows, and its part of the segment. */
struct adder {
	struct seal *s;
	struct adding *all;
	uint64_t from, to;
	FaissIndex *index; /* s->index, or a copy of it as it was trained */
	pthread_t thread;
};

struct adding {
	pthread_mutex_t lock; /* for rows->read, step, and: */
	uint64_t done;
	bool failed;
	struct err *e;
};

/* Read rows [at, at + n), or stop because another thread did. */
static int
read_rows(struct adder *a, uint64_t at, size_t n, int8_t *rows)
{
	struct adding *all = a->all;
	int rc = -1;

	pthread_mutex_lock(&all->lock);
	if (!all->failed)
		rc = a->s->rows->read(a->s->rows->arg, at, n, rows, all->e);
	all->failed |= rc != 0;
	pthread_mutex_unlock(&all->lock);
	return (rc);
}

/* ${rc}: what became of ${n} rows. */
static int
rows_done(struct adder *a, size_t n, int rc)
{
	struct adding *all = a->all;

	pthread_mutex_lock(&all->lock);
	if (rc != 0 && !all->failed)
		faiss_failed(all->e, "add rows");
	else if (!all->failed)
		rc = tell(a->s, all->done += n, all->e);
	all->failed |= rc != 0;
	pthread_mutex_unlock(&all->lock);
	return (rc);
}

static void *
add_part(void *arg)
{
	struct adder *a = arg;
	size_t width = a->s->rows->width, batch = BATCH_BYTES / (width * sizeof(float)), n, i;
	int threads = omp_get_max_threads();
	int64_t *ids;
	int8_t *rows;
	uint64_t at;
	float *x;

	omp_set_num_threads(1);
	x = malloc(batch * width * sizeof(*x));
	rows = malloc(batch * width);
	ids = malloc(batch * sizeof(*ids));
	if (x == NULL || rows == NULL || ids == NULL) {
		pthread_mutex_lock(&a->all->lock);
		if (!a->all->failed)
			err_mem(a->all->e);
		a->all->failed = true;
		pthread_mutex_unlock(&a->all->lock);
		goto err1;
	}
	for (at = a->from; at < a->to; at += n) {
		n = a->to - at < batch ? (size_t)(a->to - at) : batch;
		if (read_rows(a, at, n, rows) != 0)
			break;
		as_floats(rows, n * width, x);
		for (i = 0; i < n; i++)
			ids[i] = (int64_t)(at - a->s->from + i);
		if (rows_done(a, n, faiss_Index_add_with_ids(a->index, (int64_t)n, x, ids)) != 0)
			break;
	}
err1:	free(ids);
	free(rows);
	free(x);
	omp_set_num_threads(threads);
	return (NULL);
}

/* As it is, trained and empty. */
static int
copy_index(const FaissIndex *index, FaissIndex **ret, struct err *e)
{
	char *data = NULL;
	size_t len = 0;
	FILE *f;
	int rc;

	if ((f = open_memstream(&data, &len)) == NULL)
		return (err_mem(e));
	rc = faiss_write_index(index, f) == 0 ? 0 : faiss_failed(e, "copy an index");
	if (fclose(f) != 0 && rc == 0)
		rc = err_mem(e);
	if (rc == 0 && (f = fmemopen(data, len, "r")) == NULL)
		rc = err_mem(e);
	if (rc == 0) {
		rc = faiss_read_index(f, 0, ret) == 0 ? 0 : faiss_failed(e, "copy an index");
		fclose(f);
	}
	free(data);
	return (rc);
}

/* Each thread fills an index with its part of the rows; one after the other they become one again. */
static int
add_rows(struct seal *s, struct err *e)
{
	struct adding all = {.lock = PTHREAD_MUTEX_INITIALIZER, .e = e};
	struct adder a[IVF_THREADS] = {0};
	uint64_t total = s->to - s->from;
	unsigned n, i, threads = ivf_threads(), started;
	int rc = -1;

	for (n = 0; n < threads; n++) {
		a[n] = (struct adder){s, &all, s->from + total * n / threads, s->from + total * (n + 1) / threads, s->index, 0};
		if (n > 0 && copy_index(s->index, &a[n].index, e) != 0)
			goto err1;
	}
	for (started = 1; started < n; started++)
		if (pthread_create(&a[started].thread, NULL, add_part, &a[started]) != 0)
			break;
	add_part(&a[0]);
	for (i = 1; i < n; i++)
		if (i < started)
			pthread_join(a[i].thread, NULL);
		else
			add_part(&a[i]);
	rc = all.failed ? -1 : 0;
	for (i = 1; i < n && rc == 0; i++)
		if (faiss_IndexIVF_merge_from(faiss_IndexIVF_cast(s->index), faiss_IndexIVF_cast(a[i].index), 0) != 0)
			rc = faiss_failed(e, "join indexes");
err1:	for (i = 1; i < n; i++)
		faiss_Index_free(a[i].index);
	return (rc);
}

/* Let FAISS write to a descriptor of its own on the same file, so that closing it tells of what it could not write. */
static int
write_index(const struct seal *s, int fd, struct err *e)
{
	FILE *f;
	int copy;

	if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1 || (f = fdopen(copy, "w")) == NULL) {
		err_sys(e, "cannot open it again");
		if (copy != -1)
			close(copy);
		return (-1);
	}
	errno = 0;
	if (faiss_write_index(s->index, f) != 0) {
		if (errno != 0)
			err_sys(e, "cannot write");
		else
			faiss_failed(e, "write");
		fclose(f);
		return (-1);
	}
	return (fclose(f) == 0 ? 0 : err_sys(e, "cannot write"));
}

static int
write_file(const struct seal *s, int fd, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e)
{
	const FaissIndexIVF *v = faiss_IndexIVF_cast(s->index);
	struct ivf_file f = {.from = s->from, .to = s->to, .width = s->rows->width, .nlist = s->nlist};
	uint32_t i;
	int rc = -1;

	f.code = f.width / DIMS_PER_CODE;
	if ((f.list = calloc(f.nlist, sizeof(*f.list))) == NULL)
		return (err_mem(e));
	for (i = 0; i < f.nlist; i++)
		f.list[i].rows = (uint32_t)faiss_IndexIVF_get_list_size(v, i);
	if (write_index(s, fd, e) == 0 && ivf_file_finish(fd, &f, s->centroids, ret_bytes, ret_crc, e) == 0)
		rc = io_fsync(fd) == 0 ? 0 : err_sys(e, "cannot sync");
	ivf_file_release(&f);
	return (rc);
}

/* Under a temporary name, then ${name}. */
static int
publish(const struct seal *s, int dir_fd, const char *name, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e)
{
	char tmp[64];
	int fd;

	snprintf(tmp, sizeof(tmp), ".%s.new", name);
	if ((fd = io_open_file(dir_fd, tmp, O_RDWR | O_CREAT | O_TRUNC, 0640, e)) == -1)
		return (-1);
	if (write_file(s, fd, ret_bytes, ret_crc, e) != 0) {
		err_within(e, name);
		close(fd);
		goto err1;
	}
	if (close(fd) != 0) {
		err_sys(e, "cannot close '%s'", tmp);
		goto err1;
	}
	if (renameat(dir_fd, tmp, dir_fd, name) != 0) {
		err_sys(e, "cannot rename '%s' to '%s'", tmp, name);
		goto err1;
	}
	if (io_fsync(dir_fd) != 0) {
		err_sys(e, "cannot sync the directory of '%s'", name);
		unlinkat(dir_fd, name, 0);
		return (-1);
	}
	return (0);

err1:	unlinkat(dir_fd, tmp, 0);
	return (-1);
}

int
ivf_impl_seal(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e)
{
	struct seal s = {rows, from, to, seed, 0, step, arg, NULL, NULL};
	int threads = omp_get_max_threads(), rc = -1;

	if (to < from + IVF_LEAST || to > from + IVF_MAX)
		return (err_set(e, "cannot make '%s': a segment has %llu to %llu rows", name, (unsigned long long)IVF_LEAST,
		    (unsigned long long)IVF_MAX));
	if (rows->width < 32 || rows->width > IVF_WIDTH_MAX)
		return (err_set(e, "cannot make '%s': a segment's rows have 32 to %u bytes, not %u", name, IVF_WIDTH_MAX, rows->width));
#ifdef HAVE_FAISS_BLAS
	/* What takes long is parallel in faiss_blas.c and faiss_avx2.c. */
	omp_set_num_threads(1);
#endif
	if (train(&s, e) == 0 && add_rows(&s, e) == 0)
		rc = publish(&s, dir_fd, name, ret_bytes, ret_crc, e);
	omp_set_num_threads(threads);
	free(s.centroids);
	if (s.index != NULL)
		faiss_Index_free(s.index);
	return (rc);
}

/* Similarity segments in a build without FAISS: there are none. */
#include "config.h"

#include "ivf.h"

#include "banned.h"

#define NO_FAISS "this program was built without FAISS"

bool
ivf_available(void)
{
	return (false);
}

int
ivf_seal(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e)
{
	(void)dir_fd;
	(void)rows;
	(void)from;
	(void)to;
	(void)seed;
	(void)step;
	(void)arg;
	(void)ret_bytes;
	(void)ret_crc;
	return (err_set(e, "cannot make '%s': " NO_FAISS, name));
}

int
ivf_open(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
    struct ivf **ret, struct err *e)
{
	(void)dir_fd;
	(void)from;
	(void)to;
	(void)width;
	(void)bytes;
	(void)crc;
	(void)ret;
	return (err_set(e, "cannot open '%s': " NO_FAISS, name));
}

void
ivf_free(struct ivf *x)
{
	(void)x;
}

int
ivf_search(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
    struct err *e)
{
	(void)x;
	(void)query;
	(void)ret_row;
	(void)ret_score;
	(void)ret_n;
	return (err_set(e, NO_FAISS));
}

int
ivf_check(struct ivf *x, struct err *e)
{
	(void)x;
	return (err_set(e, NO_FAISS));
}

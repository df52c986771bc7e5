/* The module that links FAISS, and what loads it. */
#ifndef ECL_IVF_IMPL_H_
#define ECL_IVF_IMPL_H_

#include "ivf.h"

/*
 * FAISS and the C++ library behind it cost half a millisecond and 3 MB at the start of a process.  So they are a module
 * of their own, loaded by the first call of those that need them (ivf.c).  The module exports one symbol, ecl_ivf_impl.
 */
#define IVF_IMPL_FILE "ivf.so"
#define IVF_IMPL_SYMBOL "ecl_ivf_impl"
#define IVF_IMPL_VERSION "ecl " VERSION " 1" /* a module of another build is not called */

/* As the functions of ivf.h. */
struct ivf_impl {
	char version[32];
	int (*seal)(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
	    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc,
	    struct err *e);
	int (*open)(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
	    struct ivf **ret, struct err *e);
	void (*free)(struct ivf *x);
	int (*search)(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
	    struct err *e);
	int (*check)(struct ivf *x, struct err *e);
};

extern const struct ivf_impl ecl_ivf_impl __attribute__((visibility("default")));

int ivf_impl_seal(int dir_fd, const char *name, const struct ivf_rows *rows, uint64_t from, uint64_t to, uint32_t seed,
    int (*step)(void *arg, uint64_t done, uint64_t total), void *arg, uint64_t *ret_bytes, uint32_t *ret_crc, struct err *e);
int ivf_impl_open(int dir_fd, const char *name, uint64_t from, uint64_t to, unsigned width, uint64_t bytes, uint32_t crc,
    struct ivf **ret, struct err *e);
void ivf_impl_free(struct ivf *x);
int ivf_impl_search(struct ivf *x, const struct ivf_query *query, uint64_t *ret_row, float *ret_score, size_t *ret_n,
    struct err *e);
int ivf_impl_check(struct ivf *x, struct err *e);

#endif

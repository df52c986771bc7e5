/* The part of FAISS's C API that we use; where its library lacks it, faiss_c.cc has it. */
#ifndef ECL_FAISS_C_H_
#define ECL_FAISS_C_H_

#include <stdio.h>

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#include <faiss/c_api/utils/distances_c.h>

#include "err.h"

/* OpenMP's, of which not every compiler has the header: what one thread's parallel loops may use. */
void omp_set_num_threads(int n);
int omp_get_max_threads(void);

/** faiss_failed(e, what): describe what FAISS said when it last failed in this thread.  Return -1. */
int faiss_failed(struct err *e, const char *what);

#endif

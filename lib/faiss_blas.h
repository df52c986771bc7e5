/* The matrix product that FAISS asks a BLAS for. */
#ifndef ECL_FAISS_BLAS_H_
#define ECL_FAISS_BLAS_H_

#include <stdbool.h>
#include <stddef.h>

/* c[j][i] = the inner product of rows a[i] and b[j], of ${k} floats each; ${m} rows of a, ${n} of b; ld*: floats from row to row. */
struct product {
	const float *a, *b;
	float *c;
	size_t m, n, k, lda, ldb, ldc;
};

/** faiss_avx2_multiply(p, begin, end): rows [${begin}, ${end}) of b with all of a.  Return false where this processor cannot. */
bool faiss_avx2_multiply(const struct product *p, size_t begin, size_t end);

#endif

/*
 * The matrix product that FAISS asks a BLAS for, when it assigns many vectors to centroids.  Linked in place of a BLAS
 * where FAISS's library is static: the reference BLAS takes twenty times as long, OpenBLAS 4 to 13 ms at every start.
 */
#include "config.h"

#include <stdint.h>

#include "faiss_blas.h"
#include "ivf_threads.h"

#include "banned.h"

#define SHARE 192 /* columns */

struct general {
	const float *a, *b;
	float *c, alpha, beta;
	size_t m, n, k, ldc;
	size_t a_row, a_column, b_row, b_column; /* how far apart in memory */
};

/* Fortran's: all by reference, matrices column by column. */
void sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha, const float *a,
    const int *lda, const float *b, const int *ldb, const float *beta, float *c, const int *ldc);

static size_t
share_end(size_t share, size_t n)
{
	return ((share + 1) * SHARE < n ? (share + 1) * SHARE : n);
}

/* Anything, by definition. */
static void
general_share(const void *arg, size_t share)
{
	const struct general *g = arg;
	size_t i, j, k;
	float sum, *c;

	for (j = share * SHARE; j < share_end(share, g->n); j++)
		for (i = 0; i < g->m; i++) {
			for (k = 0, sum = 0; k < g->k; k++)
				sum += g->a[i * g->a_row + k * g->a_column] * g->b[k * g->b_row + j * g->b_column];
			c = &g->c[j * g->ldc + i];
			*c = g->alpha * sum + (g->beta == 0 ? 0 : g->beta * *c);
		}
}

/* Rows with rows, which stand one behind the other: four sums at once. */
static void
multiply(const struct product *p, size_t begin, size_t end)
{
	const float *a, *b;
	float s[4];
	size_t i, j, k;

	for (j = begin; j < end; j++)
		for (i = 0; i < p->m; i++) {
			a = p->a + i * p->lda;
			b = p->b + j * p->ldb;
			s[0] = s[1] = s[2] = s[3] = 0;
			for (k = 0; k + 4 <= p->k; k += 4) {
				s[0] += a[k] * b[k];
				s[1] += a[k + 1] * b[k + 1];
				s[2] += a[k + 2] * b[k + 2];
				s[3] += a[k + 3] * b[k + 3];
			}
			for (; k < p->k; k++)
				s[0] += a[k] * b[k];
			p->c[j * p->ldc + i] = s[0] + s[1] + s[2] + s[3];
		}
}

static void
product_share(const void *arg, size_t share)
{
	const struct product *p = arg;
	size_t end = share_end(share, p->n);

#ifdef HAVE_FAISS_WRAP
	if (faiss_avx2_multiply(p, share * SHARE, end))
		return;
#endif
	multiply(p, share * SHARE, end);
}

void
sgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const float *alpha, const float *a,
    const int *lda, const float *b, const int *ldb, const float *beta, float *c, const int *ldc)
{
	struct product p = {a, b, c, (size_t)*m, (size_t)*n, (size_t)*k, (size_t)*lda, (size_t)*ldb, (size_t)*ldc};
	struct general g = {a, b, c, *alpha, *beta, p.m, p.n, p.k, p.ldc, 1, p.lda, 1, p.ldb};
	size_t shares = (p.n + SHARE - 1) / SHARE;

	if (*ta == 'T' && *tb == 'N' && *alpha == 1 && *beta == 0) {
		ivf_parallel(shares, product_share, &p);
		return;
	}
	if (*ta != 'N') {
		g.a_row = p.lda;
		g.a_column = 1;
	}
	if (*tb != 'N') {
		g.b_row = p.ldb;
		g.b_column = 1;
	}
	ivf_parallel(shares, general_share, &g);
}

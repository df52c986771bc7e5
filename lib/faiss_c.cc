/*
 * Functions of FAISS's C API over its C++ library, for systems that ship the one's headers and only the other's library
 * (Debian).  Those that we use; configure finds whether they are needed.
 *
 * The headers come from FAISS, so the compiler checks that these agree with them.  To be compiled with NDEBUG: else the
 * macros print what they catch.
 */
#include "config.h"

#include <faiss/Clustering.h>
#include <faiss/Index.h>
#include <faiss/IndexIVF.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#include <faiss/c_api/macros_impl.h>
#include <faiss/c_api/utils/distances_c.h>

#include <string>
#include <vector>

thread_local std::exception_ptr faiss_last_exception;

static thread_local std::string last_text;

static faiss::Index *
index_of(FaissIndex *p)
{
	return (reinterpret_cast<faiss::Index *>(p));
}

static const faiss::Index *
index_of(const FaissIndex *p)
{
	return (reinterpret_cast<const faiss::Index *>(p));
}

/* The text outlives the exception, until the next call in this thread. */
const char *
faiss_get_last_error()
{
	if (!faiss_last_exception)
		return (nullptr);
	try {
		try {
			std::rethrow_exception(faiss_last_exception);
		} catch (const std::exception &e) {
			last_text = e.what();
		} catch (...) {
			last_text = "unknown error";
		}
	} catch (...) {
		return ("std::bad_alloc");
	}
	return (last_text.c_str());
}

DEFINE_DESTRUCTOR(Index)
DEFINE_GETTER(Index, int, d)
DEFINE_INDEX_DOWNCAST(IndexIVF)
DEFINE_GETTER(IndexIVF, size_t, nlist)
DEFINE_SETTER(IndexIVF, size_t, nprobe)

FaissIndex *
faiss_IndexIVF_quantizer(const FaissIndexIVF *index)
{
	return (reinterpret_cast<FaissIndex *>(reinterpret_cast<const faiss::IndexIVF *>(index)->quantizer));
}

size_t
faiss_IndexIVF_get_list_size(const FaissIndexIVF *index, size_t list)
{
	return (reinterpret_cast<const faiss::IndexIVF *>(index)->get_list_size(list));
}

int
faiss_index_factory(FaissIndex **ret, int d, const char *description, FaissMetricType metric)
{
	try {
		*ret = reinterpret_cast<FaissIndex *>(
		    faiss::index_factory(d, description, static_cast<faiss::MetricType>(metric)));
	}
	CATCH_AND_HANDLE
}

int
faiss_Index_train(FaissIndex *index, idx_t n, const float *x)
{
	try {
		index_of(index)->train(n, x);
	}
	CATCH_AND_HANDLE
}

int
faiss_Index_add_with_ids(FaissIndex *index, idx_t n, const float *x, const idx_t *ids)
{
	try {
		index_of(index)->add_with_ids(n, x, ids);
	}
	CATCH_AND_HANDLE
}

int
faiss_Index_search(const FaissIndex *index, idx_t n, const float *x, idx_t k, float *distances, idx_t *labels)
{
	try {
		index_of(index)->search(n, x, k, distances, labels);
	}
	CATCH_AND_HANDLE
}

int
faiss_write_index(const FaissIndex *index, FILE *f)
{
	try {
		faiss::write_index(index_of(index), f);
	}
	CATCH_AND_HANDLE
}

int
faiss_read_index(FILE *f, int flags, FaissIndex **ret)
{
	try {
		*ret = reinterpret_cast<FaissIndex *>(faiss::read_index(f, flags));
	}
	CATCH_AND_HANDLE
}

int
faiss_IndexIVF_merge_from(FaissIndexIVF *index, FaissIndexIVF *other, idx_t add_id)
{
	try {
		reinterpret_cast<faiss::IndexIVF *>(index)->merge_from(*reinterpret_cast<faiss::IndexIVF *>(other), add_id);
	}
	CATCH_AND_HANDLE
}

void
faiss_ClusteringParameters_init(FaissClusteringParameters *p)
{
	faiss::ClusteringParameters d;

	p->niter = d.niter;
	p->nredo = d.nredo;
	p->verbose = d.verbose;
	p->spherical = d.spherical;
	p->int_centroids = d.int_centroids;
	p->update_index = d.update_index;
	p->frozen_centroids = d.frozen_centroids;
	p->min_points_per_centroid = d.min_points_per_centroid;
	p->max_points_per_centroid = d.max_points_per_centroid;
	p->seed = d.seed;
	p->decode_block_size = d.decode_block_size;
}

int
faiss_Clustering_new_with_params(FaissClustering **ret, int d, int k, const FaissClusteringParameters *p)
{
	try {
		faiss::ClusteringParameters cp;

		cp.niter = p->niter;
		cp.nredo = p->nredo;
		cp.verbose = p->verbose;
		cp.spherical = p->spherical;
		cp.int_centroids = p->int_centroids;
		cp.update_index = p->update_index;
		cp.frozen_centroids = p->frozen_centroids;
		cp.min_points_per_centroid = p->min_points_per_centroid;
		cp.max_points_per_centroid = p->max_points_per_centroid;
		cp.seed = p->seed;
		cp.decode_block_size = p->decode_block_size;
		*ret = reinterpret_cast<FaissClustering *>(new faiss::Clustering(d, k, cp));
	}
	CATCH_AND_HANDLE
}

int
faiss_Clustering_train(FaissClustering *clustering, idx_t n, const float *x, FaissIndex *index)
{
	try {
		reinterpret_cast<faiss::Clustering *>(clustering)->train(n, x, *index_of(index));
	}
	CATCH_AND_HANDLE
}

void
faiss_Clustering_centroids(FaissClustering *clustering, float **ret, size_t *ret_n)
{
	std::vector<float> &centroids = reinterpret_cast<faiss::Clustering *>(clustering)->centroids;

	*ret = centroids.data();
	*ret_n = centroids.size();
}

DEFINE_DESTRUCTOR(Clustering)

void
faiss_fvec_inner_products_ny(float *ip, const float *x, const float *y, size_t d, size_t ny)
{
	faiss::fvec_inner_products_ny(ip, x, y, d, ny);
}

#ifdef HAVE_FAISS_BLAS
/*
 * What else the library wants of BLAS and LAPACK belongs to transforms of vectors that we do not use: it is left out
 * (with the Fortran runtime behind it), and whoever came here would get an exception.
 */
#include <faiss/impl/FaissAssert.h>

#define LEFT_OUT(name)                                               \
	extern "C" void name()                                       \
	{                                                            \
		FAISS_THROW_MSG("this build has no function " #name); \
	}

LEFT_OUT(dgemm_)
LEFT_OUT(dgesvd_)
LEFT_OUT(dgetrf_)
LEFT_OUT(dgetri_)
LEFT_OUT(dsyev_)
LEFT_OUT(sgelsd_)
LEFT_OUT(sgeqrf_)
LEFT_OUT(sgesvd_)
LEFT_OUT(sgetrf_)
LEFT_OUT(sgetri_)
LEFT_OUT(sorgqr_)
LEFT_OUT(ssyrk_)
#endif

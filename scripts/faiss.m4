dnl ECL_FAISS: how to build and link the module that uses FAISS (lib/ivf.so).
dnl
dnl FAISS's C API is what we use.  Where its library (-lfaiss_c) lacks a function, lib/faiss_c.cc has them, over the C++
dnl library.  Of that, a static one without BLAS is preferred, since that starts fastest; lib/faiss_blas.c has the one
dnl function of BLAS that is called, and lib/faiss_avx2.c takes the place of the inner loops of a library that was built
dnl for every x86-64.
dnl
dnl Results: $faiss, $faiss_note; FAISS_LIBS, FAISS_LDFLAGS, FAISS_CXXFLAGS; the conditionals FAISS, FAISS_CXX, FAISS_BLAS and FAISS_WRAP.

dnl The functions that lib/ivf_*.c call.
m4_define([ECL_FAISS_FUNCTIONS], [faiss_Clustering_centroids, faiss_Clustering_free, faiss_Clustering_new_with_params, faiss_Clustering_train,
	faiss_ClusteringParameters_init, faiss_fvec_inner_products_ny, faiss_IndexIVF_cast, faiss_IndexIVF_get_list_size, faiss_IndexIVF_merge_from,
	faiss_IndexIVF_nlist, faiss_IndexIVF_quantizer, faiss_IndexIVF_set_nprobe, faiss_Index_add_with_ids, faiss_Index_d,
	faiss_Index_free, faiss_Index_search, faiss_Index_train, faiss_get_last_error,
	faiss_index_factory, faiss_read_index, faiss_write_index])

dnl What FAISS wants of BLAS and LAPACK, as far as faiss_blas.c and faiss_c.cc have it.
m4_define([ECL_FAISS_LAPACK], [sgemm_, dgemm_, dgesvd_, dgetrf_, dgetri_, dsyev_, sgelsd_, sgeqrf_, sgesvd_, sgetrf_, sgetri_,
	sorgqr_, ssyrk_])

dnl The inner loops that faiss_avx2.c has, by the names that the C++ compiler gave them.
m4_define([ECL_FAISS_LOOPS], [_ZN5faiss18fvec_inner_productEPKfS1_m, _ZN5faiss10fvec_L2sqrEPKfS1_m,
	_ZN5faiss13fvec_L2sqr_nyEPfPKfS2_mm, _ZN5faiss21fvec_L2sqr_ny_nearestEPfPKfS2_mm,
	_ZN5faiss9knn_L2sqrEPKfS1_mmmPNS_9HeapArrayINS_4CMaxIflEEEES1_PKNS_10IDSelectorE])

AC_DEFUN([ECL_FAISS], [
faiss=no
faiss_note=
faiss_cxx=no
faiss_blas=no
faiss_wrap=no
FAISS_LIBS=
FAISS_LDFLAGS=
FAISS_CXXFLAGS=
AS_IF([test "x$with_faiss" = xno], [faiss_note=' (not wanted)'],
	[AC_CHECK_HEADER([faiss/c_api/IndexIVF_c.h], [ECL_FAISS_C], [faiss_note=' (Debian: libfaiss-dev, or run scripts/deps)'])])
AS_IF([test "x$with_faiss" = xyes && test $faiss = no], [AC_MSG_ERROR([--with-faiss, but there is no FAISS that links$faiss_note])])
AS_IF([test $faiss = no], [faiss_note="$faiss_note: similarity by exact scans only"], [ECL_FAISS_WRAP])
AC_SUBST([FAISS_LIBS])
AC_SUBST([FAISS_LDFLAGS])
AC_SUBST([FAISS_CXXFLAGS])
AM_CONDITIONAL([FAISS], [test $faiss = yes])
AM_CONDITIONAL([FAISS_CXX], [test $faiss_cxx = yes])
AM_CONDITIONAL([FAISS_BLAS], [test $faiss_blas = yes])
AM_CONDITIONAL([FAISS_WRAP], [test $faiss_wrap = yes])
AS_IF([test $faiss_blas = yes],
	[AC_DEFINE([HAVE_FAISS_BLAS], [1], [Define to 1 where lib/faiss_blas.c takes the place of a BLAS.])])
AS_IF([test $faiss_wrap = yes],
	[AC_DEFINE([HAVE_FAISS_WRAP], [1], [Define to 1 where lib/faiss_avx2.c takes the place of FAISS's inner loops.])])
])

dnl The C API's own library, else faiss_c.cc over the C++ library.
AC_DEFUN([ECL_FAISS_C], [
ecl_save_LIBS=$LIBS
faiss_missing=
m4_foreach([ecl_name], [ECL_FAISS_FUNCTIONS], [
AS_IF([test -z "$faiss_missing"],
	[AC_CHECK_LIB([faiss_c], m4_normalize(ecl_name), [:], [faiss_missing=m4_normalize(ecl_name)], [-lfaiss -lm])])])
LIBS=$ecl_save_LIBS
AS_IF([test -z "$faiss_missing"],
	[FAISS_LIBS='-lfaiss_c -lfaiss -lgomp -lm'
	faiss=yes
	faiss_note=' (libfaiss_c)'],
	[ECL_FAISS_CXX])
])

dnl Which libraries, in the order of preference: a module must link with them, with nothing left open.
AC_DEFUN([ECL_FAISS_CXX], [
AC_LANG_PUSH([C++])
ecl_save_LDFLAGS=$LDFLAGS
ecl_save_CXXFLAGS=$CXXFLAGS
CXXFLAGS="$CXXFLAGS -fPIC"
LDFLAGS="$LDFLAGS -shared -Wl,-z,defs -Wl,--exclude-libs,ALL -Wl,--gc-sections"
ECL_FAISS_TRY([faiss_blas=yes], [static, our own BLAS],
	[-Wl,-Bstatic -lfaiss -Wl,-Bdynamic -lgomp -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic -static-libgcc -lm],
	[m4_foreach([ecl_name], [ECL_FAISS_LAPACK], [extern "C" void m4_normalize(ecl_name)() { }
])])
ECL_FAISS_TRY([], [static], [-Wl,-Bstatic -lfaiss -Wl,-Bdynamic -llapack -lblas -lgomp -lstdc++ -lm], [])
ECL_FAISS_TRY([], [dynamic], [-lfaiss -lgomp -lstdc++ -lm], [])
LDFLAGS=$ecl_save_LDFLAGS
CXXFLAGS=$ecl_save_CXXFLAGS
AC_LANG_POP([C++])
AS_IF([test $faiss = no], [faiss_note=' (libfaiss does not link: is there a C++ compiler, and what libfaiss needs?)'])
])

dnl ECL_FAISS_TRY(and then, words for it, libraries, declarations)
AC_DEFUN([ECL_FAISS_TRY], [
AS_IF([test $faiss = no],
	[AC_MSG_CHECKING([for FAISS ($2)])
	LIBS="$3 $ecl_save_LIBS"
	AC_LINK_IFELSE([AC_LANG_SOURCE([#include <faiss/index_factory.h>
#include <faiss/index_io.h>
$4
void module() { faiss::write_index(faiss::read_index("", 0), ""); faiss::index_factory(8, "IVF1,PQ1np")->train(1, 0); }])],
		[faiss=yes
		faiss_cxx=yes
		FAISS_LIBS='$3'
		faiss_note=' ($2)'
		$1])
	LIBS=$ecl_save_LIBS
	AC_MSG_RESULT([$faiss])])
])

dnl Only a static library's calls can be bound to others, and they must all be there.
AC_DEFUN([ECL_FAISS_WRAP], [
AC_MSG_CHECKING([whether loops with AVX2 can take the place of FAISS's])
ecl_save_LIBS=$LIBS
ecl_save_LDFLAGS=$LDFLAGS
ecl_save_CFLAGS=$CFLAGS
ecl_wrap="m4_foreach([ecl_name], [ECL_FAISS_LOOPS], [ -Wl,--wrap=m4_normalize(ecl_name)])"
CFLAGS="$CFLAGS -fPIC"
LDFLAGS="$LDFLAGS -shared -Wl,-z,defs -Wl,--exclude-libs,ALL -Wl,--gc-sections $ecl_wrap"
LIBS="$FAISS_LIBS $LIBS"
AS_CASE([$FAISS_LIBS], [*Bstatic*],
	[AC_LINK_IFELSE([AC_LANG_SOURCE([#include <immintrin.h>
m4_foreach([ecl_name], [ECL_FAISS_LOOPS], [void __real_[]m4_normalize(ecl_name)(void);
void __wrap_[]m4_normalize(ecl_name)(void) { __real_[]m4_normalize(ecl_name)(); }
])
m4_foreach([ecl_name], [ECL_FAISS_LAPACK], [__attribute__((weak)) void m4_normalize(ecl_name)(void) { }
])
typedef char eight[[sizeof(long) == 8 ? 1 : -1]];
__attribute__((target("avx2,fma"))) float module(void) { return _mm_cvtss_f32(_mm_fmadd_ps(_mm_set1_ps(1), _mm_set1_ps(2), _mm_set1_ps(3))); }])],
		[faiss_wrap=yes
		FAISS_LDFLAGS=$ecl_wrap
		faiss_note="$faiss_note, with AVX2 where the processor has it"])])
LIBS=$ecl_save_LIBS
LDFLAGS=$ecl_save_LDFLAGS
CFLAGS=$ecl_save_CFLAGS
AC_MSG_RESULT([$faiss_wrap])
])

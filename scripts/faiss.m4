dnl ECL_FAISS: how to build and link what uses FAISS (similarity segments).
dnl
dnl FAISS's C API is what we use.  Where its library (-lfaiss_c) lacks a function, lib/faiss_c.cc has it, over the C++
dnl library.  Static libraries are preferred: with the dynamic ones a process takes two to thirteen milliseconds more to start.
dnl Results: $faiss, $faiss_note; FAISS_LIBS; the conditionals FAISS, FAISS_CXX (faiss_c.cc is needed), FAISS_WRAP
dnl (faiss_avx2.c takes the place of the library's loops).
dnl
dnl Where the sanitizers' flags are not yet in CFLAGS, a link here tells nothing of them.

AC_DEFUN([ECL_FAISS], [
faiss=no
faiss_note=
faiss_cxx=no
faiss_wrap=no
FAISS_LIBS=
FAISS_LDFLAGS=
AS_IF([test "x$with_faiss" = xno], [faiss_note=' (not wanted): similarity by exact scans only'],
	[AC_CHECK_HEADER([faiss/c_api/IndexIVF_c.h], [ECL_FAISS_C], [faiss_note=' (libfaiss-dev not found): similarity by exact scans only'])])
AS_IF([test "x$faiss$with_faiss" = xnoyes], [AC_MSG_ERROR([--with-faiss:$faiss_note])])
AS_IF([test "x$faiss" != xno], [ECL_FAISS_WRAP])
AC_SUBST([FAISS_LIBS])
AC_SUBST([FAISS_LDFLAGS])
AM_CONDITIONAL([FAISS], [test "x$faiss" != xno])
AM_CONDITIONAL([FAISS_CXX], [test "x$faiss_cxx" = xyes])
AM_CONDITIONAL([FAISS_WRAP], [test "x$faiss_wrap" = xyes])
])

dnl The functions that lib/ivf*.c call.
m4_define([ECL_FAISS_FUNCTIONS], [faiss_Clustering_free, faiss_Clustering_new_with_params, faiss_Clustering_train,
	faiss_ClusteringParameters_init, faiss_IndexIVF_cast, faiss_IndexIVF_get_list_size, faiss_IndexIVF_merge_from,
	faiss_IndexIVF_nlist, faiss_IndexIVF_quantizer, faiss_IndexIVF_set_nprobe, faiss_Index_add_with_ids, faiss_Index_d,
	faiss_Index_free, faiss_Index_ntotal, faiss_Index_search, faiss_Index_train, faiss_get_last_error,
	faiss_index_factory, faiss_read_index, faiss_write_index])

dnl The C API's own library, else faiss_c.cc over the C++ library.
AC_DEFUN([ECL_FAISS_C], [
ecl_save_LIBS=$LIBS
faiss_missing=
m4_foreach([ecl_name], [ECL_FAISS_FUNCTIONS], [
	AS_IF([test -z "$faiss_missing"],
		[AC_CHECK_LIB([faiss_c], m4_normalize(ecl_name), [], [faiss_missing=m4_normalize(ecl_name)], [-lfaiss -lm])
		LIBS=$ecl_save_LIBS])])
AS_IF([test -z "$faiss_missing"],
	[FAISS_LIBS='-lfaiss_c -lfaiss -lgomp -lm'
	faiss=yes
	faiss_note=' (libfaiss_c)'],
	[ECL_FAISS_CXX])
])

AC_DEFUN([ECL_FAISS_CXX], [
AC_LANG_PUSH([C++])
ecl_lapack='-llapack -lblas'
AC_MSG_CHECKING([for the C++ library of FAISS])
for ecl_faiss in 'static' 'FAISS static' 'dynamic'; do
	AS_CASE([$ecl_faiss],
		[static], [ecl_try="-Wl,-Bstatic -lfaiss $ecl_lapack -lgfortran -lquadmath -lgomp -lstdc++ -Wl,-Bdynamic -static-libgcc -lm -lpthread
-Wl,-Bstatic -lfaiss $ecl_lapack -lgfortran -lgomp -lstdc++ -Wl,-Bdynamic -static-libgcc -lm -lpthread"],
		['FAISS static'], [ecl_try="-Wl,-Bstatic -lfaiss -Wl,-Bdynamic $ecl_lapack -lgomp -lstdc++ -lm -lpthread"],
		[ecl_try='-lfaiss -lgomp -lstdc++ -lm'])
	ecl_save_IFS=$IFS
	IFS='
'
	for ecl_libs in $ecl_try; do
		IFS=$ecl_save_IFS
		LIBS="$ecl_libs $ecl_save_LIBS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <faiss/index_factory.h>
#include <faiss/index_io.h>],
			[faiss::write_index(faiss::index_factory(8, "IVF1,PQ1np"), "");])], [FAISS_LIBS=$ecl_libs; break])
	done
	IFS=$ecl_save_IFS
	test -z "$FAISS_LIBS" || break
done
LIBS=$ecl_save_LIBS
AC_LANG_POP([C++])
AS_IF([test -n "$FAISS_LIBS"],
	[AC_MSG_RESULT([$ecl_faiss])
	faiss=yes
	faiss_cxx=yes
	faiss_note=" (libfaiss, $ecl_faiss, our own C API)"],
	[AC_MSG_RESULT([no])
	faiss_note=' (libfaiss does not link: a C++ compiler, libfaiss-dev and what it needs?): similarity by exact scans only'])
])

dnl The library's inner loops, by the names that the C++ compiler gave them, are to be replaced: where all of them are there.
m4_define([ECL_FAISS_LOOPS], [_ZN5faiss18fvec_inner_productEPKfS1_m, _ZN5faiss10fvec_L2sqrEPKfS1_m, _ZN5faiss13fvec_L2sqr_nyEPfPKfS2_mm,
	_ZN5faiss21fvec_L2sqr_ny_nearestEPfPKfS2_mm,
	_ZN5faiss9knn_L2sqrEPKfS1_mmmPNS_9HeapArrayINS_4CMaxIflEEEES1_PKNS_10IDSelectorE, sgemm_])

AC_DEFUN([ECL_FAISS_WRAP], [
AC_MSG_CHECKING([whether loops with AVX2 can take the place of FAISS's])
ecl_save_LIBS=$LIBS
ecl_save_LDFLAGS=$LDFLAGS
ecl_wrap=
m4_foreach([ecl_name], [ECL_FAISS_LOOPS], [ecl_wrap="$ecl_wrap -Wl,--wrap=m4_normalize(ecl_name)"
])
LIBS="$FAISS_LIBS $LIBS"
LDFLAGS="$LDFLAGS $ecl_wrap"
AS_CASE([$FAISS_LIBS], [*Bstatic*],
	[AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <immintrin.h>
m4_foreach([ecl_name], [ECL_FAISS_LOOPS], [void __real_[]m4_normalize(ecl_name)(void);
void __wrap_[]m4_normalize(ecl_name)(void) { __real_[]m4_normalize(ecl_name)(); }
])
__attribute__((target("avx2,fma"))) static float first(void) { return _mm_cvtss_f32(_mm_fmadd_ps(_mm_set1_ps(1), _mm_set1_ps(2), _mm_set1_ps(3))); }],
		[return first() != 5 || sizeof(long) != 8;])], [faiss_wrap=yes])])
LIBS=$ecl_save_LIBS
LDFLAGS=$ecl_save_LDFLAGS
AS_IF([test $faiss_wrap = yes],
	[FAISS_LDFLAGS="-Wl,-u,__wrap_sgemm_ $ecl_wrap"
	AC_DEFINE([HAVE_FAISS_WRAP], [1], [Define to 1 where lib/faiss_avx2.c takes the place of FAISS's inner loops.])
	faiss_note="$faiss_note, AVX2 at run time"])
AC_MSG_RESULT([$faiss_wrap])
])

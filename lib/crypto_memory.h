/* Memory for libcrypto, so that it does not meet the end of the system's. */
#ifndef ECL_CRYPTO_MEMORY_H_
#define ECL_CRYPTO_MEMORY_H_

#include <stddef.h>

/*
 * Where malloc() fails, libcrypto 3 may crash: what it sets up once, and for each thread, it takes for granted afterwards.  It needs less than
 * 1 MB for that and for signatures, which these have of their own; only what is more comes from malloc().  For CRYPTO_set_mem_functions(),
 * before anything else of libcrypto is called.  Any thread may call them.  O(1).
 */
void *crypto_malloc(size_t size, const char *file, int line);
void *crypto_realloc(void *p, size_t size, const char *file, int line);
void crypto_free(void *p, const char *file, int line);

#endif

/* Threads for long jobs of the similarity segments. */
#ifndef ECL_IVF_THREADS_H_
#define ECL_IVF_THREADS_H_

#include <stddef.h>

#define IVF_THREADS 16 /* at most */

/** ivf_threads(): how many a long job is worth: one for each processor that this process may use. */
unsigned ivf_threads(void);

/** ivf_parallel(shares, run, arg): run(arg, share) for each share below ${shares}, in threads that live no longer than this call. */
void ivf_parallel(size_t shares, void (*run)(const void *arg, size_t share), const void *arg);

#endif

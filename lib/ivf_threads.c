/*
 * Threads for long jobs of the similarity segments.
 *
 * FAISS's own parallel loops are told to use one thread (ivf_seal.c): between two loops OpenMP's threads wait in a busy
 * loop, and where others want the processors too, that costs ten times the work.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>

#include "ivf_threads.h"

#include "banned.h"

struct job {
	void (*run)(const void *arg, size_t share);
	const void *arg;
	size_t shares, next;
};

unsigned
ivf_threads(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return (1);
	n = CPU_COUNT(&set);
	return (n < 1 ? 1 : n > IVF_THREADS ? IVF_THREADS : (unsigned)n);
}

static void *
do_shares(void *arg)
{
	struct job *job = arg;
	size_t share;

	while ((share = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED)) < job->shares)
		job->run(job->arg, share);
	return (NULL);
}

void
ivf_parallel(size_t shares, void (*run)(const void *arg, size_t share), const void *arg)
{
	struct job job = {run, arg, shares, 0};
	pthread_t thread[IVF_THREADS];
	unsigned n = 0, most = ivf_threads();

	while (n + 1 < most && n + 1 < shares && pthread_create(&thread[n], NULL, do_shares, &job) == 0)
		n++;
	do_shares(&job);
	while (n > 0)
		pthread_join(thread[--n], NULL);
}

/* Threads that do jobs one after the other, the stages of a pipeline, and one place to wait for any of them.  Many threads for like jobs: crew.h. */
#ifndef ECL_WORKER_H_
#define ECL_WORKER_H_

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_QUEUE 8

/* Where all workers of a program report.  To be initialised with SHOP_INIT. */
struct shop {
	pthread_mutex_t lock;
	pthread_cond_t posted, done;
	uint64_t count; /* of jobs done, by all workers */
};

#define SHOP_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

/* All zeros is a valid worker without a thread: its jobs are done by whoever posts them. */
struct worker {
	struct shop *shop;
	void (*run)(void *job);
	void *job[WORKER_QUEUE];
	uint64_t posted, done; /* numbers of jobs */
	bool threaded, stop;
	pthread_t thread;
};

/** worker_init(w, shop, run): ${run} will be called with each job, in the order in which they were posted. */
void worker_init(struct worker *w, struct shop *shop, void (*run)(void *job));

/** worker_start(w): do further jobs in a thread of their own.  Where the system has none left, nothing changes. */
void worker_start(struct worker *w);

/**
 * worker_post(w, job):
 * Have ${job} done: now where there is no thread, else soon.  At most WORKER_QUEUE jobs may be posted and not done.  What a job
 * changes may be looked at once worker_done() counts it.
 */
void worker_post(struct worker *w, void *job);

/** worker_done(w): number of jobs done so far; worker_posted(w): and of those posted; worker_busy(w): whether some are not done. */
uint64_t worker_done(struct worker *w);
uint64_t worker_posted(const struct worker *w);
bool worker_busy(struct worker *w);

/** worker_stop(w): wait for all jobs that were posted, and end the thread. */
void worker_stop(struct worker *w);

/** shop_count(s): to be asked before looking what is done; shop_wait(s, count): wait until another job than those counted then is done. */
uint64_t shop_count(struct shop *s);
void shop_wait(struct shop *s, uint64_t count);

#endif

/* Threads that do numbered jobs, taken in order; who waits for one works meanwhile. */
#ifndef ECL_CREW_H_
#define ECL_CREW_H_

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREW_THREADS 64 /* at most, with the one that posts */
#define CREW_RING 256	/* jobs posted and not yet waited for */

struct crew {
	void (*run)(void *arg, uint64_t job);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t posted_one, done_one;
	uint64_t posted, claimed, waited; /* numbers of jobs */
	bool done[CREW_RING];
	bool stop;
	pthread_t thread[CREW_THREADS];
	unsigned threads; /* that were started */
};

/** crew_processors(): how many processors this process may use, at least 1 and at most CREW_THREADS. */
unsigned crew_processors(void);

/**
 * crew_init(c, run, arg):
 * Have run(arg, n) called for each job n = 0, 1, 2... that is posted, as yet by the caller alone, when it waits.  To be
 * released with crew_release().
 */
void crew_init(struct crew *c, void (*run)(void *arg, uint64_t job), void *arg);

/** crew_start(c, threads): let ${threads} threads do the jobs, of which the caller is one.  Where the system has no more, there are fewer. */
void crew_start(struct crew *c, unsigned threads);

/** crew_post(c): post the next job.  At most CREW_RING may be posted and not waited for. */
void crew_post(struct crew *c);

/**
 * crew_wait(c):
 * Wait until the next job, in the order in which they were posted, is done; do jobs that nobody has begun meanwhile.  What a
 * job changed may be looked at then.
 */
void crew_wait(struct crew *c);

/** crew_release(c): end the threads.  Jobs that nobody has begun are not done. */
void crew_release(struct crew *c);

/** crew_share(do_part, arg, parts): have ${do_part} called with ${arg} and each number below ${parts}, by as many threads as there are processors, this one among them; return when all are done. */
void crew_share(void (*do_part)(void *arg, size_t part), void *arg, size_t parts);

#endif

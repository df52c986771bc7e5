/* Threads that do numbered jobs. */
#include "config.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

#include "crew.h"

#include "banned.h"

unsigned
crew_processors(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return (1);
	n = CPU_COUNT(&set);
	return (n < 1 ? 1 : n > CREW_THREADS ? CREW_THREADS : (unsigned)n);
}

/* Do the first job that nobody has begun.  The lock is held, but not meanwhile. */
static void
do_next(struct crew *c)
{
	uint64_t job = c->claimed++;

	pthread_mutex_unlock(&c->lock);
	c->run(c->arg, job);
	pthread_mutex_lock(&c->lock);
	c->done[job % CREW_RING] = true;
	pthread_cond_signal(&c->done_one); /* only the poster waits for it */
}

static void *
work(void *arg)
{
	struct crew *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		if (c->claimed < c->posted)
			do_next(c);
		else
			pthread_cond_wait(&c->posted_one, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return (NULL);
}

void
crew_init(struct crew *c, void (*run)(void *arg, uint64_t job), void *arg)
{
	memset(c, 0, sizeof(*c));
	c->run = run;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->posted_one, NULL);
	pthread_cond_init(&c->done_one, NULL);
}

void
crew_start(struct crew *c, unsigned threads)
{
	sigset_t all, before;

	/* Signals are for the thread that was there first. */
	sigfillset(&all);
	if (threads < 2 || pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return;
	while (c->threads + 1 < threads && c->threads < CREW_THREADS &&
	    pthread_create(&c->thread[c->threads], NULL, work, c) == 0)
		c->threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
crew_post(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->done[c->posted++ % CREW_RING] = false;
	pthread_cond_signal(&c->posted_one);
	pthread_mutex_unlock(&c->lock);
}

void
crew_wait(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->done[c->waited % CREW_RING]) {
		if (c->claimed < c->posted)
			do_next(c);
		else
			pthread_cond_wait(&c->done_one, &c->lock);
	}
	c->waited++;
	pthread_mutex_unlock(&c->lock);
}

void
crew_release(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->posted_one);
	pthread_mutex_unlock(&c->lock);
	while (c->threads > 0)
		pthread_join(c->thread[--c->threads], NULL);
	pthread_cond_destroy(&c->done_one);
	pthread_cond_destroy(&c->posted_one);
	pthread_mutex_destroy(&c->lock);
}

/* Parts of something. */
struct share {
	void (*do_part)(void *arg, size_t part);
	void *arg;
};

static void
do_share(void *arg, uint64_t part)
{
	const struct share *s = arg;

	s->do_part(s->arg, (size_t)part);
}

void
crew_share(void (*do_part)(void *arg, size_t part), void *arg, size_t parts)
{
	struct share s = {do_part, arg};
	unsigned threads = crew_processors();
	size_t posted = 0, waited;
	struct crew c;

	crew_init(&c, do_share, &s);
	crew_start(&c, parts < threads ? (unsigned)parts : threads);
	for (waited = 0; waited < parts; waited++) {
		for (; posted < parts && posted - waited < CREW_RING; posted++)
			crew_post(&c);
		crew_wait(&c);
	}
	crew_release(&c);
}

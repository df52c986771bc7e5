/* Threads that do jobs one after the other. */
#include "config.h"

#include <signal.h>
#include <string.h>

#include "worker.h"

#include "banned.h"

void
worker_init(struct worker *w, struct shop *shop, void (*run)(void *job))
{
	memset(w, 0, sizeof(*w));
	w->shop = shop;
	w->run = run;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct shop *s = w->shop;
	void *job;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (w->done == w->posted && !w->stop)
			pthread_cond_wait(&s->posted, &s->lock);
		if (w->done == w->posted)
			break;
		job = w->job[w->done % WORKER_QUEUE];
		pthread_mutex_unlock(&s->lock);
		w->run(job);
		pthread_mutex_lock(&s->lock);
		w->done++;
		s->count++;
		pthread_cond_signal(&s->done);
	}
	pthread_mutex_unlock(&s->lock);
	return (NULL);
}

void
worker_start(struct worker *w)
{
	sigset_t all, before;

	if (w->threaded)
		return;
	/* Signals are for the thread that was there first. */
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return;
	w->stop = false;
	w->threaded = pthread_create(&w->thread, NULL, work, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
worker_post(struct worker *w, void *job)
{
	if (!w->threaded) {
		w->run(job);
		w->posted++;
		w->done++;
		/* Other workers of the shop may have threads. */
		pthread_mutex_lock(&w->shop->lock);
		w->shop->count++;
		pthread_mutex_unlock(&w->shop->lock);
		return;
	}
	pthread_mutex_lock(&w->shop->lock);
	w->job[w->posted % WORKER_QUEUE] = job;
	w->posted++;
	pthread_cond_broadcast(&w->shop->posted);
	pthread_mutex_unlock(&w->shop->lock);
}

uint64_t
worker_done(struct worker *w)
{
	uint64_t n;

	if (!w->threaded)
		return (w->done);
	pthread_mutex_lock(&w->shop->lock);
	n = w->done;
	pthread_mutex_unlock(&w->shop->lock);
	return (n);
}

uint64_t
worker_posted(const struct worker *w)
{
	return (w->posted);
}

bool
worker_busy(struct worker *w)
{
	return (worker_done(w) < w->posted);
}

void
worker_stop(struct worker *w)
{
	if (!w->threaded)
		return;
	pthread_mutex_lock(&w->shop->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->shop->posted);
	pthread_mutex_unlock(&w->shop->lock);
	pthread_join(w->thread, NULL);
	w->threaded = false;
}

uint64_t
shop_count(struct shop *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = s->count;
	pthread_mutex_unlock(&s->lock);
	return (n);
}

void
shop_wait(struct shop *s, uint64_t count)
{
	pthread_mutex_lock(&s->lock);
	while (s->count == count)
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

/* Receiving: what a signal ends cleans up first, in a thread that waits for it. */
#include "config.h"

#include <sys/wait.h>

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "receive_impl.h"

#include "banned.h"

static void
ending_signals(sigset_t *set)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa;
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		if (sigaction(ending[i], NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) /* nohup's stays ignored */
			sigaddset(set, ending[i]);
}

static void
end_child(struct receive_guard *g)
{
	siginfo_t info;

	pthread_mutex_lock(&g->lock);
	if (g->child > 0) {
		kill(g->child, SIGKILL);
		while (waitid(P_PID, (id_t)g->child, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
			;
	}
	/* It stays locked: nobody starts another one. */
}

static void *
wait_for_signal(void *arg)
{
	struct receive_guard *g = arg;
	sigset_t set;
	int s, old;

	ending_signals(&set);
	while (sigwait(&set, &s) != 0)
		;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	end_child(g);
	(void)receive_sweep(g->l, NULL);
	sigemptyset(&set);
	sigaddset(&set, s);
	raise(s);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + s);
}

int
receive_guard_begin(struct receive_guard *g, struct layer *l, struct err *e)
{
	sigset_t set;
	int rc;

	memset(g, 0, sizeof(*g));
	g->l = l;
	pthread_mutex_init(&g->lock, NULL);
	ending_signals(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &g->before);
	if ((rc = pthread_create(&g->thread, NULL, wait_for_signal, g)) == 0)
		return (0);
	pthread_sigmask(SIG_SETMASK, &g->before, NULL);
	pthread_mutex_destroy(&g->lock);
	errno = rc;
	return (err_sys(e, "cannot start a thread"));
}

void
receive_guard_end(struct receive_guard *g)
{
	const struct timespec now = {0, 0};
	sigset_t set;

	pthread_cancel(g->thread);
	pthread_join(g->thread, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!sigismember(&g->before, SIGPIPE))
		while (sigtimedwait(&set, NULL, &now) == -1 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &g->before, NULL);
	pthread_mutex_destroy(&g->lock);
}

void
receive_guard_child(struct receive_guard *g, pid_t pid)
{
	pthread_mutex_lock(&g->lock);
	g->child = pid;
	pthread_mutex_unlock(&g->lock);
}

int
receive_guard_reap(struct receive_guard *g)
{
	siginfo_t info;
	int status = -1;

	while (waitid(P_PID, (id_t)g->child, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
		;
	pthread_mutex_lock(&g->lock);
	while (waitpid(g->child, &status, 0) == -1 && errno == EINTR)
		;
	g->child = 0;
	pthread_mutex_unlock(&g->lock);
	return (status);
}

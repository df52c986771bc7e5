/* A command that answers lines: one line in, one line out, in order, many of them under way at a time. */
#include "config.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "coprocess.h"
#include "io.h"

#include "banned.h"

#define PIECE ((size_t)64 << 10) /* bytes that are read, or made to be written, at a time */
#define END_MS 2000		 /* for a command to end by itself once its input ended */
#define TERM_MS 1000		 /* and after SIGTERM */

struct coprocess {
	pid_t pid;
	int to, from;	      /* our ends; -1: closed */
	int life;	      /* closed when nobody is left to answer to */
	struct buf out, in;   /* not yet written; read */
	size_t sent, taken;   /* bytes of them that are done with */
	size_t looked;	      /* bytes of in, from taken on, that have no LF */
	bool failed;
};

/* ---- its beginning ---- */

/* Never 0, 1 or 2, which the child's ends become: those may be closed in a daemon. */
static int
above_std(int fd[2])
{
	int i, high;

	for (i = 0; i < 2; i++) {
		if (fd[i] > 2)
			continue;
		if ((high = fcntl(fd[i], F_DUPFD_CLOEXEC, 3)) == -1)
			return (-1);
		close(fd[i]);
		fd[i] = high;
	}
	return (0);
}

static int
make_pipe(int fd[2])
{
	int sys;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return (-1);
	if (above_std(fd) != 0) {
		sys = errno;
		close(fd[0]);
		close(fd[1]);
		errno = sys;
		return (-1);
	}
	return (0);
}

/* O_CLOEXEC is the rule here, but a library, or whoever started us, may not keep it. */
static void
close_others(void)
{
	struct rlimit limit;
	int fd, end = 65536;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)end)
		end = (int)limit.rlim_cur;
	for (fd = 3; fd < end; fd++)
		close(fd);
}

/* Between fork() and exec() of a program that may have threads: system calls only. */
static void
default_signals(void)
{
	struct sigaction sa;
	int s;

	/* Our handlers are not the command's; what is ignored stays ignored (nohup), but for SIGPIPE and SIGCHLD. */
	for (s = 1; s < NSIG; s++)
		if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL && (sa.sa_handler != SIG_IGN || s == SIGPIPE || s == SIGCHLD)) {
			memset(&sa, 0, sizeof(sa));
			sa.sa_handler = SIG_DFL;
			sigaction(s, &sa, NULL);
		}
}

static void __attribute__((noreturn))
run_command(const char *command, int in, int out)
{
	char *const argv[] = {(char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)"--", (char *)(uintptr_t)command, NULL};
	sigset_t none;

	if (dup2(in, 0) == -1 || dup2(out, 1) == -1)
		_exit(127);
	close_others();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/bin/sh", argv);
	_exit(127);
}

/* End as the command did. */
static void __attribute__((noreturn))
end_as(int status)
{
	const struct rlimit no_core = {0, 0};
	sigset_t none;

	if (WIFSIGNALED(status)) {
		setrlimit(RLIMIT_CORE, &no_core);
		kill(getpid(), WTERMSIG(status));
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

static void
wake(int s)
{
	(void)s;
}

/*
 * The child.  It makes one more, which becomes the command, and stays to end as that does, and to kill the group when our end of the pipe
 * ${life} is closed, which the kernel does however we end: a parent's death signal would reach the shell alone, not what it runs.
 */
static void __attribute__((noreturn))
keep(const char *command, int in, int out, int life)
{
	struct sigaction sa = {.sa_handler = wake};
	struct pollfd p = {0, POLLIN, 0};
	sigset_t none;
	pid_t pid;
	int status;

	setpgid(0, 0);
	default_signals();
	sigaction(SIGCHLD, &sa, NULL);
	if ((pid = fork()) == -1)
		_exit(127);
	if (pid == 0)
		run_command(command, in, out);
	/* Its pipes are its own. */
	if (dup2(life, 0) == -1)
		kill(0, SIGKILL);
	close(1);
	close_others();
	sigemptyset(&none);
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			end_as(status);
		if (ppoll(&p, 1, NULL, &none) == 1)
			kill(0, SIGKILL);
	}
}

static int
set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return (flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int
coprocess_start(const char *command, struct coprocess **ret, struct err *e)
{
	struct coprocess *c;
	int to[2], from[2], life[2];
	sigset_t all, before;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (err_mem(e));
	if (make_pipe(to) != 0) {
		err_sys(e, "cannot make a pipe");
		goto err1;
	}
	if (make_pipe(from) != 0) {
		err_sys(e, "cannot make a pipe");
		goto err2;
	}
	if (make_pipe(life) != 0) {
		err_sys(e, "cannot make a pipe");
		goto err3;
	}
	if (set_nonblocking(to[1]) != 0 || set_nonblocking(from[0]) != 0) {
		err_sys(e, "cannot set up a pipe");
		goto err4;
	}
	/* None of our handlers is to run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if ((c->pid = fork()) == 0)
		keep(command, to[0], from[1], life[0]);
	if (c->pid == -1)
		err_sys(e, "cannot start a process");
	else
		setpgid(c->pid, c->pid); /* whoever is first */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (c->pid == -1)
		goto err4;
	close(to[0]);
	close(from[1]);
	close(life[0]);
	c->to = to[1];
	c->from = from[0];
	c->life = life[1];
	*ret = c;
	return (0);

err4:	close(life[0]);
	close(life[1]);
err3:	close(from[0]);
	close(from[1]);
err2:	close(to[0]);
	close(to[1]);
err1:	free(c);
	return (-1);
}

/* ---- its end ---- */

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void
close_end(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Whether it has ended within ${ms}; it stays a zombie, so that its group's number stays its own. */
static bool
wait_end(const struct coprocess *c, int ms, siginfo_t *info)
{
	int64_t until = now_ms() + ms;
	struct timespec nap = {0, 500000};
	int ret;

	for (;;) {
		memset(info, 0, sizeof(*info));
		ret = waitid(P_PID, (id_t)c->pid, info, WEXITED | WNOHANG | WNOWAIT);
		if ((ret == 0 && info->si_pid == c->pid) || (ret != 0 && errno != EINTR))
			return (true); /* also where SIGCHLD is ignored, and so nobody is left to wait for */
		if (now_ms() >= until)
			return (false);
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 20000000)
			nap.tv_nsec *= 2;
	}
}

void
coprocess_free(struct coprocess *c)
{
	siginfo_t info;

	if (c == NULL)
		return;
	close_end(&c->to);
	close_end(&c->from);
	if (c->failed || !wait_end(c, END_MS, &info)) {
		kill(-c->pid, SIGTERM);
		wait_end(c, TERM_MS, &info);
		kill(-c->pid, SIGKILL);
	}
	while (waitpid(c->pid, NULL, 0) == -1 && errno == EINTR)
		;
	close_end(&c->life);
	buf_release(&c->out);
	buf_release(&c->in);
	free(c);
}

/* Its output ended, though answers are missing: why? */
static int
say_ended(struct coprocess *c, struct err *e)
{
	siginfo_t info;

	if (!wait_end(c, TERM_MS, &info) || info.si_pid != c->pid)
		return (err_set(e, "closed its output"));
	if (info.si_code != CLD_EXITED)
		return (err_set(e, "was killed by signal %d (%s)", info.si_status, strsignal(info.si_status)));
	if (info.si_status == 127)
		return (err_set(e, "could not be run (exit status 127)"));
	return (err_set(e, "ended with exit status %d", info.si_status));
}

/* ---- lines ---- */

struct exchange {
	struct coprocess *c;
	const struct coprocess_talk *t;
	size_t n, asked, answered;
	int64_t progress_ms; /* when a byte last went either way */
};

static int
fill_out(struct exchange *x, struct err *e)
{
	struct coprocess *c = x->c;

	if (c->sent < c->out.len || x->asked == x->n)
		return (0);
	buf_reset(&c->out);
	c->sent = 0;
	while (x->asked < x->n && c->out.len < PIECE)
		x->t->ask(x->t->arg, x->asked++, &c->out);
	return (c->out.failed ? err_mem(e) : 0);
}

static int
write_some(struct exchange *x, struct err *e)
{
	struct coprocess *c = x->c;
	ssize_t n = write(c->to, c->out.data + c->sent, c->out.len - c->sent);

	if (n > 0) {
		c->sent += (size_t)n;
		x->progress_ms = now_ms();
	} else if (n == -1 && errno == EPIPE)
		close_end(&c->to); /* it may have said why */
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		return (err_sys(e, "could not be written to"));
	return (0);
}

/* The lines that are whole. */
static int
take_lines(struct exchange *x, struct err *e)
{
	struct coprocess *c = x->c;
	struct span line;
	const char *lf;

	while ((lf = memchr(c->in.data + c->taken + c->looked, '\n', c->in.len - c->taken - c->looked)) != NULL) {
		line = (struct span){c->in.data + c->taken, (size_t)(lf - (c->in.data + c->taken))};
		if (x->answered == x->asked)
			return (err_set(e, "answered more lines than it was asked"));
		if (x->t->answer(x->t->arg, x->answered, line, e) != 0)
			return (-1);
		x->answered++;
		c->taken += line.len + 1;
		c->looked = 0;
	}
	c->looked = c->in.len - c->taken;
	if (c->looked > COPROCESS_LINE_MAX)
		return (err_set(e, "gave an answer of more than %zu bytes", COPROCESS_LINE_MAX));
	return (0);
}

/* Return 1 where something came, 0 where nothing is there now, or -1. */
static int
read_some(struct exchange *x, struct err *e)
{
	struct coprocess *c = x->c;
	ssize_t n;

	if (c->taken > 0) {
		memmove(c->in.data, c->in.data + c->taken, c->in.len - c->taken);
		c->in.len -= c->taken;
		c->taken = 0;
	}
	if (buf_reserve(&c->in, PIECE) != 0)
		return (err_mem(e));
	n = read(c->from, c->in.data + c->in.len, PIECE);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (0);
	if (n == -1)
		return (err_sys(e, "could not be read from"));
	if (n == 0 && c->in.len == 0)
		return (say_ended(c, e));
	if (n == 0)
		c->in.data[c->in.len + (size_t)n++] = '\n'; /* as of any text, the last line may lack it */
	c->in.len += (size_t)n;
	x->progress_ms = now_ms();
	return (take_lines(x, e) == 0 ? 1 : -1);
}

static int
talk(struct exchange *x, int timeout_ms, struct err *e)
{
	struct coprocess *c = x->c;
	struct pollfd p[2];
	int64_t left;

	while (x->answered < x->n) {
		if (fill_out(x, e) != 0)
			return (-1);
		if ((left = x->progress_ms + timeout_ms - now_ms()) <= 0)
			return (err_retry(e, "did not answer for %g s: does it keep its lines in a buffer?", timeout_ms / 1000.0));
		p[0] = (struct pollfd){c->from, POLLIN, 0};
		p[1] = (struct pollfd){c->sent < c->out.len ? c->to : -1, POLLOUT, 0};
		if (poll(p, 2, (int)left) == -1 && errno != EINTR)
			return (err_sys(e, "could not be waited for"));
		if (p[1].revents != 0 && write_some(x, e) != 0)
			return (-1);
		if (p[0].revents != 0 && read_some(x, e) == -1)
			return (-1);
	}
	return (c->taken < c->in.len ? err_set(e, "answered more lines than it was asked") : 0);
}

int
coprocess_exchange(struct coprocess *c, const struct coprocess_talk *t, size_t n, int timeout_ms, size_t *ret_answered, struct err *e)
{
	struct exchange x = {.c = c, .t = t, .n = n, .progress_ms = now_ms()};
	struct timespec at_once = {0, 0};
	sigset_t pipe_only, before, pending;
	int ret;

	/* A write to a command that went away is an error of this thread alone, and the program's own way with SIGPIPE stays. */
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	/* Whatever came before anything was asked is no answer. */
	if ((ret = read_some(&x, e)) >= 0)
		ret = talk(&x, timeout_ms, e);
	if (ret != 0)
		c->failed = true;
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_only, NULL, &at_once) == -1 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	*ret_answered = x.answered;
	return (ret);
}

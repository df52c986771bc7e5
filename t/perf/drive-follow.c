/*
 * drive-follow N IDLE APPENDS FOLLOW... -- APPEND...: N processes of the command FOLLOW at once, each into a pipe to us.
 * When all are quiet, the CPU that they use in IDLE seconds; then APPENDS times the command APPEND (a word @ is the
 * number), each of which prints a line when the event is durable: every follower must bring one line, and no more.
 *
 * Prints, in microseconds: the CPU of all followers while idle; the median of their CPU for an append; the median and
 * the longest time from the append's line to the last follower's.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "drive.h"

#define QUIET_MS 1000  /* nothing came for so long: all are waiting */
#define PATIENCE 10000 /* ms */
#define SETTLE_US 20000

static pid_t *pids;
static size_t followers;

static void
end_followers(void)
{
	size_t i;

	for (i = 0; i < followers; i++)
		kill(pids[i], SIGTERM);
}

static void
die(const char *what)
{
	fprintf(stderr, "drive-follow: %s\n", what);
	exit(2);
}

static void
stop(int sig)
{
	end_followers();
	_exit(128 + sig);
}

static pid_t
spawn(char **argv, int *ret_fd)
{
	posix_spawn_file_actions_t actions;
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1)
		die("cannot make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		die("cannot run a command");
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	*ret_fd = fd[0];
	return (pid);
}

static double
followers_us(void)
{
	struct timespec t;
	clockid_t clock;
	double us = 0;
	size_t i;

	for (i = 0; i < followers; i++) {
		if (clock_getcpuclockid(pids[i], &clock) != 0 || clock_gettime(clock, &t) == -1)
			die("a follower ended");
		us += (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
	}
	return (us);
}

/* Read what is there; return how many lines ended. */
static size_t
take(int fd)
{
	char buf[65536], *p, *end;
	size_t lines = 0;
	ssize_t n;

	if ((n = read(fd, buf, sizeof(buf))) <= 0)
		die("a follower ended");
	for (p = buf, end = buf + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		lines++;
	return (lines);
}

/* Let ${fds}, all that have not ended a line yet, do so; return the time of the last. */
static double
arrivals(struct pollfd *fds, size_t n)
{
	size_t left = n, i;

	for (i = 0; i < n; i++)
		fds[i].events = POLLIN;
	while (left > 0) {
		if (poll(fds, n, PATIENCE) <= 0)
			die("an event did not arrive at every follower");
		for (i = 0; i < n; i++) {
			if (fds[i].events != 0 && (fds[i].revents & (POLLIN | POLLHUP)) != 0 && take(fds[i].fd) > 0) {
				fds[i].events = 0;
				left--;
			}
		}
	}
	return (now_us());
}

static void
drain(struct pollfd *fds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		fds[i].events = POLLIN;
	while (poll(fds, n, QUIET_MS) > 0)
		for (i = 0; i < n; i++)
			if (fds[i].revents != 0)
				take(fds[i].fd);
}

int
main(int argc, char **argv)
{
	char text[32], **append;
	double idle, ack, cpu, *latency, *cost;
	size_t appends, i;
	struct pollfd *fds;
	struct sigaction action = {.sa_handler = stop};
	int status, fd;
	pid_t pid;

	for (append = argv; *append != NULL && strcmp(*append, "--") != 0; append++)
		continue;
	if (argc < 7 || *append == NULL || append[1] == NULL || (appends = strtoul(argv[3], NULL, 10)) == 0)
		die("usage: drive-follow N IDLE APPENDS FOLLOW... -- APPEND...");
	*append++ = NULL;
	drive_number(append, text);
	i = strtoul(argv[1], NULL, 10);
	if ((pids = calloc(i, sizeof(*pids))) == NULL || (fds = calloc(i, sizeof(*fds))) == NULL ||
	    (latency = calloc(appends, sizeof(*latency))) == NULL || (cost = calloc(appends, sizeof(*cost))) == NULL)
		die("out of memory");
	atexit(end_followers);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (; followers < i; followers++)
		pids[followers] = spawn(argv + 4, &fds[followers].fd);
	drain(fds, followers);

	idle = followers_us();
	sleep((unsigned int)strtoul(argv[2], NULL, 10));
	idle = followers_us() - idle;

	for (i = 0; i < appends; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		cpu = followers_us();
		pid = spawn(append, &fd);
		if (take(fd) != 1)
			die("the append did not print its event");
		ack = now_us();
		latency[i] = arrivals(fds, followers) - ack;
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			continue;
		if (status != 0)
			die("the append failed");
		close(fd);
		usleep(SETTLE_US);
		cost[i] = followers_us() - cpu;
		if (poll(fds, followers, 0) != 0)
			die("an event arrived twice");
	}
	drive_sort(latency, appends);
	drive_sort(cost, appends);
	printf("%.0f %.0f %.0f %.0f\n", idle, cost[appends / 2], latency[appends / 2], latency[appends - 1]);
	return (0);
}

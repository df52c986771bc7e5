/*
 * drive-loop MS COMMAND...: run the command every MS milliseconds, or as soon as it is done where it takes longer, until
 * a SIGTERM.  What it prints must be whole lines, never fewer than the time before, and the "seq" of the first line
 * never smaller.  Prints how often it ran, the CPU it used and the median of the times it took, in microseconds.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drive.h"

#define OUT_MAX ((size_t)64 << 20)
#define RUNS_MAX ((size_t)100000)

static volatile sig_atomic_t over;

static void
stop(int sig)
{
	(void)sig;
	over = 1;
}

static void
die(const char *what)
{
	fprintf(stderr, "drive-loop: %s\n", what);
	exit(2);
}

/* Run the command to its end with its output in ${out}; return the length. */
static size_t
run(char **argv, char *out)
{
	posix_spawn_file_actions_t actions;
	size_t len = 0;
	ssize_t n;
	pid_t pid;
	int fd[2], status;

	if (pipe2(fd, O_CLOEXEC) == -1)
		die("cannot make a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		die("cannot run the command");
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	while ((n = read(fd[0], out + len, OUT_MAX - len)) > 0 || (n == -1 && errno == EINTR))
		len += n > 0 ? (size_t)n : 0;
	close(fd[0]);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			die("waitpid");
	if (status != 0)
		die("the command failed");
	return (len);
}

static void
check(const char *out, size_t len)
{
	static size_t lines_before;
	static uint64_t seq_before;
	const char *p, *end = out + len;
	size_t lines = 0;
	uint64_t seq;

	if (len == 0 || end[-1] != '\n' || memchr(out, '\0', len) != NULL)
		die("the command's output is not whole lines");
	for (p = out; p < end; p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1, lines++)
		if (*p != '{')
			die("the command's output is not lines of JSON");
	if ((p = memmem(out, len, "\"seq\":", 6)) == NULL)
		die("no seq in the command's output");
	seq = strtoull(p + 6, NULL, 10);
	if (lines < lines_before || seq < seq_before)
		die("what was there before is not there any more");
	lines_before = lines;
	seq_before = seq;
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};
	struct rusage usage;
	struct timespec pause;
	double *us, begin, left;
	size_t n, len;
	char *out;

	if (argc < 3) {
		fprintf(stderr, "usage: drive-loop MS COMMAND...\n");
		return (2);
	}
	sigaction(SIGTERM, &action, NULL);
	if ((out = malloc(OUT_MAX)) == NULL || (us = malloc(RUNS_MAX * sizeof(*us))) == NULL)
		die("out of memory");
	for (n = 0; (n == 0 || !over) && n < RUNS_MAX; n++) {
		begin = now_us();
		len = run(argv + 2, out);
		us[n] = now_us() - begin;
		check(out, len);
		if (!over && (left = strtod(argv[1], NULL) * 1e3 - us[n]) > 0) {
			pause = (struct timespec){(time_t)(left / 1e6), (long)(left * 1e3) % 1000000000L};
			nanosleep(&pause, NULL);
		}
	}
	drive_sort(us, n);
	if (getrusage(RUSAGE_CHILDREN, &usage) == -1)
		die("getrusage");
	printf("%zu %.0f %.0f\n", n,
	    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
	    us[n / 2]);
	return (0);
}

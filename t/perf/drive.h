/* What the drivers share: run a command many times, each run timed from before the spawn to after the exit. */
#ifndef DRIVE_H
#define DRIVE_H

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static inline double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3);
}

/**
 * drive_number(argv, text):
 * Let each word of ${argv} that is just "@" be ${text}, which the caller rewrites before each run: so every run
 * records something new.
 */
static inline void
drive_number(char **argv, char *text)
{
	for (; *argv != NULL; argv++)
		if (strcmp(*argv, "@") == 0)
			*argv = text;
}

/**
 * drive_run(argv):
 * Run ${argv} to its end and return how long that took in microseconds.  posix_spawn() does not copy our page tables,
 * so that the driver's own size is not part of it.  A run that fails ends the driver: its time would mean nothing.
 */
static inline double
drive_run(char **argv)
{
	double begin = now_us();
	pid_t pid;
	int status, rc;

	if ((rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) != 0) {
		fprintf(stderr, "drive: cannot run '%s': %s\n", argv[0], strerror(rc));
		exit(2);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR) {
			perror("drive: waitpid");
			exit(2);
		}
	if (status != 0) {
		fprintf(stderr, "drive: '%s' failed (wait status 0x%x)\n", argv[0], (unsigned int)status);
		exit(2);
	}
	return (now_us() - begin);
}

static inline int
drive_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return ((x > y) - (x < y));
}

/* drive_sort(us, n): sort ${us}; the median is then us[n / 2], the longest us[n - 1]. */
static inline void
drive_sort(double *us, size_t n)
{
	qsort(us, n, sizeof(*us), drive_compare);
}

#endif /* DRIVE_H */

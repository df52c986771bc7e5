/*
 * drive-peak COMMAND...: run the command; behind what it prints, a line with the most memory that it had resident, how
 * much of it was seen to be its own and not of files (a look every two milliseconds), both in KiB, and the time, in
 * microseconds.  What spawns counts too until the exec, so this is C: a Python around it would be the peak of every
 * small program.  Exit 1 of the command, nothing matched, is no failure.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drive.h"

#define EACH_MS 2

/* What it has of its own now: 0 where nobody can say. */
static long
anon_kib(pid_t pid)
{
	char path[40], text[4096], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return (0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return ((at = strstr(text, "\nRssAnon:")) != NULL ? strtol(at + 9, NULL, 10) : 0);
}

static void
fail(const char *what)
{
	fprintf(stderr, "drive-peak: %s: %s\n", what, strerror(errno));
	exit(2);
}

int
main(int argc, char **argv)
{
	struct pollfd end = {.events = POLLIN};
	long anon, most = 0;
	struct rusage r;
	int status;
	double us;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: drive-peak COMMAND...\n");
		return (2);
	}
	us = now_us();
	if ((errno = posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ)) != 0)
		fail(argv[1]);
	if ((end.fd = (int)syscall(SYS_pidfd_open, pid, 0)) == -1)
		fail("pidfd_open");
	while (poll(&end, 1, EACH_MS) == 0)
		most = (anon = anon_kib(pid)) > most ? anon : most;
	us = now_us() - us;
	if (waitpid(pid, &status, 0) == -1 || getrusage(RUSAGE_CHILDREN, &r) == -1)
		fail("wait");
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
		fprintf(stderr, "drive-peak: '%s' failed (wait status 0x%x)\n", argv[1], (unsigned int)status);
		return (2);
	}
	printf("%ld %ld %.0f\n", r.ru_maxrss, most, us);
	return (0);
}

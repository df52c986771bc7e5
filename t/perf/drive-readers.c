/*
 * drive-readers N READER COMMAND...: the command N times at once, the output of each into a pipe to a reader of its
 * own.  READER is read (a MiB at a time into one buffer), cat (>/dev/null), splice (to /dev/null), chain (read, and
 * each line must follow from the one before), or a path that has a slash: no pipe, the command writes this file.
 *
 * Prints how long all of it took and the CPU that the commands used together, in microseconds; the most private memory
 * that one of them had (sampled 50 times a second) and its peak of resident memory, in KiB; the readers' CPU.
 */
#include <signal.h>
#include <sys/resource.h>

#include "drain.h"
#include "drive.h"

#define FIRST_NS 2000000L
#define SAMPLE_NS 20000000L

struct run {
	pid_t command, reader; /* 0: ended, or none */
	unsigned long private_kib;
};

struct sum {
	double command_us, reader_us;
	unsigned long private_kib;
	long peak_kib;
};

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static double
cpu_us(const struct rusage *r)
{
	return ((double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1e6 + (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec));
}

static pid_t
spawn(char **argv, const char *file, int in, int out)
{
	posix_spawn_file_actions_t actions;
	sigset_t none;
	posix_spawnattr_t attr;
	pid_t pid;
	int rc;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	if (in == -1)
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (out == -1)
		posix_spawn_file_actions_addopen(&actions, 1, file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	else
		posix_spawn_file_actions_adddup2(&actions, out, 1);
	if ((rc = posix_spawnp(&pid, argv[0], &actions, &attr, argv, environ)) != 0) {
		fprintf(stderr, "drive-readers: cannot run '%s': %s\n", argv[0], strerror(rc));
		exit(2);
	}
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return (pid);
}

static void
start(struct run *r, const char *reader, char **argv)
{
	char *cat[] = {(char *)"cat", NULL};
	int fd[2];

	memset(r, 0, sizeof(*r));
	if (strchr(reader, '/') != NULL) {
		r->command = spawn(argv, reader, -1, -1);
		return;
	}
	if (pipe2(fd, O_CLOEXEC) == -1)
		die("drive-readers: pipe");
	r->command = spawn(argv, NULL, -1, fd[1]);
	close(fd[1]);
	if (strcmp(reader, "cat") == 0) {
		r->reader = spawn(cat, "/dev/null", fd[0], -1);
	} else if ((r->reader = fork()) == 0) {
		drain_by(reader)(fd[0]);
		_exit(0);
	} else if (r->reader == -1) {
		die("drive-readers: fork");
	}
	close(fd[0]);
}

/* The memory that nobody shares with ${r}'s command.  Gone already: nothing. */
static void
sample(struct run *r)
{
	unsigned long kib = 0, n;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)r->command);
	if ((f = fopen(path, "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Private_Clean: %lu kB", &n) == 1 || sscanf(line, "Private_Dirty: %lu kB", &n) == 1)
			kib += n;
	fclose(f);
	if (kib > r->private_kib)
		r->private_kib = kib;
}

static void
ended(struct run *runs, size_t n, pid_t pid, int status, const struct rusage *usage, struct sum *sum)
{
	size_t i;

	if (status != 0) {
		fprintf(stderr, "drive-readers: a command or reader failed (wait status 0x%x)\n", (unsigned int)status);
		exit(2);
	}
	for (i = 0; i < n && runs[i].command != pid && runs[i].reader != pid; i++)
		continue;
	if (i == n)
		return;
	if (runs[i].reader == pid) {
		runs[i].reader = 0;
		sum->reader_us += cpu_us(usage);
		return;
	}
	runs[i].command = 0;
	sum->command_us += cpu_us(usage);
	if (runs[i].private_kib > sum->private_kib)
		sum->private_kib = runs[i].private_kib;
	if (usage->ru_maxrss > sum->peak_kib)
		sum->peak_kib = usage->ru_maxrss;
}

int
main(int argc, char **argv)
{
	struct timespec pause = {0, FIRST_NS};
	struct rusage usage;
	struct sum sum = {0};
	struct run *runs;
	sigset_t child;
	size_t n, i, left;
	double begin;
	pid_t pid;
	int status;

	if (argc < 4 || (n = strtoul(argv[1], NULL, 10)) == 0 ||
	    (strchr(argv[2], '/') == NULL && strcmp(argv[2], "cat") != 0 && drain_by(argv[2]) == NULL)) {
		fprintf(stderr, "usage: drive-readers N read|cat|splice|chain|FILE COMMAND...\n");
		return (2);
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	if ((runs = calloc(n, sizeof(*runs))) == NULL)
		die("drive-readers");
	begin = now_us();
	for (i = left = 0; i < n; i++) {
		start(&runs[i], argv[2], argv + 3);
		left += runs[i].reader != 0 ? 2 : 1;
	}
	while (left > 0) {
		while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
			ended(runs, n, pid, status, &usage, &sum);
			left--;
		}
		if (left == 0 || sigtimedwait(&child, NULL, &pause) != -1)
			continue;
		pause.tv_nsec = SAMPLE_NS;
		for (i = 0; i < n; i++)
			if (runs[i].command != 0)
				sample(&runs[i]);
	}
	printf("%.0f %.0f %lu %ld %.0f\n", now_us() - begin, sum.command_us, sum.private_kib, sum.peak_kib, sum.reader_us);
	free(runs);
	return (0);
}

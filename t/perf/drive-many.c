/*
 * drive-many PROCESSES EACH COMMAND...: so many processes at once, each of which runs the command EACH times in a
 * loop.  Prints, in microseconds, how long all of it took, the longest single run, and the median run.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "drive.h"

/* A worker waits until ${gate} is closed for writing, which starts all of them at once. */
static void
work(int gate, char **argv, size_t first, size_t each, double *us)
{
	char text[32], c;
	size_t i;

	drive_number(argv, text);
	if (read(gate, &c, 1) != 0)
		_exit(2);
	for (i = 0; i < each; i++) {
		snprintf(text, sizeof(text), "%zu", first + i);
		us[i] = drive_run(argv);
	}
	_exit(0);
}

int
main(int argc, char **argv)
{
	size_t processes, each, n, i;
	double *us, begin;
	int gate[2], status, failed = 0;

	if (argc < 4 || (processes = strtoul(argv[1], NULL, 10)) == 0 || (each = strtoul(argv[2], NULL, 10)) == 0) {
		fprintf(stderr, "usage: drive-many PROCESSES EACH COMMAND...\n");
		return (2);
	}
	n = processes * each;
	us = mmap(NULL, n * sizeof(*us), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (us == MAP_FAILED || pipe(gate) == -1) {
		perror("drive-many");
		return (2);
	}
	for (i = 0; i < processes; i++) {
		switch (fork()) {
		case -1:
			perror("drive-many: fork");
			return (2);
		case 0:
			close(gate[1]);
			work(gate[0], argv + 3, i * each, each, us + i * each);
		}
	}
	begin = now_us();
	close(gate[1]);
	for (i = 0; i < processes; i++)
		if (wait(&status) == -1 || status != 0)
			failed = 1;
	begin = now_us() - begin;
	drive_sort(us, n);
	printf("%.0f %.0f %.0f\n", begin, us[n - 1], us[n / 2]);
	return (failed ? 2 : 0);
}

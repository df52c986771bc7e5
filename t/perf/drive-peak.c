/*
 * drive-peak COMMAND...: run the command, print the most memory that it had resident, in KiB.  What spawns counts
 * too until the exec, so this is C: a Python around it would be the peak of every small program.
 */
#include <sys/resource.h>

#include "drive.h"

int
main(int argc, char **argv)
{
	struct rusage r;

	if (argc < 2) {
		fprintf(stderr, "usage: drive-peak COMMAND...\n");
		return (2);
	}
	drive_run(argv + 1);
	if (getrusage(RUSAGE_CHILDREN, &r) == -1) {
		perror("drive-peak");
		return (2);
	}
	printf("%ld\n", r.ru_maxrss);
	return (0);
}

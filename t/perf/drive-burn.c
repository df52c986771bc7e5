/*
 * drive-burn PERCENT: use so much of a CPU, or of several where it is over 100, every 10 ms a share, touching neither
 * memory nor files, until a SIGTERM: what a neighbour costs that does nothing.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "drive.h"

#define PERIOD_US 10000.0

int
main(int argc, char **argv)
{
	struct timespec pause;
	double percent, next, until;
	int n, i;

	if (argc != 2 || (percent = strtod(argv[1], NULL)) <= 0) {
		fprintf(stderr, "usage: drive-burn PERCENT\n");
		return (2);
	}
	n = 1 + (int)((percent - 1) / 100);
	percent /= n;
	for (i = 1; i < n; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	}
	for (next = now_us();; next += PERIOD_US) {
		for (until = now_us() + percent / 100 * PERIOD_US; now_us() < until;)
			continue;
		if ((until = next + PERIOD_US - now_us()) > 0) {
			pause = (struct timespec){0, (long)(until * 1e3)};
			nanosleep(&pause, NULL);
		} else {
			next = now_us() - PERIOD_US;
		}
	}
}

/*
 * drive-pair N COMMAND... -- COMMAND...: run the two commands in turn, N times each, and print the median time of
 * each in microseconds.  In turn, because a machine's mood changes within seconds.
 */
#include "drive.h"

int
main(int argc, char **argv)
{
	char text[32], **second;
	double *us;
	size_t n, i;

	for (second = argv; *second != NULL && strcmp(*second, "--") != 0; second++)
		continue;
	if (argc < 5 || *second == NULL || second[1] == NULL || (n = strtoul(argv[1], NULL, 10)) == 0) {
		fprintf(stderr, "usage: drive-pair N COMMAND... -- COMMAND...\n");
		return (2);
	}
	*second++ = NULL;
	drive_number(argv + 2, text);
	drive_number(second, text);

	if ((us = calloc(2 * n, sizeof(*us))) == NULL) {
		perror("drive-pair");
		return (2);
	}
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%zu", i);
		us[i] = drive_run(argv + 2);
		us[n + i] = drive_run(second);
	}
	drive_sort(us, n);
	drive_sort(us + n, n);
	printf("%.0f %.0f\n", us[n / 2], us[n + n / 2]);
	free(us);
	return (0);
}

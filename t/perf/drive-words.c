/*
 * drive-words FILE COMMAND... [-- COMMAND...]: run the command, or the two commands in turn, once for each line of FILE,
 * whose fields, parted by tabs, take the place of the words @1, @2... of the commands.  Output goes nowhere.  Prints
 * the best, the median and the longest time of each command, in microseconds.
 */
#include <fcntl.h>
#include <unistd.h>

#include "drive.h"

#define FIELDS 9

struct command {
	char **argv;
	int field[64]; /* of each word; 0: none */
	double *us;
};

static void
command_init(struct command *c, char **argv, size_t runs)
{
	size_t i;

	memset(c, 0, sizeof(*c));
	c->argv = argv;
	for (i = 0; argv[i] != NULL; i++) {
		if (i == sizeof(c->field) / sizeof(c->field[0])) {
			fprintf(stderr, "drive-words: too many words\n");
			exit(2);
		}
		if (argv[i][0] == '@' && argv[i][1] >= '1' && argv[i][1] <= '9' && argv[i][2] == '\0')
			c->field[i] = argv[i][1] - '0';
	}
	if ((c->us = calloc(runs, sizeof(*c->us))) == NULL) {
		perror("drive-words");
		exit(2);
	}
}

static double
command_run(struct command *c, char **fields)
{
	size_t i;

	for (i = 0; c->argv[i] != NULL; i++)
		if (c->field[i] != 0)
			c->argv[i] = fields[c->field[i] - 1];
	return (drive_run(c->argv));
}

/* All lines of ${file}, ended by NULs; set ${ret_n}, how many. */
static char *
lines(const char *file, size_t *ret_n)
{
	FILE *f = fopen(file, "re");
	char *text = NULL, *p;
	size_t max = 0;

	if (f == NULL || getdelim(&text, &max, '\0', f) <= 0) {
		fprintf(stderr, "drive-words: no lines in '%s'\n", file);
		exit(2);
	}
	fclose(f);
	for (p = text, *ret_n = 0; (p = strchr(p, '\n')) != NULL; *p++ = '\0')
		++*ret_n;
	return (text);
}

static void
split(char *line, char **fields)
{
	static char none[] = "";
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		fields[i] = line != NULL ? line : none;
		if (line != NULL && (line = strchr(line, '\t')) != NULL)
			*line++ = '\0';
	}
}

int
main(int argc, char **argv)
{
	char *fields[FIELDS], *text, *next, **second;
	struct command commands[2];
	size_t n, i, k, count = 1;
	int out;

	for (second = argv; *second != NULL && strcmp(*second, "--") != 0; second++)
		continue;
	if (argc < 3 || second == argv + 2 || (*second != NULL && second[1] == NULL)) {
		fprintf(stderr, "usage: drive-words FILE COMMAND... [-- COMMAND...]\n");
		return (2);
	}
	text = lines(argv[1], &n);
	if (*second != NULL) {
		*second = NULL;
		command_init(&commands[count++], second + 1, n);
	}
	command_init(&commands[0], argv + 2, n);

	out = fcntl(1, F_DUPFD_CLOEXEC, 3);
	if (out == -1 || freopen("/dev/null", "w", stdout) == NULL) {
		perror("drive-words");
		return (2);
	}
	for (i = 0; i < n; i++, text = next) {
		next = text + strlen(text) + 1;
		split(text, fields);
		for (k = 0; k < count; k++)
			commands[k].us[i] = command_run(&commands[k], fields);
	}
	for (k = 0; k < count; k++) {
		drive_sort(commands[k].us, n);
		dprintf(out, "%.0f %.0f %.0f\n", commands[k].us[0], commands[k].us[n / 2], commands[k].us[n - 1]);
	}
	return (0);
}

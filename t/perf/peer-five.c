/*
 * peer-five EVENTS DIR: what a ledger costs that is put together from parts: for each event a record, a link of the
 * hash chain, a ledger line, an index row and a vector row, each written to a file of its own in the new DIR and made
 * durable.  Nothing is parsed or hashed: beside five fdatasyncs that would not show, and it is in the peer's favour.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct part {
	const char *name;
	size_t len; /* bytes an event */
} parts[] = {
	{ "records", 150 },
	{ "chain", 65 },
	{ "ledger", 400 },
	{ "index", 32 },
	{ "vectors", 256 },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

int
main(int argc, char **argv)
{
	char bytes[512];
	unsigned long n;
	size_t i;
	int dir, fd[PARTS];

	if (argc != 3)
		return (2);
	memset(bytes, 'x', sizeof(bytes));
	if (mkdir(argv[2], 0700) == -1 || (dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		goto err;
	for (i = 0; i < PARTS; i++)
		if ((fd[i] = openat(dir, parts[i].name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1)
			goto err;
	for (n = strtoul(argv[1], NULL, 10); n > 0; n--)
		for (i = 0; i < PARTS; i++)
			if (write(fd[i], bytes, parts[i].len) != (ssize_t)parts[i].len || fdatasync(fd[i]) == -1)
				goto err;
	return (0);

err:	perror("peer-five");
	return (2);
}

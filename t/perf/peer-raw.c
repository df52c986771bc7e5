/*
 * peer-raw BYTES FILE: write so many bytes to a new file, in writes of 4 MiB with an fdatasync after each, and do
 * nothing else: what the storage can take from one writer.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_MAX ((size_t)4 << 20)

int
main(int argc, char **argv)
{
	unsigned long long left;
	char *buf;
	size_t i, len;
	int fd;

	if (argc != 3)
		return (2);
	left = strtoull(argv[1], NULL, 10);
	if ((buf = malloc(WRITE_MAX)) == NULL)
		goto err;
	for (i = 0; i < WRITE_MAX; i++)
		buf[i] = (char)(' ' + i % 95);
	if ((fd = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1)
		goto err;
	for (; left > 0; left -= len) {
		len = left < WRITE_MAX ? (size_t)left : WRITE_MAX;
		if (write(fd, buf, len) != (ssize_t)len || fdatasync(fd) == -1)
			goto err;
	}
	free(buf);
	return (0);

err:	perror("peer-raw");
	return (2);
}

/* peer-bare FILE: append one line of 400 bytes and make it durable; the least that recording one event can cost. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	char line[400];
	int fd;

	if (argc != 2)
		return (2);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	if ((fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) == -1 ||
	    write(fd, line, sizeof(line)) != (ssize_t)sizeof(line) || fdatasync(fd) == -1) {
		perror("peer-bare");
		return (2);
	}
	return (0);
}

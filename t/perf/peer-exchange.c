/* exchange A B: what makes one subvolume the other in one step, and nothing else. */
#include <sys/syscall.h>

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	int dir;

	if (argc != 3 || syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) != 0 ||
	    (dir = open(".", O_RDONLY | O_DIRECTORY)) == -1 || fsync(dir) != 0) {
		perror("exchange");
		return (1);
	}
	return (0);
}

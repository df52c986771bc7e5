/* Any bytes as the other side's list of blocks: what is taken is names and hashes, one behind the other, and what is refused names its line. */
#include "config.h"

#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "send.h"

#include "fuzz.h"

#include "banned.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct send_have have;
	struct err e = {0};
	const char *one = NULL;
	size_t len = 0;

	if (fd == -1)
		MUST((fd = memfd_create("list", MFD_CLOEXEC)) != -1);
	MUST(ftruncate(fd, 0) == 0 && io_pwrite(fd, data, size, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	if (send_have_read(fd, "list", &have, &e) != 0)
		MUST(strncmp(e.text, "list:", 5) == 0);
	while ((one = buf_next_string(&have.text, one)) != NULL) {
		MUST(strlen(one) < BLOCK_NAME_SIZE || strlen(one) == 2 * SHA256_SIZE);
		len += strlen(one) + 1;
	}
	MUST(len == have.text.len);
	send_have_release(&have);
	return (0);
}

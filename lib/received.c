/* Whether what stands in a directory came from elsewhere, as a btrfs stream. */
#include "config.h"

#include <sys/ioctl.h>

#include <linux/btrfs.h>
#include <stdint.h>
#include <string.h>

#include "received.h"

#include "banned.h"

bool
received_is(int fd)
{
	static const uint8_t none[BTRFS_UUID_SIZE];
	struct btrfs_ioctl_get_subvol_info_args info;

	memset(&info, 0, sizeof(info));
	/* Some kernels return 1 where they filled it in. */
	return (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) != -1 && memcmp(info.received_uuid, none, sizeof(none)) != 0);
}

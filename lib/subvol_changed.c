/* Which inodes of a btrfs subvolume were changed since a transaction. */
#include "config.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"
#include "subvol_changed.h"

#include "banned.h"

#define ANSWER ((size_t)64 << 10) /* bytes at a time */

void
subvol_inodes_release(struct subvol_inodes *l)
{
	free(l->inode);
	memset(l, 0, sizeof(*l));
}

bool
subvol_inodes_have(const struct subvol_inodes *l, uint64_t ino)
{
	size_t low = 0, high = l->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (l->inode[mid].ino == ino)
			return (true);
		if (l->inode[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return (false);
}

int
subvol_inodes_add(struct subvol_inodes *l, uint64_t ino, mode_t mode)
{
	size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
	struct subvol_inode *more;

	if (l->n == l->cap) {
		if ((more = realloc(l->inode, cap * sizeof(*more))) == NULL)
			return (-1);
		l->inode = more;
		l->cap = cap;
	}
	l->inode[l->n++] = (struct subvol_inode){ino, mode};
	return (0);
}

/* The items of one answer: a leaf of the tree is given as a whole, so most of them are not asked for. */
static int
take(const struct btrfs_ioctl_search_args_v2 *a, uint64_t generation, struct subvol_inodes *ret, struct btrfs_ioctl_search_header *last)
{
	const char *p = (const char *)a->buf;
	const char *item;
	uint32_t i;

	for (i = 0; i < a->key.nr_items; i++, p = item + last->len) {
		memcpy(last, p, sizeof(*last));
		item = p + sizeof(*last);
		if (last->type != BTRFS_INODE_ITEM_KEY || last->len < sizeof(struct btrfs_inode_item) ||
		    le64_get(item + offsetof(struct btrfs_inode_item, transid)) <= generation)
			continue;
		if (subvol_inodes_add(ret, last->objectid, le32_get(item + offsetof(struct btrfs_inode_item, mode))) != 0)
			return (-1);
	}
	return (0);
}

int
subvol_changed(int fd, uint64_t generation, struct subvol_inodes *ret, struct err *e)
{
	struct btrfs_ioctl_search_args_v2 *a;
	struct btrfs_ioctl_search_header last;
	int rc = -1;

	if ((a = malloc(sizeof(*a) + ANSWER)) == NULL)
		return (err_mem(e));
	memset(a, 0, sizeof(*a));
	a->key = (struct btrfs_ioctl_search_key){.min_objectid = BTRFS_FIRST_FREE_OBJECTID,
	    .max_objectid = BTRFS_LAST_FREE_OBJECTID,
	    .max_type = (uint32_t)-1,
	    .max_offset = (uint64_t)-1,
	    .min_transid = generation + 1,
	    .max_transid = (uint64_t)-1};
	for (;;) {
		a->key.nr_items = (uint32_t)-1;
		a->buf_size = ANSWER;
		if (ioctl(fd, BTRFS_IOC_TREE_SEARCH_V2, a) != 0) {
			rc = errno == EPERM || errno == ENOTTY || errno == ENOSYS ? 0
										   : err_sys(e, "cannot search a subvolume for changes");
			break;
		}
		if (a->key.nr_items == 0) {
			rc = 1;
			break;
		}
		if (take(a, generation, ret, &last) != 0) {
			rc = err_mem(e);
			break;
		}
		/* From the key behind the last one. */
		a->key.min_objectid = last.objectid;
		a->key.min_type = last.type;
		a->key.min_offset = last.offset + 1;
		if (last.offset == (uint64_t)-1 && ++a->key.min_type == 256) {
			a->key.min_objectid++;
			a->key.min_type = 0;
		}
	}
	free(a);
	return (rc);
}

/* Not by libbtrfsutil, which asks for CAP_SYS_ADMIN of who is root. */
int
subvol_identify(int fd, struct subvol_identity *ret)
{
	struct btrfs_ioctl_get_subvol_info_args info;

	memset(&info, 0, sizeof(info));
	if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0) /* kernels return 1, too, where they found it */
		return (-1);
	memcpy(ret->uuid, info.uuid, sizeof(ret->uuid));
	memcpy(ret->parent, info.parent_uuid, sizeof(ret->parent));
	ret->made = info.otransid;
	return (0);
}

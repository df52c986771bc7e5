/* Where on the disk the bytes of files stand, as FIEMAP tells. */
#include "config.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stddef.h>
#include <string.h>

#include "extents.h"

#include "banned.h"

#define AT_ONCE 128

/* Flags that do not matter; with any other, the place is not where the bytes stand as they are. */
#define HARMLESS (FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_SHARED)

struct map {
	struct fiemap head;
	struct fiemap_extent extent[AT_ONCE]; /* of head */
};

static bool
mount_of(int fd, uint64_t *ret)
{
	struct statfs fs;
	struct statx stx;

	if (fstatfs(fd, &fs) != 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return (false);
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) != 0 || (stx.stx_mask & STATX_MNT_ID) == 0)
		return (false);
	*ret = stx.stx_mnt_id;
	return (true);
}

bool
extents_comparable(int a, int b)
{
	uint64_t x, y;

	return (mount_of(a, &x) && mount_of(b, &y) && x == y);
}

static bool
read_map(int fd, uint64_t from, uint64_t to, struct map *m)
{
	memset(&m->head, 0, sizeof(m->head));
	m->head.fm_start = from;
	m->head.fm_length = to - from;
	m->head.fm_flags = FIEMAP_FLAG_SYNC;
	m->head.fm_extent_count = AT_ONCE;
	return (ioctl(fd, FS_IOC_FIEMAP, &m->head) == 0 && m->head.fm_mapped_extents <= AT_ONCE);
}

/* From offset ${at} on, in extent ${i} of ${m}: the place, and the number of bytes.  Return false where there is none. */
static bool
place(const struct map *m, unsigned i, uint64_t at, uint64_t *ret_place, uint64_t *ret_len)
{
	const struct fiemap_extent *x = &m->extent[i];

	if (i >= m->head.fm_mapped_extents || (x->fe_flags & ~(uint32_t)HARMLESS) != 0 || x->fe_logical > at ||
	    x->fe_physical == 0 || at - x->fe_logical >= x->fe_length)
		return (false);
	*ret_place = x->fe_physical + (at - x->fe_logical);
	*ret_len = x->fe_length - (at - x->fe_logical);
	return (true);
}

uint64_t
extents_same(int a, int b, uint64_t from, uint64_t to)
{
	struct map x, y;
	uint64_t at = from, p, q, n, m;
	unsigned i = 0, k = 0;

	if (from >= to || !read_map(a, from, to, &x) || !read_map(b, from, to, &y))
		return (0);
	while (at < to && place(&x, i, at, &p, &n) && place(&y, k, at, &q, &m) && p == q) {
		i += n <= m;
		k += m <= n;
		at += n < m ? n : m;
	}
	return ((at < to ? at : to) - from);
}

int
extents_digest(int fd, uint8_t out[SHA256_SIZE])
{
	const struct fiemap_extent *x;
	struct sha256 c;
	struct map m;
	unsigned i;

	if (!read_map(fd, 0, FIEMAP_MAX_OFFSET, &m) || m.head.fm_mapped_extents == 0)
		return (-1);
	if ((m.extent[m.head.fm_mapped_extents - 1].fe_flags & FIEMAP_EXTENT_LAST) == 0)
		return (-1);
	sha256_init(&c);
	for (i = 0; i < m.head.fm_mapped_extents; i++) {
		x = &m.extent[i];
		if ((x->fe_flags & ~(uint32_t)HARMLESS) != 0 || x->fe_physical == 0)
			return (-1);
		sha256_update(&c, &x->fe_logical, sizeof(x->fe_logical));
		sha256_update(&c, &x->fe_physical, sizeof(x->fe_physical));
		sha256_update(&c, &x->fe_length, sizeof(x->fe_length));
	}
	sha256_final(&c, out);
	return (0);
}

uint32_t
extents_count(int fd, uint64_t from)
{
	struct fiemap m;

	memset(&m, 0, sizeof(m));
	m.fm_start = from;
	m.fm_length = FIEMAP_MAX_OFFSET - from;
	return (ioctl(fd, FS_IOC_FIEMAP, &m) == 0 ? m.fm_mapped_extents : 0);
}

int
extents_join(int fd, uint64_t from, uint32_t large)
{
	struct btrfs_ioctl_defrag_range_args range;

	memset(&range, 0, sizeof(range));
	range.start = from;
	range.len = UINT64_MAX - from;
	range.extent_thresh = large;
	return (ioctl(fd, BTRFS_IOC_DEFRAG_RANGE, &range) >= 0 ? 0 : -1);
}

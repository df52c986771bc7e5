/* Which inodes of a btrfs subvolume are not what they are in another one: both trees are read, in the order of their keys, and compared item by item. */
#include "config.h"

#include <sys/ioctl.h>

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"
#include "subvol_differ.h"

#include "banned.h"

#define ANSWER ((size_t)1 << 20) /* bytes at a time */

struct item {
	struct btrfs_ioctl_search_header head;
	const char *body;
};

/* A tree that is being read. */
struct tree {
	int fd;
	struct btrfs_ioctl_search_args_v2 *a;
	const char *next; /* of the items that came */
	uint32_t left;	  /* of them */
	bool end;
	struct item at;
};

static void
tree_release(struct tree *t)
{
	free(t->a);
}

static int
tree_begin(struct tree *t, int fd, struct err *e)
{
	*t = (struct tree){.fd = fd, .a = malloc(sizeof(*t->a) + ANSWER)};
	if (t->a == NULL)
		return (err_mem(e));
	memset(t->a, 0, sizeof(*t->a));
	t->a->key = (struct btrfs_ioctl_search_key){.min_objectid = BTRFS_FIRST_FREE_OBJECTID,
	    .max_objectid = BTRFS_LAST_FREE_OBJECTID,
	    .max_type = (uint32_t)-1,
	    .max_offset = (uint64_t)-1,
	    .max_transid = (uint64_t)-1};
	return (0);
}

/* Let the next search begin behind the item at hand. */
static void
go_on(struct btrfs_ioctl_search_key *k, const struct btrfs_ioctl_search_header *last)
{
	k->min_objectid = last->objectid;
	k->min_type = last->type;
	k->min_offset = last->offset + 1;
	if (k->min_offset == 0 && ++k->min_type == 256) {
		k->min_objectid++;
		k->min_type = 0;
	}
}

/* The next item, to t->at; or t->end.  Return false where the tree cannot be read. */
static bool
tree_next(struct tree *t)
{
	if (t->left == 0) {
		if (t->next != NULL)
			go_on(&t->a->key, &t->at.head);
		t->a->key.nr_items = (uint32_t)-1;
		t->a->buf_size = ANSWER;
		if (ioctl(t->fd, BTRFS_IOC_TREE_SEARCH_V2, t->a) != 0)
			return (false);
		t->next = (const char *)t->a->buf;
		t->left = t->a->key.nr_items;
		t->end = t->left == 0;
		if (t->end)
			return (true);
	}
	memcpy(&t->at.head, t->next, sizeof(t->at.head));
	t->at.body = t->next + sizeof(t->at.head);
	t->next = t->at.body + t->at.head.len;
	t->left--;
	return (true);
}

bool
subvol_searchable(int fd)
{
	struct tree t;
	bool can;

	if (tree_begin(&t, fd, NULL) != 0)
		return (false);
	can = tree_next(&t);
	tree_release(&t);
	return (can);
}

static int
compare_keys(const struct btrfs_ioctl_search_header *a, const struct btrfs_ioctl_search_header *b)
{
	if (a->objectid != b->objectid)
		return (a->objectid < b->objectid ? -1 : 1);
	if (a->type != b->type)
		return (a->type < b->type ? -1 : 1);
	return (a->offset < b->offset ? -1 : a->offset > b->offset);
}

#define SAME(field) (memcmp(a->body + offsetof(struct btrfs_inode_item, field), b->body + offsetof(struct btrfs_inode_item, field), \
			 sizeof(((struct btrfs_inode_item *)NULL)->field)) == 0)

/* Two items with one key.  Of an inode's own, not the times and counters that every touch changes. */
static bool
is_same(const struct item *a, const struct item *b)
{
	if (a->head.len != b->head.len)
		return (false);
	if (a->head.type != BTRFS_INODE_ITEM_KEY || a->head.len < sizeof(struct btrfs_inode_item))
		return (memcmp(a->body, b->body, a->head.len) == 0);
	return (SAME(size) && SAME(uid) && SAME(gid) && SAME(mode) && SAME(rdev) && SAME(flags));
}

/* By inode number, each once. */
static int
add(struct subvol_inodes *l, uint64_t ino, struct err *e)
{
	if (l->n > 0 && l->inode[l->n - 1].ino == ino)
		return (0);
	return (subvol_inodes_add(l, ino, 0) == 0 ? 0 : err_mem(e));
}

static int
differ(struct tree *a, struct tree *b, struct subvol_inodes *ret, struct err *e)
{
	int order;

	if (!tree_next(a) || !tree_next(b))
		return (0);
	while (!a->end || !b->end) {
		order = a->end ? 1 : b->end ? -1 : compare_keys(&a->at.head, &b->at.head);
		if ((order != 0 || !is_same(&a->at, &b->at)) && add(ret, order > 0 ? b->at.head.objectid : a->at.head.objectid, e) != 0)
			return (-1);
		if ((order <= 0 && !tree_next(a)) || (order >= 0 && !tree_next(b)))
			return (0);
	}
	return (1);
}

int
subvol_differ(int a, int b, struct subvol_inodes *ret, struct err *e)
{
	struct tree x = {.a = NULL}, y = {.a = NULL};
	int rc = -1;

	if (tree_begin(&x, a, e) == 0 && tree_begin(&y, b, e) == 0)
		rc = differ(&x, &y, ret, e);
	tree_release(&x);
	tree_release(&y);
	return (rc);
}

/* Which inodes of a btrfs subvolume are not what they are in another one: both trees are read, in the order of their keys, and compared item by item. */
#include "config.h"

#include <sys/ioctl.h>

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "subvol_differ.h"

#include "banned.h"

#define ANSWER ((size_t)1 << 20) /* bytes at a time */
#define PARTS_EACH 4 /* for each processor: they are not all the same work */
#define PART_MIN 128 /* inode numbers */

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
tree_begin(struct tree *t, int fd, uint64_t from, uint64_t to, struct err *e)
{
	*t = (struct tree){.fd = fd, .a = malloc(sizeof(*t->a) + ANSWER)};
	if (t->a == NULL)
		return (err_mem(e));
	memset(t->a, 0, sizeof(*t->a));
	t->a->key = (struct btrfs_ioctl_search_key){.min_objectid = from,
	    .max_objectid = to,
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

	if (tree_begin(&t, fd, BTRFS_FIRST_FREE_OBJECTID, BTRFS_LAST_FREE_OBJECTID, NULL) != 0)
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

/* The inodes from one on, and below another: a part of the work. */
struct part {
	uint64_t from, to;
	struct subvol_inodes found;
	int rc;
	struct err e;
};

struct work {
	int a, b;
	struct part *part;
};

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

static void
do_part(void *arg, size_t i)
{
	struct work *w = arg;
	struct part *p = &w->part[i];
	struct tree a = {.a = NULL}, b = {.a = NULL};

	p->rc = -1;
	if (tree_begin(&a, w->a, p->from, p->to, &p->e) == 0 && tree_begin(&b, w->b, p->from, p->to, &p->e) == 0)
		p->rc = differ(&a, &b, &p->found, &p->e);
	tree_release(&a);
	tree_release(&b);
}

/* What the parts found, in their order. */
static int
gather(struct part *p, size_t n, struct subvol_inodes *ret, struct err *e)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (p[i].rc == 1)
			continue;
		if (p[i].rc == -1 && e != NULL)
			*e = p[i].e;
		return (p[i].rc);
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < p[i].found.n; k++)
			if (add(ret, p[i].found.inode[k].ino, e) != 0)
				return (-1);
	return (1);
}

/* How many, and which: the last one has no end. */
static struct part *
divide(uint64_t most, size_t *ret_n)
{
	uint64_t first = BTRFS_FIRST_FREE_OBJECTID, all = most > first ? most - first : 0;
	size_t n = (size_t)crew_processors() * PARTS_EACH, i;
	struct part *p;

	if (n > all / PART_MIN)
		n = (size_t)(all / PART_MIN);
	n += n == 0;
	if ((p = calloc(n, sizeof(*p))) == NULL)
		return (NULL);
	for (i = 0; i < n; i++) {
		p[i].from = first + all / n * i;
		p[i].to = i + 1 < n ? first + all / n * (i + 1) - 1 : BTRFS_LAST_FREE_OBJECTID;
	}
	*ret_n = n;
	return (p);
}

int
subvol_differ(int a, int b, uint64_t most, struct subvol_inodes *ret, struct err *e)
{
	struct work w = {.a = a, .b = b};
	size_t n, i;
	int rc;

	if ((w.part = divide(most, &n)) == NULL)
		return (err_mem(e));
	crew_share(do_part, &w, n);
	rc = gather(w.part, n, ret, e);
	for (i = 0; i < n; i++)
		subvol_inodes_release(&w.part[i].found);
	free(w.part);
	return (rc);
}

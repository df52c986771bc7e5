/* The files of a block as they are remembered. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "files_view.h"

#include "banned.h"

static int
by_inode(const void *a, const void *b, void *arg)
{
	const struct files_record *change = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;

	if (change[i].ino != change[k].ino)
		return (change[i].ino < change[k].ino ? -1 : 1);
	return (i < k ? -1 : i > k);
}

int
files_view_sort(struct files_view *v)
{
	uint32_t i;

	if ((v->by_ino = calloc(v->n + 1, sizeof(*v->by_ino))) == NULL)
		return (-1);
	for (i = 0; i < v->n; i++)
		v->by_ino[i] = i;
	if (v->n > 1)
		qsort_r(v->by_ino, v->n, sizeof(*v->by_ino), by_inode, v->change);
	return (0);
}

/* The first change whose path is not less; whether it is that path. */
static bool
find_change(const struct files_view *v, struct span path, size_t *ret)
{
	size_t low = 0, high = v->n, mid;
	bool same = false;
	int c;

	while (low < high) {
		mid = low + (high - low) / 2;
		c = span_cmp(v->change[mid].path, path);
		if (c < 0)
			low = mid + 1;
		else {
			high = mid;
			same = c == 0;
		}
	}
	*ret = low;
	return (same);
}

bool
files_view_find(const struct files_view *v, struct span path, struct files_record *ret)
{
	uint64_t i;
	size_t k;

	if (find_change(v, path, &k)) {
		*ret = v->change[k];
		return (!ret->removed);
	}
	if (v->base == NULL || !files_base_find(v->base, path, &i))
		return (false);
	files_base_get(v->base, i, ret);
	return (true);
}

void
files_view_seek(const struct files_view *v, struct files_cursor *c, struct span path)
{
	c->base = 0;
	if (v->base != NULL)
		(void)files_base_find(v->base, path, &c->base);
	(void)find_change(v, path, &c->change);
}

bool
files_view_next(const struct files_view *v, struct files_cursor *c, struct files_record *ret)
{
	bool more;
	int order;

	for (;;) {
		more = v->base != NULL && c->base < v->base->n;
		if (!more && c->change == v->n)
			return (false);
		if (more)
			files_base_get(v->base, c->base, ret);
		order = !more ? 1 : c->change == v->n ? -1 : span_cmp(ret->path, v->change[c->change].path);
		if (order <= 0)
			c->base++;
		if (order < 0)
			return (true);
		*ret = v->change[c->change++];
		if (!ret->removed)
			return (true);
	}
}

void
files_view_links(const struct files_view *v, struct files_links *l, uint64_t ino)
{
	size_t low = 0, high = v->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (v->change[v->by_ino[mid]].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	*l = (struct files_links){ino, v->base == NULL ? 0 : files_base_find_ino(v->base, ino), low};
}

bool
files_view_link(const struct files_view *v, struct files_links *l, struct files_record *ret)
{
	size_t at;

	while (v->base != NULL && l->base < v->base->n) {
		files_base_get(v->base, files_base_by_ino(v->base, l->base), ret);
		if (ret->ino != l->ino)
			break;
		l->base++;
		if (!find_change(v, ret->path, &at))
			return (true);
	}
	while (l->change < v->n && v->change[v->by_ino[l->change]].ino == l->ino) {
		*ret = v->change[v->by_ino[l->change++]];
		if (!ret->removed)
			return (true);
	}
	return (false);
}

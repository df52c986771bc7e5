/* Which managed files differ between two blocks, and in what. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files_diff.h"
#include "files_parts.h"
#include "files_path.h"
#include "files_update.h"
#include "xattrs.h"

#include "banned.h"

struct diff {
	int a, b; /* the directories */
	bool back; /* a is the later one of what is compared: what came, went */
	struct buf found; /* of each difference: what it is, its path's length, the path; told at the end, when it is known to be right */
	struct xattrs xattrs;
	struct err *e;
};

/* What a leaf says of a file but for its content. */
struct attributes {
	struct stat st;
	struct buf xattrs;
};

/* Append names and values, each with its length. */
static int
read_xattrs(struct diff *d, int dir, const char *name, struct buf *out)
{
	struct xattrs *x = &d->xattrs;
	char path[XATTRS_PATH_SIZE];
	size_t i;

	xattrs_path(dir, name, path);
	if (xattrs_list(x, -1, path) != 0)
		return (-1);
	for (i = 0; i < x->n; i++) {
		if (xattrs_get(x, i, -1, path) != 0)
			return (-1);
		buf_addf(out, "%s %zu ", x->name[i], x->value.len);
		buf_add(out, x->value.data, x->value.len);
	}
	return (out->failed ? err_mem(d->e) : 0);
}

/* Return 1, 0 where the file is gone meanwhile, or -1. */
static int
read_attributes(struct diff *d, int top, struct span path, struct attributes *ret)
{
	struct buf name = BUF_INIT;
	int dir, rc = -1;

	buf_reset(&ret->xattrs);
	if ((dir = files_open_parent(top, path, &name)) != -1) {
		if (fstatat(dir, buf_cstr(&name), &ret->st, AT_SYMLINK_NOFOLLOW) == 0 && read_xattrs(d, dir, buf_cstr(&name), &ret->xattrs) == 0)
			rc = 1;
	}
	if (rc == -1 && (errno == ENOENT || errno == ENOTDIR))
		rc = 0;
	else if (rc == -1) {
		buf_reset(&name);
		buf_addspan(&name, path);
		err_sys(d->e, "cannot look at '%s'", buf_cstr(&name));
	}
	if (dir != -1)
		close(dir);
	buf_release(&name);
	return (rc);
}

/* In what a path that both have differs, where its leaves do. */
static int
classify(struct diff *d, const struct files_record *a, const struct files_record *b, char out[FILES_CHANGE_SIZE])
{
	struct attributes x = {.xattrs = BUF_INIT}, y = {.xattrs = BUF_INIT};
	bool type, content;
	int rc;

	if ((rc = read_attributes(d, d->a, a->path, &x)) != 1 || (rc = read_attributes(d, d->b, b->path, &y)) != 1)
		goto out;
	type = (x.st.st_mode & S_IFMT) != (y.st.st_mode & S_IFMT);
	/* The records have the content of links, too, and of devices, which have none, their numbers differ. */
	content = !type && (memcmp(a->content, b->content, SHA256_SIZE) != 0 ||
	    ((S_ISCHR(x.st.st_mode) || S_ISBLK(x.st.st_mode)) && x.st.st_rdev != y.st.st_rdev));
	if (content)
		*out++ = 'c';
	if (type)
		*out++ = 't';
	if ((x.st.st_mode & 07777) != (y.st.st_mode & 07777))
		*out++ = 'p';
	if (x.st.st_uid != y.st.st_uid || x.st.st_gid != y.st.st_gid)
		*out++ = 'u';
	if (!span_eq((struct span){x.xattrs.data, x.xattrs.len}, (struct span){y.xattrs.data, y.xattrs.len}))
		*out++ = 'x';
	*out = '\0';
out:	buf_release(&x.xattrs);
	buf_release(&y.xattrs);
	return (rc);
}

static int
add(struct diff *d, const char change[FILES_CHANGE_SIZE], struct span path)
{
	buf_add(&d->found, change, FILES_CHANGE_SIZE);
	buf_add(&d->found, &path.len, sizeof(path.len));
	buf_addspan(&d->found, path);
	return (d->found.failed ? err_mem(d->e) : 0);
}

static void
tell_all(const struct diff *d, int (*visit)(void *arg, struct span path, const char *change), void *arg)
{
	const char *p = d->found.data;
	struct span path;

	while (p < d->found.data + d->found.len) {
		memcpy(&path.len, p + FILES_CHANGE_SIZE, sizeof(path.len));
		path.p = p + FILES_CHANGE_SIZE + sizeof(path.len);
		if (visit(arg, path, p) != 0)
			break;
		p = path.p + path.len;
	}
}

/* A path as it was and as it is; NULL: not there. */
static int
tell(struct diff *d, const struct files_record *a, const struct files_record *b)
{
	char change[FILES_CHANGE_SIZE] = "";
	int rc;

	if (a != NULL && b != NULL) {
		if (memcmp(a->leaf, b->leaf, SHA256_SIZE) == 0)
			return (0);
		if ((rc = classify(d, a, b, change)) == -1)
			return (-1);
		if (rc == 0 || change[0] == '\0') /* it was changed again, or back, meanwhile */
			return (0);
	} else
		change[0] = (a == NULL) != d->back ? '+' : '-';
	return (add(d, change, a != NULL ? a->path : b->path));
}

/* Two whole views. */
static int
diff_views(struct diff *d, const struct files_view *a, const struct files_view *b)
{
	struct files_cursor i = {0, 0}, k = {0, 0};
	struct files_record x, y;
	bool more_x, more_y;
	int order, rc = 0;

	more_x = files_view_next(a, &i, &x);
	more_y = files_view_next(b, &k, &y);
	while (rc == 0 && (more_x || more_y)) {
		order = !more_x ? 1 : !more_y ? -1 : span_cmp(x.path, y.path);
		rc = tell(d, order <= 0 ? &x : NULL, order >= 0 ? &y : NULL);
		if (order <= 0)
			more_x = files_view_next(a, &i, &x);
		if (order >= 0)
			more_y = files_view_next(b, &k, &y);
	}
	return (rc);
}

/* Only what changed since ${u->old}.  Return 1, 0 where that cannot be had, or -1. */
static int
diff_search(struct diff *d, struct files_update *u, int fd)
{
	struct files_record was, is;
	bool had;
	size_t i;
	int rc;

	u->walk.e = d->e;
	u->walk.known = &u->old.view;
	if (files_walk_begin(&u->walk, fd) != 0)
		return (-1);
	if ((rc = files_update_search(u, fd, d->e)) != 1)
		return (rc);
	files_walk_sort(&u->walk);
	if (u->old.view.base->bad)
		return (0);
	for (i = 0; i < u->walk.n; i++) {
		is = files_walk_record(&u->walk, i);
		had = files_view_find(&u->old.view, is.path, &was);
		if ((had || !is.removed) && tell(d, had ? &was : NULL, is.removed ? NULL : &is) != 0)
			return (-1);
	}
	return (1);
}

/* What one side is made of. */
struct contents {
	struct files_update u; /* with what the block remembers, or what was read */
	struct files_record *record;
	struct files_view view;
	struct subvol_identity made_from; /* whose state it is, as of .made */
	bool placed;			  /* that is known */
};

static void
contents_release(struct contents *c)
{
	files_update_release(&c->u);
	free(c->record);
}

/* What is known of a side without reading its files. */
static int
contents_begin(struct contents *c, int snap_fd, const struct files_side *s, struct files_watch watch, struct err *e)
{
	files_update_init(&c->u, watch);
	if (s->block == NULL) {
		if (syncfs(s->fd) != 0)
			return (err_sys(e, "cannot sync 'live'"));
		c->placed = subvol_identify(s->fd, &c->made_from) == 0;
		c->made_from.made = UINT64_MAX;
	} else if (files_update_recall(&c->u, snap_fd, s->block)) {
		c->placed = true;
		memcpy(c->made_from.uuid, c->u.old.bound.live, sizeof(c->made_from.uuid));
		c->made_from.made = c->u.old.bound.generation;
	}
	return (0);
}

/* All of a side: as it is remembered, or by a walk. */
static int
contents_read(struct contents *c, const struct files_side *s, const struct files_view *known, struct err *e)
{
	struct files_walk *w = &c->u.walk;
	size_t i;

	if (c->u.has_old) {
		c->view = c->u.old.view;
		return (0);
	}
	w->e = e;
	w->live = s->block == NULL;
	w->known = known;
	if (files_walk_begin(w, s->fd) != 0 || files_walk_all(w, s->fd) != 0)
		return (-1);
	files_walk_sort(w);
	if ((c->record = calloc(w->n + 1, sizeof(*c->record))) == NULL)
		return (err_mem(e));
	for (i = 0; i < w->n; i++)
		c->record[i] = files_walk_record(w, i);
	c->view = (struct files_view){.change = c->record, .n = w->n};
	return (0);
}

/* The two as wholes.  Return 1, 0 where what a block remembers is damaged, or -1. */
static int
diff_all(struct diff *d, struct contents *x, const struct files_side *a, struct contents *y, const struct files_side *b, bool one_history)
{
	buf_reset(&d->found);
	if (contents_read(x, a, NULL, d->e) != 0 ||
	    contents_read(y, b, one_history && x->u.has_old ? &x->u.old.view : NULL, d->e) != 0 ||
	    diff_views(d, &x->view, &y->view) != 0)
		return (-1);
	return (!(x->u.has_old && x->u.old.view.base->bad) && !(y->u.has_old && y->u.old.view.base->bad));
}

/* Without anything that is remembered. */
static int
diff_anew(struct diff *d, const struct files_side *a, const struct files_side *b, struct files_watch watch)
{
	struct contents x = {.record = NULL}, y = {.record = NULL};
	int rc;

	files_update_init(&x.u, watch);
	files_update_init(&y.u, watch);
	rc = diff_all(d, &x, a, &y, b, false) == -1 ? -1 : 0;
	contents_release(&x);
	contents_release(&y);
	return (rc);
}

/* By what is known of the two, which are ${d}'s a and b in the order of time where they have one history. */
static int
diff_known(struct diff *d, struct contents *x, const struct files_side *a, struct contents *y, const struct files_side *b, bool one_history)
{
	int n = 0;

	d->a = a->fd;
	d->b = b->fd;
	if (one_history) {
		x->u.walk.live = b->block == NULL;
		n = diff_search(d, &x->u, b->fd);
	}
	return (n != 0 ? n : diff_all(d, x, a, y, b, one_history));
}

int
files_diff(int snap_fd, const struct files_side *a, const struct files_side *b, struct files_watch watch,
    int (*visit)(void *arg, struct span path, const char *change), void *arg, struct err *e)
{
	struct diff d = {.a = a->fd, .b = b->fd, .e = e};
	struct contents x = {.record = NULL}, y = {.record = NULL};
	bool one_history;
	int rc = -1;

	if (contents_begin(&x, snap_fd, a, watch, e) != 0 || contents_begin(&y, snap_fd, b, watch, e) != 0)
		goto out;
	one_history = x.placed && y.placed && memcmp(x.made_from.uuid, y.made_from.uuid, sizeof(x.made_from.uuid)) == 0;
	d.back = one_history && x.made_from.made > y.made_from.made;
	rc = d.back ? diff_known(&d, &y, b, &x, a, true) : diff_known(&d, &x, a, &y, b, one_history);
	if (rc == 0) {
		d = (struct diff){.a = a->fd, .b = b->fd, .found = d.found, .xattrs = d.xattrs, .e = e};
		rc = diff_anew(&d, a, b, watch);
	}
	if (rc != -1)
		tell_all(&d, visit, arg);
	rc = rc == -1 ? -1 : 0;
out:	contents_release(&x);
	contents_release(&y);
	xattrs_release(&d.xattrs);
	buf_release(&d.found);
	return (rc);
}

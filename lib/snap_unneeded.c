/* Whether a block is needed, found out without making one. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "files_update.h"
#include "io.h"
#include "snap.h"
#include "subvol.h"
#include "subvol_changed.h"

#include "banned.h"

int
snap_log_changed(struct layer *l, uint64_t size, struct err *e)
{
	struct index *ix = l->ledger->index;
	struct element el;
	struct row row;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(ix, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc == 0 ? 1 : -1);
	for (seq = index_size(ix); seq-- > size;) {
		if (index_row(ix, seq, &row, e) != 0)
			return (-1);
		if (row.id != el.id)
			return (1);
	}
	return (0);
}

int
snap_hand_out(struct block_header *h, struct block_header *ret, struct buf *out, struct err *e)
{
	struct json_fault f;
	size_t at = out->len;

	block_format(h, out);
	if (out->failed)
		return (err_mem(e));
	if (block_parse((struct span){out->data + at, out->len - at - 1}, ret, &f) != 0)
		return (err_set(e, "a block header of our own is bad: %s", f.what));
	return (0);
}

/* How many of ${changed} are in the directory ${fd}, which is taken over, or below it, each counted once.  Return -1 where that cannot be told. */
static int64_t
count_below(int fd, const struct subvol_inodes *changed)
{
	const struct dirent *d;
	int64_t n = 0, below = 0;
	struct stat st;
	DIR *dir;
	int sub;

	if (fstat(fd, &st) != 0 || (dir = fdopendir(fd)) == NULL) {
		close(fd);
		return (-1);
	}
	n = subvol_inodes_have(changed, st.st_ino);
	while (below != -1 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (d->d_type != DT_DIR) {
			n += subvol_inodes_have(changed, d->d_ino);
			continue;
		}
		sub = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if ((below = sub == -1 ? -1 : count_below(sub, changed)) != -1)
			n += below;
	}
	if (errno != 0)
		below = -1;
	closedir(dir);
	return (below == -1 ? -1 : n);
}

/* Whether any of them was a managed file. */
static bool
any_known(const struct files_view *v, const struct subvol_inodes *changed)
{
	struct files_links links;
	struct files_record r;
	size_t i;

	for (i = 0; i < changed->n; i++) {
		files_view_links(v, &links, changed->inode[i].ino);
		if (files_view_link(v, &links, &r))
			return (true);
	}
	return (false);
}

/* Whether all that changed in live since ${last} is the ledger's own.  Return 1; 0 where something else did, or nobody can tell; or -1. */
static int
files_unchanged(struct layer *l, const struct block_header *last, struct err *e)
{
	struct files_update u;
	struct subvol_inodes changed = {.n = 0};
	struct subvol_identity live;
	int fd, n, rc = 0;

	files_update_init(&u, l->watch);
	if (subvol_identify(l->live_fd, &live) != 0 || !files_update_load(&u, l->snap_fd, last, &live))
		goto out;
	/* What is not yet in the tree is not found there. */
	if (syncfs(l->live_fd) != 0) {
		rc = err_sys(e, "cannot sync 'live'");
		goto out;
	}
	if ((n = subvol_changed(l->live_fd, u.old.bound.generation, &changed, e)) != 1) {
		rc = n;
		goto out;
	}
	/* A managed file may be linked there, too. */
	if (!any_known(&u.old.view, &changed) && (fd = fcntl(l->ecl_fd, F_DUPFD_CLOEXEC, 0)) != -1)
		rc = count_below(fd, &changed) == (int64_t)changed.n;
out:	subvol_inodes_release(&changed);
	files_update_release(&u);
	return (rc);
}

int
snap_unneeded(struct layer *l, int wait_ms, struct block_header *ret_header, struct buf *out, struct err *e)
{
	struct block_header last;
	struct buf text = BUF_INIT;
	int n, rc = -1;

	if (layer_lock_blocks(l, wait_ms, e) != 0)
		return (-1);
	if (snap_tidy(l, wait_ms, e) != 0 || snap_lock(l, wait_ms, e) != 0)
		goto out;
	if ((n = snap_last(l, &text, &last, e)) == 1 && (n = snap_log_changed(l, last.size, e)) != -1)
		n = !n;
	layer_unlock(l);
	if (n == 1 && subvol_check_whole(last.backend, l->live_fd, e) != 0)
		n = -1;
	if (n == 1 && (n = files_unchanged(l, &last, e)) == 1 && snap_hand_out(&last, ret_header, out, e) != 0)
		n = -1;
	rc = n;
out:	layer_unlock_blocks(l);
	buf_release(&text);
	return (rc);
}

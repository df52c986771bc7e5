/* What the block has of the paths that go back is copied beside what live has, with a plan of what will be done (snap_staged.c). */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "rollback_impl.h"
#include "snap.h"
#include "snap_staged.h"
#include "subvol.h"
#include "xattrs.h"

#include "banned.h"

/* The copy of one path: of its directories that live lacks only what leads to it. */
static int
stage_one(struct rollback_path *p, size_t i, const struct rollback *r, struct err *e)
{
	char name[32], from[PATH_MAX];
	int dir, to, rc;

	snprintf(name, sizeof(name), "%zu", i);
	if (p->with == i && mkdirat(r->paths.stage_fd, name, 0700) != 0)
		return (err_sys(e, "cannot make the directory '.ecl/%s/%s'", r->paths.stage, name));
	if (p->with == i && (p->stage_fd = io_open_dir(r->paths.stage_fd, name, e)) == -1)
		return (-1);
	if (!p->wanted)
		return (0);
	snprintf(from, sizeof(from), "%.*s", p->at == 0 ? 1 : (int)p->at - 1, p->at == 0 ? "." : p->path);
	if ((dir = io_open_dir(r->block_fd, from, e)) == -1)
		return (-1);
	to = r->paths.path[p->with].stage_fd;
	rc = subvol_copy_path(dir, p->path + p->at, to, e);
	close(dir);
	return (rc);
}

static int
write_file(int dir, const char *name, const struct buf *text, struct err *e)
{
	int fd, rc = 0;

	if (text->failed)
		return (err_mem(e));
	if ((fd = io_open_file(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600, e)) == -1)
		return (-1);
	if (io_write(fd, text->data, text->len) != 0)
		rc = err_sys(e, "cannot write '%s'", name);
	close(fd);
	return (rc);
}

static int
write_plan(struct rollback *r, struct err *e)
{
	struct rollback_path *p;
	struct buf text = BUF_INIT;
	char name[32];
	size_t i;
	int rc = 0;

	buf_addspan(&text, r->rules.cause);
	buf_addc(&text, '\n');
	buf_add(&text, r->meta.data, r->meta.len);
	buf_addc(&text, '\n');
	for (i = 0; rc == 0 && i < r->paths.n; i++) {
		p = &r->paths.path[i];
		snprintf(name, sizeof(name), "%zu", p->with);
		if ((rc = snap_staged_inode(r->paths.stage_fd, name, &p->inode, e)) == 0)
			buf_addf(&text, "%s %c %ju\n", name, !p->wanted ? '-' : p->there ? 'x' : '+', (uintmax_t)p->inode);
	}
	if (rc == 0)
		rc = write_file(r->paths.stage_fd, SNAP_STAGED_PLAN, &text, e);
	buf_release(&text);
	return (rc);
}

/* It is complete, and on the disk: so is its name, before anything is exchanged. */
static int
name_it(struct rollback *r, struct err *e)
{
	struct rollback_paths *p = &r->paths;
	char old[sizeof(p->stage)];

	snprintf(old, sizeof(old), ".old-%ju", (uintmax_t)r->l->ledger->log->end.size);
	if (renameat(r->l->ecl_fd, p->stage, r->l->ecl_fd, old) != 0)
		return (err_sys(e, "cannot rename '.ecl/%s' to '%s'", p->stage, old));
	memcpy(p->stage, old, sizeof(old));
	return (io_fsync(r->l->ecl_fd) == 0 ? 0 : err_sys(e, "cannot sync '.ecl'"));
}

int
rollback_paths_stage(struct rollback *r, struct err *e)
{
	struct rollback_paths *p = &r->paths;
	size_t i;

	snprintf(p->stage, sizeof(p->stage), ".tmp-%ld", (long)getpid());
	if (mkdirat(r->l->ecl_fd, p->stage, 0700) != 0)
		return (err_sys(e, "cannot make the directory '.ecl/%s'", p->stage));
	if ((p->stage_fd = io_open_dir(r->l->ecl_fd, p->stage, e)) == -1)
		goto err1;
	if (xattrs_drop_acls(p->stage_fd, NULL) != 0) { /* or what is copied to it would inherit it */
		err_sys(e, "cannot remove the ACL of '.ecl/%s'", p->stage);
		goto err1;
	}
	for (i = 0; i < p->n; i++) {
		if (stage_one(&p->path[i], i, r, e) != 0)
			goto err1;
	}
	if (write_plan(r, e) != 0)
		goto err1;
	if (syncfs(p->stage_fd) != 0) {
		err_sys(e, "cannot sync what is to go back");
		goto err1;
	}
	if (name_it(r, e) == 0)
		return (0);

err1:	(void)rollback_paths_sweep(r, NULL);
	return (-1);
}

int
rollback_paths_sweep(struct rollback *r, struct err *e)
{
	return (r->paths.kept ? 0 : snap_discard(r->l->ecl_fd, r->paths.stage, e));
}

/* Receiving: from a stream to a block under its name. */
#include "config.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "io.h"
#include "receive_impl.h"
#include "received.h"
#include "root.h"
#include "snap.h"
#include "subvol.h"
#include "verify.h"

#include "banned.h"

struct receiving {
	struct layer *l;
	const struct receive_options *opt;
	struct receive_guard guard;
	int staging_fd;
	int block_fd;	       /* the block, where it stands now */
	struct block_list own; /* it alone */
	struct files_update files;
};

/* ---- left-overs ---- */

int
receive_sweep(struct layer *l, struct err *e)
{
	if (faccessat(l->root_fd, RECEIVE_STAGING, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (subvol_remove_nested(l->root_fd, RECEIVE_STAGING, e) != 0)
			return (-1);
	} else if (errno != ENOENT)
		return (err_sys(e, "cannot look for '%s'", RECEIVE_STAGING));
	return (snap_sweep(l, e));
}

/* ---- unpacking ---- */

static int
make_staging(struct receiving *r, struct err *e)
{
	if (mkdirat(r->l->root_fd, RECEIVE_STAGING, 0700) != 0)
		return (err_sys(e, "cannot make directory '%s'", RECEIVE_STAGING));
	return ((r->staging_fd = io_open_dir(r->l->root_fd, RECEIVE_STAGING, e)) == -1 ? -1 : 0);
}

/* The one name in the staging directory. */
static int
only_name(int dirfd, char name[NAME_MAX + 1], struct err *e)
{
	const struct dirent *d;
	unsigned n = 0;
	DIR *dir;
	int fd;

	if ((fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 || (dir = fdopendir(fd)) == NULL) {
		err_sys(e, "cannot read '%s'", RECEIVE_STAGING);
		if (fd != -1)
			close(fd);
		return (-1);
	}
	while ((errno = 0, d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 && n++ == 0)
			snprintf(name, NAME_MAX + 1, "%s", d->d_name);
	if (errno != 0) {
		err_sys(e, "cannot read '%s'", RECEIVE_STAGING);
		n = 0;
	} else if (n != 1)
		err_no(e, n == 0 ? "the stream has no subvolume in it" : "the stream has more than one subvolume in it: send one block at a time");
	closedir(dir);
	return (n == 1 ? 0 : -1);
}

/* What came is one subvolume, unpacked to its end. */
static int
open_received(struct receiving *r, const char *name, struct err *e)
{
	enum backend b;
	bool read_only;

	if ((r->block_fd = io_open_dir(r->staging_fd, name, e)) == -1)
		return (-1);
	if (subvol_backend(r->block_fd, &b, e) != 0)
		return (-1);
	if (b != BACKEND_BTRFS)
		return (err_no(e, "what came is no subvolume"));
	if (subvol_is_read_only(b, r->block_fd, &read_only, e) != 0)
		return (-1);
	if (!read_only || !received_is(r->block_fd))
		return (err_no(e, "the stream ends before its subvolume does"));
	return (subvol_check_whole(b, r->block_fd, e));
}

/*
 * From the staging directory to .snapshots, under a name that means nothing yet.  A read-only subvolume does not leave its directory, so it is
 * writable for that moment, where nobody else gets at it; what is verified is what it is afterwards.
 */
static int
move_out(struct receiving *r, const char *name, struct err *e)
{
	if (subvol_set_read_only(BACKEND_BTRFS, r->block_fd, false, e) != 0)
		return (-1);
	if (renameat(r->staging_fd, name, r->l->snap_fd, RECEIVE_BLOCK) != 0)
		return (err_sys(e, "cannot move what came to '.snapshots'"));
	if (subvol_set_read_only(BACKEND_BTRFS, r->block_fd, true, e) != 0)
		return (-1);
	if (!received_is(r->block_fd))
		return (err_set(e, "this kernel forgets that a subvolume was received"));
	return (0);
}

static int
unpack(struct receiving *r, int in_fd, struct err *e)
{
	char name[NAME_MAX + 1];

	if (make_staging(r, e) != 0 || receive_stream(&r->guard, in_fd, r->staging_fd, r->opt, e) != 0 || only_name(r->staging_fd, name, e) != 0 ||
	    open_received(r, name, e) != 0)
		return (-1);
	return (move_out(r, name, e));
}

/* ---- verifying ---- */

/* The checkpoint that is here, and of how many events.  Return 1, 0 where there is none, or -1. */
static int
own_checkpoint(struct receiving *r, struct buf *note, uint64_t *ret_size, struct err *e)
{
	struct checkpoint cp;
	struct note n;
	int rc;

	if ((rc = checkpoint_read(r->l->root_fd, CHECKPOINT_FILE, note, e)) != 1)
		return (rc);
	if (note_parse((struct span){note->data, note->len}, &n, e) != 0 || checkpoint_parse(n.text, &cp, e) != 0)
		return (-1);
	*ret_size = cp.size;
	return (1);
}

static int
say_refused(const struct receiving *r, const struct verify_result *v, struct err *e)
{
	const struct verify_finding *f;
	const char *path;

	for (f = v->finding; f < v->finding + v->n && f->class != v->verdict; f++)
		;
	if (f == v->finding + v->n)
		return (err_set(e, "'%s' could not be verified", r->own.block[0].name));
	path = f->path;
	err_no(e, "'%s' is refused: %s: %s%s%s", r->own.block[0].name, verify_class_name(f->class), path, *path != '\0' ? ": " : "", f->message);
	if (e != NULL && v->verdict == VERIFY_UNCHECKED)
		e->exit = EXIT_ERROR;
	return (-1);
}

static int
verify(struct receiving *r, struct err *e)
{
	struct verify_given given = {.name = "ROOT/" CHECKPOINT_FILE};
	struct verify_options opt = {.key = r->opt->key,
	    .keys = r->opt->keys,
	    .witness = r->opt->witness,
	    .witnesses = r->opt->witnesses,
	    .quorum = r->opt->quorum,
	    .progress = r->opt->verify,
	    .arg = r->opt->arg};
	struct verify_known_files files;
	struct verify_result v;
	struct buf note = BUF_INIT, path = BUF_INIT;
	uint64_t size;
	int n, rc = -1;

	if ((n = own_checkpoint(r, &note, &size, e)) == -1)
		goto out;
	/* Where the block covers it, it must be of the beginning of the block's log. */
	if (n == 1 && size <= r->own.block[0].header.size) {
		given.bytes = (struct span){note.data, note.len};
		opt.checkpoint = &given;
		opt.checkpoints = 1;
	}
	buf_addf(&path, "%s/.snapshots/%s", r->l->path, RECEIVE_BLOCK);
	if (path.failed) {
		err_mem(e);
		goto out;
	}
	if (receive_files(&r->files, r->l, r->block_fd, &files, e) != 0)
		goto out;
	opt.files = &files;
	if ((rc = verify_root(buf_cstr(&path), &opt, &v, e)) == 0) {
		if (v.verdict != VERIFY_OK || v.blocks != 1)
			rc = say_refused(r, &v, e);
		verify_release(&v);
	}
out:	buf_release(&note);
	buf_release(&path);
	return (rc);
}

/* The header, then all that it says; then whether it is of this history. */
static int
check(struct receiving *r, struct err *e)
{
	struct ledger *ledger;
	int rc;

	if (receive_check_own(r->block_fd, e) != 0 || block_list_read_alone(r->block_fd, &r->own, e) != 0)
		return (-1);
	if (r->own.n != 1)
		return (err_no(e, "what came is no block: its header is missing or damaged"));
	if (!r->own.block[0].good)
		return (err_no(e, "what came is no block: %s", r->own.block[0].fault));
	if (verify(r, e) != 0 || ledger_refresh(r->l->ledger, e) != 0)
		return (-1);
	if (ledger_open(r->block_fd, -1, INDEX_IGNORE | INDEX_LAZY, &ledger, e) != 0)
		return (-1);
	rc = receive_check_history(r->l, ledger->log, &r->own.block[0].header, e);
	ledger_free(ledger);
	return (rc);
}

/* ---- publishing ---- */

static int
look_around(struct receiving *r, enum receive_outcome *ret, struct err *e)
{
	const struct block *own = &r->own.block[0], *b;
	struct block_list here = {NULL, 0};

	if (block_list_read(r->l->snap_fd, &here, e) != 0)
		return (-1);
	*ret = RECEIVE_NEWEST;
	for (b = here.block; b < here.block + here.n; b++) {
		if (strcmp(b->name, own->name) == 0)
			*ret = RECEIVE_KNOWN;
		else if (*ret == RECEIVE_NEWEST && b->good && b->height > own->height)
			*ret = RECEIVE_OLDER;
		if (*ret == RECEIVE_KNOWN && !b->good) {
			err_no(e, "'%s' is here already, but damaged: remove it, and receive it again", b->name);
			block_list_release(&here);
			return (-1);
		}
		if (*ret == RECEIVE_KNOWN)
			break;
	}
	block_list_release(&here);
	return (0);
}

/* ROOT/checkpoint is the newest one that came. */
static int
keep_checkpoint(struct receiving *r, struct err *e)
{
	struct buf note = BUF_INIT, have = BUF_INIT;
	uint64_t size;
	int ecl, n, rc = -1;

	if ((ecl = io_open_dir(r->block_fd, ".ecl", e)) == -1)
		return (-1);
	if ((n = own_checkpoint(r, &have, &size, e)) == -1 || (n == 1 && size >= r->own.block[0].header.size))
		rc = n == -1 ? -1 : 0;
	else if ((n = checkpoint_read(ecl, CHECKPOINT_FILE, &note, e)) != -1)
		rc = n == 0 ? 0 : io_publish(r->l->root_fd, CHECKPOINT_FILE, note.data, note.len, 0640, true, e);
	close(ecl);
	buf_release(&note);
	buf_release(&have);
	return (rc);
}

/* Live first: a log may be longer than its blocks, not shorter. */
static int
publish(struct receiving *r, enum receive_outcome outcome, struct err *e)
{
	const char *name = r->own.block[0].name;

	if (outcome == RECEIVE_KNOWN) /* by a run that may have died before its last step */
		return (keep_checkpoint(r, e));
	if (outcome == RECEIVE_NEWEST) {
		if (receive_live(r->l, r->block_fd, r->opt->wait_ms, e) != 0)
			return (-1);
		receive_files_keep(&r->files, r->l, r->block_fd);
	}
	if (io_rename_new(r->l->snap_fd, RECEIVE_BLOCK, name) != 0)
		return (err_sys(e, "cannot rename '%s' to '%s'", RECEIVE_BLOCK, name));
	if (io_fsync(r->l->snap_fd) != 0)
		return (err_sys(e, "'%s' was received, but may not be on the disk", name));
	return (keep_checkpoint(r, e));
}

static int
hand_out(const struct receiving *r, struct block_header *ret, struct buf *out, struct err *e)
{
	const struct buf *line = &r->own.block[0].line;
	struct json_fault f;
	size_t at = out->len;

	buf_add(out, line->data, line->len);
	buf_addc(out, '\n');
	if (out->failed)
		return (err_mem(e));
	(void)block_parse((struct span){out->data + at, line->len}, ret, &f);
	return (0);
}

static int
check_replica(const struct layer *l, struct err *e)
{
	struct buf mark = BUF_INIT;
	enum backend b;
	int rc = -1;

	if (subvol_backend(l->live_fd, &b, e) != 0)
		return (-1);
	if (b != BACKEND_BTRFS)
		return (err_set(e, "'%s' is not on btrfs, where blocks could be received: 'ecl-append --replica' copies the log", l->path));
	if (io_slurp(l->root_fd, ROOT_MARK, ROOT_MARK_MAX, &mark, e) == 0)
		rc = strncmp(buf_cstr(&mark), ROOT_ADOPTING, strlen(ROOT_ADOPTING)) != 0 ? 0 : err_set(e, "'%s' is being adopted: 'ecl-init --adopt' finishes that", l->path);
	buf_release(&mark);
	return (rc);
}

static int
receive_locked(struct receiving *r, int in_fd, enum receive_outcome *ret_outcome, struct err *e)
{
	int rc = -1, sys;
	struct err ignored = {0};

	if (check_replica(r->l, e) != 0 || receive_sweep(r->l, e) != 0 || receive_guard_begin(&r->guard, r->l, e) != 0)
		return (-1);
	if (unpack(r, in_fd, e) == 0 && check(r, e) == 0 && look_around(r, ret_outcome, e) == 0)
		rc = publish(r, *ret_outcome, e);
	sys = errno;
	if (receive_sweep(r->l, rc == 0 ? e : &ignored) != 0)
		rc = -1;
	errno = sys;
	receive_guard_end(&r->guard);
	return (rc);
}

int
receive_block(struct layer *l, int in_fd, const struct receive_options *opt, enum receive_outcome *ret_outcome, struct block_header *ret_header,
    struct buf *out, struct err *e)
{
	struct receiving r = {.l = l, .opt = opt, .staging_fd = -1, .block_fd = -1};
	int rc = -1;

	if (layer_lock_blocks(l, opt->wait_ms, e) != 0)
		return (-1);
	files_update_init(&r.files, l->watch);
	if (receive_locked(&r, in_fd, ret_outcome, e) == 0)
		rc = hand_out(&r, ret_header, out, e);
	layer_unlock_blocks(l);
	files_update_release(&r.files);
	block_list_release(&r.own);
	if (r.block_fd != -1)
		close(r.block_fd);
	if (r.staging_fd != -1)
		close(r.staging_fd);
	return (rc);
}

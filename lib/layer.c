/* A root: where its parts are, who may write, its locks. */
#include "config.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "durable.h"
#include "io.h"
#include "layer.h"
#include "received.h"

#include "banned.h"

static unsigned
ledger_flags(const struct layer *l)
{
	unsigned flags = (l->flags & LAYER_IGNORE_INDEX ? INDEX_IGNORE : 0) | (l->flags & LAYER_LAZY ? INDEX_LAZY : 0);

	if ((l->flags & LAYER_TREE) != 0)
		return (flags | INDEX_TREE);
	return (flags | ((l->flags & LAYER_WRITE) == 0 ? INDEX_NO_HASHES : 0));
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

int
layer_reader_root(const struct layer *l)
{
	return (l->bare || (l->flags & LAYER_WRITE) != 0 ? -1 : l->root_fd);
}

/*
 * Whether live is another one than ${live_fd}.  Asked of both anew: btrfs takes the number of its device from a subvolume that
 * is deleted, also where it is open, and gives it to the next one.
 */
static bool
was_exchanged(const struct layer *l, int live_fd)
{
	struct stat was, now;

	return (!l->bare && (fstat(live_fd, &was) != 0 ||
	    fstatat(l->root_fd, "live", &now, AT_SYMLINK_NOFOLLOW) != 0 ||
	    now.st_dev != was.st_dev || now.st_ino != was.st_ino));
}

bool
layer_exchanged(const struct layer *l)
{
	return (was_exchanged(l, l->live_fd));
}

/* One try.  Return 0, -1, or 1 where live was exchanged meanwhile: what was found may be half removed. */
static int
open_live(struct layer *l, struct err *e)
{
	struct ledger *ledger = NULL;
	int live_fd, ecl_fd, sys;
	bool again;

	if ((live_fd = io_open_dir(l->root_fd, l->bare ? "." : "live", e)) == -1) {
		if (errno == EXDEV)
			err_set(e, "'%s/live' is a mount point or a link, which a rollback could not exchange: mount the root, not live", l->path);
		goto err0;
	}
	if ((ecl_fd = io_open_dir(live_fd, ".ecl", e)) == -1)
		goto err1;
	if ((l->flags & LAYER_NO_INDEX) == 0 && ledger_open(live_fd, layer_reader_root(l), ledger_flags(l), &ledger, e) != 0)
		goto err2;
	if (was_exchanged(l, live_fd)) {
		ledger_free(ledger);
		goto err2;
	}
	ledger_free(l->ledger);
	close_fd(&l->live_fd);
	close_fd(&l->ecl_fd);
	l->live_fd = live_fd;
	l->ecl_fd = ecl_fd;
	l->ledger = ledger;
	return (0);

err2:	close(ecl_fd);
err1:	sys = errno;
	again = was_exchanged(l, live_fd);
	close(live_fd);
	errno = sys;
	return (again ? 1 : -1);
err0:	return (-1);
}

int
layer_reopen_live(struct layer *l, struct err *e)
{
	int rc;

	while ((rc = open_live(l, e)) == 1)
		;
	return (rc);
}

bool
layer_may_command(const struct layer *l)
{
	struct stat root, ecl, log;

	if (l->bare || l->replica || received_is(l->ecl_fd))
		return (false);
	if ((l->flags & LAYER_FORCE) != 0)
		return (true);
	if (fstat(l->root_fd, &root) != 0 || fstat(l->ecl_fd, &ecl) != 0 || fstatat(l->ecl_fd, "log", &log, AT_SYMLINK_NOFOLLOW) != 0)
		return (false);
	return (root.st_uid == geteuid() && ecl.st_uid == root.st_uid && log.st_uid == root.st_uid);
}

/* Say why ${path} cannot be opened as a root, in words that lead on. */
static int
no_root(const char *path, struct err *e)
{
	if (*path == '\0')
		return (err_set(e, "the name of the root is empty"));
	if (errno == ENOENT)
		return (err_set(e, "no ledger at '%s': 'ecl-init %s' makes one", path, path));
	return (err_sys(e, "cannot open the root '%s'", path));
}

/* The root that a layer at ${path} belongs to, by its place: ROOT/live, ROOT/.snapshots/BLOCK.  Cut out of ${path}; false where it has another place. */
static bool
root_of(char *path, bool block)
{
	char *slash;

	if (block) {
		if ((slash = strrchr(path, '/')) == NULL)
			return (false);
		*slash = '\0';
	}
	if ((slash = strrchr(path, '/')) == NULL || slash == path || strcmp(slash, block ? "/.snapshots" : "/live") != 0)
		return (false);
	*slash = '\0';
	return (true);
}

/* Say what the layer is, and what to name instead. */
static int
not_a_root(const struct layer *l, int ecl_fd, struct err *e)
{
	struct buf line = BUF_INIT;
	struct block_header h;
	struct json_fault f;
	char path[PATH_MAX], what[BLOCK_NAME_SIZE + 16] = "a layer", *name;

	if (io_slurp(ecl_fd, "block", BLOCK_HEADER_MAX, &line, NULL) == 0 && line.len > 0 &&
	    block_parse((struct span){line.data, line.len - 1}, &h, &f) == 0) {
		name = what + snprintf(what, sizeof(what), "the block '");
		block_name(&h, name);
		memcpy(name + strlen(name), "'", 2);
	}
	buf_release(&line);
	if (realpath(l->path, path) != NULL && root_of(path, what[0] == 't'))
		return (err_set(e, "'%s' is %s, not a root: the root is '%s'", l->path, what, path));
	return (err_set(e, "'%s' is %s, not a root: name the root that it belongs to", l->path, what));
}

/* Whether the directory is itself a layer.  Return 0, or -1 where that cannot be told, or is not what is asked for. */
static int
look_for_bare(struct layer *l, struct err *e)
{
	struct err why = {0};
	int fd, rc = 0;

	if ((fd = io_open_dir(l->root_fd, ".ecl", &why)) == -1) {
		if (errno == ENOENT)
			return (0);
		if (e != NULL)
			*e = why;
		return (-1);
	}
	l->bare = true;
	if ((l->flags & (LAYER_WRITE | LAYER_ROOT)) != 0)
		rc = not_a_root(l, fd, e);
	close(fd);
	return (rc);
}

static int
check_writer(struct layer *l, const struct stat *st, struct err *e)
{
	if (st->st_uid != geteuid() && (l->flags & LAYER_FORCE) == 0)
		return (err_set(e, "'%s' belongs to uid %u, not to uid %u who runs this: run as its owner, or say --force", l->path,
		    (unsigned)st->st_uid, (unsigned)geteuid()));
	if (l->replica && (l->flags & (LAYER_REPLICA | LAYER_EITHER)) == 0)
		return (err_set(e, "'%s' is a replica of another ledger: only 'ecl-append --replica' and 'ecl-snap --receive' write to it", l->path));
	if (!l->replica && (l->flags & LAYER_REPLICA) != 0)
		return (err_set(e, "'%s' is not a replica: 'ecl-init --replica' makes one", l->path));
	return (0);
}

/* All closed. */
static struct layer *
new_layer(const char *path, unsigned flags, struct err *e)
{
	struct layer *l;

	if ((l = calloc(1, sizeof(*l))) == NULL || (l->path = strdup(path)) == NULL) {
		free(l);
		err_mem(e);
		return (NULL);
	}
	l->flags = flags;
	l->root_fd = l->live_fd = l->ecl_fd = l->snap_fd = -1;
	l->gate_fd = l->lock_fd = l->blocks_fd = l->index_fd = -1;
	durable_init(&l->durable, -1);
	return (l);
}

int
layer_no_events(const struct layer *l, struct err *e)
{
	if (l->bare)
		return (err_set(e, "'%s' has no events", l->path));
	return (err_set(e, "'%s' has no events: a half-made ledger, which 'ecl-init %s' finishes, or one whose log is gone", l->path, l->path));
}

static int
open_bare(struct layer *l, struct err *e)
{
	if (layer_reopen_live(l, e) != 0)
		return (-1);
	return (l->ledger != NULL && l->ledger->log->end.size == 0 ? layer_no_events(l, e) : 0);
}

static bool
is_replica(const struct layer *l)
{
	return (faccessat(l->root_fd, "replica", F_OK, 0) == 0);
}

static int
open_root(struct layer *l, const struct stat *st, struct err *e)
{
	const char *path = l->path;

	durable_init(&l->durable, l->root_fd);
	l->replica = is_replica(l);
	if ((l->flags & LAYER_WRITE) != 0 && check_writer(l, st, e) != 0)
		return (-1);
	if ((l->snap_fd = io_open_dir(l->root_fd, ".snapshots", e)) == -1 || layer_reopen_live(l, e) != 0) {
		if (errno == ENOENT && (e == NULL || e->sys == ENOENT))
			err_set(e, "'%s' is no ledger, or a half-made one: 'ecl-init %s' finishes it", path, path);
		return (-1);
	}
	return (l->ledger != NULL && l->ledger->log->end.size == 0 && !l->replica ? layer_no_events(l, e) : 0);
}

int
layer_open(const char *path, unsigned flags, struct layer **ret, struct err *e)
{
	struct layer *l;
	struct stat st;

	if ((l = new_layer(path, flags, e)) == NULL)
		return (-1);
	if ((l->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		no_root(path, e);
		goto err1;
	}
	if (fstat(l->root_fd, &st) != 0) {
		err_sys(e, "cannot stat '%s'", path);
		goto err1;
	}
	if (look_for_bare(l, e) != 0 || (l->bare ? open_bare(l, e) : open_root(l, &st, e)) != 0) {
		err_within(e, path);
		goto err1;
	}
	l->flags &= ~LAYER_LAZY;
	*ret = l;
	return (0);

err1:	layer_free(l);
	return (-1);
}

int
layer_open_block(const struct layer *root, const char *name, unsigned flags, struct layer **ret, struct err *e)
{
	char path[PATH_MAX];
	struct layer *l;

	snprintf(path, sizeof(path), "%s/.snapshots/%s", root->path, name);
	if ((l = new_layer(path, flags, e)) == NULL)
		return (-1);
	l->bare = true;
	if ((l->root_fd = block_open(root->snap_fd, name, e)) == -1 || open_bare(l, e) != 0) {
		err_within(e, path);
		layer_free(l);
		return (-1);
	}
	*ret = l;
	return (0);
}

void
layer_free(struct layer *l)
{
	if (l == NULL)
		return;
	ledger_free(l->ledger);
	durable_close(&l->durable);
	close_fd(&l->gate_fd);
	close_fd(&l->lock_fd);
	close_fd(&l->blocks_fd);
	close_fd(&l->index_fd);
	close_fd(&l->snap_fd);
	close_fd(&l->ecl_fd);
	close_fd(&l->live_fd);
	close_fd(&l->root_fd);
	free(l->path);
	free(l);
}

static int
take(struct layer *l, int *fd, const char *name, int wait_ms, struct err *e)
{
	if (*fd == -1 && (*fd = io_open_file(l->root_fd, name, O_RDWR | O_CREAT, 0600, e)) == -1)
		return (-1);
	if (io_lock(*fd, true, wait_ms) == 0)
		return (0);
	if (errno == EWOULDBLOCK)
		return (err_retry(e, "'%s' is locked by another program ('%s'); try again later", l->path, name));
	return (err_sys(e, "cannot lock '%s'", name));
}

static bool
same_end(const struct log_end *a, const struct log_end *b)
{
	return (a->segment == b->segment && a->offset == b->offset && a->size == b->size &&
	    memcmp(a->hash, b->hash, SHA256_SIZE) == 0);
}

/* Read the log again from the last point known to be durable; what the ledger had in memory is dropped. */
static int
recover(struct layer *l, const struct durable *d, struct err *e)
{
	struct log_end none, end;
	struct log *log;

	memset(&none, 0, sizeof(none));
	if ((log = calloc(1, sizeof(*log))) == NULL)
		return (err_mem(e));
	log->writer.fd = log->root_fd = -1;
	if ((log->dirfd = io_open_dir(l->ecl_fd, "log", e)) == -1) {
		free(log);
		return (-1);
	}
	if (log_recover(log, l->ecl_fd, d->known || d->stale ? &d->end : &none, &l->torn, e) != 0) {
		log_free(log);
		return (-1);
	}
	end = log->end;
	l->torn_seq = end.size;
	log_free(log);
	if (layer_reopen_live(l, e) != 0)
		return (-1);
	return (durable_store(&l->durable, &end, DURABLE_CLEAN, e));
}

/* With the lock held: live as it is now, its log durable, the ledger at its end. */
static int
settle(struct layer *l, struct err *e)
{
	struct durable d;

	if (layer_exchanged(l) && layer_reopen_live(l, e) != 0)
		return (-1);
	if (durable_load(&l->durable, &d, e) != 0)
		return (-1);
	/* Who does not sync either need not care where the disk is. */
	if (d.known && d.unsynced && (l->flags & LAYER_NO_SYNC) != 0) {
		if (ledger_refresh(l->ledger, e) != 0)
			return (-1);
		if (l->ledger->log->torn == 0 && l->ledger->log->end.size >= d.end.size)
			return (0);
	}
	if (d.known && !d.dirty) {
		if (ledger_refresh(l->ledger, e) != 0)
			return (-1);
		if (same_end(&d.end, &l->ledger->log->end) && l->ledger->log->torn == 0)
			return (0);
	}
	return (recover(l, &d, e));
}

int
layer_lock(struct layer *l, int wait_ms, struct err *e)
{
	l->torn = 0;
	if (take(l, &l->gate_fd, "gate", wait_ms, e) != 0)
		goto err0;
	if (take(l, &l->lock_fd, "lock", wait_ms, e) != 0)
		goto err1;
	flock(l->gate_fd, LOCK_UN);
	if (settle(l, e) != 0)
		goto err2;
	l->locked = true;
	return (0);

err2:	flock(l->lock_fd, LOCK_UN);
	return (-1);
err1:	flock(l->gate_fd, LOCK_UN);
err0:	return (-1);
}

void
layer_unlock(struct layer *l)
{
	if (l->locked)
		flock(l->lock_fd, LOCK_UN);
	l->locked = false;
}

bool
layer_wanted(struct layer *l)
{
	/* Who waits for the lock holds the gate. */
	if (flock(l->gate_fd, LOCK_EX | LOCK_NB) != 0)
		return (errno == EWOULDBLOCK);
	flock(l->gate_fd, LOCK_UN);
	return (false);
}

int
layer_lock_blocks(struct layer *l, int wait_ms, struct err *e)
{
	if (take(l, &l->blocks_fd, "blocks.lock", wait_ms, e) != 0)
		return (-1);
	/* Who had it before may have adopted the replica, or exchanged live. */
	if (is_replica(l) != l->replica)
		err_retry(e, "'%s' was adopted meanwhile: try again", l->path);
	else if (!layer_exchanged(l) || layer_reopen_live(l, e) == 0)
		return (0);
	layer_unlock_blocks(l);
	return (-1);
}

void
layer_unlock_blocks(struct layer *l)
{
	if (l->blocks_fd != -1)
		flock(l->blocks_fd, LOCK_UN);
}

int
layer_index_lock(struct layer *l, int *ret_fd, struct err *e)
{
	if (l->index_fd == -1)
		l->index_fd = io_open_file(l->root_fd, "index.lock", O_RDWR | O_CREAT, 0600, e);
	*ret_fd = l->index_fd;
	return (l->index_fd == -1 ? -1 : 0);
}

int
layer_publish(struct layer *l, bool sync, struct err *e)
{
	int fd;

	return (layer_index_lock(l, &fd, e) == 0 ? index_publish(l->ledger->index, fd, sync, e) : -1);
}

int
layer_publish_begin(struct layer *l, struct publication **ret, struct err *e)
{
	int fd;

	return (layer_index_lock(l, &fd, e) == 0 ? index_publish_begin(l->ledger->index, fd, ret, e) : -1);
}

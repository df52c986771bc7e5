/* What runs that died left behind, put in order by whoever holds blocks.lock next. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "snap.h"
#include "snap_staged.h"

#include "banned.h"

/* The names in ${fd} that begin with ${prefix}, each with its NUL. */
static int
list_prefix(int fd, const char *prefix, struct buf *out, struct err *e)
{
	const struct dirent *d;
	DIR *dir;
	int again, rc = 0;

	if ((again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (err_sys(e, "cannot open a directory of the root"));
	if ((dir = fdopendir(again)) == NULL) {
		err_sys(e, "cannot read a directory of the root");
		close(again);
		return (-1);
	}
	while ((errno = 0, d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, prefix, strlen(prefix)) == 0)
			buf_add(out, d->d_name, strlen(d->d_name) + 1);
	}
	if (errno != 0)
		rc = err_sys(e, "cannot read a directory of the root");
	else if (out->failed)
		rc = err_mem(e);
	closedir(dir);
	return (rc);
}

/* Directories named .tmp-*: only who holds blocks.lock has any. */
static int
remove_left_overs(int dirfd, struct err *e)
{
	struct buf names = BUF_INIT;
	struct err why = {0};
	const char *name = NULL;
	int fd, rc;

	rc = list_prefix(dirfd, ".tmp-", &names, e);
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL) {
		if ((fd = io_open_dir(dirfd, name, &why)) == -1)
			continue; /* not a directory, so not ours */
		close(fd);
		rc = snap_discard(dirfd, name, e);
	}
	buf_release(&names);
	return (rc);
}

/* Checkpoints that were to be published (io_publish()). */
static int
remove_checkpoints(int root_fd, struct err *e)
{
	struct buf names = BUF_INIT;
	const char *name = NULL;
	int rc;

	rc = list_prefix(root_fd, "." CHECKPOINT_FILE ".", &names, e);
	while (rc == 0 && (name = buf_next_string(&names, name)) != NULL)
		if (unlinkat(root_fd, name, 0) != 0 && errno != ENOENT)
			rc = err_sys(e, "cannot remove '%s', a left-over", name);
	buf_release(&names);
	return (rc);
}

/* Whether ${h} is the block that must come behind ${last}, of this very log.  Return 1, 0 or -1. */
static int
follows(
    struct layer *l, const struct block_header *last, const struct block_header *h, struct err *e)
{
	static const uint8_t zeros[SHA256_SIZE];
	struct buf line = BUF_INIT;
	struct event ev;
	int rc = -1;

	if (h->height != (last == NULL ? 0 : last->height + 1) ||
	    memcmp(h->prev, last == NULL ? zeros : last->hash, SHA256_SIZE) != 0)
		return (0);
	if (h->size == 0 || h->size > index_size(l->ledger->index))
		return (0);
	if (index_event(l->ledger->index, h->size - 1, &line, &ev, e) == 0)
		rc = memcmp(ev.hash, h->head, SHA256_SIZE) == 0;
	buf_release(&line);
	return (rc);
}

/* Record a block under .snapshots that follows the last recorded one.  Return 1 where there was one, 0 or -1. */
static int
record_next(struct layer *l, struct err *e)
{
	struct block_list list = {NULL, 0};
	struct block_header last;
	struct buf text = BUF_INIT;
	size_t i;
	int n, rc = -1;

	if ((n = snap_last(l, &text, &last, e)) == -1 ||
	    block_list_read_from(l->snap_fd, n == 1 ? last.height + 1 : 0, &list, e) != 0)
		goto out;
	rc = 0;
	for (i = 0; i < list.n && rc == 0; i++) {
		if (list.block[i].good)
			rc = follows(l, n == 1 ? &last : NULL, &list.block[i].header, e);
	}
	if (rc == 1 && snap_record(l, &list.block[i - 1].header, e) != 0)
		rc = -1;
out:	block_list_release(&list);
	buf_release(&text);
	return (rc);
}

/* Record what is unrecorded. */
static int
record_blocks(struct layer *l, int wait_ms, struct err *e)
{
	int rc;

	if (snap_lock(l, wait_ms, e) != 0)
		return (-1);
	while ((rc = record_next(l, e)) == 1)
		;
	layer_unlock(l);
	return (rc);
}

/* Whether what a rollback left has become a block already: one of no more than ${seq} events, recorded behind it. */
static int
is_finished(struct layer *l, uint64_t seq, struct err *e)
{
	struct buf text = BUF_INIT;
	struct block_header h;
	struct json_fault f;
	struct element el;
	struct event ev;
	uint64_t at;
	int rc;

	if ((rc = index_lookup(l->ledger->index, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc);
	rc = 0;
	for (at = el.last; rc == 0 && at != EVENT_NONE && at > seq; at = ev.parent) {
		if (index_event(l->ledger->index, at, &text, &ev, e) != 0)
			rc = -1;
		else if (span_is(ev.action, SNAP_ACTION) && ev.state.p != NULL &&
		    block_from_canonical(ev.state, &h, &f) == 0 && h.size <= seq)
			rc = 1;
	}
	buf_release(&text);
	return (rc);
}

/* Whether event ${seq} of the present log is a rollback.  Return 1, 0 or -1. */
static int
is_rollback(struct layer *l, uint64_t seq, struct err *e)
{
	struct buf text = BUF_INIT;
	struct event ev;
	int rc = -1;

	if (seq >= index_size(l->ledger->index))
		return (0);
	if (index_event(l->ledger->index, seq, &text, &ev, e) == 0)
		rc = span_is(ev.element, "ecl:layer") && span_is(ev.action, "rollback");
	buf_release(&text);
	return (rc);
}

static int
log_size(int layer_fd, uint64_t *ret, struct err *e)
{
	struct log *log;
	int ecl, rc;

	if ((ecl = io_open_dir(layer_fd, ".ecl", e)) == -1)
		return (-1);
	if ((rc = log_open(ecl, -1, &log, e)) == 0) {
		*ret = log->end.size;
		log_free(log);
	}
	close(ecl);
	return (rc);
}

/*
 * What a rollback left: the tree that it built, with event ${seq} in its log, where it died before the exchange;
 * behind it, what was live.
 */
static int
finish_old(struct layer *l, const char *name, uint64_t seq, int wait_ms, struct err *e)
{
	struct block_header h;
	struct buf line = BUF_INIT;
	uint64_t size;
	int fd, n, rc = -1;

	if ((fd = io_open_dir(l->root_fd, name, e)) == -1)
		return (-1);
	if (log_size(fd, &size, e) != 0)
		goto out;
	if (size <= seq) {
		if ((n = is_rollback(l, seq, e)) != 1) {
			if (n == 0)
				err_set(e,
				    "'%s/%s' is not what a rollback left: look into it, then remove it",
				    l->path, name);
			goto out;
		}
		if ((n = is_finished(l, seq, e)) == -1)
			goto out;
		if (n == 0 && snap_finish(l, fd, wait_ms, &h, &line, e) != 0)
			goto out;
	}
	rc = snap_discard(l->root_fd, name, e);
out:	close(fd);
	buf_release(&line);
	return (rc);
}

int
snap_sweep(struct layer *l, struct err *e)
{
	if (remove_left_overs(l->snap_fd, e) != 0 || remove_left_overs(l->root_fd, e) != 0)
		return (-1);
	return (remove_checkpoints(l->root_fd, e));
}

/* Of all of live; of single paths of it. */
static int
finish_rollbacks(struct layer *l, int dirfd, int wait_ms, struct err *e)
{
	struct buf old = BUF_INIT;
	const char *name = NULL;
	uint64_t seq;
	int rc;

	rc = list_prefix(dirfd, ".old-", &old, e);
	while (rc == 0 && (name = buf_next_string(&old, name)) != NULL) {
		if (decimal_parse(name + 5, strlen(name + 5), &seq) != 0)
			continue;
		rc = dirfd == l->root_fd ? finish_old(l, name, seq, wait_ms, e) : snap_staged_finish(l, name, seq, wait_ms, e);
	}
	buf_release(&old);
	return (rc);
}

int
snap_tidy(struct layer *l, int wait_ms, struct err *e)
{
	if (snap_sweep(l, e) != 0 || record_blocks(l, wait_ms, e) != 0 || snap_finish_pruned(l, e) != 0)
		return (-1);
	if (remove_left_overs(l->ecl_fd, e) != 0) /* of the live that the lock found */
		return (-1);
	return (finish_rollbacks(l, l->root_fd, wait_ms, e) == 0 ? finish_rollbacks(l, l->ecl_fd, wait_ms, e) : -1);
}

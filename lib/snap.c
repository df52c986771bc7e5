/* Making blocks. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "reserve.h"
#include "snap_impl.h"

#include "banned.h"

int
snap_lock(struct layer *l, int wait_ms, struct err *e)
{
	uint64_t torn = l->torn, torn_seq = l->torn_seq;
	int rc;

	rc = layer_lock(l, wait_ms, e);
	if (l->torn == 0) {
		l->torn = torn;
		l->torn_seq = torn_seq;
	}
	return (rc);
}

int
snap_discard_of(struct mounts *kept, int dirfd, const char *name, struct err *e)
{
	char garbage[80];
	enum backend b;
	int fd, rc;

	if ((fd = io_open_dir(dirfd, name, e)) == -1)
		return (-1);
	rc = subvol_backend(fd, &b, e);
	close(fd);
	if (rc != 0)
		return (-1);
	if (strncmp(name, ".tmp-", 5) != 0) {
		snprintf(garbage, sizeof(garbage), ".tmp-%.64s", name + (name[0] == '.'));
		if (renameat(dirfd, name, dirfd, garbage) == 0)
			name = garbage;
		else if (b != BACKEND_BTRFS || (errno != ENOSPC && errno != EDQUOT)) /* a full btrfs has room for a deletion, not for a name */
			return (err_sys(e, "cannot rename '%s' to '%s'", name, garbage));
	}
	return (subvol_delete(b, kept, dirfd, name, e));
}

int
snap_discard(int dirfd, const char *name, struct err *e)
{
	return (snap_discard_of(NULL, dirfd, name, e));
}

static void
making_init(struct making *m, struct layer *l)
{
	memset(m, 0, sizeof(*m));
	m->l = l;
	files_update_init(&m->files, l->watch);
	snprintf(m->first, sizeof(m->first), ".tmp-%ld", (long)getpid());
}

static void
making_release(struct making *m)
{
	summary_release(&m->summary);
	files_update_release(&m->files);
	subvol_draft_free(m->draft);
	buf_release(&m->last_text);
	buf_release(&m->line);
	buf_release(&m->vector);
	signing_release(&m->signing);
	buf_release(&m->checkpoint);
	buf_release(&m->note);
}

/* What is to become the block is to be whole. */
static int
prepare(struct making *m, int source_fd, struct err *e)
{
	if (subvol_backend(source_fd, &m->backend, e) != 0 ||
	    subvol_check_whole(m->backend, source_fd, e) != 0)
		return (-1);
	return (0);
}

/* The first snapshot: what the block will be, and nobody can change any more. */
static int
take_first(struct making *m, int source_fd, struct err *e)
{
	if (m->backend == BACKEND_BTRFS && subvol_identify(source_fd, &m->source) != 0)
		memset(&m->source, 0, sizeof(m->source));
	if (m->draft != NULL)
		return (subvol_draft_renew(m->draft, source_fd, e));
	return (subvol_snapshot(m->backend, source_fd, m->l->snap_fd, m->first, true, e));
}

static int64_t
present_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

/* The checkpoint of the block, and the note over its header: over what the log's lines say, which the header must say, too. */
static int
sign_block(struct making *m, struct ledger *ledger, struct err *e)
{
	if (signing_header(&m->signing, ledger, &m->header, e) != 0)
		return (-1);
	if (signing_checkpoint(&m->signing, &m->checkpoint, e) != 0)
		return (-1);
	return (signing_block(&m->signing, (struct span){m->line.data, m->line.len - 1}, &m->note, e));
}

/* Whether the block is what ${live} is a snapshot of. */
static bool
is_parent(int snap_fd, const char *name, const struct subvol_identity *live)
{
	struct subvol_identity id;
	int fd, rc;

	if ((fd = io_open_dir(snap_fd, name, NULL)) == -1)
		return (false);
	rc = subvol_identify(fd, &id);
	close(fd);
	return (rc == 0 && memcmp(id.uuid, live->parent, sizeof(id.uuid)) == 0);
}

/* The last block remembers the files; behind a rollback, the one that live was made from.  Without, all files are read. */
static void
recall_files(struct making *m)
{
	static const uint8_t none[16];
	struct block_list list = {NULL, 0};
	struct block *b;
	size_t i;

	if (m->full || !m->has_last || memcmp(m->source.uuid, none, sizeof(none)) == 0)
		return;
	if (files_update_load(&m->files, m->l->snap_fd, &m->last, &m->source) || memcmp(m->source.parent, none, sizeof(none)) == 0 ||
	    block_list_names(m->l->snap_fd, 0, &list, NULL) != 0)
		return;
	for (i = list.n; i > 0 && !is_parent(m->l->snap_fd, list.block[i - 1].name, &m->source); i--)
		;
	b = i > 0 ? &list.block[i - 1] : NULL;
	if (b != NULL && block_list_header(m->l->snap_fd, b, NULL) == 0 && b->good)
		(void)files_update_load(&m->files, m->l->snap_fd, &b->header, &m->source);
	block_list_release(&list);
}

/* Fill in the header from the ledger and the files of the snapshot itself. */
static int
describe(struct making *m, struct err *e)
{
	struct block_header *h = &m->header;
	const struct summary *s = &m->summary;
	struct ledger *ledger;
	int fd, rc = -1;

	if ((fd = io_open_dir(m->l->snap_fd, m->first, e)) == -1)
		goto err0;
	if (ledger_open(fd, -1, INDEX_TREE, &ledger, e) != 0)
		goto err1;
	recall_files(m);
	if (m->sign && signing_read(&m->signing, ledger->log, ledger->log->end.size, e) != 0)
		goto err2;
	if (ledger_summary(ledger, &m->summary, e) != 0 ||
	    files_update_run(&m->files, fd, &h->entries, h->files, e) != 0)
		goto err2;
	h->height = m->has_last ? m->last.height + 1 : 0;
	h->time_us = present_us();
	if (h->time_us < ledger->log->end.time_us)
		h->time_us = ledger->log->end.time_us;
	if (m->has_last && h->time_us < m->last.time_us)
		h->time_us = m->last.time_us;
	h->backend = m->backend;
	h->size = s->size;
	memcpy(h->head, s->head, SHA256_SIZE);
	memcpy(h->root, s->root, SHA256_SIZE);
	h->elements = s->elements;
	memcpy(h->heads, s->heads, SHA256_SIZE);
	memcpy(h->state, s->state, SHA256_SIZE);
	h->embedder = s->embedder;
	/* No evidence: a block without it is as good. */
	if (layer_vector_token(ledger, h->size, &m->vector, NULL) == 1)
		h->vector = (struct span){m->vector.data, m->vector.len};
	if (m->has_last)
		memcpy(h->prev, m->last.hash, SHA256_SIZE);
	block_format(h, &m->line);
	rc = m->line.failed ? err_mem(e) : m->sign ? sign_block(m, ledger, e) : 0;
err2:	ledger_free(ledger);
err1:	close(fd);
err0:	return (rc);
}

/* What is left of an attempt.  What cannot be removed is the next one's business. */
static void
clean(struct making *m)
{
	struct stat st;
	int sys = errno;

	if (fstatat(m->l->snap_fd, m->first, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snap_discard(m->l->snap_fd, m->first, NULL);
	errno = sys;
}

/* Put into an error what there is in spite of it. */
static void
was_made(const struct making *m, const char *what, struct err *e)
{
	char name[BLOCK_NAME_SIZE], why[sizeof(e->text)];

	if (e == NULL)
		return;
	block_name(&m->header, name);
	memcpy(why, e->text, sizeof(why));
	snprintf(e->text, sizeof(e->text), "'%s' was made; %s: %.600s", name, what, why);
}

/* The block is there: say so in the log, which then has ${*ret_size} events. */
static int
record(struct making *m, int wait_ms, uint64_t *ret_size, struct err *e)
{
	int rc = -1;

	if (snap_lock(m->l, wait_ms, e) == 0) {
		rc = snap_record(m->l, &m->header, e);
		*ret_size = m->l->ledger->log->end.size;
		layer_unlock(m->l);
	}
	if (rc != 0)
		was_made(m, "the next ecl-snap will record it", e);
	return (rc);
}

/* Sign the log with the block's record in it. */
static int
sign_log(struct making *m, uint64_t size, struct err *e)
{
	if (signing_read(&m->signing, m->l->ledger->log, size, e) == 0 && signing_publish(&m->signing, e) == 0)
		return (0);
	was_made(m, "the next 'ecl-snap --sign' will sign the log with its record", e);
	return (-1);
}

/* From the first snapshot to the recorded block. */
static int
complete(
    struct making *m, int wait_ms, struct block_header *ret_header, struct buf *out, struct err *e)
{
	uint64_t size;

	if (snap_seal(m, e) != 0) {
		clean(m);
		return (-1);
	}
	clean(m);
	if (record(m, wait_ms, &size, e) != 0 || (m->sign && sign_log(m, size, e) != 0))
		return (-1);
	return (snap_hand_out(&m->header, ret_header, out, e));
}

int
snap_finish(struct layer *l, int source_fd, int wait_ms, struct block_header *ret_header,
    struct buf *out, struct err *e)
{
	struct making m;
	int n, rc = -1;

	making_init(&m, l);
	if ((n = snap_last(l, &m.last_text, &m.last, e)) == -1)
		goto out;
	m.has_last = n == 1;
	if (prepare(&m, source_fd, e) != 0 || take_first(&m, source_fd, e) != 0)
		goto out;
	if (describe(&m, e) != 0) {
		clean(&m);
		goto out;
	}
	rc = complete(&m, wait_ms, ret_header, out, e);
out:	making_release(&m);
	return (rc);
}

/* Under the lock: the block before, whether the log changed since, and the first snapshot. */
static int
begin(struct making *m, int wait_ms, int *ret_changed, struct err *e)
{
	int n, rc = -1;

	if (prepare(m, m->l->live_fd, e) != 0)
		return (-1);
	if (m->backend == BACKEND_COPY && subvol_draft(m->l->live_fd, m->l->snap_fd, m->first, &m->draft, e) != 0)
		return (-1);
	if (snap_lock(m->l, wait_ms, e) != 0)
		return (-1);
	if ((n = snap_last(m->l, &m->last_text, &m->last, e)) == -1)
		goto out;
	m->has_last = n == 1;
	*ret_changed = 1;
	if (m->has_last && (*ret_changed = snap_log_changed(m->l, m->last.size, e)) == -1)
		goto out;
	/* A block without it is as good, only slower to read.  On btrfs the snapshot that follows puts all of it on the disk at once. */
	(void)layer_publish(m->l, m->backend != BACKEND_BTRFS, NULL);
	if (m->backend == BACKEND_BTRFS)
		snap_join(m->l);
	rc = take_first(m, m->l->live_fd, e);
out:	layer_unlock(m->l);
	return (rc == 0 && m->draft != NULL ? subvol_sync(m->l->snap_fd, m->first, e) : rc);
}

static int
make(struct making *m, const struct snap_options *opt, struct block_header *ret_header,
    struct buf *out, struct err *e)
{
	int changed;

	if (begin(m, opt->wait_ms, &changed, e) != 0 || describe(m, e) != 0) {
		clean(m);
		return (-1);
	}
	if (opt->if_changed && !changed && m->header.entries == m->last.entries &&
	    memcmp(m->header.files, m->last.files, SHA256_SIZE) == 0) {
		clean(m);
		if (m->sign && signing_publish(&m->signing, e) != 0)
			return (-1);
		return (snap_hand_out(&m->last, ret_header, out, e));
	}
	return (complete(m, opt->wait_ms, ret_header, out, e) == 0 ? 1 : -1);
}

int
snap_make_held(struct layer *l, const struct snap_options *opt, struct block_header *ret_header,
    struct buf *out, struct err *e)
{
	struct making m;
	int rc = -1;

	making_init(&m, l);
	m.sign = opt->sign.signer != NULL;
	m.full = opt->full;
	if (!m.sign || signing_init(&m.signing, l, &opt->sign, e) == 0)
		rc = make(&m, opt, ret_header, out, e);
	if (rc == 1)
		(void)reserve_make(l->root_fd); /* of use when there are blocks to prune */
	making_release(&m);
	return (rc);
}

int
snap_make(struct layer *l, const struct snap_options *opt, struct block_header *ret_header,
    struct buf *out, struct err *e)
{
	int rc = -1;

	if (layer_lock_blocks(l, opt->wait_ms, e) != 0)
		return (-1);
	if (snap_tidy(l, opt->wait_ms, e) == 0)
		rc = snap_make_held(l, opt, ret_header, out, e);
	layer_unlock_blocks(l);
	return (rc);
}

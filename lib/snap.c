/* Making blocks. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "files_update.h"
#include "io.h"
#include "layer_vector.h"
#include "snap.h"
#include "subvol.h"
#include "subvol_changed.h"

#include "banned.h"

/* A block in the making. */
struct making {
	struct layer *l;
	enum backend backend;
	char first[32];	 /* the snapshot that is hashed, under .snapshots */
	char second[40]; /* the writable one of it, that gets the header; the same on copy */
	bool has_last;
	struct block_header last; /* the block before */
	struct buf last_text;
	struct block_header header;
	struct summary summary;
	struct subvol_identity source; /* btrfs only: of what the snapshot is of */
	struct files_update files;
	struct subvol_draft *draft; /* a copy of live that is not yet up to date; or NULL */
	bool full; /* nothing remembered is asked */
	struct buf line;
	struct buf vector; /* what the header's points to */
	bool sign;
	struct signing signing;
	struct buf checkpoint, note; /* signed, or empty */
};

int
snap_last(struct layer *l, struct buf *text, struct block_header *ret, struct err *e)
{
	struct json_fault f;
	struct element el;
	struct event ev;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(l->ledger->index, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc);
	for (seq = el.last; seq != EVENT_NONE; seq = ev.parent) {
		if (index_event(l->ledger->index, seq, text, &ev, e) != 0)
			return (-1);
		if (!span_is(ev.action, SNAP_ACTION))
			continue;
		if (ev.state.p == NULL || block_from_canonical(ev.state, ret, &f) != 0)
			return (err_set(
			    e, "event %ju records a block, but not its header", (uintmax_t)seq));
		return (1);
	}
	return (0);
}

static int
add_event(struct batch *b, struct span action, struct span cause, const struct block_header *h, struct buf *state, struct err *e)
{
	struct event ev = {0};

	buf_reset(state);
	block_canonical(h, state);
	if (state->failed)
		return (err_mem(e));
	ev.element = SPAN(SNAP_ELEMENT);
	ev.action = action;
	ev.state = (struct span){state->data, state->len};
	ev.cause = cause;
	return (batch_add(b, &ev, e));
}

int
snap_record_all(struct layer *l, struct span action, struct span cause, const struct block_header *const *h, size_t n, struct err *e)
{
	struct batch_rules rules;
	struct batch b = {0};
	struct buf state = BUF_INIT;
	enum log_outcome outcome;
	size_t i;
	int rc = 0;

	batch_rules_init(&rules);
	batch_begin(&b, l->ledger, &rules);
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_event(&b, action, cause, h[i], &state, e);
	if (rc == 0)
		rc = batch_commit(&b, &l->durable, true, &outcome, e);
	else
		batch_abandon(&b, NULL);
	batch_release(&b);
	buf_release(&state);
	return (rc);
}

int
snap_record(struct layer *l, const struct block_header *h, struct err *e)
{
	return (snap_record_all(l, SPAN(SNAP_ACTION), (struct span){NULL, 0}, &h, 1, e));
}

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
snap_discard(int dirfd, const char *name, struct err *e)
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
		if (renameat(dirfd, name, dirfd, garbage) != 0)
			return (err_sys(e, "cannot rename '%s' to '%s'", name, garbage));
		name = garbage;
	}
	return (subvol_delete(b, dirfd, name, e));
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
	snprintf(m->second, sizeof(m->second), "%s%s", m->first,
	    m->backend == BACKEND_BTRFS ? "-block" : "");
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

/* The last block remembers the files; behind a rollback, the one that live was made from.  Without, all files are read. */
static void
recall_files(struct making *m)
{
	static const uint8_t none[16];
	struct block_list list = {NULL, 0};
	size_t i;

	if (m->full || !m->has_last || memcmp(m->source.uuid, none, sizeof(none)) == 0)
		return;
	if (files_update_load(&m->files, m->l->snap_fd, &m->last, &m->source) || memcmp(m->source.parent, none, sizeof(none)) == 0 ||
	    block_list_read(m->l->snap_fd, &list, NULL) != 0)
		return;
	for (i = list.n; i-- > 0;)
		if (list.block[i].good && files_update_load(&m->files, m->l->snap_fd, &list.block[i].header, &m->source))
			break;
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

/* One file of a block's `.ecl`, synced. */
static int
write_own(int ecl, const char *name, const struct buf *bytes, struct err *e)
{
	int fd, rc = 0;

	if ((fd = io_open_file(ecl, name, O_WRONLY | O_CREAT | O_EXCL, 0640, e)) == -1)
		return (-1);
	if (io_write(fd, bytes->data, bytes->len) != 0 || io_fdatasync(fd) != 0)
		rc = err_sys(e, "cannot write '.ecl/%s' of a block", name);
	close(fd);
	return (rc);
}

/* Put the header into the second snapshot, and what is signed, on the disk before it is set read-only. */
static int
write_header(struct making *m, int dir, struct err *e)
{
	const struct {
		const char *name;
		const struct buf *bytes;
	} own[] = {{"block", &m->line}, {CHECKPOINT_FILE, &m->checkpoint}, {CHECKPOINT_NOTE, &m->note}};
	int ecl, rc = -1;
	size_t i;

	if ((ecl = io_open_dir(dir, ".ecl", e)) == -1)
		return (-1);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (unlinkat(ecl, own[i].name, 0) != 0 && errno != ENOENT) {
			err_sys(e, "cannot remove a foreign '.ecl/%s'", own[i].name);
			goto out;
		}
		if (own[i].bytes->len > 0 && write_own(ecl, own[i].name, own[i].bytes, e) != 0)
			goto out;
	}
	rc = io_fsync(ecl) == 0 ? 0 : err_sys(e, "cannot sync the '.ecl' of a block");
out:	close(ecl);
	return (rc);
}

/* The second snapshot, its header, its name: from here on there is a block. */
static int
seal(struct making *m, struct err *e)
{
	char name[BLOCK_NAME_SIZE];
	int snap_fd = m->l->snap_fd, fd, rc = -1;

	if (m->backend == BACKEND_BTRFS) {
		if ((fd = io_open_dir(snap_fd, m->first, e)) == -1)
			return (-1);
		rc = subvol_snapshot(m->backend, fd, snap_fd, m->second, false, e);
		close(fd);
		if (rc != 0)
			return (-1);
		rc = -1;
	}
	if ((fd = io_open_dir(snap_fd, m->second, e)) == -1)
		return (-1);
	block_name(&m->header, name);
	/* Without it, the next block reads every file again: slower, and no worse. */
	if (m->backend == BACKEND_BTRFS)
		(void)files_update_store(&m->files, fd, name, NULL);
	if (write_header(m, fd, e) != 0 || subvol_set_read_only(m->backend, fd, true, e) != 0)
		goto out;
	if (io_rename_new(snap_fd, m->second, name) != 0) {
		err_sys(e, "cannot rename '%s' to '%s'", m->second, name);
		goto out;
	}
	if (io_fsync(snap_fd) != 0)
		err_sys(e, "'%s' was made, but may not be on the disk", name);
	else
		rc = 0;
out:	close(fd);
	return (rc);
}

static void
discard_quietly(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snap_discard(dirfd, name, NULL);
}

/* What is left of an attempt.  What cannot be removed is the next one's business. */
static void
clean(struct making *m)
{
	int sys = errno;

	discard_quietly(m->l->snap_fd, m->second);
	if (strcmp(m->first, m->second) != 0)
		discard_quietly(m->l->snap_fd, m->first);
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

	if (seal(m, e) != 0) {
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
	(void)layer_publish(m->l, NULL); /* a block without it is as good, only slower to read */
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

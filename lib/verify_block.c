/* One block: its header against the log, its copy of the log, its files. */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extents.h"
#include "io.h"
#include "subvol.h"
#include "verify_internal.h"

#include "banned.h"

#define ASK_AGAIN (4u << 20) /* bytes that are read where they stand elsewhere, before it is asked where the next ones do */

struct check {
	struct verify_pass *p; /* of the live log */
	struct verify *v;
	const struct block *b;
	int fd, ecl_fd;
	struct verify_log log; /* the block's copy */
	bool comparable;       /* the live log is known up to the block's size, and so is its root */
	bool live_good;	       /* and root and head are those of the header */
	bool same;	       /* the copy has the bytes of the live log */
	size_t segment;	       /* else the first place where it has not: a number in the longer of the two */
	uint64_t offset;
};

bool
verify_is_denied(int sys)
{
	return (sys == EACCES || sys == EPERM || sys == ENOMEM || sys == EMFILE || sys == ENFILE);
}

/* What could not be read may be damage, or our lack of rights. */
static void
problem(struct check *c, const char *path, const struct err *e)
{
	struct verify_place place = PLACE_NONE;

	place.block = c->b->name;
	place.path = path;
	verify_found(c->v, verify_is_denied(e->sys) ? VERIFY_UNCHECKED : VERIFY_BLOCK_DAMAGED, &place, "%s", e->text);
}

static void
damaged(struct check *c, const char *path, const char *what)
{
	struct verify_place place = PLACE_NONE;

	place.block = c->b->name;
	place.path = path;
	verify_found(c->v, VERIFY_BLOCK_DAMAGED, &place, "%s", what);
}

static void
rewritten(struct check *c, const char *what)
{
	struct verify_place place = PLACE_NONE;

	place.seq = c->p->seq - 1;
	place.block = c->b->name;
	verify_found(c->v, VERIFY_REWRITTEN, &place, "%s", what);
}

/* Compare ${len} bytes of segment ${i} of both logs.  Return 1 where they are the same, 0 with c->offset, -1. */
static int
compare_segment(struct check *c, size_t i, uint64_t len, struct buf *window, struct err *e)
{
	char *a = window->data, *b = window->data + VERIFY_CHUNK;
	uint64_t at = 0, ask;
	size_t want, k;
	ssize_t n, m;
	int live, own, rc = 0;

	if ((live = verify_log_open_fd(c->p->log, i, e)) == -1)
		return (-1);
	if ((own = verify_log_open_fd(&c->log, i, e)) == -1) {
		close(live);
		return (-1);
	}
	for (ask = extents_comparable(live, own) ? 0 : len; at < len; at += want) {
		/* Bytes that are the same ones on the disk need not be read again. */
		if (at >= ask) {
			want = (size_t)extents_same(live, own, at, len);
			ask = at + (want > 0 ? want : ASK_AGAIN);
			if (want > 0)
				continue;
		}
		want = len - at < VERIFY_CHUNK ? (size_t)(len - at) : VERIFY_CHUNK;
		if ((m = verify_log_pread(&c->log, own, b, want, at)) == -1) {
			rc = err_sys(e, "cannot read the copy of the log");
			goto out;
		}
		if ((n = verify_log_pread(c->p->log, live, a, want, at)) == -1)
			n = 0; /* was told already */
		if ((size_t)n == want && n == m && memcmp(a, b, want) == 0)
			continue;
		for (k = 0; k < (size_t)n && k < (size_t)m && a[k] == b[k]; k++)
			;
		c->offset = at + k;
		goto out;
	}
	rc = 1;
out:	close(own);
	close(live);
	return (rc);
}

/* Whether the copy is the live log up to where the pass is: sets c->same, or the place.  Return 0 or -1. */
static int
compare(struct check *c, struct err *e)
{
	const struct verify_log *live = c->p->log;
	size_t n = c->p->offset > 0 ? c->p->segment + 1 : c->p->segment, i;
	struct buf window = BUF_INIT;
	uint64_t size, own;
	int rc = 1;

	if (buf_reserve(&window, (size_t)2 * VERIFY_CHUNK) != 0)
		return (err_mem(e));
	for (i = 0; i < n && i < c->log.n && rc == 1; i++) {
		c->segment = i;
		c->offset = 0;
		size = i == c->p->segment ? c->p->offset : live->segment[i].size;
		own = c->log.segment[i].size;
		if (live->segment[i].first != c->log.segment[i].first)
			rc = 0;
		else if ((rc = compare_segment(c, i, size < own ? size : own, &window, e)) == 1 && size != own) {
			c->offset = size < own ? size : own;
			rc = 0;
		}
	}
	buf_release(&window);
	if (rc == 1 && c->log.n != n) {
		c->segment = n < c->log.n ? n : c->log.n;
		c->offset = 0;
		rc = 0;
	}
	c->same = rc == 1;
	return (rc == -1 ? -1 : 0);
}

/* Whether the copy of the log is by itself what the header says.  ${place}: where it is not, else the line of the first difference. */
static bool
own_good(struct check *c, struct verify_place *place)
{
	const struct block_header *h = &c->b->header;
	struct verify_pass own;
	uint8_t root[SHA256_SIZE];
	struct err e = {0};
	bool good;

	verify_pass_init(&own, c->v, &c->log, PASS_TREE | PASS_SILENT);
	own.watch = true;
	own.watch_segment = c->segment;
	own.watch_offset = c->offset;
	own.watch_seq = VERIFY_NONE;
	own.watch_line = c->offset;
	good = verify_pass_log(&own, &e) == 0 && own.faults == 0 && !own.pending.set && own.seq == h->size;
	merkle_root(&own.tree, root);
	good = good && memcmp(own.head, h->head, SHA256_SIZE) == 0 && memcmp(root, h->root, SHA256_SIZE) == 0;
	if (own.pending.set)
		verify_pass_flush(&own, VERIFY_TORN);
	place->segment = c->segment < c->log.n ? c->log.segment[c->segment].first : VERIFY_NONE;
	place->seq = own.watch_seq;
	place->offset = own.watch_line;
	if (!good && own.faults > 0) {
		place->segment = own.fault_segment;
		place->seq = own.fault_seq;
		place->offset = own.fault_offset;
	}
	verify_pass_release(&own);
	return (good);
}

/* The log and its copy differ, or the live one is damaged: which of them is not what the header says? */
static void
judge(struct check *c)
{
	struct verify_place place = PLACE_NONE;
	bool good = own_good(c, &place);

	place.block = c->b->name;
	if (!good && c->same && c->comparable) {
		rewritten(c, "neither the log nor the block's copy of it is what the block's header says");
		return;
	}
	if (!good) {
		if (place.segment == VERIFY_NONE)
			place.offset = VERIFY_NONE;
		place.path = ".ecl/log";
		verify_found(c->v, VERIFY_BLOCK_DAMAGED, &place, "the block's copy of the log is not what its header says");
		return;
	}
	if (!c->comparable || c->live_good || c->v->told_rewritten)
		return; /* what is wrong with the live log was told already */
	c->v->told_rewritten = true;
	verify_found(c->v, VERIFY_REWRITTEN, &place, "the log differs from here on from what it was when the block was made");
}

/* `state` of DESIGN 6, from the bytes of the live log. */
static int
state_hash(struct verify_pass *p, uint8_t out[SHA256_SIZE], struct err *e)
{
	struct buf line = BUF_INIT;
	const struct verify_element *el;
	struct sha256 sha;
	size_t i;
	int fd, rc = 0;

	sha256_init(&sha);
	for (i = 0; i < p->elements.n && rc == 0; i++) {
		el = p->elements.sorted[i];
		if (!el->alive || el->own)
			continue;
		buf_reset(&line);
		buf_add(&line, el->name, el->name_len);
		buf_addc(&line, '\t');
		if (buf_reserve(&line, (size_t)el->state_len + 1) != 0)
			rc = err_mem(e);
		else if ((fd = verify_log_fd(p->log, el->state_segment, e)) == -1)
			rc = -1;
		else if (io_pread(fd, line.data + line.len, el->state_len, el->state_offset) != (ssize_t)el->state_len)
			rc = err_sys(e, "cannot read a state again");
		else {
			line.len += el->state_len;
			buf_addc(&line, '\n');
			sha256_update(&sha, line.data, line.len);
		}
	}
	sha256_final(&sha, out);
	buf_release(&line);
	return (rc);
}

/* What the header says of elements and states, against the pass's own table. */
static int
check_summary(struct check *c, struct err *e)
{
	const struct block_header *h = &c->b->header;
	struct verify_pass *p = c->p;
	uint8_t hash[SHA256_SIZE];

	if (verify_table_sort(&p->elements) != 0)
		return (err_mem(e));
	verify_table_heads(&p->elements, hash);
	if (p->elements.n != h->elements)
		rewritten(c, "the number of elements in the block's header is not that of the log");
	else if (memcmp(hash, h->heads, SHA256_SIZE) != 0)
		rewritten(c, "the last events of the elements are not those of the block's header");
	if (p->states_lost)
		return (0);
	if (state_hash(p, hash, e) != 0)
		return (-1);
	if (memcmp(hash, h->state, SHA256_SIZE) != 0)
		rewritten(c, "the state in the block's header is not that of the log");
	return (0);
}

/* The header's part that is about the log. */
static int
check_log(struct check *c, struct err *e)
{
	const struct block_header *h = &c->b->header;
	struct verify_pass *p = c->p;
	uint8_t root[SHA256_SIZE];

	c->comparable = p->seq == h->size && !p->tree_lost;
	if (c->comparable) {
		merkle_root(&p->tree, root);
		c->live_good = memcmp(root, h->root, SHA256_SIZE) == 0 && memcmp(p->head, h->head, SHA256_SIZE) == 0;
	}
	if (p->seq == h->size && compare(c, e) != 0)
		return (-1);
	if (!c->same || !c->live_good || p->faults > 0)
		judge(c);
	if (c->live_good && !p->elements_lost)
		return (check_summary(c, e));
	return (0);
}

static void
check_files(struct check *c)
{
	const struct block_header *h = &c->b->header;
	struct verify_place place = PLACE_NONE;
	uint8_t root[SHA256_SIZE];
	struct err e = {0};
	uint64_t n;

	place.block = c->b->name;
	if (verify_files_root(c->v, c->b, c->fd, &n, root, &e) != 0)
		problem(c, "", &e);
	else if (n != h->entries)
		verify_found(c->v, VERIFY_BLOCK_DAMAGED, &place, "the block has %" PRIu64 " files, its header says %" PRIu64, n,
		    h->entries);
	else if (memcmp(root, h->files, SHA256_SIZE) != 0)
		damaged(c, "", "a file's name, type, mode, owner, content or attributes are not what the header says");
}

static void
check_read_only(struct check *c)
{
	struct verify_place place = PLACE_NONE;
	enum backend backend;
	bool read_only;

	if (subvol_backend(c->fd, &backend, NULL) != 0 || backend != BACKEND_BTRFS ||
	    subvol_is_read_only(backend, c->fd, &read_only, NULL) != 0 || read_only)
		return;
	place.block = c->b->name;
	verify_found(c->v, VERIFY_BLOCK_WRITABLE, &place, "the snapshot is not read-only");
}

static void
check(struct check *c)
{
	struct err e = {0};

	if ((c->fd = verify_block_open(c->v, c->b, &e)) == -1) {
		problem(c, "", &e);
		return;
	}
	if ((c->ecl_fd = io_open_dir(c->fd, ".ecl", &e)) == -1 || verify_log_open(&c->log, c->ecl_fd, &e) != 0)
		problem(c, ".ecl", &e);
	else {
		if (check_log(c, &e) != 0)
			problem(c, ".ecl/log", &e);
		check_files(c);
	}
	check_read_only(c);
	verify_log_release(&c->log);
	if (c->ecl_fd != -1)
		close(c->ecl_fd);
	close(c->fd);
}

/* Whether somebody removed the block meanwhile. */
bool
verify_block_gone(const struct verify *v, const char *name)
{
	struct stat st;

	return (fstatat(v->layer->snap_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT);
}

void
verify_block(struct verify_pass *p, const struct block *b)
{
	struct verify_result *r = p->v->result;
	struct verify_mark mark = verify_mark(r);
	struct check c = {.p = p, .v = p->v, .b = b, .fd = -1, .ecl_fd = -1, .log = VERIFY_LOG_INIT};

	c.log.block = b->name;
	c.log.from_disk = p->v->opt->from_disk;
	check(&c);
	if (verify_is_worse(r, &mark) && verify_block_gone(p->v, b->name)) {
		verify_forget(r, &mark);
		return;
	}
	r->blocks++;
	if (!verify_is_worse(r, &mark) && c.live_good && p->faults == 0)
		r->anchored = b->header.size;
}

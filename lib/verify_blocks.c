/* The blocks that are there against those that the log tells of. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "verify_internal.h"

#include "banned.h"

static void
tell(struct verify *v, enum verify_class class, const char *block, const char *path, uint64_t seq, const char *what)
{
	struct verify_place place = PLACE_NONE;

	place.seq = seq;
	place.block = block;
	place.path = path;
	verify_found(v, class, &place, "%s", what);
}

int
verify_block_open(const struct verify *v, const struct block *b, struct err *e)
{
	if (v->layer->bare)
		return (io_open_dir(v->layer->root_fd, ".", e));
	return (io_open_dir(v->layer->snap_fd, b->name, e));
}

/* A block whose header is bad, or that of another block. */
static void
bad_header(struct verify *v, const struct block *b)
{
	struct err e = {0};
	bool denied = false;
	int dir, fd;

	if ((dir = verify_block_open(v, b, &e)) != -1 && (fd = io_open_file(dir, ".ecl/block", O_RDONLY, 0, &e)) != -1)
		close(fd);
	else
		denied = verify_is_denied(e.sys);
	if (dir != -1)
		close(dir);
	if (verify_block_gone(v, b->name))
		return;
	v->result->blocks++;
	tell(v, denied ? VERIFY_UNCHECKED : VERIFY_BLOCK_DAMAGED, b->name, ".ecl/block", VERIFY_NONE, b->fault);
}

static const struct verify_record *
at_height(const struct verify_records *r, uint64_t height)
{
	size_t i;

	for (i = r->n; i-- > 0;)
		if (r->record[i].height == height)
			return (&r->record[i]);
	return (NULL);
}

/* Whether ${b} can be the next block, behind the last one recorded or the one that is taken on trust; only where all events that may tell were seen. */
static bool
follows(const struct verify_pass *p, const struct block *b)
{
	static const uint8_t zeros[SHA256_SIZE];
	const struct verify *v = p->v;
	const struct block_header *h = &b->header, *trusted = v->since.set ? &v->since.block->header : NULL;
	const struct verify_record *last = v->records.n > 0 ? &v->records.record[v->records.n - 1] : NULL;

	if (trusted == NULL ? p->elements_lost : b == v->since.block || p->faults > 0)
		return (true);
	if (last != NULL)
		return (h->height == last->height + 1 && h->size > last->size && memcmp(h->prev, last->hash, SHA256_SIZE) == 0);
	if (trusted != NULL)
		return (h->height == trusted->height + 1 && h->size > trusted->size && memcmp(h->prev, trusted->hash, SHA256_SIZE) == 0);
	return (h->height == 0 && memcmp(h->prev, zeros, SHA256_SIZE) == 0);
}

/* A good block without an event: it may be the next one, whose maker died before it wrote one. */
static void
unrecorded(struct verify_pass *p, const struct block *b)
{
	const struct verify_record *other = at_height(&p->v->records, b->header.height);

	if (other != NULL)
		tell(p->v, VERIFY_BLOCK_DAMAGED, b->name, ".ecl/block", other->seq,
		    "the log records another block of this height");
	else if (!follows(p, b))
		tell(p->v, VERIFY_BLOCK_DAMAGED, b->name, ".ecl/block", VERIFY_NONE,
		    "the log does not record this block, and it does not follow the last one recorded");
	else if (p->v->opt->keys > 0 && !verify_trust_header(&p->v->trust, b->name))
		tell(p->v, VERIFY_UNSIGNED, b->name, "", VERIFY_NONE,
		    "the log does not record this block, and nobody who was demanded has signed its header");
	else if (!p->v->layer->replica) /* the record of its newest block comes with what follows it */
		tell(p->v, VERIFY_UNRECORDED_BLOCK, b->name, "", VERIFY_NONE,
		    "the log does not record this block yet; the next ecl-snap will");
}

/* A replica has the blocks that it was sent. */
static bool
is_missing(const struct verify *v, const struct verify_record *rec)
{
	return (!rec->pruned && !v->layer->replica && verify_block_gone(v, rec->name));
}

/* A block alone ends before its event: it must follow the last one that its log records. */
static void
alone(struct verify_pass *p, const struct block *b)
{
	if (p->faults == 0 && !follows(p, b))
		tell(p->v, VERIFY_BLOCK_DAMAGED, b->name, ".ecl/block", VERIFY_NONE, "the block does not follow the last one that its log records");
}

/* Whether its event lies in the part that is taken on trust. */
static bool
is_before(const struct verify *v, const struct block *b)
{
	return (v->since.set && b->height < v->since.block->height);
}

/* How many blocks lack their event, or events their block. */
static size_t
unmatched(struct verify *v)
{
	size_t i, lacking = 0;

	for (i = 0; i < v->blocks.n; i++) {
		if (!v->blocks.block[i].good || is_before(v, &v->blocks.block[i]))
			continue;
		if (verify_records_find(&v->records, v->blocks.block[i].header.hash) == NULL)
			lacking++;
	}
	for (i = 0; i < v->records.n; i++)
		lacking += is_missing(v, &v->records.record[i]);
	return (lacking);
}

int
verify_blocks_finish(struct verify_pass *p, struct err *e)
{
	struct verify *v = p->v;
	const struct verify_record *rec;
	const struct block *b;
	uint64_t pruned = 0;
	int waited_ms = 0;
	size_t i;

	/* Who makes or prunes a block writes its event last.  A block that stands alone ends before that, and nobody writes those of a replica. */
	while (!v->layer->bare && !v->layer->replica && unmatched(v) > 0) {
		bool more = verify_wait_blocks(v, &waited_ms);

		if (verify_extend(p, e) != 0)
			return (-1);
		if (!more)
			break;
	}
	for (i = 0; i < v->blocks.n; i++) {
		b = &v->blocks.block[i];
		if (!b->good)
			bad_header(v, b);
		else if (v->layer->bare)
			alone(p, b);
		else if (!is_before(v, b) && verify_records_find(&v->records, b->header.hash) == NULL && !verify_block_gone(v, b->name))
			unrecorded(p, b);
	}
	for (i = 0; i < v->records.n; i++) {
		rec = &v->records.record[i];
		pruned += rec->pruned && (v->layer->bare || verify_block_gone(v, rec->name));
		if (is_missing(v, rec))
			tell(v, VERIFY_BLOCK_DAMAGED, rec->name, "", rec->seq,
			    "the block is missing, and no event says that it was pruned");
	}
	if (pruned > 0) {
		struct verify_place none = PLACE_NONE;

		verify_found(v, VERIFY_PRUNED, &none, "blocks that were pruned, and stand in the log only: %" PRIu64, pruned);
	}
	return (0);
}

/* What the log says of blocks: its ecl:block events, whose states are headers that chain. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "verify_internal.h"

#include "banned.h"

struct verify_record *
verify_records_find(struct verify_records *r, const uint8_t hash[SHA256_SIZE])
{
	size_t i;

	/* The newest are asked for most. */
	for (i = r->n; i-- > 0;)
		if (memcmp(r->record[i].hash, hash, SHA256_SIZE) == 0)
			return (&r->record[i]);
	return (NULL);
}

static struct verify_record *
add(struct verify_records *r, const struct block_header *h, uint64_t seq)
{
	struct verify_record *rec;
	size_t cap;

	if (r->n == r->cap) {
		cap = r->cap == 0 ? 64 : r->cap * 2;
		if ((rec = realloc(r->record, cap * sizeof(*rec))) == NULL)
			return (NULL);
		r->record = rec;
		r->cap = cap;
	}
	rec = &r->record[r->n++];
	memset(rec, 0, sizeof(*rec));
	rec->height = h->height;
	rec->seq = seq;
	rec->size = h->size;
	memcpy(rec->hash, h->hash, SHA256_SIZE);
	block_name(h, rec->name);
	return (rec);
}

/* The header that a state holds, with its hash recomputed.  Return NULL, or what is wrong. */
static const char *
read_header(struct span state, struct block_header *ret)
{
	struct buf line = BUF_INIT;
	struct block_header h;
	struct json_fault f;
	const char *fault = NULL;

	if (state.p == NULL || block_from_canonical(state, ret, &f) != 0)
		return ("has a state that is no block header");
	h = *ret;
	block_format(&h, &line);
	if (!line.failed && memcmp(h.hash, ret->hash, SHA256_SIZE) != 0)
		fault = "has a block header whose hash is wrong";
	buf_release(&line);
	return (fault);
}

/* A header against the log up to here. */
static const char *
check_root(const struct verify_pass *p, const struct block_header *h)
{
	uint8_t root[SHA256_SIZE];

	if (memcmp(h->head, p->head, SHA256_SIZE) != 0)
		return ("records a block whose head is not the event before");
	if ((p->checks & PASS_TREE) == 0 || p->tree_lost)
		return (NULL);
	merkle_root(&p->tree, root);
	return (memcmp(root, h->root, SHA256_SIZE) == 0 ? NULL : "records a block whose root is not that of the log");
}

/* How a header stands behind the last one recorded, and to the log that it is in.  Return NULL, or what is wrong. */
static const char *
check_header(struct verify_pass *p, const struct block_header *h, uint64_t seq)
{
	static const uint8_t zeros[SHA256_SIZE];
	struct verify_records *r = &p->v->records;
	const struct verify_record *last = r->n > 0 ? &r->record[r->n - 1] : NULL;
	const char *fault;
	/* In a stream from the middle, and behind events that cannot be told, the one before may be unknown. */
	bool known = !r->gap && (last != NULL || p->first_seq == 0);

	r->gap = false;
	if (known && h->height != (last == NULL ? 0 : last->height + 1))
		return ("records a block whose height is not the next one");
	if (known && memcmp(h->prev, last == NULL ? zeros : last->hash, SHA256_SIZE) != 0)
		return ("records a block that does not follow the block before");
	if (h->size > seq)
		return ("records a block of more events than there were");
	/* Where events came between the block and its event, the block itself is what is compared. */
	if (h->size != seq || seq != p->seq || p->v->told_rewritten)
		return (NULL);
	fault = check_root(p, h);
	p->v->told_rewritten = fault != NULL;
	return (fault);
}

/* Of a prune event's state only the hash matters; it may hold more or less than the whole header. */
static void
pruned(struct verify_pass *p, const struct event *ev)
{
	struct verify_record *rec;
	uint8_t hash[SHA256_SIZE];
	struct span value;

	if (ev->state.p == NULL || json_get(ev->state, "hash", &value) != 1 || value.len != 2 * SHA256_SIZE + 2 ||
	    hex_decode(value.p + 1, SHA256_SIZE, hash) != 0)
		return;
	if ((rec = verify_records_find(&p->v->records, hash)) != NULL)
		rec->pruned = true;
}

void
verify_event(struct verify_pass *p, const struct event *ev, uint64_t offset)
{
	struct verify_place place = {ev->seq, VERIFY_NONE, offset, "", ""};
	struct block_header h;
	const char *fault;

	if (span_is(ev->action, "prune"))
		pruned(p, ev);
	if (!span_is(ev->action, "snap"))
		return;
	if ((fault = read_header(ev->state, &h)) == NULL) {
		fault = check_header(p, &h, ev->seq);
		if (add(&p->v->records, &h, ev->seq) == NULL) {
			err_mem(p->v->e);
			p->broken = true;
		}
	}
	if (fault == NULL)
		return;
	if (p->log != NULL)
		place.segment = p->log->segment[p->segment].first;
	p->faults++;
	p->v->records.gap = true;
	verify_found(p->v, VERIFY_REWRITTEN, &place, "event %" PRIu64 " %s", ev->seq, fault);
}

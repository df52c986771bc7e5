/* The part of the index that is in memory: feeding. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "index_impl.h"
#include "le.h"

#include "banned.h"

#define KEPT_MAX (16u << 20) /* of the arrays of one publication, for those of the next: fresh pages are dear */

void
index_tail_release(struct tail *t)
{
	size_t i;

	buf_release(&t->rows);
	buf_release(&t->hashes);
	buf_release(&t->births);
	for (i = 0; i < TREE_LEVELS; i++)
		buf_release(&t->tree[i]);
}

static void
empty(struct buf *b)
{
	if (b->cap > KEPT_MAX)
		buf_release(b);
	else
		buf_reset(b);
}

/* The arrays of the tail only; memory is kept for the next ones. */
static void
empty_arrays(struct index *ix)
{
	size_t i;

	empty(&ix->tail.rows);
	empty(&ix->tail.hashes);
	empty(&ix->tail.births);
	for (i = 0; i < TREE_LEVELS; i++)
		empty(&ix->tail.tree[i]);
}

const uint8_t *
index_tail_row(const struct index *ix, uint64_t seq)
{
	if (seq < ix->base)
		return ((const uint8_t *)ix->going->tail.rows.data + (seq - ix->published) * ROW_SIZE);
	return ((const uint8_t *)ix->tail.rows.data + (seq - ix->base) * ROW_SIZE);
}

void
index_rewind(struct index *ix)
{
	ix->going = NULL;
	ix->size = ix->base = ix->published;
	ix->elements = ix->base_elements = ix->published_elements;
	ix->offset = ix->published_offset;
	memcpy(ix->hash, ix->published_hash, SHA256_SIZE);
	ix->memo = NO_ENTRY;
	ix->missed_size = ix->line_seq = EVENT_NONE;
	ix->generation++;
}

int
index_tail_reset(struct index *ix, struct err *e)
{
	struct etable *fresh;

	if ((fresh = etable_new()) == NULL)
		return (err_mem(e));
	etable_free(ix->table);
	ix->table = fresh;
	empty_arrays(ix);
	index_rewind(ix);
	return (0);
}

/* ---- names that the table lacks ---- */

/* Whether a record can be true of what is published. */
static bool
plausible(const struct index *ix, const struct run_record *rec)
{
	return (rec->id < ix->published_elements && rec->first <= rec->last && rec->last < ix->published &&
	    (rec->last_state == EVENT_NONE ? !rec->alive : rec->last_state <= rec->last && rec->last_state >= rec->first));
}

int
index_run_find(struct index *ix, struct span name, struct run_record *ret, struct err *e)
{
	struct run_place place[RUNS_MAX + 1];
	struct err why;
	size_t i, ahead = ix->runs < RUNS_MAX ? ix->runs : RUNS_MAX;
	int rc;

	/* Most have no such name, and each would be waited for. */
	for (i = 0; i < ahead; i++)
		place[i] = run_expect(ix->run[i], name);
	for (i = ix->runs; i-- > 0;) {
		rc = i < ahead ? run_find_at(ix->run[i], name, place[i], ret, &why) : run_find(ix->run[i], name, ret, &why);
		if (rc == 1 && ix->ahead && (rc = index_as_of(ix, ret, &why)) == 0)
			return (0);
		if (rc == 0)
			continue;
		if (rc == 1 && plausible(ix, ret))
			return (1);
		if (rc == 1)
			err_set(&why, "a run has an impossible record");
		return (index_lost(ix, &why, e));
	}
	return (0);
}

int
index_resolve(struct index *ix, uint32_t n, struct err *e)
{
	struct entry *en = &ix->table->entry[n];
	struct run_record rec;
	struct err why;
	int rc;

	if (en->id != ID_UNKNOWN)
		return (0);
	if ((rc = index_run_find(ix, entry_name(en), &rec, e)) == -1 || rc == INDEX_AGAIN)
		return (rc);
	if (rc == 0 || rec.last != en->first) {
		err_set(&why, "the runs do not have event %" PRIu64 " as the last of '%.*s' before it", en->first, (int)en->name_len,
		    en->name);
		return (index_lost(ix, &why, e));
	}
	en->id = rec.id;
	en->first = rec.first;
	if (en->last_state == STATE_UNKNOWN) {
		en->last_state = rec.last_state;
		en->alive = rec.alive;
	}
	return (0);
}

int
index_resolve_all(struct index *ix, struct err *e)
{
	size_t i;
	int rc;

	for (i = 0; i < ix->table->dirties; i++)
		if ((rc = index_resolve(ix, ix->table->dirty[i], e)) != 0)
			/* After a new scan all are known. */
			return (rc == INDEX_AGAIN ? 0 : -1);
	return (0);
}

/* ---- feeding ---- */

int
index_corrupt(const struct fed *f, const char *why, struct err *e)
{
	char name[LOG_NAME_SIZE];

	log_segment_name(f->segment, name);
	return (err_set(e, "the log is corrupt at seq %" PRIu64 " (segment '%s', offset %" PRIu64 "): %s; run 'ecl-verify'", f->seq,
	    name, f->offset, why));
}

/* An element that the table lacks: new, or one from the files.  Return 0, -1, or INDEX_AGAIN. */
static int
new_entry(struct index *ix, const struct fed *f, uint32_t tag, uint32_t *ret, struct err *e)
{
	struct run_record rec;
	struct entry *en;
	struct err why;
	bool missed;
	int rc;

	if (f->parent == EVENT_NONE) {
		missed = ix->missed_size == ix->size && span_eq(f->name, (struct span){ix->missed.data, ix->missed.len});
		if (!missed && (rc = index_run_find(ix, f->name, &rec, e)) != 0) {
			if (rc != 1)
				return (rc);
			err_set(&why, "the runs have an element before its first event, %" PRIu64, f->seq);
			return (index_lost(ix, &why, e));
		}
		if (ix->elements >= ID_UNKNOWN - 1)
			return (err_set(e, "more than %u elements", ID_UNKNOWN - 1));
	} else if (f->parent >= ix->published)
		return (index_corrupt(f, "its parent is an event of another element", e));
	if ((*ret = etable_add(ix->table, f->name, tag)) == NO_ENTRY)
		return (err_mem(e));
	en = &ix->table->entry[*ret];
	en->last = f->parent;
	if (f->parent == EVENT_NONE) {
		en->id = (uint32_t)ix->elements;
		en->first = f->seq;
		en->last_state = EVENT_NONE;
	} else {
		en->id = ID_UNKNOWN;
		en->first = f->parent;
		en->last_state = STATE_UNKNOWN;
	}
	return (0);
}

/* The entry of the event's element, as it was before the event. */
static int
find_entry(struct index *ix, const struct fed *f, uint32_t *ret, struct err *e)
{
	uint32_t tag = 0;
	int rc;

	do {
		if (ix->memo != NO_ENTRY && span_eq(entry_name(&ix->table->entry[ix->memo]), f->name))
			*ret = ix->memo;
		else if (f->hinted == ix->table)
			*ret = etable_find_hinted(ix->table, f->name, tag = f->hint);
		else
			*ret = etable_find(ix->table, f->name, &tag);
		if (*ret != NO_ENTRY)
			break;
		if ((rc = new_entry(ix, f, tag, ret, e)) == 0)
			return (0);
	} while (rc == INDEX_AGAIN);
	if (*ret == NO_ENTRY)
		return (-1);
	if (ix->table->entry[*ret].last != f->parent)
		return (index_corrupt(f, "its parent is not the event before it of its element", e));
	return (0);
}

static int
store_row(struct index *ix, const struct fed *f, uint32_t n, bool born, struct err *e)
{
	struct row row = {f->time_us, f->parent, (uint32_t)f->offset, f->length, n, f->flags};
	bool hashed = (ix->flags & INDEX_NO_HASHES) == 0;
	size_t hashes = hashed ? ((ix->tail.rows.len / ROW_SIZE) + 1) * SHA256_SIZE - ix->tail.hashes.len : 0;
	uint8_t seq[8];

	/* Room first: then nothing of it fails half-way, nor do the hashes that come later. */
	if (buf_reserve(&ix->tail.rows, ROW_SIZE) != 0 || buf_reserve(&ix->tail.hashes, hashes) != 0 ||
	    (born && buf_reserve(&ix->tail.births, sizeof(seq)) != 0)) {
		ix->tail.rows.failed = ix->tail.hashes.failed = ix->tail.births.failed = false;
		return (err_mem(e));
	}
	index_row_encode((uint8_t *)ix->tail.rows.data + ix->tail.rows.len, &row);
	ix->tail.rows.len += ROW_SIZE;
	if (hashed && f->hash != NULL)
		buf_add(&ix->tail.hashes, f->hash, SHA256_SIZE);
	if (born) {
		le64_put(seq, f->seq);
		buf_add(&ix->tail.births, seq, sizeof(seq));
	}
	return (0);
}

int
index_feed_one(struct index *ix, const struct fed *f, struct err *e)
{
	struct entry *en;
	uint32_t n;
	bool born = f->parent == EVENT_NONE;

	if (f->seq != ix->size)
		return (index_corrupt(f, "its number does not follow the one before", e));
	if (f->prev != NULL && memcmp(f->prev, ix->hash, SHA256_SIZE) != 0)
		return (index_corrupt(f, "its 'prev' is not the hash of the event before", e));
	if (f->offset > UINT32_MAX)
		return (index_corrupt(f, "its segment is too long", e));
	if (find_entry(ix, f, &n, e) != 0)
		return (-1);
	if (etable_dirty(ix->table, n) != 0)
		return (err_mem(e));
	if (f->state.p != NULL && etable_keep_state(ix->table, n, f->seq, f->state) != 0)
		return (err_mem(e));
	if (store_row(ix, f, n, born, e) != 0)
		return (-1);
	en = &ix->table->entry[n];
	en->last = f->seq;
	if ((f->flags & ROW_STATE) != 0) {
		en->last_state = f->seq;
		en->alive = (f->flags & ROW_GONE) == 0;
	}
	ix->elements += born;
	ix->size++;
	ix->memo = n;
	ix->offset = f->offset + f->length + 1;
	if (f->hash != NULL)
		memcpy(ix->hash, f->hash, SHA256_SIZE);
	return (0);
}

uint32_t
index_actor_flags(struct span actor)
{
	uint32_t h;

	if (actor.p == NULL)
		return (0);
	h = crc32c(0, actor.p, actor.len);
	return ((1 + (h ^ h >> 16) % 65535) << 8);
}

uint32_t
index_action_flags(struct span action)
{
	if (action.len == 6) {
		if (memcmp(action.p, "create", 6) == 0)
			return (ROW_CREATE);
		if (memcmp(action.p, "modify", 6) == 0)
			return (ROW_MODIFY);
		if (memcmp(action.p, "delete", 6) == 0)
			return (ROW_DELETE);
	}
	return ((1 + crc32c(0, action.p, action.len) % 255) << 24);
}

uint32_t
index_row_flags(const struct event *ev)
{
	uint32_t flags = 0;

	if (ev->state.p != NULL)
		flags |= event_is_gone(ev->state) ? ROW_STATE | ROW_GONE : ROW_STATE;
	if (event_reserved(ev->element))
		flags |= ROW_OWN;
	return (flags | ROW_SAYS | index_action_flags(ev->action) | index_actor_flags(ev->actor));
}

void
index_fed_from_event(struct fed *f, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length)
{
	memset(f, 0, sizeof(*f));
	f->seq = ev->seq;
	f->name = ev->element;
	f->time_us = ev->time_us;
	f->parent = ev->parent;
	f->flags = index_row_flags(ev);
	f->prev = ev->prev;
	f->hash = ev->hash;
	f->segment = segment;
	f->offset = offset;
	f->length = length;
}

static int
feed(struct index *ix, const struct event *ev, bool chained, uint64_t segment, uint64_t offset, uint32_t length, struct err *e)
{
	struct fed f;

	index_fed_from_event(&f, ev, segment, offset, length);
	f.state = ev->state;
	if (!chained)
		f.prev = f.hash = NULL;
	if (ix->table->state_bytes > ix->table->state_limit)
		etable_trim(ix->table, ix->log->end.size);
	return (index_feed_one(ix, &f, e));
}

int
index_feed(struct index *ix, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length, struct err *e)
{
	return (feed(ix, ev, true, segment, offset, length, e));
}

int
index_feed_front(struct index *ix, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length, struct err *e)
{
	return (feed(ix, ev, false, segment, offset, length, e));
}

void
index_feed_hashes(struct index *ix, const uint8_t (*hashes)[SHA256_SIZE], size_t n)
{
	if (n == 0)
		return;
	if ((ix->flags & INDEX_NO_HASHES) == 0)
		buf_add(&ix->tail.hashes, hashes, n * SHA256_SIZE);
	memcpy(ix->hash, hashes[n - 1], SHA256_SIZE);
}

/* ---- starting over ---- */

int
index_rollback(struct index *ix, uint64_t size, struct err *e)
{
	if (size >= ix->size)
		return (0);
	if (size < ix->published) {
		/* The log was cut below what the files say. */
		index_close_files(ix);
	}
	if (index_tail_reset(ix, e) != 0)
		return (-1);
	return (index_scan(ix, size, e));
}

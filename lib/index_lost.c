/* The index: files that turn out to be damaged, removed or replaced, while somebody asks. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"

#include "banned.h"

/* ---- files that are ahead ---- */

/* The row of event ${seq}, of element ${id}, also where it is not to be seen. */
static int
hidden_row(struct index *ix, uint64_t seq, uint32_t id, struct row *ret, struct err *why)
{
	const uint8_t *p;

	if (seq >= ix->rows.rows)
		return (err_set(why, "the runs have event %" PRIu64 ", which 'rows' lacks", seq));
	if (column_get(&ix->rows, seq, &p, why) != 0)
		return (-1);
	index_row_decode(p, ret);
	if (ret->id != id || (ret->parent != EVENT_NONE && ret->parent >= seq))
		return (
		    err_set(why, "the column 'rows' does not fit the runs at event %" PRIu64, seq));
	return (0);
}

int
index_as_of(struct index *ix, struct run_record *rec, struct err *why)
{
	uint64_t seq;
	struct row row;

	if (rec->first >= ix->published)
		return (0);
	for (seq = rec->last; seq != EVENT_NONE && seq >= ix->published; seq = row.parent)
		if (hidden_row(ix, seq, rec->id, &row, why) != 0)
			return (-1);
	if (seq == EVENT_NONE)
		return (err_set(why, "the column 'rows' lacks the first event of an element"));
	rec->last = seq;
	if (rec->last_state == EVENT_NONE || rec->last_state < ix->published)
		return (1);
	for (rec->last_state = EVENT_NONE, rec->alive = false; seq != EVENT_NONE;
	     seq = row.parent) {
		if (hidden_row(ix, seq, rec->id, &row, why) != 0)
			return (-1);
		if ((row.flags & ROW_STATE) == 0)
			continue;
		rec->last_state = seq;
		rec->alive = (row.flags & ROW_GONE) == 0;
		break;
	}
	return (1);
}

/* ---- starting over ---- */

/* Events that are not in the log yet: from what was known of them. */
static int
feed_again(struct index *ix, const struct etable *had, const struct tail *tail, uint64_t first,
    uint64_t from, uint64_t to, struct err *e)
{
	const struct entry *en;
	uint64_t seq;
	struct row row;
	struct fed f;

	for (seq = from; seq < to; seq++) {
		index_row_decode((const uint8_t *)tail->rows.data + (seq - first) * ROW_SIZE, &row);
		en = &had->entry[row.id];
		f = (struct fed){.seq = seq,
		    .name = entry_name(en),
		    .time_us = row.time_us,
		    .parent = row.parent,
		    .flags = row.flags,
		    .segment = 0,
		    .offset = row.offset,
		    .length = row.length};
		if ((seq - first) * SHA256_SIZE < tail->hashes.len)
			f.hash = (const uint8_t *)tail->hashes.data + (seq - first) * SHA256_SIZE;
		if (en->state_seq == seq)
			f.state = (struct span){en->state, en->state_len};
		if (index_feed_one(ix, &f, e) != 0)
			return (-1);
	}
	return (0);
}

/* How far the answers went: what comes in place of the files must not change them. */
static struct view
present_view(const struct index *ix, uint64_t limit)
{
	struct view v = {.seed = ix->seed, .size = limit};

	/* Events that are not in the log yet are fed again: others cannot have published them. */
	if (limit == ix->size) {
		v.elements = ix->elements;
		memcpy(v.hash, ix->hash, SHA256_SIZE);
	}
	return (v);
}

int
index_lost(struct index *ix, const struct err *why, struct err *e)
{
	struct etable *had = ix->table, *fresh;
	struct tail tail = ix->tail;
	uint64_t first = ix->base, size = ix->size,
		 limit = ix->log->end.size < size ? ix->log->end.size : size;
	uint8_t hash[SHA256_SIZE];
	bool alone = ix->going == NULL;
	struct view view;
	int ret = -1;

	if (ix->published == 0 || limit < ix->published || err_is_mem(why)) {
		/* It is not for the files that this is wrong. */
		if (e != NULL)
			*e = *why;
		return (-1);
	}
	if (index_hash_settle(ix, e) != 0)
		return (-1);
	memcpy(hash, ix->hash, SHA256_SIZE);
	view = present_view(ix, limit);
	if ((fresh = etable_new()) == NULL)
		return (err_mem(e));
	/* Somebody may hold names and states of it. */
	had->next = ix->aside;
	ix->aside = had;
	ix->table = fresh;
	memset(&ix->tail, 0, sizeof(ix->tail));
	index_close_files(ix);
	/* Perhaps they were only made anew: a damage that is met again would have the same seed. */
	if (!alone || index_reload(ix, &view) == 0)
		index_set_damage(ix, why->text);
	index_rewind(ix);
	if (index_scan(ix, limit, e) == 0 &&
	    feed_again(ix, had, &tail, first, ix->size, size, e) == 0) {
		memcpy(ix->hash, hash, SHA256_SIZE);
		ret = INDEX_AGAIN;
	}
	index_tail_release(&tail);
	return (ret);
}

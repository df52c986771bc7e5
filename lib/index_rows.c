/* The index: many rows at a time, and rows that their lines will tell about. */
#include "config.h"

#include <inttypes.h>

#include "index_impl.h"

#include "banned.h"

#define ROWS_PER_CHUNK (COLUMN_CHUNK / ROW_SIZE)

uint64_t
index_generation(const struct index *ix)
{
	return (ix->generation);
}

int
index_wrong(struct index *ix, uint64_t generation, const struct err *why, struct err *e)
{
	if (ix->generation != generation)
		return (0);
	return (index_lost(ix, why, e) == INDEX_AGAIN ? 0 : -1);
}

/* What no row can say. */
static int
impossible(uint64_t seq, struct err *why)
{
	err_set(why, "the column 'rows' is wrong about event %" PRIu64, seq);
	return (-1);
}

int
index_peek(struct index *ix, uint64_t seq, struct row *ret, struct err *e)
{
	uint8_t row[ROW_SIZE];
	struct err why;

	while (seq < ix->published) {
		if (column_peek(&ix->rows, seq, row, &why) == 0) {
			index_row_decode(row, ret);
			if (ret->parent == EVENT_NONE || ret->parent < seq)
				return (0);
			impossible(seq, &why);
		}
		if (index_wrong(ix, ix->generation, &why, e) != 0)
			return (-1);
	}
	if (seq >= ix->size)
		return (err_set(e, "there is no event %" PRIu64 ": the log has %" PRIu64, seq, ix->size));
	index_row_decode(index_tail_row(ix, seq), ret);
	return (0);
}

/* From ${seq} on as far as its chunk reaches.  Return their number, or 0 with ${why}. */
static size_t
rows_of_chunk(struct index *ix, uint64_t seq, uint64_t end, struct row *out, struct err *why)
{
	uint64_t at = seq % ROWS_PER_CHUNK, n, i;
	const uint8_t *chunk;

	if (column_run(&ix->rows, seq, &chunk, &n, why) != 0)
		return (0);
	if (n - at < end - seq)
		end = seq + (n - at);
	for (i = 0; seq + i < end; i++) {
		index_row_decode(chunk + (at + i) * ROW_SIZE, &out[i]);
		if ((out[i].parent != EVENT_NONE && out[i].parent >= seq + i) ||
		    out[i].id >= ix->published_elements) {
			impossible(seq + i, why);
			return (0);
		}
	}
	return ((size_t)i);
}

int
index_rows(struct index *ix, uint64_t seq, size_t n, struct row *out, struct err *e)
{
	uint64_t end = seq + n;
	struct err why;
	size_t got;

	while (seq < end) {
		if (seq >= ix->published) {
			if (index_row(ix, seq, out, e) != 0)
				return (-1);
			got = 1;
		} else if ((got = rows_of_chunk(ix, seq, end < ix->published ? end : ix->published, out,
				&why)) == 0) {
			if (index_wrong(ix, ix->generation, &why, e) != 0)
				return (-1);
		}
		seq += got;
		out += got;
	}
	return (0);
}

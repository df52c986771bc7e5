/* The inside of the vectors: what its files share. */
#ifndef ECL_VECTORS_IMPL_H_
#define ECL_VECTORS_IMPL_H_

#include <stdbool.h>
#include <stdint.h>

#include "column.h"
#include "event.h"
#include "vectors.h"

#define VECTORS_SEGMENTS_MAX 4096

/* ---- the manifest (vectors_head.c) ---- */

struct vectors_column {
	uint64_t rows;
	uint32_t crc;
};

struct vectors_head {
	uint32_t seed;
	const char *space; /* VECTORS_MADE or VECTORS_GIVEN */
	struct buf token;  /* JSON string, with quotes */
	unsigned dims;
	uint64_t events;
	uint8_t hash[SHA256_SIZE];
	struct vectors_column rows, codes, seqs;
	uint64_t others, first_other;
	struct vectors_segment *segment;
	size_t segments;
};

/** vectors_space(name): the constant that is this name; NULL: there is no such space. */
const char *vectors_space(const char *name);

/** vectors_head_file(space, out): the name of its manifest. */
void vectors_head_file(const char *space, char out[VECTORS_NAME]);

/** vectors_head_format(h, out): append the text. */
void vectors_head_format(const struct vectors_head *h, struct buf *out);

/** vectors_head_parse(text, space, ret): strictly.  Return 0, or -1.  To be released with vectors_head_release(). */
int vectors_head_parse(struct span text, const char *space, struct vectors_head *ret);
void vectors_head_release(struct vectors_head *h);

/** vectors_head_load(dir_fd, space, ret, e): Return 1, 0 where there is none, or -1 with why it cannot be used. */
int vectors_head_load(int dir_fd, const char *space, struct vectors_head *ret, struct err *e);

/** vectors_head_publish(h, dir_fd, sync, e): its text in place of the one before; what it names is on the disk, or a crash may leave a damaged space (${sync} false).  Return 0 or -1. */
int vectors_head_publish(const struct vectors_head *h, int dir_fd, bool sync, struct err *e);

/** vectors_head_was_published(h, dir_fd): behind a vectors_head_publish() that failed: whether it may be there all the same, so that what it names must stay. */
bool vectors_head_was_published(const struct vectors_head *h, int dir_fd);

/** vectors_head_made_by(h, token, e): whether by that embedder (decoded).  Return 1, 0, or -1 (memory). */
int vectors_head_made_by(const struct vectors_head *h, const char *token, struct err *e);

/* The columns of a space. */
struct vectors_columns {
	struct column row, code, seq;
};

/** vectors_columns_init(c, h, dir_fd), vectors_columns_release(c): those that the manifest names, nothing opened yet. */
void vectors_columns_init(struct vectors_columns *c, const struct vectors_head *h, int dir_fd);
void vectors_columns_release(struct vectors_columns *c);

/** vectors_code_width(h): bytes of a row's code; 0: the rows have none. */
unsigned vectors_code_width(const struct vectors_head *h);

/** vectors_head_confirm(h, log, e): whether ${log} has the event it ends with.  Return 0, or -1 with why not.  O(log(segment)). */
int vectors_head_confirm(const struct vectors_head *h, struct log *log, struct err *e);

/** vectors_ivf_name(h, number, out): the name of the file of a segment. */
void vectors_ivf_name(const struct vectors_head *h, uint64_t number, char out[VECTORS_NAME]);

/** vectors_event_hash(log, seq, out, e): the hash that event ${seq} says it has.  Return 0 or -1. */
int vectors_event_hash(struct log *log, uint64_t seq, uint8_t out[SHA256_SIZE], struct err *e);

#endif

/* Checkpoints (C2SP tlog-checkpoint v1.0.0): the size and root of a log under its origin, as the text of a signed note. */
#ifndef ECL_CHECKPOINT_H_
#define ECL_CHECKPOINT_H_

#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "sha256.h"

#define CHECKPOINT_FILE "checkpoint" /* in ROOT, and in a block's .ecl */
#define CHECKPOINT_NOTE "block.note" /* in a block's .ecl */

struct checkpoint {
	struct span origin; /* as it is, without quotes or escapes */
	uint64_t size;	    /* events */
	uint8_t root[SHA256_SIZE];
};

/**
 * checkpoint_parse(text, ret, e):
 * The text of a note: origin LF, size in decimal LF, base64 of the root LF, and no line more.  ${ret}->origin points into ${text}.
 * Of the empty log only the root of the empty tree will do.  Return 0, or -1 with an error that names the line.
 */
int checkpoint_parse(struct span text, struct checkpoint *ret, struct err *e);

/** checkpoint_format(c, out): append that text. */
void checkpoint_format(const struct checkpoint *c, struct buf *out);

/**
 * checkpoint_block_text(origin, header, out):
 * Append the text of a block's note: origin "/block" LF, its header line LF.  ${header} is the line without LF.  The key of the note is
 * that of the checkpoints: its name is the origin.
 */
void checkpoint_block_text(struct span origin, struct span header, struct buf *out);

/** checkpoint_read(dirfd, name, out, e): append the bytes of a note file, at most NOTE_MAX, to ${out}.  Return 1, 0 where there is none, -1. */
int checkpoint_read(int dirfd, const char *name, struct buf *out, struct err *e);

#endif

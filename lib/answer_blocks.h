/* Blocks, to a presenter: those of a ledger, or one that was just made. */
#ifndef ECL_ANSWER_BLOCKS_H_
#define ECL_ANSWER_BLOCKS_H_

#include "blocks.h"
#include "err.h"
#include "present.h"

/** answer_blocks(blocks, snap_fd, snapshots, p, e): the headers with path, present, pruned and who signed; ${snap_fd} is their directory, ${snapshots} its path.  Return 0 or -1. */
int answer_blocks(const struct blocks *blocks, int snap_fd, const char *snapshots, struct present *p, struct err *e);

/** answer_header(h, line, p, e): a header alone, which is that ${line} without its LF.  Return 0 or -1. */
int answer_header(const struct block_header *h, struct span line, struct present *p, struct err *e);

#endif

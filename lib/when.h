/* WHEN: a point in time as users write it (COMMANDS). */
#ifndef ECL_WHEN_H_
#define ECL_WHEN_H_

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "err.h"
#include "log.h"

/**
 * when_size(text, log, blocks, now_us, ret_size, e):
 * The number of events at the point that ${text} names: a seq (just after it), a block's size, or all events up to a
 * time or an age before ${now_us}.  ${blocks} may be NULL: then naming a block is an error.  Local times by localtime(3).  A seq or hash that is not in the log,
 * and a hash prefix that fits several blocks, are errors that name it.  Hashes name blocks; `hash:` too.  Return 0 or -1.
 */
int when_size(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us, uint64_t *ret_size, struct err *e);

/**
 * when_from(text, log, blocks, now_us, ret_seq, e):
 * As when_size(), for the beginning of a range: the seq of the first event that is not before the point that ${text}
 * names.  That is the event itself for a seq (or the next to come, one behind the last), the event at a block's size, the first
 * event whose time is not smaller than a time.  Return 0 or -1.
 */
int when_from(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us, uint64_t *ret_seq, struct err *e);

/** when_block(text, log, blocks, now_us, ret_block, e): the block that ${text} names, or for a seq, a time or an age the last block at or before it. */
int when_block(const char *text, struct log *log, const struct block_list *blocks, int64_t now_us, const struct block **ret_block, struct err *e);

/** when_time(text, now_us, ret_us): a time or an age (not a seq or block) as microseconds.  Return 0, or -1 where it is neither. */
int when_time(const char *text, int64_t now_us, int64_t *ret_us);

/** when_parses(text): whether ${text} is a WHEN, be there such a point or not. */
bool when_parses(const char *text);

/** when_is_block(text): whether ${text} names a block, so that the blocks must be known to make sense of it. */
bool when_is_block(const char *text);

#endif

/* The inside of the log: what its files share. */
#ifndef ECL_LOG_IMPL_H_
#define ECL_LOG_IMPL_H_

#include "log.h"

#define LOG_LIVE "live/.ecl/log" /* beneath the root */

/* log.c */

/** log_list_names(log, e): the segments' names, in order; their sizes are found when they are asked for.  Return 0 or -1. */
int log_list_names(struct log *log, struct err *e);

/** log_close_segments(log): forget them. */
void log_close_segments(struct log *log);

/** log_segment_at(log, first): the segment that begins with event ${first}; log->segments where there is none. */
size_t log_segment_at(const struct log *log, uint64_t first);

/** log_ends_at(log, segment, offset, hash, e): whether the line with this hash ends at ${offset}.  Return 1, 0 or -1. */
int log_ends_at(struct log *log, size_t segment, uint64_t offset, const uint8_t hash[SHA256_SIZE],
    struct err *e);

/* log_live.c */

/**
 * log_moved(log, e):
 * A file of the log is gone: where live is another directory by now, go on in that, after a look whether the log there is this
 * one.  Return 1: try again; 0 where there is no other live, with ${e} untouched; or -1.
 */
int log_moved(struct log *log, struct err *e);

#endif

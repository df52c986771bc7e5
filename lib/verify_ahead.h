/* What comes next in a log or stream, read and checked ahead of the pass by all processors. */
#ifndef ECL_VERIFY_AHEAD_H_
#define ECL_VERIFY_AHEAD_H_

#include "verify_internal.h"

struct verify_ahead;

/**
 * verify_ahead_new(p):
 * Begin to read what is behind ${p} in its log.  NULL where there is no memory; then, and where it says so, the log has to be read by the
 * caller.  To be released with verify_ahead_free(), NULL too.
 */
struct verify_ahead *verify_ahead_new(struct verify_pass *p);
void verify_ahead_free(struct verify_ahead *a);

/**
 * verify_ahead_take(a, ret_until):
 * Bring the pass over the lines that begin in the next piece of its segment, waiting for them.  Return false where they have to be read
 * and fed one by one: to ${*ret_until}, an offset in the segment.
 */
bool verify_ahead_take(struct verify_ahead *a, uint64_t *ret_until);

#endif

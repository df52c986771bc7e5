/* What differs between two states, member by member. */
#ifndef ECL_STATE_DIFF_H_
#define ECL_STATE_DIFF_H_

#include "buf.h"

#define STATE_DIFF_ITEMS 16 /* items of an array that are shown one by one */

/*
 * One difference.  The path names members and items: `mtu', `address.ip', `routes[2].via'; a member whose name has a dot, a
 * bracket, a quote, white space or the like in it, or is empty, stands as the JSON string it is: `labels."a.b"'.  It is empty where
 * the two differ as wholes.  An item that is gone has the index it had before, others the one they have now.
 */
struct state_change {
	struct span path;
	struct span before, after; /* canonical JSON; p == NULL: not there */
};

/**
 * state_diff(before, after, visit, arg):
 * Call ${visit} for each difference of two canonical values (p == NULL: none), members in the order of their names.  Objects are
 * entered; so are arrays, where at most STATE_DIFF_ITEMS items stand between those that are equal at both ends.  Two texts are
 * equal where their bytes are: numbers are not computed with.  ${visit} returns 0 to go on, else state_diff()
 * returns what it did; 0 at the end, -1 where memory ran out.  O(length) a level of nesting, and at most JSON_DEPTH_MAX levels.
 */
int state_diff(struct span before, struct span after, int (*visit)(void *arg, const struct state_change *c), void *arg);

#endif

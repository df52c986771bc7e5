/* How the change of a state looks to people: what differs, on one line or a line a member. */
#ifndef ECL_CHANGE_H_
#define ECL_CHANGE_H_

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/*
 * States are canonical JSON; null, or p == NULL, is no state.  What is written is printable, but for SGR codes with ${color}: what
 * was there red, what is there now green.
 *
 *	mtu: 1500 -> 9000, + mac: "52:54:00:00:00:01", - alias: "x"
 *	+ {"mtu":1500}
 */

/** change_columns(before, after): the columns that the whole line takes. */
size_t change_columns(struct span before, struct span after);

/**
 * change_line(before, after, room, color, out):
 * Append one line of at most ${room} columns, without LF.  Where the whole is longer, single values are cut first, so that it can be seen
 * that they differ, then the line.
 */
void change_line(struct span before, struct span after, size_t room, bool color, struct buf *out);

/**
 * change_block(before, after, width, color, out):
 * Append lines for all members that differ, indented, each with its LF and at most ${width} columns wide (0: no limit): nothing is cut,
 * but what does not fit goes on in the next line.  Of strings of several lines, such as the text of a file, the lines that differ:
 *
 *	content:
 *	  line 3:
 *	  - 192.0.2.1 www
 *	  + 192.0.2.7 www
 */
void change_block(struct span before, struct span after, size_t width, bool color, struct buf *out);

#endif

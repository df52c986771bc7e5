/* Which lines of two texts differ. */
#ifndef ECL_LINE_DIFF_H_
#define ECL_LINE_DIFF_H_

#include "buf.h"

/* Lines that stand in the place of others; either may be none.  They are parts of the texts, with their line feeds. */
struct line_hunk {
	size_t line; /* number, from 1, of the first in the text after, or of the one that follows */
	struct span before, after;
};

/**
 * line_diff(before, after, visit, arg):
 * Call ${visit} for each place where the lines of two texts differ, from the top: as few lines as can be, where what lies between the
 * first and the last difference is not too much to find that out (up to some 2,000 lines each), else all of that.  A last line without
 * its line feed differs from one with it.  ${visit} returns 0 to go on, else line_diff() returns what it did; 0 at the end, -1 where memory
 * ran out.  O(length + lines^2).
 */
int line_diff(struct span before, struct span after, int (*visit)(void *arg, const struct line_hunk *h), void *arg);

#endif

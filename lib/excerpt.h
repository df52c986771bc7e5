/* Text in which some words matter: shortened around them, and with them highlighted. */
#ifndef ECL_EXCERPT_H_
#define ECL_EXCERPT_H_

#include <stddef.h>

#include "buf.h"
#include "cli.h"

/**
 * excerpt_pack(text, mark, n, out):
 * Append what excerpt_art draws: ${text}, made printable, with ${n} of its words in ${mark}: spans within it, in order, that do not overlap.
 */
void excerpt_pack(struct span text, const struct span *mark, size_t n, struct buf *out);

/**
 * What draws it.  Where the text does not fit, the part is shown that has most of the words, with an ellipsis for what was left out at either
 * end; without words its beginning.  In colour the words are bold and red, as those that grep(1) found.
 */
extern const struct table_art excerpt_art;

#endif

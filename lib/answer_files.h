/* The answers of ecl-snap --diff: which managed files differ, to a presenter. */
#ifndef ECL_ANSWER_FILES_H_
#define ECL_ANSWER_FILES_H_

#include "blocks.h"
#include "layer.h"
#include "present.h"

/**
 * answer_files(l, blocks, a, b, p, e):
 * The files that differ between two blocks of ${l}, each a WHEN that names a block, or means the last one at or before it; ${b} NULL: live as it is
 * now.  ${blocks} are those of ${l}.  A path that is not UTF-8 stands in JSON with U+FFFD for what is not, and has a member more, `raw', its bytes as
 * base64.  Return 0, or -1 (EXIT_NO where a block's snapshot is gone).
 */
int answer_files(struct layer *l, const struct blocks *blocks, const char *a, const char *b, struct present *p, struct err *e);

#endif

/* Who signed a block, by what its note says. */
#ifndef ECL_SIGNERS_H_
#define ECL_SIGNERS_H_

#include "block.h"
#include "buf.h"

/**
 * signers_read(snap_fd, b, json, text):
 * Append who signed the header of block ${b}, which stands under ${snap_fd}: to ${json} an array of strings `name+id`, or null where the
 * note cannot be read; to ${text} the same, with a comma between.  A note over another header counts as none.  Nothing is checked: whose
 * signatures they are takes a key, and ecl-verify.  Where memory runs out, ${json} has failed.
 */
void signers_read(int snap_fd, const struct block *b, struct buf *json, struct buf *text);

#endif

/* The vectors that a ledger's embedder made, and that embedder, which makes those that are missing. */
#ifndef ECL_MADE_H_
#define ECL_MADE_H_

#include "embedder.h"
#include "err.h"
#include "ledger.h"
#include "vectors.h"

#define MADE_ROWS 0x100u /* beside the flags of embedder_open(): the embedder is not needed where all events have rows */

struct made {
	struct vectors *vectors; /* VECTORS_MADE */
	struct embedder *em;	 /* NULL, with MADE_ROWS: it cannot be opened, for this reason: */
	struct err why;
	unsigned dims, width; /* of a vector, and of its row in bytes */
	struct buf token;     /* the embedder's, decoded (embedder.h) */
};

/**
 * made_open(l, flags, ret, e), made_release(m):
 * Open both, as of the end of ${l}, which must outlive them; ${flags}: of embedder_open().  Return 0, or -1 with an error that names what mends it: the embedder is
 * `none`, or cannot be opened, or another one made the vectors.  Vectors that are damaged are none (vectors_damage() says why).  made_release() takes all zeros too.
 */
int made_open(struct ledger *l, unsigned flags, struct made *ret, struct err *e);
void made_release(struct made *m);

#endif

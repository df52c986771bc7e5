/* Adoption: a replica becomes a ledger of its own, after a disaster (DESIGN 2). */
#ifndef ECL_ADOPT_H_
#define ECL_ADOPT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layer.h"
#include "note.h"

struct adopt_options {
	int wait_ms;
	const struct note_key *key; /* the ledger is to be signed by one of these */
	size_t keys;		    /* 0: nobody's signature is demanded */
	void (*verify)(void *arg, uint64_t bytes, uint64_t total); /* told how many bytes of the log are verified; NULL: nobody asks */
	void *arg;
};

/**
 * adopt(l, opt, out, ret_command, e):
 * Make the replica ${l} (opened with LAYER_WRITE | LAYER_REPLICA, not locked) the live root of its ledger, which goes on: the same id and origin.  All of it is
 * verified first.  Then an `ecl:layer` event `adopt` is recorded, whose state is the layer's; where its embedder is a command, which other hosts chose, it is
 * `none` from then on (${*ret_command}).  Blocks that the log tells of and that are not here are recorded as pruned, the one that is here and unrecorded is
 * recorded, and ROOT/replica is removed last.  The lines of the first are appended to ${out}.  What a killed run did is not done again.
 * Return 0, or -1 (EXIT_NO: it does not verify).  O(bytes of log and blocks).
 */
int adopt(struct layer *l, const struct adopt_options *opt, struct buf *out, bool *ret_command, struct err *e);

#endif

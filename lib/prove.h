/* Proofs out of a ledger.  The index gives the hashes; what is proven is checked against the log's own lines and a root that does not come from the index. */
#ifndef ECL_PROVE_H_
#define ECL_PROVE_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "checkpoint.h"
#include "err.h"
#include "layer.h"
#include "tlog_proof.h"

/* What proofs are made against: a checkpoint, and that the log has its root was seen. */
struct prove_base {
	struct layer *layer;	/* not owned; opened with LAYER_TREE */
	struct buf note;	/* as it is appended to a proof: verbatim, or the bare text */
	struct checkpoint at;	/* points into it */
	bool is_signed;
};

/**
 * prove_signed(l, ret, e), prove_unsigned(l, step, arg, ret, e):
 * The newest signed checkpoint, which is ROOT/checkpoint (of a layer that stands alone its own); or the end of the log, as far as it is durable.
 * The first compares the log's root with the one that was signed, in O(log n).  The second has no such root: it goes by the header of the newest
 * block, and hashes the lines behind that; ${step} (may be NULL) is called now and then with the number done and of all.  To be released with prove_release().
 * Return 0, or -1: EXIT_NO where the log is not the one that the checkpoint or the block is of.
 */
int prove_signed(struct layer *l, struct prove_base *ret, struct err *e);
int prove_unsigned(struct layer *l, void (*step)(void *arg, uint64_t done, uint64_t total), void *arg, struct prove_base *ret,
    struct err *e);
void prove_release(struct prove_base *b);

/** prove_event(b, seq, out, e): append the proof that event ${seq} is in the log (tlog_proof.h), with its line.  It has been checked.  Return 0 or -1.  O(log n). */
int prove_event(const struct prove_base *b, uint64_t seq, struct buf *out, struct err *e);

/** prove_consistency(b, old, out, e): append the proof that the log begins with its first ${old} events; 0: no hashes, as witnesses take it at first.  Return 0 or -1.  O(log n). */
int prove_consistency(const struct prove_base *b, uint64_t old, struct buf *out, struct err *e);

/**
 * prove_latest(l, element, is_signed, out, e):
 * Append the proof of which event is the last of ${element} as of the newest block that is there, or with ${is_signed} that has a note.  A layer
 * that stands alone is that block.  Return 0, or -1: EXIT_NO where the element was not there yet.  O(elements of the block).
 */
int prove_latest(struct layer *l, struct span element, bool is_signed, struct buf *out, struct err *e);

/* For who proves more with it. */

/**
 * prove_again(b, generation, e):
 * The index, of ${generation}, misled: drop its files, so that all is asked again of the log alone.  Return 0; -1 where the index cannot have, and so the log is
 * not the one that ${b} is of (EXIT_NO).
 */
int prove_again(const struct prove_base *b, uint64_t generation, struct err *e);

/** prove_prefix(b, old, ret, root, e): the ${root} of the first ${old} > 0 events, and the proof of consistency, which holds.  Return 0 or -1. */
int prove_prefix(const struct prove_base *b, uint64_t old, struct tlog_hashes *ret, uint8_t root[SHA256_SIZE], struct err *e);

/** prove_path(ix, seq, size, root, line, ret, e): the line of event ${seq} and its path to ${root}, into ${ret}, checked.  Return 0, 1 where the index misled, or -1. */
int prove_path(struct index *ix, uint64_t seq, uint64_t size, const uint8_t root[SHA256_SIZE], struct buf *line, struct tlog_hashes *ret,
    struct err *e);

#endif

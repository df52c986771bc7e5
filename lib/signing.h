/* Checkpoints of a root: each an extension of the last signed one, over a root hash that comes from the log itself (DESIGN 6, TRUST). */
#ifndef ECL_SIGNING_H_
#define ECL_SIGNING_H_

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "checkpoint.h"
#include "layer.h"
#include "merkle.h"
#include "note.h"
#include "touched.h"

/* A checkpoint that was signed before: the log must still begin with what it says. */
struct signing_mark {
	uint64_t size;
	uint8_t root[SHA256_SIZE];
	bool ours; /* by this key: else it is but a claim */
	char where[BLOCK_NAME_SIZE + 64];
};

#define SIGNING_MARKS 2 /* ROOT/checkpoint, and that of the newest block that has one */

/* What whoever signs is asked for, and told. */
struct signing_options {
	const struct note_signer *signer; /* its name is the origin; NULL: nothing is to be signed */
	bool new_key;			  /* where another key has signed before, this one takes over */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* told now and then how many events were read, of those that must be; may be NULL */
	void *arg;
};

/* What the last block that this key signed says of elements and states; without one, what there is before event 0. */
struct signing_basis {
	uint64_t size, elements;
	uint8_t heads[SHA256_SIZE], state[SHA256_SIZE];
};

struct signing {
	struct layer *l;
	struct signing_options opt;
	struct signing_mark mark[SIGNING_MARKS]; /* by size */
	unsigned marks;
	bool begun;		   /* tree and head are set */
	uint64_t published;	   /* the size that ROOT/checkpoint has by this key; 0: none */
	struct merkle tree;	   /* of the log, as far as it was read */
	uint8_t head[SHA256_SIZE]; /* hash of the last event there */
	struct signing_basis basis;
	struct touched touched; /* by the events from basis.size on */
};

/**
 * signing_init(s, l, opt, e):
 * With blocks.lock held: read what was signed last.  An error is a replica, a key of another name than the log's origin, a checkpoint that
 * cannot be read or has a bad signature (EXIT_NO), or was signed by another key (unless opt->new_key).  To be released with signing_release(), also when it failed.  Return 0 or -1.
 */
int signing_init(struct signing *s, struct layer *l, const struct signing_options *opt, struct err *e);
void signing_release(struct signing *s);

/**
 * signing_read(s, log, size, e):
 * Read on in ${log} up to its first ${size} events, from its lines alone: their hashes, the chain, and the tree over them.  The first time
 * it begins at the last signed checkpoint, whose root proves what stands before; where there is none, or no signed block, or the index has lost
 * that place, with event 0.  Return 0, or -1: EXIT_NO where the log is not an extension of what was signed.  O(events since then).
 */
int signing_read(struct signing *s, struct log *log, uint64_t size, struct err *e);

/**
 * signing_header(s, ledger, h, e):
 * Whether a header of as many events as were read says what the lines of the log give: head and root, elements, heads and states.  What the
 * index of the block's ${ledger} has of them is checked against the last signed block and the lines since.  Its files and its vector are not
 * looked at.  Return 0, or -1 where it does not.  O(elements).
 */
int signing_header(struct signing *s, struct ledger *ledger, const struct block_header *h, struct err *e);

/** signing_checkpoint(s, out, e): append the signed checkpoint of what was read. */
int signing_checkpoint(const struct signing *s, struct buf *out, struct err *e);

/** signing_block(s, header, out, e): append the signed note of a block; ${header} without LF. */
int signing_block(const struct signing *s, struct span header, struct buf *out, struct err *e);

/** signing_publish(s, e): put the checkpoint of what was read, which must be durable, at ROOT/checkpoint, where that has not got it already.  Return 0 or -1. */
int signing_publish(struct signing *s, struct err *e);

#endif

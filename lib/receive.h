/* Receiving blocks: a btrfs stream, which is untrusted, becomes a block of a replica once all of it was verified. */
#ifndef ECL_RECEIVE_H_
#define ECL_RECEIVE_H_

#include <stdbool.h>
#include <stdint.h>

#include "block.h"
#include "layer.h"
#include "note.h"

#define RECEIVE_STAGING ".receive" /* under ROOT: where a stream is unpacked; only its owner gets in */

struct receive_options {
	int wait_ms;
	const struct note_key *key; /* the header of the block is to be signed by one of these */
	size_t keys;		    /* 0: whoever made it */
	const struct note_key *witness; /* ROOT/checkpoint, where witnesses' cosignatures came to it, is to be cosigned by ${quorum} of these, and of the beginning of the block's log */
	size_t witnesses, quorum;
	void (*step)(void *arg, uint64_t bytes); /* told now and then how many bytes came; NULL: nobody asks */
	void (*verify)(void *arg, uint64_t bytes, uint64_t total); /* and how many of the log are verified */
	void (*left_out)(void *arg, uint64_t n, const struct buf *names, const char *path); /* and of ${n} extended attributes and the like that no header commits to, which did not come: strings of what they are, the first file; or NULL */
	void *arg;
};

enum receive_outcome {
	RECEIVE_NEWEST, /* it is the newest block, and live is what it is */
	RECEIVE_OLDER,	/* it is older than others here: live stayed as it was */
	RECEIVE_KNOWN	/* it was here already */
};

/**
 * receive_block(l, in_fd, opt, ret_outcome, ret_header, out, e):
 * Read the stream of one block from ${in_fd} to its end and make the block one of the replica ${l}, which was opened with LAYER_WRITE |
 * LAYER_REPLICA and is not locked.  What the stream sets that no header commits to is left out (receive_filter.h).  It is unpacked in a directory that only its owner can enter, set read-only, and verified as a whole, as
 * verify_root() does it: log, elements, states, files, and by whom the header is signed.  Its log must be that of the replica, as far as both go.  Then live becomes
 * what the block is, with the longer of the two logs, ROOT/checkpoint the newer one, and the block stands under its name.
 * The header line (with LF) is appended to ${out}, where ${ret_header}'s spans point.
 * Return 0, or -1 with nothing left behind (EXIT_NO: the block is not what it claims, nobody of ${opt} signed it, or it is of another history).
 * While it runs, SIGINT, SIGTERM and SIGHUP first remove what it has made; what a killed run leaves the next one removes.  O(size of the block).
 */
int receive_block(struct layer *l, int in_fd, const struct receive_options *opt, enum receive_outcome *ret_outcome,
    struct block_header *ret_header, struct buf *out, struct err *e);

/** receive_sweep(l, e): with blocks.lock held: remove what a receive that died left behind.  Return 0 or -1. */
int receive_sweep(struct layer *l, struct err *e);

#endif

/* Sending blocks: btrfs send streams of read-only snapshots, and what they are the difference to. */
#ifndef ECL_SEND_H_
#define ECL_SEND_H_

#include <stdint.h>

#include "blocks.h"
#include "err.h"

/* Who wants to know how far it is: called now and then with the number of bytes sent.  All zeros: nobody. */
struct send_watch {
	void (*step)(void *arg, uint64_t bytes);
	void *arg;
};

/**
 * send_block(snap_fd, name, parent, out_fd, watch, e):
 * Write the btrfs send stream of the block ${name} under ${snap_fd} to ${out_fd}, as the difference to the block ${parent}, or whole where that
 * is NULL.  Takes CAP_SYS_ADMIN.  Both are kept from being pruned meanwhile, by a shared flock on their `.ecl/block`.  A reader that goes away is SIGPIPE, or
 * an error where that is ignored.  Return 0 or -1 (EXIT_RETRY: one of them is being pruned).
 */
int send_block(int snap_fd, const char *name, const char *parent, int out_fd, struct send_watch watch, struct err *e);

/* The blocks that the other side says it has: names, or hashes in hex, each with its NUL.  All zeros: none. */
struct send_have {
	struct buf text;
};

/**
 * send_have_read(fd, name, ret, e):
 * Read the other side's list up to its end: lines as `ecl-snap --list` and `ecl-query --blocks` print them (those whose ${present} is false are passed over),
 * or names of blocks, as ls does.  ${name} is what messages call it.  Released with send_have_release(), also after -1.  Return 0, or
 * -1 with an error that names the line.
 */
int send_have_read(int fd, const char *name, struct send_have *ret, struct err *e);
void send_have_release(struct send_have *h);

/** send_parent(b, block, have): the newest block below ${block} that is present and good, and that the other side has, too (NULL: it has all); NULL: none is.  O(blocks here x blocks there). */
const struct block *send_parent(const struct blocks *b, const struct block *block, const struct send_have *have);

#endif

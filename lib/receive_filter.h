/* A btrfs send stream on its way: what it sets that no header of a block commits to is left out. */
#ifndef ECL_RECEIVE_FILTER_H_
#define ECL_RECEIVE_FILTER_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/*
 * A stream is "btrfs-stream" NUL, the version (u32, all numbers are little-endian), then commands: length of the payload (u32), number (u16), CRC-32C (u32), payload.  The last
 * command is END; behind it another stream may follow.  The payload is attributes: number (u16), length (u16), value; from version 2 on, that of DATA has no length
 * and ends with the payload.  Each command stands for itself, so one that is left out leaves a stream that is right.
 *
 * Left out are, by what is set:
 *   extended attributes but those that headers commit to (xattrs_counts()) and `btrfs.*', which says how a file is stored: security.selinux, ima and others are of the
 *   sender's policy, trusted.overlay.* would redirect what a mount shows.  They are not removed either, as they never came.
 *   inode flags (immutable, append only...) and fs-verity, by which nobody could change or delete the file any more.
 */
struct receive_filter {
	uint32_t version;
	uint64_t at;	   /* bytes seen */
	uint64_t left;	   /* of the payload that passes */
	bool inside;	   /* behind the head of a stream */
	bool held;	   /* what is collected is a whole command, which may be left out */
	struct buf part;   /* the head of a stream or a command, or a command that is held, as far as it came */
	size_t want;	   /* so many bytes it will have */
	uint64_t left_out; /* commands */
	struct buf names;  /* of what they would have set, once each: strings, one behind the other */
	struct buf where;  /* the path of the first of them */
};

void receive_filter_init(struct receive_filter *f);
void receive_filter_release(struct receive_filter *f);

/** receive_filter_feed(f, p, len, out, e): take the next bytes of the stream; append to ${out} those that pass.  Return 0, or -1 (EXIT_NO: this is no stream). */
int receive_filter_feed(struct receive_filter *f, const char *p, size_t len, struct buf *out, struct err *e);

#endif

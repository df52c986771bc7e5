/* Proofs as text: C2SP tlog-proof, what ecl adds to it, and the request of C2SP tlog-witness. */
#ifndef ECL_TLOG_PROOF_H_
#define ECL_TLOG_PROOF_H_

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "merkle_proof.h"
#include "sha256.h"

/*
 * TLOG_EVENT, a C2SP tlog-proof: event <seq> is in the log of the checkpoint.
 *   c2sp.org/tlog-proof@v1
 *   extra <base64 of the event's line without its LF>	(may be missing)
 *   index <seq>
 *   hashes in base64, a line each, the leaf's sibling first
 *   an empty line
 *   the checkpoint: a signed note, or its text alone
 *
 * TLOG_LATEST: event <seq> is the last of its element, as of a block.  An element with its last event is leaf <i> of the tree whose root the
 * block's header has as `heads' (DESIGN 6); the event is leaf <seq> of that with the header's `root'.
 *   ecl/tlog-latest@v1
 *   head <i>
 *   hashes of the path of leaf <i> to `heads'
 *   an empty line
 *   extra, index and hashes as above, to `root'
 *   an empty line
 *   the block's note (checkpoint.h): signed, or its text alone
 *
 * TLOG_CONSISTENCY, the body of add-checkpoint of C2SP tlog-witness: the first <size> events of the checkpoint's log are those that another one had.
 *   old <size>
 *   hashes
 *   an empty line
 *   the checkpoint
 *
 * Numbers are decimal without leading zeros, base64 is with padding, lines end in LF.
 */
enum tlog_kind { TLOG_EVENT, TLOG_LATEST, TLOG_CONSISTENCY };

#define TLOG_PROOF_MAX (4u << 20) /* bytes of a proof that are read */

struct tlog_hashes {
	uint8_t hash[(MERKLE_PROOF_MAX + 1) * SHA256_SIZE];
	size_t len; /* bytes */
};

struct tlog_proof {
	enum tlog_kind kind;
	uint64_t head;		   /* LATEST */
	struct tlog_hashes heads;  /* LATEST: the path of ${head} */
	struct span extra;	   /* EVENT, LATEST: base64; p NULL: missing */
	uint64_t index;		   /* EVENT, LATEST: seq; CONSISTENCY: the old size */
	struct tlog_hashes hashes;
	struct span note;	   /* all that stands behind */
	size_t note_line;	   /* number of its first line, for messages */
};

/** tlog_proof_parse(bytes, ret, e): strictly, but for the note, which is not looked at; spans point into ${bytes}.  Return 0, or -1 with an error that names the line.  O(len). */
int tlog_proof_parse(struct span bytes, struct tlog_proof *ret, struct err *e);

/** tlog_proof_extra(p, out, e): append what the extra line stands for.  Return 1, 0 where there is none, or -1. */
int tlog_proof_extra(const struct tlog_proof *p, struct buf *out, struct err *e);

/** tlog_proof_format(p, record, out): append the text; ${record} (p NULL: none) in place of p->extra, which is not looked at. */
void tlog_proof_format(const struct tlog_proof *p, struct span record, struct buf *out);

#endif

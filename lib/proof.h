/* A proof, checked with nothing else at hand: what it says of an event, an element or a log, and who signed that. */
#ifndef ECL_PROOF_H_
#define ECL_PROOF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block.h"
#include "buf.h"
#include "err.h"
#include "event.h"
#include "note.h"
#include "sha256.h"
#include "tlog_proof.h"

/* Whose word is taken. */
struct proof_trust {
	const struct note_key *key; /* the note is to be signed by one of these, whose name is the origin */
	size_t keys;
	const struct note_key *witness; /* and a checkpoint is to be cosigned by ${quorum} of these, all different */
	size_t witnesses, quorum;
	bool unsigned_ok; /* nobody's: signatures are not looked at, and ${keys} is 0 */
};

/* What is proven. */
struct proof {
	enum tlog_kind kind;
	struct span origin; /* of the log, as the proof has it */
	uint64_t size;	    /* of the log at that time, in events */
	uint8_t root[SHA256_SIZE];
	const struct note_key *signer; /* NULL: nobody, or nobody was asked for */
	size_t witnesses;	       /* that cosigned */
	struct span line;   /* of the event (EVENT, LATEST) */
	struct event event;
	struct block_header block; /* LATEST: as of that block */
	uint64_t old;	    /* CONSISTENCY: size of the older checkpoint */
	struct buf text;    /* what ${line} may point to */
};

/**
 * proof_check(bytes, record, known, trust, ret, e):
 * Check the proof in ${bytes} (tlog_proof.h): the paths to the roots, and the signatures of the note.  ${record} is the event's line, with or
 * without LF, in place of the one that the proof may hold (p NULL: that one).  ${known} (p NULL: none) is a checkpoint that was kept, a note that is trusted as
 * the proof is, or its bare text, which is believed: of a proof of consistency it is the older one (which only size 0 does without), of the others
 * it has the size and root that the proof is of.  Spans of ${ret} point into
 * ${bytes} and ${record}, which must outlive it; to be released with proof_release().  Return 0, or -1: EXIT_NO where something is proven
 * wrong or not signed as demanded, EXIT_ERROR where it cannot be read.  O(len).
 */
int proof_check(struct span bytes, struct span record, struct span known, const struct proof_trust *trust, struct proof *ret,
    struct err *e);
void proof_release(struct proof *p);

#define PROOF_HEAD_MAX (ELEMENT_MAX + 9)

/** proof_head(name, seq, out): the leaf hash of an element with its last event, as the tree of heads has it (DESIGN 6). */
void proof_head(struct span name, uint64_t seq, uint8_t out[SHA256_SIZE]);

#endif

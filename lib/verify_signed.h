/* What notes say of a log, against the log: checkpoints and blocks' headers, and who signed them; not for others than the verifier. */
#ifndef ECL_VERIFY_SIGNED_H_
#define ECL_VERIFY_SIGNED_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "event.h"
#include "sha256.h"
#include "verify.h"

struct verify;
struct verify_pass;
struct verify_place;

enum verify_claimant { CLAIM_GIVEN, CLAIM_ROOT, CLAIM_BLOCK, CLAIM_INDEX };
enum verify_claim_state {
	CLAIM_OPEN,    /* not compared: the log is not known up to there, or its tree is not kept */
	CLAIM_FITS,
	CLAIM_DIFFERS,
	CLAIM_FOREIGN, /* it is of another origin */
	CLAIM_LONGER   /* than the log */
};

/* Somebody says that the first ${size} events have this root. */
struct verify_claim {
	enum verify_claimant from;
	const char *name; /* of the file, or of the block; not owned */
	char *origin;	  /* owned; NULL: it has none of its own */
	uint64_t size;
	uint8_t root[SHA256_SIZE];
	const struct note_key *signer; /* the demanded key that signed it; NULL: none has */
	size_t cosigned;	       /* by so many of the witnesses */
	bool header_signed;	       /* of CLAIM_BLOCK: by that key, the block's header, too */
	enum verify_claim_state state;
};

struct verify_trust {
	struct verify_claim *claim;
	size_t n, cap;
	const char *path;   /* of ROOT/checkpoint, below the root; of a bare block, that is but looked at quickly, its own */
	bool has_note;	    /* there is one */
	struct buf note;    /* its bytes, as they were before anything else was looked at */
	bool rejected;	    /* it was told what is wrong with it */
	bool header_signed; /* by a demanded key, of some block */
	char *origin;	    /* of the log; NULL: not known */
	const char *newest; /* the block with the newest checkpoint, and that one's size */
	uint64_t newest_size;
	bool has_index;		/* it was looked at, and is whole */
	uint64_t indexed;	/* events that it has */
	struct buf index_fault; /* what is wrong with it; empty: nothing */
};

/** verify_trust_header(t, block): whether the header of ${block}, whose notes were looked at, is signed by a demanded key. */
bool verify_trust_header(const struct verify_trust *t, const char *block);

/** verify_trust_begin(v, e): read ROOT/checkpoint.  Comes before the log is listed, which then has all that the checkpoint covers.  Return 0 or -1. */
int verify_trust_begin(struct verify *v, struct err *e);

/** verify_trust_claims(v, e): take apart ROOT/checkpoint and what was given, and check their signatures: claims to be compared.  Return 0, or -1 where that could not be done. */
int verify_trust_claims(struct verify *v, struct err *e);

/** verify_trust_add(v, from, name): one more claim, zeros but for these.  Return NULL where memory ran out. */
struct verify_claim *verify_trust_add(struct verify *v, enum verify_claimant from, const char *name);

/**
 * verify_trust_keys(v, n, origin, place, what, ret_signer, e):
 * Who of those that were demanded signed ${n}, a note of ${origin}.  Return 1 where the note may be believed: signed by ${*ret_signer}, or no
 * key was demanded (then that is NULL); 0 where it may not, which was told, of ${what} at ${place}; or -1.
 */
int verify_trust_keys(struct verify *v, const struct note *n, struct span origin, const struct verify_place *place, const char *what,
    const struct note_key **ret_signer, struct err *e);

/** verify_trust_origin(t, ev): the log's first event: take the origin from it, if it is a genesis.  Return 0, or -1 where memory ran out. */
int verify_trust_origin(struct verify_trust *t, const struct event *ev);

/** verify_trust_log_origin(v): the same, of the log as it was listed. */
int verify_trust_log_origin(struct verify *v);

/** verify_trust_compare(p, c): claim ${c} with the log, where ${p} has come to its size. */
void verify_trust_compare(const struct verify_pass *p, struct verify_claim *c);

/**
 * verify_trust_block(v, p, b, e):
 * The notes of block ${b}, whose header is right: what they say, and who signed them; where somebody has, that is a claim, compared with the log of ${p} (NULL: not).
 * Return 1 where a demanded key has signed the header itself (a checkpoint is of the log only), 0, or -1.
 */
int verify_trust_block(struct verify *v, const struct verify_pass *p, const struct block *b, struct err *e);

/** verify_trust_finish(p): at the end of the log: tell which claims it does not fit, and how much of it is signed. */
void verify_trust_finish(struct verify_pass *p);

void verify_trust_release(struct verify_trust *t);

/* ---- the index (verify_index.c) ---- */

/** verify_index(v, e): look at the index of the live log: what is wrong with it, how far it goes, and its root as a claim.  Return 0 or -1. */
int verify_index(struct verify *v, struct err *e);

/** verify_index_finish(p): tell of it.  Where the log itself is damaged, an index that does not fit it says nothing of the index. */
void verify_index_finish(struct verify_pass *p);

#endif

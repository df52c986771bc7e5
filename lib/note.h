/* Signed notes (C2SP signed-note v1.0.0, tlog-cosignature v1): a text with signatures under it, and the keys that check them. */
#ifndef ECL_NOTE_H_
#define ECL_NOTE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ed25519.h"
#include "err.h"

#define NOTE_ED25519 0x01	/* over the text */
#define NOTE_COSIGNATURE 0x04	/* over the text, which is a checkpoint, and a time */
#define NOTE_SIGNATURES_MAX 100
#define NOTE_MAX (1u << 20)	/* bytes of a note that are read */
#define NOTE_VKEY_MAX 1024	/* bytes of a verifier key */

/** note_name_ok(name): whether a key may have that name: UTF-8, not empty, no Unicode space, no control character, no `+`. */
bool note_name_ok(struct span name);

/* A verifier key, as its vkey says.  All zeros is a valid one to release. */
struct note_key {
	char *name; /* owned */
	uint32_t id; /* the first 4 bytes of SHA-256(name LF type public), big-endian */
	uint8_t type;
	uint8_t public[ED25519_PUBLIC];
};

/** note_key_parse(vkey, ret, e): `name+hex8+base64`, strictly (no LF behind it).  The caller releases ${ret}.  Return 0, or -1 with ${ret} untouched. */
int note_key_parse(struct span vkey, struct note_key *ret, struct err *e);

/** note_key_format(k, out): append its vkey, without LF. */
void note_key_format(const struct note_key *k, struct buf *out);
void note_key_release(struct note_key *k);

/* A private key with its name. */
struct note_signer;

/**
 * note_signer_new(seed, name, type, ret, e):
 * The signer of that private key (the 32 bytes of RFC 8032), of type NOTE_ED25519 or NOTE_COSIGNATURE.  Loads libcrypto (ed25519.h).  The
 * caller wipes ${seed} and frees ${ret}.  Key files: key_file.h.  Return 0 or -1.
 */
int note_signer_new(const uint8_t seed[ED25519_SEED], struct span name, uint8_t type, struct note_signer **ret, struct err *e);
const struct note_key *note_signer_key(const struct note_signer *s);

/** note_signer_free(s): wipes the private key, too. */
void note_signer_free(struct note_signer *s);

/**
 * note_sign(text, s, time_s, out, e):
 * Append to ${out} the signature line of ${s}, with its LF, over ${text}, which ends with LF; ${time_s} (seconds since 1970) goes into a
 * cosignature only.  A whole note is the text, LF, and such lines.  Return 0, or -1 where the text can be no note's.
 */
int note_sign(struct span text, const struct note_signer *s, uint64_t time_s, struct buf *out, struct err *e);

/** note_write(text, s, out, e): append the whole note of one signature.  Return 0 or -1. */
int note_write(struct span text, const struct note_signer *s, struct buf *out, struct err *e);

/* A note taken apart: views of the bytes that it was parsed of. */
struct note {
	struct span text;	/* with its final LF */
	struct span signatures; /* the lines, each with its LF */
	size_t n;		/* of them, 1 to NOTE_SIGNATURES_MAX */
};

/** note_parse(bytes, ret, e): the syntax only, strictly.  Return 0, or -1 with an error that names the line.  O(len). */
int note_parse(struct span bytes, struct note *ret, struct err *e);

/**
 * note_signer_next(n, at, out):
 * Replace ${out} by `name+id` of the next signature line of ${n}: who has signed, by what that says.  ${*at} is 0 at first.  Return false where
 * there is no other.
 */
bool note_signer_next(const struct note *n, size_t *at, struct buf *out);

/**
 * note_verify(n, keys, nkeys, good, e):
 * ${good}[i], of ${nkeys}, says whether key i has signed; lines of unknown name or ID are passed over.  Return the number of keys that
 * have; 0 means that nobody vouches for the note; -1 where a line of a known key is bad (${e}->exit is EXIT_NO: the note is to be
 * rejected, whatever else has signed) or nothing could be checked (EXIT_ERROR: no libcrypto, no memory).
 */
int note_verify(const struct note *n, const struct note_key *keys, size_t nkeys, bool *good, struct err *e);

#endif

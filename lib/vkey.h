/* Verifier keys on a command line: options that may be given any number of times. */
#ifndef ECL_VKEY_H_
#define ECL_VKEY_H_

#include "cli.h"
#include "note.h"

/**
 * vkey_option(cli, option, type, keys, n):
 * Add the key in cli->value, the argument of ${option}, which is to be of ${type} (NOTE_ED25519, NOTE_COSIGNATURE), to the ${n} in ${keys}; the same once
 * more is not one more.  Return 0, or the exit code where that was said to be wrong.  To be released with vkey_release().
 */
int vkey_option(const struct cli *cli, const char *option, uint8_t type, struct note_key **keys, size_t *n);

/** vkey_quorum(cli, ret): take the argument of --quorum.  Return 0, or the exit code where that was said to be wrong. */
int vkey_quorum(const struct cli *cli, size_t *ret);

/**
 * vkey_check_witnesses(cli, key, keys, witness, witnesses, quorum):
 * Two witnesses with one key are one witness, and who signs is none: say so.  ${*quorum} of 0 becomes all of them; more than there are is an error.  Return 0, or the exit
 * code where that was said.
 */
int vkey_check_witnesses(const struct cli *cli, const struct note_key *key, size_t keys, const struct note_key *witness, size_t witnesses, size_t *quorum);

void vkey_release(struct note_key *keys, size_t n);

#endif

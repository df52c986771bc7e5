/* Private key files: PEM Ed25519, as `openssl genpkey -algorithm ed25519` writes them (RFC 8410, RFC 7468). */
#ifndef ECL_KEY_FILE_H_
#define ECL_KEY_FILE_H_

#include <stdbool.h>

#include "err.h"
#include "note.h"

/**
 * key_file_signer(path, name, type, ret, ret_open, e):
 * Read the private key in ${path}, which may be a pipe, as the signer ${name} of note.h.  ${*ret_open} says whether others than its
 * owner may read it: the caller warns.  The private key is wiped from all buffers.  Return 0, or -1 with an error that says what the
 * file holds instead, and how a key is made.  `-` is the standard input.
 */
int key_file_signer(const char *path, struct span name, uint8_t type, struct note_signer **ret, bool *ret_open, struct err *e);

#endif

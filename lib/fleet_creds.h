/* Credentials files of NATS, as nsc writes them: a user's JWT and the seed of its key. */
#ifndef ECL_FLEET_CREDS_H_
#define ECL_FLEET_CREDS_H_

#include <stdint.h>

#include "err.h"

struct fleet_creds {
	int64_t from, until; /* seconds since 1970: the JWT is good from the one and up to the other; 0: no such limit */
};

/**
 * fleet_creds_read(path, ret, e):
 * Look whether ${path} is a regular file with a user's JWT and the seed of the key that it is for: the client library, which reads it anew at each
 * connection, hardly says what is wrong with one.  Who issued it, and whether a server takes it, is not looked at.  The seed is wiped from all buffers.
 * Return 0, or -1 with an error that names the file and what is wrong.
 */
int fleet_creds_read(const char *path, struct fleet_creds *ret, struct err *e);

#endif

/* Secrets in states and meta: members whose path matches become keyed hashes, so that a change shows and the secret does not. */
#ifndef ECL_REDACT_H_
#define ECL_REDACT_H_

#include <stdbool.h>

#include "err.h"
#include "hmac.h"
#include "input.h"

/*
 * What takes the place of a value: "redacted:" and the first 32 hex digits of HMAC-SHA-256 over
 *
 *	element 0x00 path 0x00 value
 *
 * with the value in its canonical form.  The path of a member is the names that lead to it, with dots: `state.db.password',
 * `meta.token'; of an item of an array its number from 0: `state.users.2.password'.  A glob (fnmatch(3), no flags: an asterisk matches
 * dots, too) is compared with the whole path and with each end of it, so that `password' means such a member wherever it is.
 * An object or array whose own path matches is replaced as a whole, and so is whatever has a path of more than 4,096 bytes, which is not compared, or comes in its
 * event behind 512 MiB of paths that were.  What is a replacement already stays as it is.
 */
#define REDACT_KEY_MIN 16 /* bytes */
#define REDACT_KEY_MAX 4096

struct redact {
	struct hmac hmac;
	struct buf globs; /* strings, one behind the other */
};

/**
 * redact_key(r, path, root, e):
 * Take the bytes of the file ${path} as the key: at least REDACT_KEY_MIN of them; where it is a regular file, none but its owner may read
 * or write it, and it is not below ${root}, whose blocks would keep it for good (NULL: there is none).  It may be a pipe.  Return 0 or -1.
 */
int redact_key(struct redact *r, const char *path, const char *root, struct err *e);

/** redact_glob(r, glob): one more pattern.  Return 0, or -1 when memory ran out. */
int redact_glob(struct redact *r, const char *glob);

/** redact_room(len): bytes of scratch that redact_input() needs at most for what was a line of ${len}. */
static inline size_t
redact_room(size_t len)
{
	/* At worst every other byte is a number that is replaced. */
	return (22 * len + 128);
}

/**
 * redact_input(r, in, scratch):
 * Replace what matches in the state and meta of an event: ${in} then has canonical values in ${scratch}, which is not reallocated where it
 * has redact_room() beyond its length.  A state of null stays: it is no value.  Return 0, or -1 when memory ran out: ${in} is then not to
 * be used.  O(bytes + members * depth * globs).
 */
int redact_input(const struct redact *r, struct input *in, struct buf *scratch);

/** redact_release(r): wipe the key, free the rest. */
void redact_release(struct redact *r);

#endif

/* What a ledger is called on the engine: its subject, its stream (FLEET). */
#ifndef ECL_FLEET_NAME_H_
#define ECL_FLEET_NAME_H_

#include <stddef.h>

#include "buf.h"
#include "err.h"

/*
 * Subject: PREFIX.SHARD.HOST.LEDGER.
 *   PREFIX  1 to 32 of `a-z0-9-', `ecl' where nobody says otherwise
 *   SHARD   two digits, 00 to 63: the first byte of SHA-256 of the ledger's id, modulo 64.  It never changes, whatever the number of streams
 *   HOST    the host's name; `.', which parts the tokens of a subject, is `_', and `_' is `~', which no host's name has
 *   LEDGER  the ledger's id: a UUID in lower case
 * Stream k of N (a power of two up to 64) is PREFIX in upper case, `_' and two digits; it takes the shards s with s mod N == k.
 */
#define FLEET_SHARDS 64u
#define FLEET_PREFIX_MAX 32u
#define FLEET_HOST_MAX 255u
#define FLEET_ID_SIZE 37u /* with its NUL */
#define FLEET_SUBJECT_SIZE (FLEET_PREFIX_MAX + 1 + 2 + 1 + FLEET_HOST_MAX + 1 + FLEET_ID_SIZE)
#define FLEET_STREAM_SIZE (FLEET_PREFIX_MAX + 4)

struct fleet_name {
	unsigned shard;
	char host[FLEET_HOST_MAX + 1]; /* as the host calls itself */
	char id[FLEET_ID_SIZE];
};

/** fleet_prefix_ok(prefix): whether it may stand in a subject. */
bool fleet_prefix_ok(const char *prefix);

/** fleet_shard(id): the shard of a ledger with this valid id. */
unsigned fleet_shard(const char *id);

/** fleet_token(host, out, e): the token of ${host}, at least FLEET_HOST_MAX + 1 bytes.  Return 0, or -1 where that is no host's name. */
int fleet_token(const char *host, char *out, struct err *e);

/** fleet_subject(prefix, token, id, out): the subject in ${out}, of FLEET_SUBJECT_SIZE bytes; all three are valid. */
void fleet_subject(const char *prefix, const char *token, const char *id, char *out);

/** fleet_stream(prefix, k, out): the name of stream ${k} in ${out}, of FLEET_STREAM_SIZE bytes. */
void fleet_stream(const char *prefix, unsigned k, char *out);

/** fleet_subject_parse(prefix, subject, ret): what a subject says.  Return NULL, or why it is no ledger's. */
const char *fleet_subject_parse(const char *prefix, const char *subject, struct fleet_name *ret);

/** fleet_genesis_id(line, ret, e): the ledger's id from its event 0 (a line without LF).  Return 0 or -1. */
int fleet_genesis_id(struct span line, char ret[FLEET_ID_SIZE], struct err *e);

#endif

/* HMAC-SHA-256 (RFC 2104): a hash that only who has the key can compute. */
#ifndef ECL_HMAC_H_
#define ECL_HMAC_H_

#include "sha256.h"

/* A key, as the two hashes that begin with it.  As secret as the key: hmac_wipe() it. */
struct hmac {
	struct sha256 inner, outer;
};

/** hmac_key(h, key, len): of a key of any length; the caller keeps ${key}.  O(len). */
void hmac_key(struct hmac *h, const void *key, size_t len);

/** hmac_begin(h, c), hmac_end(h, c, out): the code of what sha256_update(c) is given in between. */
void hmac_begin(const struct hmac *h, struct sha256 *c);
void hmac_end(const struct hmac *h, struct sha256 *c, uint8_t out[SHA256_SIZE]);

/** hmac_wipe(h): nothing of the key is left in memory. */
void hmac_wipe(struct hmac *h);

#endif

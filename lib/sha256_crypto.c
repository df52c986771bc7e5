/*
 * SHA-256 by libcrypto, for processors without SHA-NI: it has assembly for many.
 *
 * SHA256_Update() is deprecated in favour of EVP, which cannot begin in the middle of a message, and exported still;
 * over whole blocks it is SHA256_Transform() without a call for each.
 */
#include "config.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <dlfcn.h>
#include <openssl/sha.h>

#include "crypto.h"
#include "sha256_impl.h"

#include "banned.h"

typedef int update_fn(SHA256_CTX *c, const void *p, size_t len);

/* Found once; whoever races here stores the same pointer. */
static update_fn *update;

bool
sha256_load_crypto(void)
{
	update_fn *found = NULL;
	void *lib;

	if (__atomic_load_n(&update, __ATOMIC_ACQUIRE) != NULL)
		return (true);
	if ((lib = crypto_library()) == NULL)
		return (false);
	*(void **)(void *)&found = dlsym(lib, "SHA256_Update");
	if (found == NULL)
		return (false);
	__atomic_store_n(&update, found, __ATOMIC_RELEASE);
	return (true);
}

void
sha256_compress_crypto(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	SHA256_CTX c;

	/* Nothing is buffered: c.data stays unused. */
	memcpy(c.h, state, sizeof(c.h));
	c.Nl = c.Nh = 0;
	c.num = 0;
	c.md_len = SHA256_SIZE;
	__atomic_load_n(&update, __ATOMIC_RELAXED)(&c, p, blocks * SHA256_BLOCK);
	memcpy(state, c.h, sizeof(c.h));
}

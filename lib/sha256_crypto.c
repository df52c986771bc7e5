/*
 * SHA-256 by libcrypto, for processors without SHA-NI: it has assembly for many.  Loaded when asked for, as a program
 * of a millisecond has no use for a library that takes another one to start.
 *
 * SHA256_Update() is deprecated in favour of EVP, which cannot begin in the middle of a message, and exported still;
 * over whole blocks it is SHA256_Transform() without a call for each.
 */
#include "config.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "sha256_impl.h"

#include "banned.h"

typedef int init_fn(uint64_t flags, const OPENSSL_INIT_SETTINGS *settings);
typedef int update_fn(SHA256_CTX *c, const void *p, size_t len);

/* Found once; whoever races here stores the same pointer. */
static update_fn *update;

bool
sha256_load_crypto(void)
{
	static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1"};
	update_fn *found = NULL;
	init_fn *init = NULL;
	void *lib = NULL;
	size_t i;

	if (__atomic_load_n(&update, __ATOMIC_ACQUIRE) != NULL)
		return (true);
	for (i = 0; i < sizeof(names) / sizeof(names[0]) && lib == NULL; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return (false);
	/* POSIX has it that a function's address can be had of dlsym(), ISO C that it cannot be cast. */
	*(void **)(void *)&found = dlsym(lib, "SHA256_Update");
	*(void **)(void *)&init = dlsym(lib, "OPENSSL_init_crypto");
	if (found == NULL || init == NULL) {
		dlclose(lib);
		return (false);
	}
	/* It asks the processor what it can do: without this some versions take the slowest way. */
	init(OPENSSL_INIT_NO_ATEXIT, NULL);
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

/* libcrypto, loaded by who needs it when he does. */
#include "config.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stddef.h>

#include "crypto.h"
#include "crypto_memory.h"

#include "banned.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;

static void
load(void)
{
	static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1"};
	__typeof__(CRYPTO_set_mem_functions) *memory = NULL;
	__typeof__(OPENSSL_init_crypto) *init = NULL;
	void *lib = NULL;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]) && lib == NULL; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (lib == NULL)
		return;
	/* POSIX has it that a function's address can be had of dlsym(), ISO C that it cannot be cast. */
	*(void **)(void *)&memory = dlsym(lib, "CRYPTO_set_mem_functions");
	*(void **)(void *)&init = dlsym(lib, "OPENSSL_init_crypto");
	/* It says no where something was allocated already: where others load it, too, as tests do. */
	if (memory != NULL)
		(void)memory(crypto_malloc, crypto_realloc, crypto_free);
	/* It asks the processor what it can do: without this some versions take the slowest way. */
	if (init == NULL || init(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		dlclose(lib);
	else
		library = lib;
}

void *
crypto_library(void)
{
	return (pthread_once(&once, load) == 0 ? library : NULL);
}

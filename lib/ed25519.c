/* Ed25519 by libcrypto. */
#include "config.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "crypto.h"
#include "ed25519.h"

#include "banned.h"

#define FUNCTIONS(F) \
	F(ERR_clear_error) \
	F(ERR_peek_error) \
	F(EVP_DigestSign) \
	F(EVP_DigestSignInit) \
	F(EVP_DigestVerify) \
	F(EVP_DigestVerifyInit) \
	F(EVP_MD_CTX_free) \
	F(EVP_MD_CTX_new) \
	F(EVP_PKEY_free) \
	F(EVP_PKEY_get_raw_public_key) \
	F(EVP_PKEY_new_raw_private_key) \
	F(EVP_PKEY_new_raw_public_key)

#define MEMBER(name) __typeof__(name) *name;
#define FIND(name) *(void **)(void *)&found.name = dlsym(lib, #name);
#define MISSING(name) || found.name == NULL

struct functions {
	FUNCTIONS(MEMBER)
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct functions crypto;
static bool loaded;

static void
load(void)
{
	struct functions found = {NULL};
	void *lib;

	if ((lib = crypto_library()) == NULL)
		return;
	FUNCTIONS(FIND)
	if (false FUNCTIONS(MISSING))
		return;
	crypto = found;
	loaded = true;
}

static int
need_crypto(struct err *e)
{
	if (pthread_once(&once, load) != 0 || !loaded)
		return (err_set(e, "signatures need libcrypto 1.1.1 or later, which cannot be loaded"));
	return (0);
}

static int
failed(struct err *e, const char *what)
{
	crypto.ERR_clear_error();
	return (err_set(e, "libcrypto cannot %s", what));
}

int
ed25519_public(const uint8_t seed[ED25519_SEED], uint8_t out[ED25519_PUBLIC], struct err *e)
{
	size_t len = ED25519_PUBLIC;
	EVP_PKEY *key;
	int rc = 0;

	if (need_crypto(e) != 0)
		return (-1);
	key = crypto.EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED);
	if (key == NULL || crypto.EVP_PKEY_get_raw_public_key(key, out, &len) != 1 ||
	    len != ED25519_PUBLIC)
		rc = failed(e, "make a public key");
	crypto.EVP_PKEY_free(key);
	return (rc);
}

int
ed25519_sign(const uint8_t seed[ED25519_SEED], const void *p, size_t len,
    uint8_t out[ED25519_SIGNATURE], struct err *e)
{
	size_t n = ED25519_SIGNATURE;
	EVP_PKEY *key;
	EVP_MD_CTX *c;
	int rc = 0;

	if (need_crypto(e) != 0)
		return (-1);
	key = crypto.EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED);
	c = crypto.EVP_MD_CTX_new();
	if (key == NULL || c == NULL ||
	    crypto.EVP_DigestSignInit(c, NULL, NULL, NULL, key) != 1 ||
	    crypto.EVP_DigestSign(c, out, &n, p, len) != 1 || n != ED25519_SIGNATURE)
		rc = failed(e, "sign");
	crypto.EVP_MD_CTX_free(c);
	crypto.EVP_PKEY_free(key);
	return (rc);
}

int
ed25519_verify(const uint8_t public[ED25519_PUBLIC], const void *p, size_t len,
    const uint8_t signature[ED25519_SIGNATURE], bool *ret, struct err *e)
{
	EVP_PKEY *key;
	EVP_MD_CTX *c;
	int rc = 0;

	if (need_crypto(e) != 0)
		return (-1);
	crypto.ERR_clear_error();
	key = crypto.EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, ED25519_PUBLIC);
	c = crypto.EVP_MD_CTX_new();
	if (key == NULL || c == NULL || crypto.EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) != 1)
		rc = failed(e, "check a signature");
	else if (!(*ret = crypto.EVP_DigestVerify(c, signature, ED25519_SIGNATURE, p, len) == 1) &&
	    ERR_GET_REASON(crypto.ERR_peek_error()) == ERR_R_MALLOC_FAILURE)
		rc = failed(e, "check a signature");
	crypto.EVP_MD_CTX_free(c);
	crypto.EVP_PKEY_free(key);
	return (rc);
}

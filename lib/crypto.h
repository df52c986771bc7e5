/* libcrypto, loaded by who needs it when he does: a program of a millisecond has no use for a library that takes another one to start. */
#ifndef ECL_CRYPTO_H_
#define ECL_CRYPTO_H_

/** crypto_library(): the handle of libcrypto, made ready, for dlsym(); it stays loaded.  NULL where there is none.  Any thread may ask. */
void *crypto_library(void);

#endif

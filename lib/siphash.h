/* SipHash-1-3: a hash of names that nobody can aim at without the key. */
#ifndef ECL_SIPHASH_H_
#define ECL_SIPHASH_H_

#include <stdint.h>

#include "buf.h"

/** siphash(key, s): 64 bits, the same on every machine.  O(len). */
uint64_t siphash(const uint64_t key[2], struct span s);

#endif

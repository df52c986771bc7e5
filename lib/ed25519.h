/*
 * Ed25519 (RFC 8032, PureEdDSA) by libcrypto, which is loaded at the first call: a program that neither signs nor checks a signature
 * starts without it.
 */
#ifndef ECL_ED25519_H_
#define ECL_ED25519_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define ED25519_SEED 32	  /* the private key of RFC 8032 */
#define ED25519_PUBLIC 32
#define ED25519_SIGNATURE 64

/** ed25519_public(seed, out, e): the public key of a private one.  Return 0, or -1: no libcrypto, no memory. */
int ed25519_public(const uint8_t seed[ED25519_SEED], uint8_t out[ED25519_PUBLIC], struct err *e);

/** ed25519_sign(seed, p, len, out, e): sign ${len} bytes.  Deterministic.  Return 0 or -1. */
int ed25519_sign(const uint8_t seed[ED25519_SEED], const void *p, size_t len, uint8_t out[ED25519_SIGNATURE], struct err *e);

/** ed25519_verify(public, p, len, signature, ret, e): whether ${signature} is good goes to ${*ret}.  Return 0, or -1 where that could not be found out. */
int ed25519_verify(const uint8_t public[ED25519_PUBLIC], const void *p, size_t len, const uint8_t signature[ED25519_SIGNATURE], bool *ret, struct err *e);

#endif

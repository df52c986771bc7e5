/* What the halves of the JSON reader share; not for others but input.c. */
#ifndef ECL_JSON_INTERNAL_H_
#define ECL_JSON_INTERNAL_H_

#include <stddef.h>

#include "buf.h"
#include "json.h"

#define JSON_SHOWN_SIZE 64 /* 60 bytes, "..." and NUL */

/** json_utf8_char(p, left): the length of the UTF-8 character at ${p}, 0 where there is none. */
size_t json_utf8_char(const unsigned char *p, size_t left);

/**
 * json_unit(p, out, ret_len):
 * Decode the character or escape at ${p}, inside a valid string token, into ${out}.  Return its length
 * there; ${*ret_len} becomes its length in the token.
 */
size_t json_unit(const char *p, char out[4], size_t *ret_len);

/** json_name_cmp(a, b): order of the bytes that two valid string tokens stand for. */
int json_name_cmp(struct span a, struct span b);

/** json_shown(token, out): what a valid string token stands for, made fit for a message: no controls, cut at 60 bytes. */
const char *json_shown(struct span token, char out[JSON_SHOWN_SIZE]);

#endif

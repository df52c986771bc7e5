/* Base64 (RFC 4648 section 4), with padding, one text for one run of bytes. */
#ifndef ECL_BASE64_H_
#define ECL_BASE64_H_

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/** base64_size(p, len): how many bytes ${p} stands for, or SIZE_MAX where it is not canonical base64.  O(len). */
size_t base64_size(const char *p, size_t len);

/** base64_decode(p, len, out): decode what base64_size() found good into ${out}, which has room for it. */
void base64_decode(const char *p, size_t len, uint8_t *out);

/** base64_encode(out, bytes, len): append 4 * ceil(${len} / 3) characters. */
void base64_encode(struct buf *out, const uint8_t *bytes, size_t len);

#endif

/* CRC-32C (Castagnoli, RFC 3720 B.4): portable, or with SSE 4.2 where the processor has it. */
#ifndef ECL_CRC32C_H_
#define ECL_CRC32C_H_

#include <stddef.h>
#include <stdint.h>

/** crc32c(crc, p, len): the checksum of what ${crc} covered (0 at the start) and these bytes behind it.  O(len). */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

#endif

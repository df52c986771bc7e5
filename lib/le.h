/* Little-endian numbers in files, whatever the machine. */
#ifndef ECL_LE_H_
#define ECL_LE_H_

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
le16_get(const void *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return (le16toh(n));
}

static inline uint32_t
le32_get(const void *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return (le32toh(n));
}

static inline uint64_t
le64_get(const void *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return (le64toh(n));
}

static inline void
le16_put(void *p, uint16_t n)
{
	n = htole16(n);
	memcpy(p, &n, sizeof(n));
}

static inline void
le32_put(void *p, uint32_t n)
{
	n = htole32(n);
	memcpy(p, &n, sizeof(n));
}

static inline void
le64_put(void *p, uint64_t n)
{
	n = htole64(n);
	memcpy(p, &n, sizeof(n));
}

#endif

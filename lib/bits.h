/* A set of numbers: bit n % 8 of byte n / 8. */
#ifndef ECL_BITS_H_
#define ECL_BITS_H_

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool
bits_get(const uint8_t *bits, uint64_t n)
{
	return ((bits[n / 8] >> n % 8 & 1) != 0);
}

static inline void
bits_set(uint8_t *bits, uint64_t n)
{
	bits[n / 8] |= (uint8_t)(1u << n % 8);
}

/* bits_next(bits, from, to): the first number in the set from ${from} on; ${to} where none is below that. */
static inline uint64_t
bits_next(const uint8_t *bits, uint64_t from, uint64_t to)
{
	uint64_t word, n;

	for (; from < to && !bits_get(bits, from); from += n) {
		n = from % 8 == 0 && bits[from / 8] == 0 ? 8 : 1;
		if (from % 64 == 0 && from + 64 <= to) {
			memcpy(&word, bits + from / 8, sizeof(word));
			n = word == 0 ? 64 : n;
		}
	}
	return (from < to ? from : to);
}

/* bits_run(bits, from, to): the first number from ${from} on that is not in the set; ${to} where none is below that. */
static inline uint64_t
bits_run(const uint8_t *bits, uint64_t from, uint64_t to)
{
	while (from < to && bits_get(bits, from))
		from = from % 8 == 0 && bits[from / 8] == 0xff ? from + 8 : from + 1;
	return (from < to ? from : to);
}

/* bits_count(bits, from, to): how many are in the set, from ${from} to below ${to}. */
static inline uint64_t
bits_count(const uint8_t *bits, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (; from < to && from % 8 != 0; from++)
		n += bits_get(bits, from);
	for (; from + 8 <= to; from += 8)
		n += (uint64_t)__builtin_popcount(bits[from / 8]);
	for (; from < to; from++)
		n += bits_get(bits, from);
	return (n);
}

#endif

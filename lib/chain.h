/* The chain: lines get their prev and hash, many at a time (DESIGN 3). */
#ifndef ECL_CHAIN_H_
#define ECL_CHAIN_H_

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

#define CHAIN_MAX 64 /* lines at a time: enough to keep the lanes of sha256_compress_many() full */

/*
 * All but the last two or three 64-byte blocks of what a line's hash covers stand before its `prev`, and do not depend on the
 * line before: those of all lines are compressed side by side.  Then the chain goes through the lines, one after the other.
 */
struct chain {
	size_t n; /* lines that wait for their hashes */
	size_t at[CHAIN_MAX];	 /* where each begins */
	size_t front[CHAIN_MAX]; /* and its bytes up to the value of prev */
	uint8_t hash[CHAIN_MAX][SHA256_SIZE]; /* of the lines that were sealed last */
};

/** chain_add(c, at, front): a line that event_format_front() made.  There must be room: c->n < CHAIN_MAX. */
static inline void
chain_add(struct chain *c, size_t at, size_t front)
{
	c->at[c->n] = at;
	c->front[c->n++] = front;
}

/**
 * chain_seal(c, text, head):
 * Complete the lines in ${text}: the first follows ${head}, the hash of the event before, which becomes that of the last.  Their hashes
 * stand in c->hash afterwards, and c->n is 0.  Return how many they were.  O(bytes).
 */
size_t chain_seal(struct chain *c, char *text, uint8_t head[SHA256_SIZE]);

#endif

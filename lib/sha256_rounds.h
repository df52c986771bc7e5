/*
 * The rounds of SHA-256, written out so that no word moves from one variable to the next, for words of any type
 * that has the operators: a uint32_t, or a vector of them.  Takes a to h, w[16] and `const uint32_t *k' from where it stands.
 */
#ifndef ECL_SHA256_ROUNDS_H_
#define ECL_SHA256_ROUNDS_H_

#define SHA256_ROTR(x, n) ((x) >> (n) | (x) << (32 - (n)))

/* Message word i of the first sixteen, and the one 16 after it. */
#define SHA256_FIRST(i) w[i]
#define SHA256_NEXT(i)                                                                                          \
	(w[i] += (SHA256_ROTR(w[((i) + 1) & 15], 7) ^ SHA256_ROTR(w[((i) + 1) & 15], 18) ^ w[((i) + 1) & 15] >> 3) + \
		w[((i) + 9) & 15] +                                                                             \
		(SHA256_ROTR(w[((i) + 14) & 15], 17) ^ SHA256_ROTR(w[((i) + 14) & 15], 19) ^ w[((i) + 14) & 15] >> 10))

#define SHA256_ROUND(a, b, c, d, e, f, g, h, i, WORD)                                                           \
	do {                                                                                                    \
		h += (SHA256_ROTR(e, 6) ^ SHA256_ROTR(e, 11) ^ SHA256_ROTR(e, 25)) + (g ^ (e & (f ^ g))) + k[i] + WORD(i); \
		d += h;                                                                                         \
		h += (SHA256_ROTR(a, 2) ^ SHA256_ROTR(a, 13) ^ SHA256_ROTR(a, 22)) + ((a & b) | (c & (a | b))); \
	} while (0)

#define SHA256_EIGHT(i, WORD)                                                                                   \
	do {                                                                                                    \
		SHA256_ROUND(a, b, c, d, e, f, g, h, (i), WORD);                                                \
		SHA256_ROUND(h, a, b, c, d, e, f, g, (i) + 1, WORD);                                            \
		SHA256_ROUND(g, h, a, b, c, d, e, f, (i) + 2, WORD);                                            \
		SHA256_ROUND(f, g, h, a, b, c, d, e, (i) + 3, WORD);                                            \
		SHA256_ROUND(e, f, g, h, a, b, c, d, (i) + 4, WORD);                                            \
		SHA256_ROUND(d, e, f, g, h, a, b, c, (i) + 5, WORD);                                            \
		SHA256_ROUND(c, d, e, f, g, h, a, b, (i) + 6, WORD);                                            \
		SHA256_ROUND(b, c, d, e, f, g, h, a, (i) + 7, WORD);                                            \
	} while (0)

/* All 64, from the sixteen words of a block in w. */
#define SHA256_ROUNDS()                                                                                         \
	do {                                                                                                    \
		k = sha256_k;                                                                                   \
		SHA256_EIGHT(0, SHA256_FIRST);                                                                  \
		SHA256_EIGHT(8, SHA256_FIRST);                                                                  \
		for (k += 16; k < sha256_k + 64; k += 16) {                                                     \
			SHA256_EIGHT(0, SHA256_NEXT);                                                           \
			SHA256_EIGHT(8, SHA256_NEXT);                                                           \
		}                                                                                               \
	} while (0)

#endif

/* Text, or canonical JSON, as words: part of a model's version, for other words are other vectors. */
#ifndef ECL_WORDS_H_
#define ECL_WORDS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define WORDS_MAX 60 /* bytes of a word that count */

/*
 * A walk over the words of a text.  A word is a run of ASCII letters, digits and bytes above 0x7f (so that any
 * script is letters, and a text that is not UTF-8 is still read): `interface:eth0' and `/etc/passwd' are two each.
 */
struct words {
	const char *end;  /* of the text */
	const char *block, *next; /* what is looked at, and what comes behind it */
	const char *bytes; /* those of the block, with as many behind them as are copied together */
	uint64_t left;	   /* bits: the bytes of words there which are still to be given */
	uint64_t special;  /* those that are no letters of ASCII */
	bool json;	   /* an escape (RFC 8259, section 7) parts words and is none */
	uint8_t escaped;   /* bytes behind the block that belong to an escape */
	char word[WORDS_MAX +
	    4]; /* the word: ASCII in lower case, cut at WORDS_MAX bytes, stemmed; no NUL behind it */
	size_t len;
	struct span at; /* where it stands in the text, whole and as written */
	char room[96];	/* for a block near the end of the text */
};

/** words_begin(w, text, json): the walk begins at the start of ${text}, which must stay as long as it lasts. */
void words_begin(struct words *w, struct span text, bool json);

/**
 * words_next(w):
 * The next word in ${w}->word, len and at.  Return false at the end.  Reads no byte outside the text and allocates
 * nothing; O(bytes).  A word of ASCII letters alone is stemmed: plural, -ing, -ed and a final -e go, which is what the
 * words of a model went through as well.
 */
bool words_next(struct words *w);

#endif

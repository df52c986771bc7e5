/* How well the words of a query stand in an event: BM25 without postings, and identifiers that name an element. */
#ifndef ECL_LEXICAL_H_
#define ECL_LEXICAL_H_

#include <stdbool.h>
#include <stddef.h>

#include "embed.h"
#include "err.h"

#define LEXICAL_WORDS 256 /* of a query; what is behind them does not count */
#define LEXICAL_NAMES 16  /* identifiers of a query */

struct lexical_word {
	char text[64]; /* stemmed */
	size_t len;
	double idf;
};

/*
 * A query, taken apart.  Its words are those of words.h, each once.  Its identifiers are the runs without white space, of two
 * characters at least, that have a digit, or punctuation between letters or before them: `eth0', `CHG-1042', `/etc/passwd', `service:nginx'.
 * Quotes, brackets and what ends a sentence around them do not belong to them, nor does a slash at the end; an apostrophe makes no identifier.
 */
struct lexical {
	struct lexical_word *word;
	size_t words;
	struct span name[LEXICAL_NAMES];
	size_t names;
	double ideal; /* sum of idf */
};

/**
 * lexical_init(lx, text, m, e), lexical_release(lx):
 * Take ${text} apart, which must outlive ${lx}.  ${m} knows how rare words are; NULL: all are as rare.  Return 0 or -1.
 */
int lexical_init(struct lexical *lx, struct span text, const struct model *m, struct err *e);
void lexical_release(struct lexical *lx);

/**
 * lexical_score(lx, element, action, state):
 * From 0, no word of the query stands in the event, to below 1.  ${state}: canonical JSON, p == NULL: none.  BM25 (Robertson and
 * Zaragoza, "The Probabilistic Relevance Framework", 2009) with the model's idf and an average length that is fixed, divided by what a text
 * would get that has nothing but the words of the query.  So it is the same whatever else is in the ledger.  O(bytes * words).
 */
double lexical_score(const struct lexical *lx, struct span element, struct span action, struct span state);

/** lexical_marks(lx, text, json, out, max): the first ${max} words in ${text} (canonical JSON, or a name) that are the query's, too, as they stand there.  Return how many. */
size_t lexical_marks(const struct lexical *lx, struct span text, bool json, struct span *out, size_t max);

/**
 * lexical_holds(lx, name):
 * Whether one of the identifiers stands in ${name}, upper and lower case being the same, and neither a letter, a digit, `-' nor `_' next to it: `eth0'
 * in `interface:eth0' and `interface:eth0.7', not in `interface:eth01'; `/etc/passwd' in `file:/etc/passwd', not in `file:/etc/passwd-'.
 */
bool lexical_holds(const struct lexical *lx, struct span name);

#endif

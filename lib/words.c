/* Text, or canonical JSON, as words. */
#include "config.h"

#include <stdint.h>

#include "words.h"

#include "banned.h"

enum { OTHER, LETTER, CAPITAL, DIGIT, HIGH };

/* What a byte is. */
static const uint8_t kind[256] = {
    ['0' ... '9'] = DIGIT,
    ['A' ... 'Z'] = CAPITAL,
    ['a' ... 'z'] = LETTER,
    [0x80 ... 0xff] = HIGH,
};

void
words_begin(struct words *w, struct span text, bool json)
{
	w->p = text.p;
	w->end = text.p == NULL ? NULL : text.p + text.len;
	w->json = json;
	w->len = 0;
	w->at = (struct span){NULL, 0};
}

/* To the first byte of a word, or to the end. */
static const char *
skip(const char *p, const char *end, bool json)
{
	size_t escape;

	while (p < end && kind[(uint8_t)*p] == OTHER) {
		if (!json || *p != '\\') {
			p++;
			continue;
		}
		escape = end - p > 1 && p[1] == 'u' ? 6 : 2;
		p += (size_t)(end - p) < escape ? (size_t)(end - p) : escape;
	}
	return (p);
}

/* Plural, then -ing or -ed, then -e: as scripts/train-embedding has it. */
static size_t
stem(char *w, size_t n)
{
	if (n > 4 && w[n - 1] == 's' && w[n - 2] != 's' && w[n - 2] != 'u') {
		if (n > 5 && w[n - 3] == 'i' && w[n - 2] == 'e') {
			w[n - 3] = 'y';
			return (n - 2);
		}
		n--;
	}
	if (n > 5 && w[n - 3] == 'i' && w[n - 2] == 'n' && w[n - 1] == 'g')
		n -= 3;
	else if (n > 4 && w[n - 2] == 'e' && w[n - 1] == 'd')
		n -= 2;
	if (n > 4 && w[n - 1] == 'e')
		n--;
	return (n);
}

bool
words_next(struct words *w)
{
	const char *p = skip(w->p, w->end, w->json), *end = w->end;
	size_t n = 0;
	unsigned seen = 0;
	uint8_t k;

	w->at.p = p;
	for (; p < end && (k = kind[(uint8_t)*p]) != OTHER; p++) {
		seen |= 1u << k;
		if (n < WORDS_MAX)
			w->word[n++] = (char)(k == CAPITAL ? *p | 0x20 : *p);
	}
	w->p = p;
	w->at.len = (size_t)(p - w->at.p);
	w->len = seen & (1u << DIGIT | 1u << HIGH) ? n : stem(w->word, n);
	return (n > 0);
}

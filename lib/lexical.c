/* How well the words of a query stand in an event. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lexical.h"
#include "words.h"

#include "banned.h"

/* How soon a word that comes again counts less, how much long texts lose, and how many words a text has that is neither long nor short. */
#define K1 0.5
#define B 0.5
#define LENGTH 100

/* ---- a query ---- */

static size_t
find(const struct lexical *lx, const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < lx->words; i++) {
		if (lx->word[i].len == len && memcmp(lx->word[i].text, word, len) == 0)
			return (i);
	}
	return (lx->words);
}

static void
take_words(struct lexical *lx, struct span text, const struct model *m)
{
	struct words w;
	struct lexical_word *new;

	words_begin(&w, text, false);
	while (lx->words < LEXICAL_WORDS && words_next(&w)) {
		if (find(lx, w.word, w.len) < lx->words)
			continue;
		new = &lx->word[lx->words++];
		memcpy(new->text, w.word, w.len);
		new->len = w.len;
		new->idf = m != NULL ? model_idf(m, (struct span){w.word, w.len}) : 1;
		lx->ideal += new->idf;
	}
}

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/* What makes words in any script, as far as names go. */
static bool
is_letter(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || (unsigned char)c >= 0x80);
}

static bool
is_space(char c)
{
	return (c == ' ' || (c >= '\t' && c <= '\r'));
}

static bool
is_one_of(char c, const char *set)
{
	return (c != '\0' && strchr(set, c) != NULL);
}

static bool
is_identifier(struct span s)
{
	bool mark = false;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (is_digit(s.p[i]))
			return (s.len > 1);
		if (is_letter(s.p[i]) && mark)
			return (true);
		mark = mark || (!is_letter(s.p[i]) && s.p[i] != '\'');
	}
	return (false);
}

static void
take_identifiers(struct lexical *lx, struct span text)
{
	const char *p = text.p, *end = text.p + text.len;
	struct span s;

	while (p < end && lx->names < LEXICAL_NAMES) {
		for (; p < end && is_space(*p); p++)
			;
		s.p = p;
		for (; p < end && !is_space(*p); p++)
			;
		s.len = (size_t)(p - s.p);
		for (; s.len > 0 && is_one_of(s.p[0], "'\"`([{<,;:!?*"); s.p++)
			s.len--;
		for (; s.len > 0 && is_one_of(s.p[s.len - 1], "'\"`)]}>,;:.!?*/"); s.len--)
			;
		if (is_identifier(s))
			lx->name[lx->names++] = s;
	}
}

int
lexical_init(struct lexical *lx, struct span text, const struct model *m, struct err *e)
{
	*lx = (struct lexical){0};
	if ((lx->word = calloc(LEXICAL_WORDS, sizeof(*lx->word))) == NULL)
		return (err_mem(e));
	take_words(lx, text, m);
	take_identifiers(lx, text);
	return (0);
}

void
lexical_release(struct lexical *lx)
{
	free(lx->word);
	*lx = (struct lexical){0};
}

/* ---- an event ---- */

/* How often the words of the query stand in ${text}.  Return how many words it has. */
static size_t
count(const struct lexical *lx, struct span text, bool json, unsigned *times)
{
	struct words w;
	size_t n = 0, i;

	if (text.p == NULL)
		return (0);
	words_begin(&w, text, json);
	for (; words_next(&w); n++) {
		if ((i = find(lx, w.word, w.len)) < lx->words)
			times[i]++;
	}
	return (n);
}

double
lexical_score(const struct lexical *lx, struct span element, struct span action, struct span state)
{
	unsigned times[LEXICAL_WORDS] = {0};
	double sum = 0, length;
	size_t i;

	if (lx->ideal <= 0)
		return (0);
	length = (double)(count(lx, element, false, times) + count(lx, action, false, times) +
	    count(lx, state, true, times));
	for (i = 0; i < lx->words; i++)
		sum += lx->word[i].idf * times[i] / (times[i] + K1 * (1 - B + B * length / LENGTH));
	return (sum / lx->ideal);
}

size_t
lexical_marks(const struct lexical *lx, struct span text, bool json, struct span *out, size_t max)
{
	struct words w;
	size_t n = 0;

	if (text.p == NULL)
		return (0);
	words_begin(&w, text, json);
	while (n < max && words_next(&w)) {
		if (find(lx, w.word, w.len) < lx->words)
			out[n++] = w.at;
	}
	return (n);
}

/* ---- names ---- */

static char
lower(char c)
{
	return (c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c);
}

static bool
same(const char *a, const char *b, size_t len)
{
	size_t i;

	for (i = 0; i < len && lower(a[i]) == lower(b[i]); i++)
		;
	return (i == len);
}

/* Whether what stands at ${at} of ${name} is no part of a longer word. */
static bool
is_edge(struct span name, size_t at)
{
	return (at >= name.len || !(is_letter(name.p[at]) || name.p[at] == '-' || name.p[at] == '_'));
}

bool
lexical_holds(const struct lexical *lx, struct span name)
{
	struct span id;
	size_t i, at;

	for (i = 0; i < lx->names; i++) {
		id = lx->name[i];
		for (at = 0; at + id.len <= name.len; at++) {
			if (lower(name.p[at]) == lower(id.p[0]) && same(name.p + at, id.p, id.len) &&
			    (at == 0 || is_edge(name, at - 1)) && is_edge(name, at + id.len))
				return (true);
		}
	}
	return (false);
}

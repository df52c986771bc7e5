/*
 * Any bytes as text and as JSON: words lie inside the text, their letters are the text's, and the vector is the same by
 * each engine, whatever the cache holds.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "words.h"

#include "fuzz.h"

#include "banned.h"

static struct model *model;
static struct embed *fast, *plain;

static void
check_words(struct span text, bool json)
{
	struct words w;
	const char *end = text.p;
	size_t i;
	uint8_t c;

	words_begin(&w, text, json);
	while (words_next(&w)) {
		MUST(w.at.p >= end && w.at.p + w.at.len <= text.p + text.len);
		MUST(w.len > 0 && w.len <= WORDS_MAX && w.len <= w.at.len);
		for (i = 0; i < w.at.len; i++) {
			c = (uint8_t)w.at.p[i];
			MUST((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z') || c >= 0x80);
		}
		for (i = 0; i < w.len; i++)
			MUST(w.word[i] < 'A' || w.word[i] > 'Z');
		end = w.at.p + w.at.len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int8_t a[EMBED_DIMS], b[EMBED_DIMS];
	struct span all = {(const char *)data, size}, first = {all.p, size / 4},
		    rest = {all.p + size / 4, size - size / 4};
	struct err e;

	if (model == NULL) {
		MUST(model_open(NULL, &model, &e) == 0);
		MUST((fast = embed_new(model)) != NULL && (plain = embed_new(model)) != NULL);
		MUST(embed_use(plain, "portable") == 0);
	}
	check_words(all, false);
	check_words(all, true);
	embed_event(fast, first, all, rest, a);
	embed_event(plain, first, all, rest, b);
	MUST(memcmp(a, b, sizeof(a)) == 0);
	embed_text(fast, all, a);
	embed_free(plain);
	MUST((plain = embed_new(model)) != NULL && embed_use(plain, "portable") == 0);
	embed_text(plain, all, b);
	MUST(memcmp(a, b, sizeof(a)) == 0);
	MUST(model_check(model, &e) == 0);
	return (0);
}

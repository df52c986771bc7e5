/*
 * An event as a vector.  Each word adds to two parts.  The hashed one (Weinberger et al. 2009, feature
 * hashing): the word and its character 3-grams, at places and with signs that their hashes give, so that
 * names and numbers no model ever saw count too.  The other: the word's row of the model's table, learnt
 * from who stands beside whom.  A word weighs its frozen idf times 1 + ln(times it occurs).  Both parts
 * are brought to their lengths and stand one behind the other.  Integers only: sums come out the same in
 * any order, by any engine.
 */
#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "embed_sums.h"
#include "le.h"
#include "words.h"

#include "banned.h"

#define TEXT_WORDS 2048u /* different words of a text that count */
#define CACHE_WORDS 32768u
#define CACHE_SLOTS 65536u /* a power of two, at least twice as many */
#define PLACES (4 + WORDS_MAX)
#define NAME_ROOM(len) (((size_t)(len) + 7) & ~(size_t)7)
#define DETAIL_MAX (NAME_ROOM(WORDS_MAX) + PLACES * sizeof(uint16_t))
#define DETAILS (2u << 20) /* bytes of them in the cache */
#define TIMES 16 /* of a word in a text that count */
#define UNIT 8	 /* an idf of 1/16 in the hashed part; an occurrence */
#define ALIGNMENT 64

/* Sums stay inside 32 bits: 255 * UNIT * (2 + 58/7 * 1.5) < 2^15 a word, * 30 for TIMES, * TEXT_WORDS < 2^31. */

/* 8 (1 + ln n). */
static const uint8_t times_weight[TIMES + 1] = {
    0, 8, 14, 17, 19, 21, 22, 24, 25, 26, 26, 27, 28, 29, 29, 30, 30};

/* Two of them fill a line of the processor's cache. */
struct word {
	uint64_t hash;
	uint32_t row;  /* where it begins in the model's table */
	uint32_t text; /* the last that had it, and how often */
	uint32_t detail; /* where its name, zeros up to a multiple of 8 bytes, and its places stand */
	uint16_t count;
	uint16_t value, gram; /* what the word and each 3-gram of it add to their places */
	uint8_t weight;	      /* of its row; 0: it has none */
	uint8_t len, places, grams;
};

/* What one text adds up to. */
struct sums {
	int32_t table[EMBED_DIMS] __attribute__((aligned(32)));
	int32_t hashed[2 * EMBED_DIMS]
	    __attribute__((aligned(32))); /* what is added to the dims, and behind it what is taken away */
};

struct embed {
	struct sums sums;
	const struct model *model;
	struct model_params params;
	unsigned row_dims;
	uint32_t text; /* number of the present one */
	unsigned n, n_text;
	uint32_t used; /* bytes of details */
	bool avx2;
	void *memory; /* in which it stands */
	uint16_t in_text[TEXT_WORDS]; /* its words */
	uint16_t slot[CACHE_SLOTS];   /* number of a word + 1, or 0 */
	struct word word[CACHE_WORDS];
	uint8_t detail[DETAILS];
};

struct embed *
embed_new(const struct model *m)
{
	/* Zeros that no page was touched for: who asks for one text needs few of them. */
	void *memory = calloc(1, sizeof(struct embed) + ALIGNMENT);
	struct embed *em;

	if (memory == NULL)
		return (NULL);
	em = (struct embed *)(((uintptr_t)memory + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
	em->memory = memory;
	em->model = m;
	em->params = *model_params(m);
	em->row_dims = EMBED_DIMS - em->params.hash_dims;
	em->avx2 = embed_sums_avx2();
	return (em);
}

void
embed_free(struct embed *em)
{
	if (em != NULL)
		free(em->memory);
}

int
embed_use(struct embed *em, const char *name)
{
	bool avx2 = strcmp(name, "avx2") == 0;

	if (avx2 && !embed_sums_avx2())
		return (-1);
	em->avx2 = avx2;
	return (avx2 || strcmp(name, "portable") == 0 ? 0 : -1);
}

static uint64_t
mix(uint64_t h)
{
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 32;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (h ^ h >> 29);
}

/* The dim and the sign that a hash gives: where it counts in struct sums. */
static uint16_t
place_of(uint64_t hash, unsigned dims)
{
	return ((uint16_t)((uint32_t)((hash >> 32) * dims >> 32) + ((hash & 1) != 0 ? dims : 0)));
}

/* The 3-grams of ^word$, each with the places of its hash. */
static unsigned
place_grams(const struct embed *em, const char *name, size_t len, uint16_t *place)
{
	uint32_t gram = '^' << 8 | (uint8_t)name[0];
	size_t i;

	for (i = 1; i <= len; i++) {
		gram = (gram << 8 | (i < len ? (uint8_t)name[i] : '$')) & 0xffffff;
		place[i - 1] = place_of(
		    mix(gram + UINT64_C(0x9e3779b97f4a7c15)), em->params.hash_dims);
	}
	return ((unsigned)len);
}

static uint16_t *
places_of(struct embed *em, const struct word *w)
{
	return ((uint16_t *)(void *)(em->detail + w->detail + NAME_ROOM(w->len)));
}

/* Learn what a word adds to a text. */
static void
fill(struct embed *em, struct word *w, uint64_t hash, const char *name, size_t len)
{
	const struct model_params *p = &em->params;
	struct model_word known;
	uint64_t h = hash, all;
	uint16_t *place;

	model_find(em->model, hash, (struct span){name, len}, &known);
	w->hash = hash;
	w->row = known.row == NULL ? 0 : (uint32_t)(known.row - model_rows(em->model));
	w->weight = (uint8_t)known.weight;
	w->text = 0;
	w->len = (uint8_t)len;
	w->detail = em->used;
	memset(em->detail + w->detail + (len & ~(size_t)7), 0, NAME_ROOM(len) - (len & ~(size_t)7));
	memcpy(em->detail + w->detail, name, len);
	place = places_of(em, w);
	for (w->places = 0; w->places < p->places; w->places++) {
		h = mix(h + UINT64_C(0x2545f4914f6cdd1d));
		place[w->places] = place_of(h, p->hash_dims);
	}
	w->value = (uint16_t)embed_sums_root(
	    em->avx2, (uint64_t)known.idf * known.idf * UNIT * UNIT / p->places);
	w->grams = (uint8_t)place_grams(em, name, len, place + w->places);
	all = (uint64_t)known.idf * UNIT * p->grams;
	w->gram = (uint16_t)(embed_sums_root(em->avx2, all * all / w->grams) >> 10);
	em->used += (uint32_t)(NAME_ROOM(len) + NAME_ROOM((w->places + (size_t)w->grams) * sizeof(*place)));
}

/* Is that the word's name?  ${name} has at least NAME_ROOM bytes. */
static bool
is_named(const struct embed *em, const struct word *w, const char *name, size_t len)
{
	const uint8_t *have = em->detail + w->detail;
	size_t i;

	if (w->len != len)
		return (false);
	for (i = 0; i + 8 <= len; i += 8)
		if (le64_get(have + i) != le64_get(name + i))
			return (false);
	/* Behind the name stand zeros. */
	return (i == len || le64_get(have + i) == (le64_get(name + i) & ~(~UINT64_C(0) << 8 * (len - i))));
}

/* The number of a word in the cache, which has room; ${name} is the array of a struct words. */
static unsigned
look_up(struct embed *em, const char *name, size_t len)
{
	uint64_t hash = model_hash(name, len);
	unsigned at = (unsigned)hash & (CACHE_SLOTS - 1);
	const struct word *w;

	for (; em->slot[at] != 0; at = (at + 1) & (CACHE_SLOTS - 1)) {
		w = &em->word[em->slot[at] - 1];
		if (w->hash == hash && is_named(em, w, name, len))
			return (em->slot[at] - 1u);
	}
	fill(em, &em->word[em->n], hash, name, len);
	em->slot[at] = (uint16_t)++em->n;
	return (em->n - 1);
}

/* A new text: whatever words it has, they find room. */
static void
text_begin(struct embed *em)
{
	unsigned i;

	if (em->n > CACHE_WORDS - TEXT_WORDS || em->used > DETAILS - TEXT_WORDS * DETAIL_MAX) {
		memset(em->slot, 0, sizeof(em->slot));
		em->n = em->used = 0;
	}
	if (++em->text == 0) {
		for (i = 0; i < em->n; i++)
			em->word[i].text = 0;
		em->text = 1;
	}
	em->n_text = 0;
}

static void
text_add(struct embed *em, struct span text, bool json)
{
	struct words words;
	struct word *w;
	unsigned n;

	words_begin(&words, text, json);
	while (words_next(&words)) {
		n = look_up(em, words.word, words.len);
		w = &em->word[n];
		if (w->text == em->text) {
			w->count += w->count < TIMES;
			continue;
		}
		w->text = em->text;
		w->count = 1;
		em->in_text[em->n_text++] = (uint16_t)n;
		if (em->n_text == TEXT_WORDS)
			return;
	}
}

/* A row that waits for another one. */
struct waiting {
	const int8_t *row; /* NULL: none does */
	unsigned by;
};

static void
add_table(struct embed *em, const int8_t *row, unsigned by, struct waiting *w)
{
	if (w->row == NULL) {
		*w = (struct waiting){row, by};
		return;
	}
	embed_sums_add(em->avx2, em->sums.table, w->row, row, em->row_dims, w->by, by);
	w->row = NULL;
}

/* The words of the text, each as often as it counts. */
static void
add_up(struct embed *em)
{
	const int8_t *rows = model_rows(em->model);
	struct waiting waiting = {NULL, 0};
	struct sums *s = &em->sums;
	const struct word *w;
	const uint16_t *place;
	unsigned i, j, by;
	int32_t value;

	memset(s->hashed, 0, 2 * em->params.hash_dims * sizeof(*s->hashed));
	memset(s->table, 0, em->row_dims * sizeof(*s->table));
	for (i = 0; i < em->n_text; i++) {
		w = &em->word[em->in_text[i]];
		place = places_of(em, w);
		by = times_weight[w->count];
		value = (int32_t)(w->value * by);
		for (j = 0; j < w->places; j++)
			s->hashed[place[j]] += value;
		value = (int32_t)(w->gram * by);
		for (; j < (unsigned)w->places + w->grams; j++)
			s->hashed[place[j]] += value;
		if (w->weight != 0)
			add_table(em, rows + w->row, by * w->weight, &waiting);
	}
	if (waiting.row != NULL)
		add_table(em, waiting.row, 0, &waiting);
	embed_sums_subtract(em->avx2, s->hashed, em->params.hash_dims);
}

static void
text_end(struct embed *em, int8_t *out)
{
	const struct model_params *p = &em->params;
	struct sums *s = &em->sums;
	uint32_t hashed, table;

	add_up(em);
	hashed = embed_sums_settle(em->avx2, s->hashed, p->hash_dims);
	table = embed_sums_settle(em->avx2, s->table, em->row_dims);
	memset(out, 0, EMBED_DIMS);
	if (hashed != 0)
		embed_sums_put(em->avx2, s->hashed, p->hash_dims, hashed,
		    table != 0 ? p->scale_hash : p->scale, out);
	if (table != 0)
		embed_sums_put(em->avx2, s->table, em->row_dims, table,
		    hashed != 0 ? p->scale_table : p->scale, out + p->hash_dims);
}

void
embed_event(struct embed *em, struct span element, struct span action, struct span state,
    int8_t out[EMBED_DIMS])
{
	text_begin(em);
	text_add(em, element, false);
	if (em->n_text < TEXT_WORDS)
		text_add(em, action, false);
	if (em->n_text < TEXT_WORDS)
		text_add(em, state, true);
	text_end(em, out);
}

void
embed_text(struct embed *em, struct span text, int8_t out[EMBED_DIMS])
{
	text_begin(em);
	text_add(em, text, false);
	text_end(em, out);
}

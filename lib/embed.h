/* An event, or a text, as a vector of EMBED_DIMS int8: near where the words are alike, or mean alike. */
#ifndef ECL_EMBED_H_
#define ECL_EMBED_H_

#include <stdint.h>

#include "buf.h"
#include "model.h"

/*
 * A model at work, with a cache of words: 1.4 MB at most, touched as it fills.  Belongs to one thread at
 * a time.  What is in the cache never changes a vector.  Who keeps vectors asks model_check() after they were made.
 */
struct embed;

/** embed_new(m): ${m} must outlive it.  NULL: memory ran out. */
struct embed *embed_new(const struct model *m);

/** embed_free(em): NULL is allowed. */
void embed_free(struct embed *em);

/**
 * embed_event(em, element, action, state, out):
 * The vector of the words of ${element}, ${action} and ${state} (canonical JSON; p NULL: none) together.
 * The same to the bit on every machine: integers only.  Two vectors compare by their cosine; a text
 * without words is all zeros.  Of a text the words up to the 2,048th different one count.  O(bytes): 1 us
 * for 150 bytes whose words are in the cache.
 */
void embed_event(struct embed *em, struct span element, struct span action, struct span state,
    int8_t out[EMBED_DIMS]);

/** embed_text(em, text, out): the same of plain text, what a user asks for. */
void embed_text(struct embed *em, struct span text, int8_t out[EMBED_DIMS]);

/** embed_use(em, name): choose "avx2" or "portable", for tests.  Return 0, or -1 where this processor lacks it. */
int embed_use(struct embed *em, const char *name);

#endif

/* The model of the embedder that ships: words, their weights and vectors, in a file that is mapped. */
#ifndef ECL_MODEL_H_
#define ECL_MODEL_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

#define EMBED_DIMS 256		 /* of a vector: int8 each */
#define EMBED_DEFAULT "ecl-en-1" /* the model that ships */
#define MODEL_SUFFIX ".model"

struct model; /* may be used by many threads */

/* What kind of word one is that the model does not know; weighed accordingly. */
enum model_kind { MODEL_WORD, MODEL_MIXED, MODEL_NUMBER, MODEL_HEX, MODEL_KINDS };

/* How a model makes vectors: all of it stands in the file (model.c). */
struct model_params {
	unsigned
	    hash_dims; /* of a vector: the first, feature hashing; the others are the word table's */
	unsigned scale;	     /* a vector of one part alone has this length */
	unsigned scale_hash; /* where there are both: the length of each part */
	unsigned scale_table;
	unsigned places; /* of a word in the hashed part */
	unsigned grams;	 /* weight of its character 3-grams together, the word's own is 1024 */
	unsigned unknown[MODEL_KINDS]; /* weight, in 1/16, of words that are not in the table */
};

/* What the model says of a word. */
struct model_word {
	unsigned idf;	   /* in 1/16 */
	unsigned weight;   /* of its row; 0: it has none */
	const int8_t *row; /* the dims that are not hashed; NULL: none */
};

/**
 * model_open(name, ret_model, e):
 * Map the model ${name} (NULL: EMBED_DEFAULT), NAME.model in $ECL_MODEL_DIR where that is set, else where
 * it was installed, and check the checksum of all but its rows, which are checked when they are first
 * used (model_check()): 50 us.  The caller owns ${ret_model}.  Return 0, or -1 with ${e}, which names the
 * file and says what is wrong: there is none, it is cut or damaged, its version is another.
 */
int model_open(const char *name, struct model **ret_model, struct err *e);

/** model_free(m): unmap and free.  NULL is allowed. */
void model_free(struct model *m);

/**
 * model_id(m):
 * "NAME:<64 hex>", what the genesis and the manifests of vectors name: equal ids, equal vectors.  The hash
 * is the SHA-256 of the file from its byte 48 on, as the file itself says; model_verify() makes sure.
 * Lives as long as ${m}.
 */
const char *model_id(const struct model *m);

/**
 * model_check(m, e):
 * Was each row that was used so far what the file's checksums say?  Who keeps vectors, or answers by them,
 * asks after they were made: a damaged row counts as none.  Return 0, or -1 with ${e}.  O(1).
 */
int model_check(const struct model *m, struct err *e);

/**
 * model_verify(m, e):
 * Recompute that SHA-256, of the whole file: 2 to 10 ms, for who chooses a model, not for queries.
 * Return 0 or -1.
 */
int model_verify(const struct model *m, struct err *e);

/**
 * model_idf(m, word):
 * The frozen idf of a word as words_next() gives it; of an unknown one the largest.  O(log words).
 */
float model_idf(const struct model *m, struct span word);

/** model_params(m): lives as long as ${m}. */
const struct model_params *model_params(const struct model *m);

/** model_rows(m): where the first row stands, and so what the rows of model_find() are counted from. */
const int8_t *model_rows(const struct model *m);

/**
 * model_hash(word, len):
 * 64 bits of a word, the same on every machine.  ${word} is readable up to the next multiple of 8 bytes.
 * O(len).
 */
uint64_t model_hash(const char *word, size_t len);

/**
 * model_find(m, hash, word, ret):
 * What is known of ${word}, whose model_hash() is ${hash}; its row is checked.  O(log words).
 */
void model_find(const struct model *m, uint64_t hash, struct span word, struct model_word *ret);

#endif

/* The vector of a whole layer: when did the system last look like this? (DESIGN 6) */
#ifndef ECL_LAYER_VECTOR_H_
#define ECL_LAYER_VECTOR_H_

#include <stdint.h>

#include "buf.h"
#include "embedder.h"
#include "err.h"
#include "ledger.h"
#include "vectors.h"

/**
 * layer_vector(l, v, em, size, out, ret_dims, e):
 * The sum of the rows of the events that set the states of the elements which live after the first ${size} events (those of ecl itself left
 * out), scaled so that the largest number is 127, in ${out}: ${*ret_dims} bytes, EMBEDDER_DIMS_MAX at most.  ${v}: VECTORS_MADE of the ledger.  What it lacks is
 * made by ${em}; where that is NULL, or there is nothing to sum up, there is no vector, and ${*ret_dims} is 0.  Return 0 or -1.
 * O(elements) where ${size} is the present, else as index_at().
 */
int layer_vector(struct ledger *l, struct vectors *v, struct embedder *em, uint64_t size, int8_t *out, unsigned *ret_dims, struct err *e);

/**
 * layer_vector_token(l, size, out, e):
 * The same of the ledger's own vectors, as a block header has it: base64, as a string token, is appended to ${out}.  A model makes what is lacking,
 * where it is there; a command is not run.  Return 1, 0 where there is no vector, or -1.
 */
int layer_vector_token(struct ledger *l, uint64_t size, struct buf *out, struct err *e);

#endif

/* A vector as a user sends it, and as a line stores it: base64 of little-endian float32 (DESIGN 3). */
#ifndef ECL_VECTOR_TEXT_H_
#define ECL_VECTOR_TEXT_H_

#include "buf.h"
#include "json.h"

#define VECTOR_DIMS_MAX 65536u /* numbers of a vector: a row of a byte each fits into a chunk of a column */

/**
 * vector_text_fault(token, finite):
 * Why a string ${token} (with its quotes) is not a vector, or NULL where it is: canonical base64, one number
 * or more, none of them infinite or NaN where ${finite}.  O(len).
 */
const char *vector_text_fault(struct span token, bool finite);

/**
 * vector_text_from_array(text, len, pos, out, f):
 * Append the array of numbers that begins at ${pos} and is valid JSON to ${out}, as a string token: under three
 * bytes for each of the array's, and never more than one reallocation.  Return 0, or -1 with ${f} and ${out} as it was.
 */
int vector_text_from_array(
    const char *text, size_t len, size_t pos, struct buf *out, struct json_fault *f);

/**
 * vector_text_numbers(text, len, pos, out, f):
 * Append the numbers of the array that begins at ${pos} and is valid JSON to ${out}, as floats of this machine.  None may be all there are.
 * Return 0, or -1 with ${f} where one is no number, or none that a float32 can be (out->failed where memory ran out).
 */
int vector_text_numbers(const char *text, size_t len, size_t pos, struct buf *out, struct json_fault *f);

/** vector_text_dims(token): how many numbers a token has that vector_text_fault() finds nothing wrong with.  O(1). */
size_t vector_text_dims(struct span token);

/** vector_text_floats(token, out): write those numbers to ${out}. */
void vector_text_floats(struct span token, float *out);

#endif

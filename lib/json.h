/* JSON texts (RFC 8259): validation in one pass, the canonical form of DESIGN 3, strings. */
#ifndef ECL_JSON_H_
#define ECL_JSON_H_

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define JSON_DEPTH_MAX 64

/* Where a text is wrong, and how. */
struct json_fault {
	size_t at; /* byte offset in the text */
	char what[160];
};

/** json_fault_set(f, at, fmt, ...): fill in ${f}.  Return -1. */
int json_fault_set(struct json_fault *f, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** json_space(text, len, pos): the offset of the first byte at or after ${pos} that is not JSON white space. */
size_t json_space(const char *text, size_t len, size_t pos);

/**
 * json_scan(text, len, pos, depth, ret_canonical, f):
 * Validate the one value that begins at ${*pos} (not at white space) and move ${*pos} behind it.  ${depth} is
 * the value's own nesting depth, were it an array or object: over JSON_DEPTH_MAX is refused.  ${*ret_canonical}
 * says whether its bytes are the canonical form already: false wherever there is white space, a member name
 * that is not above the one before it, or a string written otherwise than canonically.  Refuses what DESIGN 3
 * refuses (not UTF-8, NUL and \u0000, raw control characters, lone surrogates, numbers outside the grammar),
 * but for duplicate members in an object that is not canonical: json_canonical() finds those.
 * Return 0, or -1 with ${f}.  O(len), no allocation, recursion at most JSON_DEPTH_MAX deep.
 */
int json_scan(const char *text, size_t len, size_t *pos, unsigned depth, bool *ret_canonical, struct json_fault *f);

/**
 * json_canonical(text, len, pos, depth, out, f):
 * As json_scan(), and append the value's canonical form to ${out}: never longer than the text was.  Refuses
 * duplicate members.  On failure ${out} is as long as it was.  O(n log n) in the members of an object.
 */
int json_canonical(const char *text, size_t len, size_t *pos, unsigned depth, struct buf *out, struct json_fault *f);

/** json_unescape(token, out): append what the string ${token} (valid, with its quotes) stands for. */
void json_unescape(struct span token, struct buf *out);

/** json_escape(out, text): append ${text} (valid UTF-8) as a canonical string, with quotes. */
void json_escape(struct buf *out, struct span text);

/** json_utf8(text, len): the length of the longest prefix that is valid UTF-8 (RFC 3629). */
size_t json_utf8(const char *text, size_t len);

/**
 * json_member(object, pos, ret_name, ret_value):
 * Walk the members of a *canonical* object (as stored in the log): ${*pos} is 0 at first.  ${ret_name} and
 * ${ret_value} become the tokens, the name with its quotes.  Return 1, or 0 at the end (or where ${object} is none).
 */
int json_member(struct span object, size_t *pos, struct span *ret_name, struct span *ret_value);

/** json_get(object, name, ret_value): the member ${name} (without quotes, nothing to escape in it) of a canonical object.  Return 1 or 0. */
int json_get(struct span object, const char *name, struct span *ret_value);

#endif

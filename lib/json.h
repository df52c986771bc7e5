/* JSON texts (RFC 8259): validation in one pass, the canonical form of DESIGN 3, strings. */
#ifndef ECL_JSON_H_
#define ECL_JSON_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define JSON_DEPTH_MAX 64
#define JSON_FEW 16   /* members that are sorted by insertion */
#define JSON_SLACK 64 /* bytes that may be spoilt behind what is written */

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
 * Return 0, or -1 with ${f}.  O(len), no allocation, no recursion; reads no byte outside the text.
 */
int json_scan(const char *text, size_t len, size_t *pos, unsigned depth, bool *ret_canonical, struct json_fault *f);

/*
 * What json_canonical() works with, kept from one text to the next so that it need not be allocated again: members
 * of open objects.  All zeros is a valid one; it belongs to the caller, and to one thread at a time.
 */
struct json_work {
	struct json_member *members; /* a stack: those of the innermost object on top */
	size_t cap;
	struct json_key *keys; /* of many members while they are sorted */
	size_t keys_cap;
	struct buf spare;		       /* members on their way to their place */
	uint8_t order[JSON_FEW + 1][JSON_FEW]; /* of the members of the last object of as many that was not in order */
};

/** json_work_release(work): free what ${work} holds and make it empty. */
void json_work_release(struct json_work *work);

/**
 * json_canonical(text, len, pos, depth, work, out, f):
 * As json_scan(), and append the value's canonical form to ${out}: never longer than the text was.  Refuses
 * duplicate members.  ${out} is reserved for the rest of the text from ${*pos} on and JSON_SLACK bytes, some of which
 * may be spoilt; on failure it is as long as it was.  O(n log n) in the members of an object.
 */
int json_canonical(const char *text, size_t len, size_t *pos, unsigned depth, struct json_work *work, struct buf *out,
    struct json_fault *f);

/** json_use(name): choose the engine "avx2", "sse2" or "portable", for tests.  Return 0, or -1 where this processor lacks it. */
int json_use(const char *name);

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

/** json_item(array, pos, ret): the same for the items of a canonical array. */
int json_item(struct span array, size_t *pos, struct span *ret);

/** json_name_cmp(a, b): order of the bytes that two valid string tokens stand for. */
int json_name_cmp(struct span a, struct span b);

/** json_get(object, name, ret_value): the member ${name} (without quotes, nothing to escape in it) of a canonical object.  Return 1 or 0. */
int json_get(struct span object, const char *name, struct span *ret_value);

#endif

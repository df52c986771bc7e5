/* What a user sends: one line of input, checked and made canonical (DESIGN 3). */
#ifndef ECL_INPUT_H_
#define ECL_INPUT_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "event.h"
#include "json.h"

enum input_kind {
	INPUT_BLANK,   /* nothing but white space */
	INPUT_EVENT,   /* {"element":...} */
	INPUT_COMPLETE /* {"complete":GLOB} */
};

struct input {
	enum input_kind kind;
	struct span element; /* the name itself */
	struct span action;  /* without quotes; p == NULL: none, so infer */
	struct span state;   /* canonical; absent: p == NULL */
	struct span actor;   /* canonical string tokens with quotes, or absent */
	struct span cause;
	struct span meta;
	struct span vector; /* canonical base64 string token with quotes */
	size_t vector_at;   /* where it stands in the line */
	bool has_time;
	int64_t time_us;
	struct span glob; /* INPUT_COMPLETE: the pattern itself */
};

/** input_room(len): bytes of scratch that input_parse() needs at most for a line of ${len}. */
static inline size_t
input_room(size_t len)
{
	/*
	 * A canonical text is never longer than what it was made from, and a name shorter than its token, but
	 * a number of a vector's array takes two bytes or more where its base64 takes under six.
	 */
	return (4 * len + 2 * JSON_SLACK);
}

/**
 * input_parse(line, keep_time, work, scratch, ret, f):
 * Read one line of input, without its LF.  What had to be rewritten is appended to ${scratch}; ${ret}'s spans point
 * into ${line} or ${scratch} and live as long as both.  Where ${scratch} has input_room(line.len) bytes beyond its
 * length it is not reallocated, so that the spans of the lines before stay good; else it is, and they do not.  ${work}
 * is for json_canonical().  With ${keep_time} the member `time` is read (and must then be a time), else dropped
 * with the other members that ecl writes.  Everything that DESIGN 3 refuses of a single line is refused here; what
 * needs the ledger is not.  `{'` at the start gets a hint.
 * Return 0, or -1 with ${f} (f->at is the byte offset in ${line}) and ${scratch} as long as it was.  O(n log n).
 */
int input_parse(struct span line, bool keep_time, struct json_work *work, struct buf *scratch, struct input *ret,
    struct json_fault *f);

/**
 * input_line(element, action, state, out, e):
 * Append the line of input, without LF, of one event that was given piece by piece; action and state (JSON) may be NULL.  Return 0, or -1
 * with an error that calls the pieces by the names of options.
 */
int input_line(const char *element, const char *action, const char *state, struct buf *out, struct err *e);

/** input_format(in, out): append the line of input, with LF, that says what ${in}, an event, does. */
void input_format(const struct input *in, struct buf *out);

#endif

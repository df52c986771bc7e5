/* What a user sends: one line of input, checked and made canonical (DESIGN 3). */
#ifndef ECL_INPUT_H_
#define ECL_INPUT_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
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
	bool has_time;
	int64_t time_us;
	struct span glob; /* INPUT_COMPLETE: the pattern itself */
};

/**
 * input_parse(line, keep_time, scratch, ret, f):
 * Read one line of input, without its LF.  ${scratch} is reset and holds what had to be rewritten; ${ret}'s
 * spans point into ${line} or ${scratch} and live as long as both.  With ${keep_time} the member `time` is
 * read (and must then be a time), else dropped with the other members that ecl writes.  Everything that
 * DESIGN 3 refuses of a single line is refused here; what needs the ledger is not.  `{'` at the start gets a hint.
 * Return 0, or -1 with ${f} (f->at is the byte offset in ${line}).  O(n log n).
 */
int input_parse(struct span line, bool keep_time, struct buf *scratch, struct input *ret, struct json_fault *f);

#endif

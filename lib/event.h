/* An event and its line in the log (DESIGN 3). */
#ifndef ECL_EVENT_H_
#define ECL_EVENT_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "json.h"
#include "sha256.h"

/*
 * The line, members in exactly this order, no spaces outside strings, ending in LF:
 *
 * {"seq":12,"time":"2026-11-21T10:00:00.123456Z","element":"interface:eth0","action":"modify","state":{"mtu":9000},
 *  "actor":"ansible","cause":"CHG-1042","meta":{...},"vector":"...","uid":0,"login":1000,"parent":4,
 *  "prev":"<64 hex>","hash":"<64 hex>"}
 *
 * state, actor, cause, meta, vector and login may be absent.  hash = SHA-256 of the bytes from '{' up to, not
 * including, the last `,"hash":"`, which is the last 75 bytes before LF.
 */
#define EVENT_NONE UINT64_MAX	  /* no seq: a parent of null */
#define EVENT_NO_LOGIN UINT32_MAX /* no login: absent, as in /proc/self/loginuid */
#define EVENT_TAIL 75		  /* bytes of `,"hash":"<64 hex>"}` */
#define EVENT_LINE_MIN 200	  /* and at least: no line is so short */
#define EVENT_LINE_MAX 1040000	  /* bytes of a stored line, LF not counted */
#define EVENT_INPUT_MAX 1000000	  /* bytes of a user's line, before and after canonicalisation and defaults */
#define ELEMENT_MAX 512		  /* bytes of an element's name */
#define ACTION_MAX 64
#define TIME_SIZE 28 /* "2026-11-21T10:00:00.123456Z" and NUL */

struct event {
	uint64_t seq;
	int64_t time_us;
	struct span element; /* the name itself, not its token */
	struct span action;  /* without quotes */
	struct span state;   /* canonical JSON; p == NULL: the event does not touch the state */
	struct span actor;   /* canonical string tokens, with quotes; p == NULL: absent */
	struct span cause;
	struct span meta; /* canonical JSON or absent */
	struct span vector;
	uint32_t uid;
	uint32_t login;
	uint64_t parent;
	uint8_t prev[SHA256_SIZE];
	uint8_t hash[SHA256_SIZE];
	char name[ELEMENT_MAX]; /* event_parse() puts the name here where its token has escapes */
};

/**
 * event_parse(line, ret, f):
 * Read a stored line (without its LF) into ${ret}, whose spans then point into ${line} (and, for an escaped
 * name, into ${ret} itself: copy by event_parse() only).  Strict: any deviation from the canonical line is
 * refused, so that one event has one text.  Does not compute the hash.  Return 0, or -1 with ${f}.  O(len).
 */
int event_parse(struct span line, struct event *ret, struct json_fault *f);

/** event_hash_ok(line): whether a stored line (without LF) has the form `...,"hash":"<64 hex>"}` and that hash is right.  O(len). */
bool event_hash_ok(struct span line);

/** event_hashes_ok(line, n, ret_ok): the same of ${n} lines at a time, which is faster. */
void event_hashes_ok(const struct span *line, size_t n, bool *ret_ok);

/**
 * event_format(ev, out):
 * Append the line of ${ev}, LF included, to ${out}; computes the hash and stores it in ev->hash.
 */
void event_format(struct event *ev, struct buf *out);

#define EVENT_CHAIN (64 + 10 + 64 + 3) /* bytes of a line from the value of prev on: prev, `","hash":"`, hash, `"}` and LF */

/**
 * event_format_front(ev, time, out):
 * Append the line of ${ev} but for its last EVENT_CHAIN bytes, which do not depend on ${ev} alone: room for them is left, and counted
 * in out->len.  ${time} is the text of ev->time_us (27 bytes).  prev and hash of ${ev} are not looked at.  Return the number of bytes up to
 * the value of prev, 0 where memory ran out (out->failed).
 */
size_t event_format_front(const struct event *ev, const char *time, struct buf *out);

/** event_time_format(us, out): RFC 3339 in UTC with six decimals. */
void event_time_format(int64_t us, char out[TIME_SIZE]);

/** event_time_parse(p, len, ret_us): an RFC 3339 time with Z or an offset, up to nine decimals (cut to six).  Return 0 or -1. */
int event_time_parse(const char *p, size_t len, int64_t *ret_us);

/** event_time_read(p, ret_us): the 27 characters that event_time_format() writes, and no others.  Return 0 or -1. */
int event_time_read(const char *p, int64_t *ret_us);

/** event_name_fault(name): why ${name} cannot name an element, or NULL where it can. */
const char *event_name_fault(struct span name);

/** event_action_fault(action): why it is no action, or NULL. */
const char *event_action_fault(struct span action);

/** event_reserved(name): whether the element belongs to the programs (begins with `ecl:`). */
bool event_reserved(struct span name);

/** event_is_gone(state): whether ${state} is the null that deletes. */
bool event_is_gone(struct span state);

#endif

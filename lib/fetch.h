/* Events of many elements: given as they were asked for, read in the order of the log. */
#ifndef ECL_FETCH_H_
#define ECL_FETCH_H_

#include <stdint.h>

#include "err.h"
#include "index.h"

struct fetch {
	struct index *index;
	int (*visit)(void *arg, struct span name, const struct event *ev);
	void *arg;
	struct fetch_want *want;   /* in the order of asking */
	struct index_place *place; /* the same in the order of the log */
	size_t n, cap;
	size_t group; /* so many are read together */
	struct buf names, lines;
	struct span line; /* of the event that is visited */
};

/**
 * fetch_init(f, ix, visit, arg), fetch_release(f):
 * ${visit} returns 0 to go on; any other value stops, and is returned by what called it.
 */
void fetch_init(struct fetch *f, struct index *ix,
    int (*visit)(void *arg, struct span name, const struct event *ev), void *arg);
void fetch_release(struct fetch *f);

/**
 * fetch_add(f, name, seq, e), fetch_flush(f, e):
 * Event ${seq}, of element ${name} (p NULL: of any), is wanted; it is visited now or later, at the latest by
 * fetch_flush(), after those that were asked for before.  Return 0, what the visitor said, or -1
 * with ${e}: an event that cannot be read, or is one of another element.
 * Memory: about 100 bytes for each of up to 262,144 events, and 16 MiB for their lines.
 */
int fetch_add(struct fetch *f, struct span name, uint64_t seq, struct err *e);
int fetch_flush(struct fetch *f, struct err *e);

#endif

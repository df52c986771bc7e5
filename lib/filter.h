/* Which events are asked for: by the name of the element (GLOBs), the action, the actor. */
#ifndef ECL_FILTER_H_
#define ECL_FILTER_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "event.h"
#include "index.h"
#include "log.h"

/* One GLOB (glob.h), looked at once so that names are compared fast. */
struct filter_glob {
	struct span text;
	size_t literal; /* bytes before its first special character: every name that it fits begins with them */
	bool exact;	/* it means the element of this name, whatever characters it has */
	bool prefix;	/* all that follows the literal bytes is one `*` */
	bool own;	/* it begins with `ecl:` */
};

/* All zeros lets every event pass. */
struct filter {
	struct filter_glob *glob; /* any of them; none: all elements */
	size_t globs;
	struct span action; /* p == NULL: any */
	struct span actor;  /* its canonical token; p == NULL: any */
	struct buf token;   /* what actor points to */
};

/** filter_add(f, glob): one GLOB more; ${glob} must outlive ${f}.  Return 0, or -1 when memory ran out. */
int filter_add(struct filter *f, const char *glob);

/** filter_set_actor(f, actor): only events of this actor.  Return 0, or -1 when memory ran out. */
int filter_set_actor(struct filter *f, const char *actor);

/** filter_copy(f, ret): one that can be settled by itself; ${f} must outlive it.  Return 0, or -1 when memory ran out. */
int filter_copy(const struct filter *f, struct filter *ret);

void filter_release(struct filter *f);

/** filter_empty(f): whether every event passes. */
bool filter_empty(const struct filter *f);

/**
 * filter_settle(f, ix, e), filter_settle_by_log(f, log, from, to, e):
 * A GLOB that is exactly an element's name means that element, whatever characters it has: look which are, in the
 * index (O(log n)), or among the events of the log from ${from} to below ${to} (O(bytes), only for GLOBs with special characters).
 * Return 0 or -1.
 */
int filter_settle(struct filter *f, struct index *ix, struct err *e);
int filter_settle_by_log(struct filter *f, struct log *log, uint64_t from, uint64_t to, struct err *e);

/** filter_settled(f): whether no GLOB has special characters that could mean a name, so that there is nothing to look for. */
bool filter_settled(const struct filter *f);

/** filter_all_exact(f): whether there are GLOBs and all of them are names. */
bool filter_all_exact(const struct filter *f);

/** filter_common(f): the longest beginning that all names have that may pass. */
struct span filter_common(const struct filter *f);

/** filter_name(f, name): whether events of this element pass.  Without GLOBs: all but ecl's own. */
bool filter_name(const struct filter *f, struct span name);

/** filter_event(f, ev): whether the action and the actor pass (the element is not looked at). */
bool filter_event(const struct filter *f, const struct event *ev);

/** filter_line(f, line, e): whether a line of the log passes; without GLOBs every element does.  Return 1, 0, or -1 where it is no event. */
int filter_line(const struct filter *f, struct span line, struct err *e);

#endif

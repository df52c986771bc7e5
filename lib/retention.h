/* Which of many blocks are kept: so many of the last, and the newest of so many hours, days, weeks, months and years. */
#ifndef ECL_RETENTION_H_
#define ECL_RETENTION_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

enum retention_rule {
	RETENTION_LAST,
	RETENTION_HOURLY,
	RETENTION_DAILY,
	RETENTION_WEEKLY, /* ISO 8601: from Monday on */
	RETENTION_MONTHLY,
	RETENTION_YEARLY,
	RETENTION_RULES
};

#define RETENTION_ALL UINT64_MAX

/* All zeros keeps nothing. */
struct retention {
	uint64_t keep[RETENTION_RULES]; /* so many; RETENTION_ALL: `*` */
	unsigned given;			/* the rules that were named, a bit each */
	bool local;			/* hours and days as localtime(3) has them, else UTC */
};

/**
 * retention_add(r, text, e):
 * Add the rules of ${text}, as in `last=10,hourly=48,yearly=*`.  A rule that is named twice, also by calls before, is refused, as is what is no rule or no
 * number; the error names the column.  Return 0, or -1 with ${r} of no use.
 */
int retention_add(struct retention *r, const char *text, struct err *e);

/** retention_keeps(r): whether any rule keeps anything. */
bool retention_keeps(const struct retention *r);

/* The way from the newest block to the oldest. */
struct retention_walk {
	const struct retention *r;
	uint64_t left[RETENTION_RULES];
	bool begun;
	int64_t last[RETENTION_RULES]; /* the hour, day... of the block before */
	int64_t last_offset;	       /* from UTC, of that hour: the one that comes twice in autumn is two */
};

/** retention_begin(w, r): ${r} must outlive ${w}. */
void retention_begin(struct retention_walk *w, const struct retention *r);

/**
 * retention_next(w, time_us, reason):
 * Whether the next block, which was made at ${time_us} and before the one before it in this walk, is kept, by whichever rule.  Each rule looks at all blocks: it keeps the
 * first it meets of an hour, a day..., and counts only those hours that have a block.  The rules that keep it are appended to
 * ${reason}, as in `last 3, daily 2026-11-20`, behind what stands there.
 */
bool retention_next(struct retention_walk *w, int64_t time_us, struct buf *reason);

#endif

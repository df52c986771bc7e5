/* One question, and the ledger that it is asked of: a root now, or one of its blocks. */
#ifndef ECL_ASK_H_
#define ECL_ASK_H_

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "answer_like.h"
#include "blocks.h"
#include "cli.h"
#include "err.h"
#include "filter.h"
#include "layer.h"
#include "present.h"
#include "query.h"

enum ask_what {
	ASK_STATES,
	ASK_HISTORY,
	ASK_DIFF,
	ASK_COUNTS,
	ASK_EVENT,
	ASK_ELEMENTS,
	ASK_BLOCKS,
	ASK_LAYER,
	ASK_STAT,
	ASK_SIMILAR,
	ASK_LIKE,
	ASK_UNUSUAL,
	ASK_NAMES
};

/* The question, as the user put it.  What is NULL was not said. */
struct ask {
	struct cli *cli; /* for warnings and progress */
	enum ask_what what;
	const char *value;  /* of ASK_DIFF: WHEN; of ASK_EVENT: a seq or a hash; of ASK_NAMES: elements or blocks; of ASK_SIMILAR: a text or a seq; of ASK_LIKE: WHEN */
	const char *second; /* of ASK_DIFF: WHEN; NULL: now */
	enum query_key key; /* of ASK_COUNTS */
	const char *prefix; /* of ASK_NAMES */
	const char *space;  /* of ASK_SIMILAR, as are these two */
	size_t k;
	bool exact;
	const char *at, *since, *until; /* WHEN */
	const char *block;		/* WHEN: ask the last block at or before it */
	struct filter filter;		/* not settled: each ledger has its own names */
	bool reverse;
	int64_t now_us;
	struct present *present;
	struct progress *progress; /* of long scans */
};

/* A ledger that is asked. */
struct place {
	const struct ask *ask;
	struct layer *layer; /* of a block: that alone */
	char block[BLOCK_NAME_SIZE]; /* "": none */
	bool may_command; /* layer_may_command() of the root */
	struct query query;
	uint64_t from; /* of ASK_DIFF: the size at the first point */
	struct blocks blocks;
	bool has_blocks;
};

/**
 * ask_open(a, path, block, ret, e):
 * Open the root, or the layer alone, at ${path}, or with ${block} not NULL the block of that name in it; query.ledger, query.filter and
 * query.reverse are set.  Return 0, or -1 with an error that names the block or the place.  Release with ask_close(), which takes all zeros too.
 */
int ask_open(const struct ask *a, const char *path, const char *block, struct place *ret, struct err *e);
void ask_close(struct place *p);

/**
 * ask_points(a, path, ret, e):
 * As ask_open(), of the block that a->block means, where it is not NULL; and the size and range of the query are what a->at, a->since and
 * a->until mean there.
 */
int ask_points(const struct ask *a, const char *path, struct place *ret, struct err *e);

/** ask_root(a, path, e): all of these.  Return 0 or -1. */
int ask_root(const struct ask *a, const char *path, struct err *e);

/* What is looked for by ASK_SIMILAR, and to whom that is said which makes it slow. */
struct ask_target {
	struct similar_target target;
	const struct ask *ask;
	const char *root; /* of several: its name; NULL: there is one only */
};

/** ask_target(p, root, ret): as the user put it, for the ledger of ${p}; ${ret} stays where it is. */
void ask_target(const struct place *p, const char *root, struct ask_target *ret);

/** ask_blocks(p, e): know p->blocks.  ask_snapshots(p, out, e): the path of their directory, in ${out} of ASK_PATH bytes.  Return 0 or -1. */
#define ASK_PATH (PATH_MAX + 16)
int ask_blocks(struct place *p, struct err *e);
int ask_snapshots(const struct place *p, char *out, struct err *e);

/** ask_like(p, root, answers, e): take in what ${p} has to say to ASK_LIKE; ${root} as for ask_target().  Return 0 or -1. */
int ask_like(struct place *p, const char *root, struct answer_like *answers, struct err *e);

/** ask_is_seq(text): whether it means an event: digits only. */
bool ask_is_seq(const char *text);

/**
 * ask_roots(a, dir, ret_lost, e):
 * The same of all roots directly under ${dir}: one after the other in the byte order of their names, each answer with the name of its root; a
 * history by time, what has a score by that.  What cannot be answered gets a warning: ${*ret_lost} is the number of such roots.  Return 0, or -1 where there is
 * none, or memory ran out.
 */
int ask_roots(const struct ask *a, const char *dir, size_t *ret_lost, struct err *e);

#endif

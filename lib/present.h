/* How answers look: NDJSON, tab-separated values, a table for people, or the text that the state hash is over. */
#ifndef ECL_PRESENT_H_
#define ECL_PRESENT_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "cli.h"

enum present_format { PRESENT_JSON, PRESENT_TSV, PRESENT_TABLE, PRESENT_STATE };

/*
 * What stands in a cell, and how it is written in JSON / TSV / a table:
 * NAME    a string (an element, a path): escaped / as it is / printable
 * JSON    a JSON value: as it is in all three
 * TEXT    a JSON string token: as it is / decoded, with \t \n \r \\ for what would part cells / decoded and printable
 * HASH    a JSON string token of hex digits: as it is / without quotes / its first 12 digits
 * NUMBER  ${n}; PRESENT_NONE is null / empty / empty
 * TIME    microseconds in ${n}: UTC / UTC / local time and age
 * FLAG    ${n}: true or false
 * SCORE   ${score}, with four decimals
 * FOUND   only for tables: a name, or with ${state} a state, of which the words in ${mark} are highlighted (excerpt.h)
 * CHANGE  two JSON values, ${before} and ${text}, the one after: members "before" and "after" / two cells / what differs, in the
 *         last column, wherever the cell stands; at most one of an answer
 * A cell whose ${text.p} is NULL (not NUMBER, TIME, FLAG, SCORE) is null / empty / empty, and so is either value of a CHANGE.
 */
enum cell_kind { CELL_NAME, CELL_JSON, CELL_TEXT, CELL_HASH, CELL_NUMBER, CELL_TIME, CELL_FLAG, CELL_SCORE, CELL_FOUND, CELL_CHANGE };

#define PRESENT_NONE UINT64_MAX

struct cell {
	const char *name; /* of the member and of the column */
	enum cell_kind kind;
	struct span text;
	uint64_t n;
	struct span before; /* of a CHANGE */
	double score;
	bool more; /* in JSON it is a member more, also behind a line that is given as it is */
	const struct span *mark; /* of a FOUND, in order */
	size_t marks;
	bool state;
};

#define MAX_CELLS 15

struct present {
	enum present_format format;
	FILE *out;
	size_t width;   /* of tables */
	bool color;
	int64_t now_us; /* what ages are reckoned from */
	bool reverse;   /* keep the answers, give the last one first */
	bool facts;	/* a table has a line for each cell, not for each answer */
	struct span root; /* of several: the one that answers, as a JSON token, a member and a column more; p == NULL: there is one only */
	const char *root_name; /* of that member */
	uint64_t limit; /* at most so many answers */
	uint64_t count; /* answers so far */
	int sys;	/* errno of a write that failed, which stdio does not keep; 0: none did */
	struct progress *progress; /* to be told before data is written; NULL: none */
	bool begun;		   /* it was */
	bool below;	/* a CHANGE that does not fit into a table's line stands below it, a line a member */
	const char *headers[MAX_CELLS + 1];
	struct table *table;
	size_t columns;
	size_t order[MAX_CELLS]; /* of the table's columns: which cells they are */
	struct buf text;  /* of one answer */
	struct buf kept;  /* with reverse: all of them */
	size_t *ends;
	size_t n_ends, cap_ends;
};

/** present_init(p, cli, format, out): how to answer, and where to. */
void present_init(struct present *p, const struct cli *cli, enum present_format format, FILE *out);

/**
 * present_answer(p, line, cells, n):
 * One answer of ${n} (at most 14) cells, the same columns each time.  In JSON it is ${line} where that is not NULL.  In
 * PRESENT_STATE the first two cells alone count.  With p->root one cell more comes last, also behind ${line}.  Return 0, 1 where no more are wanted (limit, or the output fails), or -1 where memory ran out.
 */
int present_answer(struct present *p, const struct span *line, const struct cell *cells, size_t n);

/** present_full(p): whether no more answers are wanted. */
bool present_full(const struct present *p);

/** present_end(p): give what was kept.  Return 0, or -1 where memory ran out. */
int present_end(struct present *p);
void present_release(struct present *p);

#endif

/* Vectors of a ledger's events: comparison of all that is published with the log. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "column.h"
#include "embedder.h"
#include "vectorize.h"
#include "vectors.h"

#include "banned.h"

struct check {
	struct vectors *v;
	uint64_t row; /* of the given ones: the next */
	struct vectors_check *c;
	struct err *e;
	bool no_memory; /* what was found says nothing */
};

static int
differs(struct check *k, uint64_t row, uint64_t seq)
{
	buf_addf(k->c->fault, "the column '%s' of the vectors differs from the log in row %" PRIu64 " (event %" PRIu64
	    "); 'ecl-index --rebuild' makes them anew", k->c->space, row, seq);
	return (1);
}

static int
unreadable(struct check *k, const struct err *why)
{
	k->no_memory |= err_is_mem(why);
	buf_adds(k->c->fault, why->text);
	return (1);
}

/* Whether the codes of ${n} rows from ${row} on are theirs.  Return 0 or 1. */
static int
compare_codes(struct check *k, uint64_t row, uint64_t seq, const int8_t *rows, size_t n)
{
	unsigned width = vectors_width(k->v), bytes = vectors_code_bytes(k->v);
	uint8_t want[CODE_ROW_MAX / 8], have[CODE_ROW_MAX / 8];
	uint64_t first, there, at, i = 0;
	const uint8_t *blocks;
	struct err why;

	while (i < n && row + i < vectors_coded(k->v)) {
		if (vectors_codes(k->v, row + i, &blocks, &first, &there, &why) != 0)
			return (unreadable(k, &why));
		for (; i < n && row + i < first + there; i++) {
			at = row + i - first;
			code_make(rows + i * width, width, want);
			code_of(blocks + (at - at % CODE_BLOCK) * bytes, bytes, (unsigned)(at % CODE_BLOCK), have);
			if (memcmp(have, want, bytes) != 0)
				return (differs(k, row + i, seq + i));
		}
	}
	return (0);
}

/* Compare ${n} rows from ${row} on.  Return 0 or 1. */
static int
compare(struct check *k, uint64_t row, uint64_t seq, const int8_t *want, size_t n)
{
	unsigned width = vectors_width(k->v);
	uint64_t first, there, i;
	const int8_t *have;
	struct err why;

	for (i = 0; i < n; i++) {
		if (vectors_chunk(k->v, row + i, &have, &first, &there, &why) != 0)
			return (unreadable(k, &why));
		for (; i < n && row + i < first + there; i++)
			if (memcmp(have + (row + i - first) * width, want + i * width, width) != 0)
				return (differs(k, row + i, seq + i));
		i--;
	}
	return (vectors_code_bytes(k->v) == 0 ? 0 : compare_codes(k, row, seq, want, n));
}

static int
compare_made(void *arg, uint64_t seq, const int8_t *rows, size_t n)
{
	struct check *k = arg;

	if (k->c->step != NULL)
		k->c->step(k->c->arg, seq);
	return (compare(k, seq, seq, rows, n));
}

static int
compare_given(void *arg, uint64_t seq, const float *v, unsigned dims)
{
	struct check *k = arg;
	unsigned width = vectors_width(k->v);
	uint64_t had;
	struct err why;
	int8_t *row;
	int rc;

	if (dims != vectors_dims(k->v))
		return (0);
	if ((row = calloc(1, width)) == NULL)
		return (err_mem(k->e));
	if (embedder_quantize(v, dims, row) != 0)
		rc = 0;
	else if (k->row >= vectors_rows(k->v))
		rc = differs(k, k->row, seq);
	else if (vectors_seq(k->v, k->row, &had, &why) != 0)
		rc = unreadable(k, &why);
	else if (had != seq)
		rc = differs(k, k->row, seq);
	else
		rc = compare(k, k->row++, seq, row, 1);
	free(row);
	return (rc);
}

/* Whether the checksums are right, and the codes; what a command makes need not be the same a second time. */
static int
read_all(struct check *k)
{
	uint64_t row, first, n;
	const int8_t *rows;
	struct err why;

	for (row = 0; row < vectors_rows(k->v); row = first + n) {
		if (vectors_chunk(k->v, row, &rows, &first, &n, &why) != 0)
			return (unreadable(k, &why));
		if (vectors_code_bytes(k->v) != 0 && compare_codes(k, first, first, rows, n) != 0)
			return (1);
		if (k->c->step != NULL)
			k->c->step(k->c->arg, row);
	}
	return (0);
}

static int
check_made(struct check *k, struct log *log, struct err *e)
{
	struct embedder *em;
	int rc;

	if (strncmp(k->c->token, "command:", 8) == 0)
		return (read_all(k));
	if (embedder_open(k->c->token, vectors_dims(k->v), EMBEDDER_NO_COMMAND, &em, e) != 0)
		return (-1);
	rc = vectorize(log, em, 0, vectors_events(k->v), k->c->threads, compare_made, k, e);
	embedder_free(em);
	return (rc);
}

static int
check_given(struct check *k, struct log *log, struct err *e)
{
	int rc = given_scan(log, 0, vectors_events(k->v), compare_given, k, e);

	if (rc == 0 && k->row != vectors_rows(k->v))
		rc = differs(k, k->row, vectors_events(k->v));
	return (rc);
}

int
vectors_check(int ecl_fd, struct log *log, struct vectors_check *c, struct err *e)
{
	bool given = strcmp(c->space, VECTORS_GIVEN) == 0;
	struct check k = {.c = c, .e = e};
	int rc = 0;

	if (vectors_open(ecl_fd, log, c->space, given ? NULL : c->token, &k.v, e) != 0)
		return (-1);
	if (vectors_damage(k.v) != NULL) {
		buf_addf(c->fault, "%s; 'ecl-index' makes the vectors anew", vectors_damage(k.v));
		rc = 1;
	} else if (vectors_events(k.v) > 0)
		rc = given ? check_given(&k, log, e) : check_made(&k, log, e);
	vectors_free(k.v);
	return (rc == 1 && (c->fault->failed || k.no_memory) ? err_mem(e) : rc);
}

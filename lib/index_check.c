/* The index: comparison of all that is published with the log, in a pass of its own. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"
#include "le.h"
#include "merkle.h"

#include "banned.h"

#define STEP 65536

struct check {
	struct index *ix; /* what is published */
	struct etable *table;
	uint64_t elements;
	struct merkle tree[TREE_LEVELS]; /* [k]: of level k-1, the hashes that begin the next one of level k */
	uint64_t done[TREE_LEVELS];	 /* hashes of each level that were compared */
	struct buf *fault;
	bool no_memory; /* what was found says nothing */
};

/* Something differs.  Return 1. */
static int
differs(struct check *c, const struct column *col, uint64_t row, uint64_t seq)
{
	char path[COLUMN_PATH];

	column_path(col, row, path);
	buf_addf(c->fault, "'index/%s' differs from the log in row %" PRIu64 " (event %" PRIu64 ")", path, row, seq);
	return (1);
}

static int
unreadable(struct check *c, const struct err *why)
{
	c->no_memory |= err_is_mem(why);
	buf_adds(c->fault, why->text);
	return (1);
}

/* Compare one row of a column.  Return 0 or 1. */
static int
compare(struct check *c, struct column *col, uint64_t row, const uint8_t *want, uint64_t seq)
{
	const uint8_t *have;
	struct err why;

	if (column_get(col, row, &have, &why) != 0)
		return (unreadable(c, &why));
	return (memcmp(have, want, col->width) == 0 ? 0 : differs(c, col, row, seq));
}

static int
compare_tree(struct check *c, const struct event *ev)
{
	uint8_t hash[SHA256_SIZE];
	unsigned k;

	merkle_leaf(ev->hash, SHA256_SIZE, hash);
	for (k = 0;; k++) {
		if (compare(c, &c->ix->tree[k], c->done[k]++, hash, ev->seq) != 0)
			return (1);
		if (k + 1 == TREE_LEVELS)
			return (0);
		merkle_add(&c->tree[k + 1], hash);
		if (c->tree[k + 1].size < TREE_FAN)
			return (0);
		merkle_root(&c->tree[k + 1], hash);
		merkle_init(&c->tree[k + 1]);
	}
}

/* The log's own fault: the index cannot be judged. */
static int
corrupt(const struct log_line *line, uint64_t seq, const char *why, struct err *e)
{
	char name[LOG_NAME_SIZE];

	log_segment_name(line->segment, name);
	return (err_set(e, "the log is corrupt at seq %" PRIu64 " (segment '%s', offset %" PRIu64 "): %s; run 'ecl-verify'", seq, name,
	    line->offset, why));
}

/* What the event makes of its element.  Return 0, 1 or -1. */
static int
take_element(struct check *c, const struct event *ev, const struct log_line *line, uint32_t *ret_id, struct err *e)
{
	struct entry *en;
	uint8_t born[8];
	uint32_t n, tag;

	n = etable_find(c->table, ev->element, &tag);
	if ((n == NO_ENTRY) != (ev->parent == EVENT_NONE) || (n != NO_ENTRY && c->table->entry[n].last != ev->parent))
		return (corrupt(line, ev->seq, "its parent is not the event before it of its element", e));
	if (n == NO_ENTRY) {
		if ((n = etable_add(c->table, ev->element, tag)) == NO_ENTRY)
			return (err_mem(e));
		en = &c->table->entry[n];
		en->id = (uint32_t)c->elements;
		en->first = ev->seq;
		en->last_state = EVENT_NONE;
		le64_put(born, ev->seq);
		if (c->elements >= c->ix->published_elements)
			return (differs(c, &c->ix->births, c->elements, ev->seq));
		if (compare(c, &c->ix->births, c->elements++, born, ev->seq) != 0)
			return (1);
	}
	en = &c->table->entry[n];
	en->last = ev->seq;
	if (ev->state.p != NULL) {
		en->last_state = ev->seq;
		en->alive = !event_is_gone(ev->state);
	}
	*ret_id = en->id;
	return (0);
}

static int
check_line(struct check *c, uint64_t seq, const struct log_line *line, struct err *e)
{
	uint8_t bytes[ROW_SIZE];
	const uint8_t *have;
	struct json_fault f;
	struct err why;
	struct event ev;
	struct row row;
	int rc;

	if (event_parse(line->text, &ev, &f) != 0)
		return (corrupt(line, seq, f.what, e));
	if (ev.seq != seq)
		return (corrupt(line, seq, "its number does not follow the one before", e));
	if (column_get(&c->ix->rows, seq, &have, &why) != 0)
		return (unreadable(c, &why));
	row = (struct row){ev.time_us, ev.parent, (uint32_t)line->offset, (uint32_t)line->text.len, 0, index_row_flags(&ev)};
	if ((rc = take_element(c, &ev, line, &row.id, e)) != 0)
		return (rc);
	/* One that a program wrote which did not know more. */
	if ((le32_get(have + ROW_SIZE - 4) & ROW_SAYS) == 0)
		row.flags &= ROW_PLAIN;
	index_row_encode(bytes, &row);
	if ((rc = compare(c, &c->ix->rows, seq, bytes, seq)) != 0)
		return (rc);
	return (compare_tree(c, &ev));
}

static int
check_log(struct check *c, struct log *log, void (*step)(void *arg, uint64_t done), void *arg, struct err *e)
{
	struct log_reader r;
	struct log_line line;
	uint64_t seq = 0;
	int rc = 0;

	log_reader_init(&r, log, 0, 0);
	for (; seq < c->ix->published; seq++) {
		if ((rc = log_reader_next(&r, &line, e)) != 1) {
			rc = rc == 0 ? err_set(e, "the log ends before event %" PRIu64, seq) : -1;
			break;
		}
		if ((rc = check_line(c, seq, &line, e)) != 0)
			break;
		if (seq % STEP == 0 && step != NULL)
			step(arg, seq);
	}
	log_reader_release(&r);
	return (rc);
}

/* The name of the run that speaks for ${name}. */
static void
run_that_has(struct index *ix, struct span name, char out[RUN_NAME_SIZE])
{
	struct run_record rec;
	size_t i;

	for (i = ix->runs - 1; i > 0 && run_find(ix->run[i], name, &rec, NULL) != 1; i--)
		;
	run_name(ix->run[i]->number, out);
}

static bool
same_element(const struct entry *en, const struct run_record *rec)
{
	return (en->id == rec->id && en->first == rec->first && en->last == rec->last && en->last_state == rec->last_state &&
	    en->alive == rec->alive);
}

static int
check_runs(struct check *c, struct err *e)
{
	char name[RUN_NAME_SIZE];
	struct run_record rec;
	struct merge m;
	struct err why;
	uint64_t count = 0;
	uint32_t n, tag;
	size_t i;
	int rc;

	for (i = 0; i < c->ix->runs; i++)
		if (run_check(c->ix->run[i], &why) != 0)
			return (unreadable(c, &why));
	if (index_resolve_all(c->ix, e) != 0)
		return (-1);
	rc = merge_begin(&m, c->ix->table, c->ix->run, c->ix->runs, (struct span){"", 0}, (struct span){NULL, 0}, &why);
	while (rc >= 0 && rc != INDEX_DAMAGED && (rc = merge_next(&m, &rec, &why)) == 1) {
		count++;
		n = etable_find(c->table, rec.name, &tag);
		if (n != NO_ENTRY && same_element(&c->table->entry[n], &rec))
			continue;
		run_that_has(c->ix, rec.name, name);
		buf_addf(c->fault, "'index/%s' differs from the log in '%.*s'", name, (int)rec.name.len, rec.name.p);
		rc = 1;
		goto done;
	}
	if (rc == 0 && count != c->elements) {
		buf_addf(c->fault, "the runs 'index/elements-*.run' have %" PRIu64 " elements, the log %" PRIu64, count, c->elements);
		rc = 1;
	}
	if (rc == -1 && e != NULL)
		*e = why;
done:	merge_end(&m);
	return (rc == INDEX_DAMAGED ? unreadable(c, &why) : rc);
}

static int
check_published(struct check *c, struct log *log, void (*step)(void *arg, uint64_t done), void *arg, struct err *e)
{
	unsigned k;
	int rc;

	for (k = 0; k < TREE_LEVELS; k++)
		merkle_init(&c->tree[k]);
	if ((c->table = etable_new()) == NULL)
		return (err_mem(e));
	if ((rc = check_log(c, log, step, arg, e)) != 0)
		return (rc);
	if (c->elements != c->ix->published_elements) {
		buf_addf(c->fault, "'index/head' has %" PRIu64 " elements, the log %" PRIu64, c->ix->published_elements, c->elements);
		return (1);
	}
	return (check_runs(c, e));
}

/* All chunks of a column.  Return 0, or 1 with what is wrong. */
static int
check_column(struct column *col, struct buf *fault)
{
	const uint8_t *rows;
	uint64_t row, n;
	struct err why;

	for (row = 0; row < col->rows; row += n)
		if (column_run(col, row, &rows, &n, &why) != 0) {
			buf_adds(fault, why.text);
			return (1);
		}
	return (0);
}

int
index_sums(struct index *ix, struct buf *ret_fault, struct err *e)
{
	struct err why = {0};
	size_t i;
	int rc;

	if (index_damage(ix) != NULL) {
		buf_adds(ret_fault, index_damage(ix));
		return (1);
	}
	rc = check_column(&ix->rows, ret_fault) || check_column(&ix->births, ret_fault);
	for (i = 0; i < TREE_LEVELS && rc == 0; i++)
		rc = check_column(&ix->tree[i], ret_fault);
	for (i = 0; i < ix->runs && rc == 0; i++)
		if ((rc = run_check(ix->run[i], &why) != 0))
			buf_adds(ret_fault, why.text);
	return (ret_fault->failed ? err_mem(e) : rc);
}

int
index_check(int ecl_fd, struct log *log, void (*step)(void *arg, uint64_t done), void *arg, struct buf *ret_fault, struct err *e)
{
	struct check c = {.fault = ret_fault};
	int rc = 0;

	if (index_open(ecl_fd, log, INDEX_TREE | INDEX_LAZY, &c.ix, e) != 0)
		return (-1);
	if (index_damage(c.ix) != NULL) {
		buf_adds(ret_fault, index_damage(c.ix));
		rc = 1;
	} else if (c.ix->published > 0)
		rc = check_published(&c, log, step, arg, e);
	etable_free(c.table);
	index_free(c.ix);
	if (rc == 1 && (ret_fault->failed || c.no_memory))
		return (err_mem(e));
	return (rc);
}

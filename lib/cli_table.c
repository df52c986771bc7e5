/* Tables for people: aligned columns, cut to the terminal's width. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "banned.h"

#define GAP 2	 /* columns between columns */
#define INDENT 4 /* of what stands below a row */
#define STATE_LEAST \
	24 /* columns in which a drawn state still says something: with fewer it goes below */
#define ROWS_WAIT 1000 /* rows that wait for the widths */
#define CAN_SHRINK (TABLE_STATE | TABLE_TEXT | TABLE_NAME)
#define ELLIPSIS "\xe2\x80\xa6"

struct cell {
	size_t at, len; /* in ${text} */
	size_t columns;
	const char *style;
};

struct column {
	size_t width; /* of its widest cell, then as printed */
	unsigned flags;
	size_t least; /* while widths are fixed: not to be cut below this */
	const struct table_art *art;
	bool hidden;
	bool under; /* hidden, and in lines of their own below the rows */
};

struct table {
	const char *const *headers;
	FILE *out;
	size_t limit;
	bool color;
	bool fixed; /* widths are, and the headers are printed */
	bool failed;
	size_t ncolumns, last; /* the last that is not hidden */
	size_t spare;	       /* columns that a full line leaves free */
	size_t ncells, cap;
	struct column *columns;
	struct cell *cells;
	struct buf text;
	struct buf line;
};

struct table *
cli_table_new(const char *const *headers, FILE *out, size_t width, bool color)
{
	struct table *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		goto err0;
	while (headers[t->ncolumns] != NULL)
		t->ncolumns++;
	t->cap = t->ncolumns * ROWS_WAIT;
	if ((t->columns = calloc(t->ncolumns + 1, sizeof(*t->columns))) == NULL)
		goto err1;
	if ((t->cells = calloc(t->cap + 1, sizeof(*t->cells))) == NULL)
		goto err2;
	t->headers = headers;
	t->out = out;
	t->limit = width;
	t->color = color;
	return (t);

err2:
	free(t->columns);
err1:
	free(t);
err0:
	return (NULL);
}

void
cli_table_column(struct table *t, size_t column, unsigned flags)
{
	t->columns[column].flags = flags;
}

void
cli_table_draw(struct table *t, size_t column, const struct table_art *art)
{
	t->columns[column].art = art;
}

void
cli_table_add(struct table *t, struct span text, const char *style)
{
	struct column *column;
	struct cell *cell;

	if (t->ncells == t->cap && cli_table_flush(t) != 0)
		return;
	column = &t->columns[t->ncells % t->ncolumns];
	cell = &t->cells[t->ncells++];
	cell->at = t->text.len;
	cell->style = style;
	if (column->art != NULL)
		buf_addspan(&t->text, text);
	else
		cli_printable(text, &t->text);
	cell->len = t->text.len - cell->at;
	cell->columns = 0;
	if (t->text.failed)
		return;
	text = (struct span){t->text.data + cell->at, cell->len};
	cell->columns = column->art != NULL ? column->art->columns(text) : cli_columns(text);
}

static void
fill(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_addc(b, ' ');
}

/* ${text} in ${room} columns, fewer than it takes: its end or its middle is left out.  Return the columns used. */
static size_t
add_cut(struct buf *out, struct span text, size_t columns, size_t room, bool middle)
{
	size_t head, tail, len, skip, left;

	if (room == 0)
		return (0);
	tail = middle ? (room - 1) / 2 : 0;
	len = cli_cut(text, room - 1 - tail, &head);
	buf_add(out, text.p, len);
	buf_adds(out, ELLIPSIS);
	if (tail == 0)
		return (head + 1);
	/* A wide character may stand across the place. */
	for (skip = columns - tail;; skip++) {
		len = cli_cut(text, skip, &left);
		if (columns - left <= tail)
			break;
	}
	buf_add(out, text.p + len, text.len - len);
	return (head + 1 + columns - left);
}

/* One cell, padded but for the end of a line; ${spare} is what longer ones may take beyond their columns.  Return whether it must go below. */
static bool
add_cell(struct table *t, size_t i, const struct cell *cell, struct span text, size_t *spare)
{
	const struct column *c = &t->columns[i];
	size_t used = cell->columns, room = c->width, pad;
	bool below = false;

	if (used > room) {
		room = *spare < used - room ? room + *spare : used;
		/* What cannot be cut takes what it needs. */
		if ((c->flags & CAN_SHRINK) == 0)
			room = used;
		*spare -= room - c->width < *spare ? room - c->width : *spare;
		below = used > room && (c->flags & TABLE_BELOW) != 0;
	}
	if (below)
		return (true);
	pad = used < c->width ? c->width - used : 0;
	if ((c->flags & TABLE_RIGHT) != 0)
		fill(&t->line, pad);
	if (cell->style != NULL && t->color)
		buf_addf(&t->line, "\033[%sm", cell->style);
	if (c->art != NULL && text.p != t->headers[i])
		c->art->line(text, room, t->color, &t->line);
	else if (used > room)
		used = add_cut(&t->line, text, used, room, (c->flags & TABLE_NAME) != 0);
	else
		buf_addspan(&t->line, text);
	if (cell->style != NULL && t->color)
		buf_adds(&t->line, "\033[0m");
	pad = used < c->width ? c->width - used : 0;
	if (i < t->last)
		fill(&t->line, GAP + ((c->flags & TABLE_RIGHT) != 0 ? 0 : pad));
	return (false);
}

/* Empty cells at the end leave no spaces behind. */
static void
print_line(struct table *t)
{
	while (t->line.len > 0 && t->line.data[t->line.len - 1] == ' ')
		t->line.len--;
	buf_addc(&t->line, '\n');
	if (!t->line.failed)
		fwrite(t->line.data, 1, t->line.len, t->out);
	t->failed = t->failed || t->line.failed;
	buf_reset(&t->line);
}

static void
print_below(struct table *t, size_t i, struct span data)
{
	const struct column *c = &t->columns[i];

	if ((c->flags & TABLE_BELOW) != 0)
		c->art->below(data, t->limit, t->color, &t->line);
	else {
		fill(&t->line, INDENT);
		c->art->line(data, t->limit > INDENT ? t->limit - INDENT : 1, t->color, &t->line);
		buf_addc(&t->line, '\n');
	}
	if (!t->line.failed)
		fwrite(t->line.data, 1, t->line.len, t->out);
	t->failed = t->failed || t->line.failed;
	buf_reset(&t->line);
}

static void
print_row(struct table *t, const struct cell *row)
{
	size_t i, spare = t->spare, below = t->ncolumns;
	struct span text;

	for (i = 0; i < t->ncolumns; i++) {
		text = (struct span){t->text.data + row[i].at, row[i].len};
		if (t->columns[i].under && row[i].columns > 0)
			below = i;
		if (!t->columns[i].hidden && add_cell(t, i, &row[i], text, &spare))
			below = i;
	}
	print_line(t);
	if (below < t->ncolumns)
		print_below(t, below, (struct span){t->text.data + row[below].at, row[below].len});
}

static void
print_headers(struct table *t)
{
	size_t i, spare = 0;
	struct span text;
	struct cell cell = {.style = "1"};

	for (i = 0; i < t->ncolumns; i++) {
		text = (struct span){t->headers[i], strlen(t->headers[i])};
		cell.columns = cli_columns(text);
		if (!t->columns[i].hidden)
			add_cell(t, i, &cell, text, &spare);
	}
	print_line(t);
}

/* A column without anything in it is left out, but a table has one. */
static void
choose_columns(struct table *t)
{
	struct column *c;
	size_t i, header;

	t->last = 0;
	for (i = 0; i < t->ncolumns; i++) {
		c = &t->columns[i];
		c->hidden = (c->width == 0 && i > 0) || c->under;
		header = cli_columns((struct span){t->headers[i], strlen(t->headers[i])});
		if (t->limit > 0 && c->width > t->limit && (c->flags & CAN_SHRINK) != 0)
			c->width = t->limit;
		if (!c->hidden && c->width < header)
			c->width = header;
		if (!c->hidden)
			t->last = i;
	}
}

/* The columns that three of four cells of column ${k}, which are not empty, need at most. */
static size_t
typical(const struct table *t, size_t k)
{
	size_t low = 0, high = t->columns[k].width, mid, i, fit, all;

	while (low < high) {
		mid = low + (high - low) / 2;
		for (i = k, fit = all = 0; i < t->ncells; i += t->ncolumns) {
			all += t->cells[i].columns > 0;
			fit += t->cells[i].columns > 0 && t->cells[i].columns <= mid;
		}
		if (fit * 4 >= all * 3)
			high = mid;
		else
			low = mid + 1;
	}
	return (low);
}

/* Take ${*excess} columns from those with one of ${flags}, always from the widest, none below its least. */
static void
shrink(struct table *t, unsigned flags, size_t *excess)
{
	struct column *c, *widest;
	size_t i;

	for (; *excess > 0; --*excess) {
		widest = NULL;
		for (i = 0; i < t->ncolumns; i++) {
			c = &t->columns[i];
			if (!c->hidden && (c->flags & flags) != 0 && c->width > c->least &&
			    (widest == NULL || c->width > widest->width))
				widest = c;
		}
		if (widest == NULL)
			return;
		widest->width--;
	}
}

/*
 * Where a line would be too long, first the few cells that are longer than the others are cut, then states as long as they tell
 * something, then texts and names; on a very narrow terminal all of them more.
 */
static void
shrink_all(struct table *t, size_t excess)
{
	static const struct {
		unsigned flags;
		size_t least;
	} stages[] = {
	    {TABLE_STATE, 32},
	    {TABLE_TEXT, 16},
	    {TABLE_NAME, 24},
	    {TABLE_STATE, STATE_LEAST},
	    {TABLE_TEXT, 10},
	    {TABLE_NAME, 16},
	    {CAN_SHRINK, 8},
	};
	size_t i, k;

	for (k = 0; k < t->ncolumns; k++)
		t->columns[k].least = typical(t, k) > 24 ? typical(t, k) : 24;
	shrink(t, TABLE_NAME | TABLE_TEXT, &excess);
	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		for (k = 0; k < t->ncolumns; k++)
			t->columns[k].least = stages[i].least;
		shrink(t, stages[i].flags, &excess);
	}
}

static void
set_widths(struct table *t)
{
	size_t i, total = 0;

	choose_columns(t);
	for (i = 0; i < t->ncolumns; i++)
		total += t->columns[i].hidden ? 0 : t->columns[i].width + (i < t->last ? GAP : 0);
	t->spare = t->limit == 0 ? SIZE_MAX : t->limit > total ? t->limit - total : 0;
	if (t->limit > 0 && total > t->limit)
		shrink_all(t, total - t->limit);
}

/* Whether there are no widths yet, or something is in a column that was left out. */
static bool
must_fix(const struct table *t)
{
	const struct column *c;
	size_t i;

	for (i = 0; t->fixed && i < t->ncells; i++) {
		c = &t->columns[i % t->ncolumns];
		if (c->hidden && !c->under && t->cells[i].columns > 0)
			return (true);
	}
	return (!t->fixed);
}

/* The widths that the cells want. */
static void
measure(struct table *t)
{
	struct column *c;
	size_t i;

	for (i = 0; i < t->ncolumns; i++)
		t->columns[i].width = 0;
	for (i = 0; i < t->ncells; i++) {
		c = &t->columns[i % t->ncolumns];
		if (t->cells[i].columns > c->width)
			c->width = t->cells[i].columns;
	}
}

static void
fix_widths(struct table *t)
{
	struct column *c;
	size_t i;

	for (i = 0; i < t->ncolumns; i++)
		t->columns[i].under = false;
	measure(t);
	set_widths(t);
	for (i = 0; i < t->ncolumns; i++) {
		c = &t->columns[i];
		if (c->art == NULL || (c->flags & TABLE_STATE) == 0 || (c->flags & TABLE_BELOW) != 0 ||
		    c->hidden || c->width >= STATE_LEAST)
			continue;
		measure(t);
		c->under = c->width >= STATE_LEAST;
		set_widths(t);
	}
	t->fixed = true;
}

int
cli_table_flush(struct table *t)
{
	size_t i;

	t->failed = t->failed || t->text.failed;
	if (t->ncolumns > 0 && !t->failed) {
		if (must_fix(t)) {
			fix_widths(t);
			print_headers(t);
		}
		for (i = 0; i + t->ncolumns <= t->ncells; i += t->ncolumns)
			print_row(t, &t->cells[i]);
	}
	t->ncells = 0;
	buf_reset(&t->text);
	return (t->failed ? -1 : 0);
}

bool
cli_table_full(const struct table *t)
{
	return (t->ncells == t->cap);
}

void
cli_table_free(struct table *t)
{
	if (t == NULL)
		return;
	buf_release(&t->line);
	buf_release(&t->text);
	free(t->cells);
	free(t->columns);
	free(t);
}

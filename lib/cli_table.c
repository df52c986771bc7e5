/* Tables for people: aligned columns, cut to the terminal's width. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

#include "banned.h"

#define GAP 2	       /* columns between columns */
#define FLEX_MIN 8     /* the flexible one is not cut below this */
#define ROWS_WAIT 1000 /* rows that wait for the widths */
#define ELLIPSIS "\xe2\x80\xa6"

struct cell {
	size_t at, len; /* in ${text} */
	const char *style;
};

struct column {
	size_t width; /* of its widest cell, then as printed */
	bool right;
};

struct table {
	const char *const *headers;
	FILE *out;
	size_t limit;
	bool color;
	bool fixed; /* widths are, and the headers are printed */
	bool failed;
	size_t ncolumns, flex;
	size_t flex_max; /* columns of the flexible one, set with the widths */
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
	size_t i;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		goto err0;
	while (headers[t->ncolumns] != NULL)
		t->ncolumns++;
	t->cap = t->ncolumns * ROWS_WAIT;
	if ((t->columns = calloc(t->ncolumns + 1, sizeof(*t->columns))) == NULL)
		goto err1;
	if ((t->cells = calloc(t->cap + 1, sizeof(*t->cells))) == NULL)
		goto err2;
	for (i = 0; i < t->ncolumns; i++)
		t->columns[i].width = cli_columns((struct span){headers[i], strlen(headers[i])});
	t->headers = headers;
	t->out = out;
	t->limit = width;
	t->color = color;
	t->flex = t->ncolumns == 0 ? 0 : t->ncolumns - 1;
	return (t);

err2:
	free(t->columns);
err1:
	free(t);
err0:
	return (NULL);
}

void
cli_table_flex(struct table *t, size_t column)
{
	t->flex = column;
}

void
cli_table_right(struct table *t, size_t column)
{
	t->columns[column].right = true;
}

void
cli_table_add(struct table *t, struct span text, const char *style)
{
	struct column *column;
	struct cell *cell;
	size_t width;

	if (t->ncells == t->cap && cli_table_flush(t) != 0)
		return;
	column = &t->columns[t->ncells % t->ncolumns];
	cell = &t->cells[t->ncells++];
	cell->at = t->text.len;
	cell->style = style;
	cli_printable(text, &t->text);
	cell->len = t->text.len - cell->at;
	if (t->fixed || t->text.failed)
		return;
	width = cli_columns((struct span){t->text.data + cell->at, cell->len});
	if (width > column->width)
		column->width = width;
}

static void
fill(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_addc(b, ' ');
}

/* One cell, padded but for the end of a line. */
static void
add_cell(struct table *t, size_t i, struct span text, const char *style)
{
	const struct column *column = &t->columns[i];
	size_t used, len = text.len, pad;
	bool cut = false;

	used = cli_columns(text);
	if (i == t->flex && used > t->flex_max) {
		len = cli_cut(text, t->flex_max - 1, &used);
		used++;
		cut = true;
	}
	pad = used < column->width ? column->width - used : 0;
	if (column->right)
		fill(&t->line, pad);
	if (style != NULL && t->color)
		buf_addf(&t->line, "\033[%sm", style);
	buf_add(&t->line, text.p, len);
	if (cut)
		buf_adds(&t->line, ELLIPSIS);
	if (style != NULL && t->color)
		buf_adds(&t->line, "\033[0m");
	if (i + 1 < t->ncolumns)
		fill(&t->line, GAP + (column->right ? 0 : pad));
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
fix_widths(struct table *t)
{
	struct column *flex = &t->columns[t->flex];
	size_t i, others = GAP * (t->ncolumns - 1);

	for (i = 0; i < t->ncolumns; i++)
		others += i == t->flex ? 0 : t->columns[i].width;
	t->flex_max = t->limit == 0 ? SIZE_MAX : FLEX_MIN;
	if (t->limit > others + FLEX_MIN)
		t->flex_max = t->limit - others;
	if (flex->width > t->flex_max)
		flex->width = t->flex_max;
	t->fixed = true;
	for (i = 0; i < t->ncolumns; i++)
		add_cell(t, i, (struct span){t->headers[i], strlen(t->headers[i])}, "1");
	print_line(t);
}

int
cli_table_flush(struct table *t)
{
	size_t i;

	t->failed = t->failed || t->text.failed;
	if (t->ncolumns > 0 && !t->failed) {
		if (!t->fixed)
			fix_widths(t);
		for (i = 0; i < t->ncells; i++) {
			add_cell(t, i % t->ncolumns,
			    (struct span){t->text.data + t->cells[i].at, t->cells[i].len},
			    t->cells[i].style);
			if (i % t->ncolumns == t->ncolumns - 1)
				print_line(t);
		}
	}
	t->ncells = 0;
	buf_reset(&t->text);
	return (t->failed ? -1 : 0);
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

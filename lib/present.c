/* How answers look. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "event.h"
#include "excerpt.h"
#include "json.h"
#include "present.h"

#include "banned.h"

#define HASH_SHOWN 12

void
present_init(struct present *p, const struct cli *cli, enum present_format format, FILE *out)
{
	memset(p, 0, sizeof(*p));
	p->format = format;
	p->out = out;
	p->limit = UINT64_MAX;
	p->width = cli_width(fileno(out));
	p->color = cli_want_color(cli, fileno(out));
	p->now_us = cli_now_us();
}

static bool
is_absent(const struct cell *c)
{
	switch (c->kind) {
	case CELL_NUMBER:
	case CELL_TIME:
		return (c->n == PRESENT_NONE);
	case CELL_FLAG:
	case CELL_SCORE:
		return (false);
	case CELL_CHANGE:
		return (c->text.p == NULL && c->before.p == NULL);
	default:
		return (c->text.p == NULL);
	}
}

static void
add_json(struct buf *b, const struct cell *c)
{
	char time[TIME_SIZE];

	if (is_absent(c)) {
		buf_adds(b, "null");
		return;
	}
	switch (c->kind) {
	case CELL_NAME:
		json_escape(b, c->text);
		break;
	case CELL_NUMBER:
		buf_addu64(b, c->n);
		break;
	case CELL_TIME:
		event_time_format((int64_t)c->n, time);
		buf_addf(b, "\"%s\"", time);
		break;
	case CELL_FLAG:
		buf_adds(b, c->n != 0 ? "true" : "false");
		break;
	case CELL_SCORE:
		/* What rounds to nothing has no sign. */
		buf_addf(b, "%.4f", c->score > -.00005 && c->score < 0 ? 0 : c->score);
		break;
	default:
		buf_addspan(b, c->text);
		break;
	}
}

static void
add_member(struct buf *b, const struct cell *c)
{
	struct cell before = {.kind = CELL_JSON, .text = c->before}, after = {.kind = CELL_JSON, .text = c->text};

	if (c->kind != CELL_CHANGE) {
		buf_addc(b, '"');
		buf_adds(b, c->name);
		buf_add(b, "\":", 2);
		add_json(b, c);
		return;
	}
	buf_adds(b, "\"before\":");
	add_json(b, &before);
	buf_adds(b, ",\"after\":");
	add_json(b, &after);
}

/* A string that must not part cells or lines. */
static void
add_escaped(struct buf *b, struct span text)
{
	static const char special[] = "\t\n\r\\", letter[] = "tnr\\";
	const char *found;
	size_t i;

	for (i = 0; i < text.len; i++) {
		found = text.p[i] == '\0' ? NULL : strchr(special, text.p[i]);
		if (found != NULL)
			buf_addc(b, '\\');
		buf_addc(b, found != NULL ? letter[found - special] : text.p[i]);
	}
}

static void
add_tsv(struct buf *b, const struct cell *c)
{
	struct buf decoded = BUF_INIT;
	char time[TIME_SIZE];

	if (is_absent(c) && c->kind != CELL_CHANGE)
		return;
	switch (c->kind) {
	case CELL_CHANGE:
		buf_addspan(b, c->before);
		buf_addc(b, '\t');
		buf_addspan(b, c->text);
		break;
	case CELL_TEXT:
		json_unescape(c->text, &decoded);
		add_escaped(b, (struct span){decoded.data, decoded.len});
		b->failed = b->failed || decoded.failed;
		buf_release(&decoded);
		break;
	case CELL_HASH:
		buf_add(b, c->text.p + 1, c->text.len - 2);
		break;
	case CELL_TIME:
		event_time_format((int64_t)c->n, time);
		buf_adds(b, time);
		break;
	case CELL_NAME:
	case CELL_JSON:
		buf_addspan(b, c->text);
		break;
	default:
		add_json(b, c);
		break;
	}
}

/* What the eye gets; not yet made printable. */
static void
add_shown(struct buf *b, const struct cell *c, bool whole, int64_t now_us)
{
	if (is_absent(c))
		return;
	switch (c->kind) {
	case CELL_TEXT:
		json_unescape(c->text, b);
		break;
	case CELL_HASH:
		buf_add(b, c->text.p + 1,
		    whole || c->text.len < HASH_SHOWN + 2 ? c->text.len - 2 : HASH_SHOWN);
		break;
	case CELL_TIME:
		(whole ? cli_time_long : cli_time_short)((int64_t)c->n, now_us, b);
		break;
	case CELL_FLAG:
		buf_adds(b, c->n != 0 ? "yes" : "no");
		break;
	case CELL_CHANGE:
		change_line(c->before, c->text, SIZE_MAX, false, b);
		break;
	default:
		add_tsv(b, c);
		break;
	}
}

static const char *
style_of(const char *column, struct span shown)
{
	if (strcmp(column, "action") != 0 && strcmp(column, "change") != 0)
		return (NULL);
	return (span_is(shown, "create")   ? "32"
		: span_is(shown, "delete") ? "31"
		: span_is(shown, "modify") ? "33"
					   : "36");
}

/* A CHANGE as a table keeps it: the length of what was before, that, what is after. */

static void
pack_change(struct buf *b, const struct cell *c)
{
	size_t len = c->before.p == NULL ? 0 : c->before.len;

	buf_add(b, &len, sizeof(len));
	buf_addspan(b, c->before);
	buf_addspan(b, c->text);
}

/* Return the one after; no JSON value is empty. */
static struct span
unpack_change(struct span data, struct span *ret_before)
{
	size_t len, at = sizeof(len);

	memcpy(&len, data.p, sizeof(len));
	*ret_before = (struct span){len == 0 ? NULL : data.p + at, len};
	at += len;
	return ((struct span){at == data.len ? NULL : data.p + at, data.len - at});
}

static size_t
change_art_columns(struct span data)
{
	struct span before, after = unpack_change(data, &before);

	return (change_columns(before, after));
}

static void
change_art_line(struct span data, size_t room, bool color, struct buf *out)
{
	struct span before, after = unpack_change(data, &before);

	change_line(before, after, room, color, out);
}

static void
change_art_below(struct span data, size_t width, bool color, struct buf *out)
{
	struct span before, after = unpack_change(data, &before);

	change_block(before, after, width, color, out);
}

static const struct table_art change_art = {change_art_columns, change_art_line, change_art_below};

/* The cells in the order of the columns: a CHANGE comes last. */
static void
set_order(struct present *p, const struct cell *cells, size_t n)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (cells[i].kind == CELL_CHANGE)
			p->order[n - 1] = i;
		else
			p->order[k++] = i;
	}
}

static int
start_table(struct present *p, const struct cell *cells, size_t n)
{
	static const unsigned flags[] = {
	    [CELL_NAME] = TABLE_NAME,
	    [CELL_JSON] = TABLE_STATE,
	    [CELL_TEXT] = TABLE_TEXT,
	    [CELL_NUMBER] = TABLE_RIGHT,
	    [CELL_SCORE] = TABLE_RIGHT,
	    [CELL_FOUND] = TABLE_NAME,
	    [CELL_CHANGE] = TABLE_STATE,
	};
	const struct cell *c;
	size_t k;

	set_order(p, cells, n);
	for (k = 0; k < n; k++)
		p->headers[k] = cells[p->order[k]].name;
	if ((p->table = cli_table_new(p->headers, p->out, p->width, p->color)) == NULL)
		return (-1);
	p->columns = n;
	for (k = 0; k < n; k++) {
		c = &cells[p->order[k]];
		cli_table_column(p->table, k,
		    c->kind == CELL_FOUND && c->state
			? TABLE_STATE
			: flags[c->kind] | (c->kind == CELL_CHANGE && p->below ? TABLE_BELOW : 0));
		if (c->kind == CELL_CHANGE)
			cli_table_draw(p->table, k, &change_art);
		else if (c->kind == CELL_FOUND)
			cli_table_draw(p->table, k, &excerpt_art);
	}
	return (0);
}

/* With reverse: put aside what is in p->text. */
static int
keep(struct present *p)
{
	size_t *more;

	if (p->n_ends == p->cap_ends) {
		p->cap_ends = p->cap_ends == 0 ? 64 : p->cap_ends * 2;
		if ((more = realloc(p->ends, p->cap_ends * sizeof(*more))) == NULL)
			return (-1);
		p->ends = more;
	}
	buf_add(&p->kept, p->text.data, p->text.len);
	p->ends[p->n_ends++] = p->kept.len;
	return (p->kept.failed ? -1 : 0);
}

static struct span
kept(const struct present *p, size_t i)
{
	size_t at = i == 0 ? 0 : p->ends[i - 1];

	return ((struct span){p->kept.data + at, p->ends[i] - at});
}

/* Data is about to be written. */
static void
begin(struct present *p)
{
	if (!p->begun && p->progress != NULL)
		progress_output(p->progress);
	p->begun = true;
}

static int
add_row(struct present *p, const struct cell *cells, size_t n)
{
	const struct cell *c;
	struct span shown;
	size_t k;

	if (p->table == NULL && start_table(p, cells, n) != 0)
		return (-1);
	for (k = 0; k < n; k++) {
		c = &cells[p->order[k]];
		buf_reset(&p->text);
		if (c->kind == CELL_CHANGE)
			pack_change(&p->text, c);
		else if (c->kind == CELL_FOUND)
			excerpt_pack(c->text, c->mark, c->marks, &p->text);
		else
			add_shown(&p->text, c, false, p->now_us);
		if (p->text.failed || (p->reverse && keep(p) != 0))
			return (-1);
		shown = (struct span){p->text.data, p->text.len};
		if (p->reverse)
			continue;
		if (cli_table_full(p->table))
			begin(p);
		cli_table_add(p->table, shown, style_of(c->name, shown));
	}
	return (0);
}

/* `name  value', a line each. */
static void
add_facts(struct present *p, const struct cell *cells, size_t n)
{
	struct buf shown = BUF_INIT;
	size_t i, width = 0;

	for (i = 0; i < n; i++)
		width = strlen(cells[i].name) > width ? strlen(cells[i].name) : width;
	for (i = 0; i < n; i++) {
		if (is_absent(&cells[i]))
			continue;
		buf_reset(&shown);
		add_shown(&shown, &cells[i], true, p->now_us);
		buf_addf(&p->text, p->color ? "\033[1m%-*s\033[0m  " : "%-*s  ", (int)width,
		    cells[i].name);
		cli_printable((struct span){shown.data, shown.len}, &p->text);
		buf_addc(&p->text, '\n');
	}
	p->text.failed = p->text.failed || shown.failed;
	buf_release(&shown);
}

static void
add_line(struct present *p, const struct span *line, const struct cell *cells, size_t n)
{
	struct buf *b = &p->text;
	size_t i;

	if (p->format == PRESENT_JSON && line != NULL) {
		buf_addspan(b, *line);
		for (i = 0; i < n; i++) {
			if (!cells[i].more && (p->root.p == NULL || i < n - 1))
				continue;
			b->len--; /* the brace */
			buf_addc(b, ',');
			add_member(b, &cells[i]);
			buf_addc(b, '}');
		}
	} else if (p->format == PRESENT_JSON) {
		for (i = 0; i < n; i++) {
			buf_addc(b, i == 0 ? '{' : ',');
			add_member(b, &cells[i]);
		}
		buf_addc(b, '}');
	} else {
		for (i = 0; i < n && (p->format != PRESENT_STATE || i < 2); i++) {
			if (i > 0)
				buf_addc(b, '\t');
			add_tsv(b, &cells[i]);
		}
	}
	buf_addc(b, '\n');
}

static void
note_failure(struct present *p)
{
	if (p->sys == 0 && ferror(p->out))
		p->sys = errno;
}

static int
add_answer(struct present *p, const struct span *line, const struct cell *cells, size_t n)
{
	bool row = p->format == PRESENT_TABLE && (!p->facts || p->root.p != NULL);

	if (!p->reverse && p->count >= p->limit)
		return (1);
	buf_reset(&p->text);
	if (row && add_row(p, cells, n) != 0)
		return (-1);
	if (p->format == PRESENT_TABLE && !row)
		add_facts(p, cells, n);
	else if (!row)
		add_line(p, line, cells, n);
	if (p->text.failed)
		return (-1);
	if (!row && p->reverse && keep(p) != 0)
		return (-1);
	if (!row && !p->reverse) {
		begin(p);
		fwrite(p->text.data, 1, p->text.len, p->out);
		note_failure(p);
	}
	p->count++;
	return (present_full(p));
}

int
present_answer(struct present *p, const struct span *line, const struct cell *cells, size_t n)
{
	struct cell more[MAX_CELLS];

	if (p->root.p == NULL)
		return (add_answer(p, line, cells, n));
	if (n > 0)
		memcpy(more, cells, n * sizeof(*cells));
	more[n] = (struct cell){.name = p->root_name, .kind = CELL_TEXT, .text = p->root};
	return (add_answer(p, line, more, n + 1));
}

bool
present_full(const struct present *p)
{
	return ((!p->reverse && p->count >= p->limit) || ferror(p->out));
}

int
present_end(struct present *p)
{
	size_t i, k, per = p->table != NULL ? p->columns : 1, answers = p->n_ends / per;
	struct span text;
	int rc;

	begin(p);
	for (i = 0; i < answers && i < p->limit && !ferror(p->out); i++) {
		for (k = 0; k < per; k++) {
			text = kept(p, (answers - 1 - i) * per + k);
			if (p->table != NULL)
				cli_table_add(p->table, text, style_of(p->headers[k], text));
			else
				fwrite(text.p, 1, text.len, p->out);
		}
	}
	rc = p->table != NULL ? cli_table_flush(p->table) : 0;
	note_failure(p);
	return (rc);
}

void
present_release(struct present *p)
{
	cli_table_free(p->table);
	buf_release(&p->text);
	buf_release(&p->kept);
	free(p->ends);
}

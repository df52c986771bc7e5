/* How the change of a state looks to people. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "change.h"
#include "cli.h"
#include "event.h"
#include "json.h"
#include "line_diff.h"
#include "state_diff.h"

#include "banned.h"

#define INDENT 4
#define LEAST 16 /* a block is not narrower than this, however narrow the terminal is */
#define BEFORE 3 /* columns shown before the first difference of two long values */
#define ELLIPSIS "\xe2\x80\xa6"
#define RED "31"
#define GREEN "32"

static const struct span nothing = {NULL, 0};

/* What writes one line. */
struct pen {
	struct buf *out; /* NULL: to measure only */
	bool color;
	size_t room;
	size_t limit;			/* columns of a value */
	size_t used;			/* columns, also of what found no room */
	struct buf path, before, after; /* of one difference, printable */
};

static void
pen_release(struct pen *p)
{
	if (p->out != NULL)
		p->out->failed = p->out->failed || p->path.failed || p->before.failed ||
		    p->after.failed;
	buf_release(&p->path);
	buf_release(&p->before);
	buf_release(&p->after);
}

static void
put(struct pen *p, struct span text, const char *style)
{
	size_t columns, len;

	if (p->out != NULL && p->used < p->room) {
		len = cli_cut(text, p->room - p->used, &columns);
		if (style != NULL && p->color)
			buf_addf(p->out, "\033[%sm", style);
		buf_add(p->out, text.p, len);
		if (style != NULL && p->color)
			buf_adds(p->out, "\033[0m");
		p->used += columns;
		text = (struct span){text.p + len, text.len - len};
	}
	p->used += cli_columns(text);
}

/* A value, or what can be shown of it: from ${skip} bytes on, at most limit columns. */
static void
put_value(struct pen *p, struct span text, size_t skip, const char *style)
{
	size_t columns, len, room = p->limit;

	if (cli_columns(text) > p->limit && skip > 0) {
		put(p, SPAN(ELLIPSIS), style);
		text = (struct span){text.p + skip, text.len - skip};
		room--;
	}
	if (cli_columns(text) <= room) {
		put(p, text, style);
		return;
	}
	len = cli_cut(text, room - 1, &columns);
	put(p, (struct span){text.p, len}, style);
	put(p, SPAN(ELLIPSIS), style);
}

static struct span
span_of(const struct buf *b)
{
	return ((struct span){b->data == NULL ? "" : b->data, b->len});
}

/* Of two long values that begin alike: the bytes that need not be shown. */
static size_t
common(const struct pen *p)
{
	struct span x = span_of(&p->before), y = span_of(&p->after);
	size_t n = 0, columns;

	if (p->limit == SIZE_MAX || x.len <= p->limit || y.len <= p->limit)
		return (0);
	while (n < x.len && n < y.len && x.p[n] == y.p[n])
		n++;
	while (n > 0 && n < x.len && ((unsigned char)x.p[n] & 0xc0) == 0x80)
		n--;
	x.len = n;
	if ((columns = cli_columns(x)) <= p->limit / 2)
		return (0);
	return (cli_cut(x, columns - BEFORE, &columns));
}

static void
read_change(struct pen *p, const struct state_change *c)
{
	buf_reset(&p->path);
	buf_reset(&p->before);
	buf_reset(&p->after);
	cli_printable(c->path, &p->path);
	cli_printable(c->before, &p->before);
	cli_printable(c->after, &p->after);
}

/* `+ ' or `- ', `path: ', the value. */
static void
put_one(struct pen *p, const char *sign, struct span value, const char *style)
{
	put(p, (struct span){sign, 2}, style);
	if (p->path.len > 0) {
		put(p, span_of(&p->path), style);
		put(p, SPAN(": "), style);
	}
	put_value(p, value, 0, style);
}

static void
put_change(struct pen *p, const struct state_change *c)
{
	size_t skip;

	if (c->before.p == NULL)
		put_one(p, "+ ", span_of(&p->after), GREEN);
	else if (c->after.p == NULL)
		put_one(p, "- ", span_of(&p->before), RED);
	else {
		skip = common(p);
		put(p, span_of(&p->path), NULL);
		if (p->path.len > 0)
			put(p, SPAN(": "), NULL);
		put_value(p, span_of(&p->before), skip, RED);
		put(p, SPAN(" -> "), NULL);
		put_value(p, span_of(&p->after), skip, GREEN);
	}
}

static int
add_to_line(void *arg, const struct state_change *c)
{
	struct pen *p = arg;

	if (p->used > 0)
		put(p, SPAN(", "), NULL);
	read_change(p, c);
	put_change(p, c);
	return (p->path.failed || p->before.failed || p->after.failed);
}

static struct span
state(struct span value)
{
	return (value.p != NULL && event_is_gone(value) ? nothing : value);
}

static size_t
write_line(
    struct span before, struct span after, size_t room, size_t limit, bool color, struct buf *out)
{
	struct pen p = {.out = out, .color = color, .room = room, .limit = limit};

	if (state_diff(before, after, add_to_line, &p) != 0 && out != NULL)
		out->failed = true;
	pen_release(&p);
	return (p.used);
}

size_t
change_columns(struct span before, struct span after)
{
	return (write_line(state(before), state(after), SIZE_MAX, SIZE_MAX, false, NULL));
}

void
change_line(struct span before, struct span after, size_t room, bool color, struct buf *out)
{
	static const size_t limits[] = {SIZE_MAX, 48, 32, 24, 16};
	size_t i, n;

	before = state(before);
	after = state(after);
	/* One value alone is cut where the line ends. */
	n = before.p == NULL || after.p == NULL ? 1 : sizeof(limits) / sizeof(limits[0]);
	for (i = 0; i < n; i++) {
		if (write_line(before, after, room, limits[i], color, NULL) <= room) {
			write_line(before, after, room, limits[i], color, out);
			return;
		}
	}
	if (room > 0) {
		write_line(before, after, room - 1, limits[i - 1], color, out);
		buf_adds(out, ELLIPSIS);
	}
}

/* A line a member. */

struct block {
	struct pen pen;
	size_t width;
};

static void
fill(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* `+ path: value', as many lines as that takes; what follows the first stands below its text. */
static void
wrap(struct block *b, size_t indent, const char *sign, struct span label, struct span value,
    const char *style)
{
	struct buf text = BUF_INIT;
	struct span left;
	size_t len, columns, room = b->width > indent + LEAST ? b->width - indent - 2 : LEAST;
	struct pen *p = &b->pen;

	buf_addspan(&text, label);
	if (label.len > 0)
		buf_adds(&text, ": ");
	buf_addspan(&text, value);
	left = span_of(&text);
	do {
		len = cli_cut(left, room, &columns);
		fill(p->out, indent);
		if (p->color)
			buf_addf(p->out, "\033[%sm", style);
		buf_adds(p->out, left.p == text.data ? sign : "  ");
		buf_add(p->out, left.p, len);
		if (p->color)
			buf_adds(p->out, "\033[0m");
		buf_addc(p->out, '\n');
		left = (struct span){left.p + len, left.len - len};
	} while (left.len > 0);
	p->out->failed = p->out->failed || text.failed;
	buf_release(&text);
}

/* A string of more than one line. */
static bool
is_text(struct span token)
{
	size_t i;

	if (token.p == NULL || token.p[0] != '"')
		return (false);
	for (i = 1; i + 1 < token.len; i++)
		if (token.p[i] == '\\' && token.p[++i] == 'n')
			return (true);
	return (false);
}

/* Lines, one by one, as many as they take. */
static void
put_lines(struct block *b, const char *sign, struct span text, const char *style)
{
	struct buf shown = BUF_INIT;
	const char *lf;
	struct span line;

	for (; text.len > 0; text = (struct span){line.p + line.len, text.len - line.len}) {
		lf = memchr(text.p, '\n', text.len);
		line = (struct span){text.p, lf == NULL ? text.len : (size_t)(lf - text.p) + 1};
		buf_reset(&shown);
		cli_printable((struct span){line.p, line.len - (lf != NULL)}, &shown);
		wrap(b, INDENT + 2, sign, nothing, span_of(&shown), style);
		b->pen.out->failed = b->pen.out->failed || shown.failed;
		if (lf == NULL)
			wrap(b, INDENT + 2, "\\ ", nothing, SPAN("no line feed at the end"), style);
	}
	buf_release(&shown);
}

static int
add_hunk(void *arg, const struct line_hunk *h)
{
	struct block *b = arg;

	fill(b->pen.out, INDENT + 2);
	buf_addf(b->pen.out, "line %zu:\n", h->line);
	put_lines(b, "- ", h->before, RED);
	put_lines(b, "+ ", h->after, GREEN);
	return (b->pen.out->failed);
}

/* The lines that differ. */
static int
add_text(struct block *b, const struct state_change *c)
{
	struct buf before = BUF_INIT, after = BUF_INIT;
	int rc;

	if (c->before.p != NULL)
		json_unescape(c->before, &before);
	if (c->after.p != NULL)
		json_unescape(c->after, &after);
	fill(b->pen.out, INDENT);
	buf_addspan(b->pen.out, span_of(&b->pen.path));
	buf_adds(b->pen.out, ":\n");
	rc = before.failed || after.failed ? -1 : line_diff(span_of(&before), span_of(&after), add_hunk, b);
	buf_release(&before);
	buf_release(&after);
	return (rc);
}

static int
add_to_block(void *arg, const struct state_change *c)
{
	struct block *b = arg;
	struct pen *p = &b->pen, measure = {.room = SIZE_MAX, .limit = SIZE_MAX};
	size_t indent = INDENT;
	struct span path;

	read_change(p, c);
	path = span_of(&p->path);
	if (path.len > 0 && (is_text(c->before) || is_text(c->after)) && (c->before.p == NULL || c->before.p[0] == '"') &&
	    (c->after.p == NULL || c->after.p[0] == '"'))
		return (add_text(b, c));
	measure.path = p->path;
	measure.before = p->before;
	measure.after = p->after;
	put_change(&measure, c);
	if (measure.used + INDENT <= b->width) {
		p->used = 0;
		fill(p->out, INDENT);
		put_change(p, c);
		buf_addc(p->out, '\n');
		return (0);
	}
	if (c->before.p != NULL && c->after.p != NULL && path.len > 0) {
		fill(p->out, INDENT);
		buf_addspan(p->out, path);
		buf_adds(p->out, ":\n");
		path.len = 0;
		indent += 2;
	}
	if (c->before.p != NULL)
		wrap(b, indent, "- ", path, span_of(&p->before), RED);
	if (c->after.p != NULL)
		wrap(b, indent, "+ ", path, span_of(&p->after), GREEN);
	return (0);
}

/* Of a state that came or went as a whole: all members. */
static struct span
no_members(struct span other)
{
	return (other.len > 2 && other.p[0] == '{' ? SPAN("{}") : nothing);
}

void
change_block(struct span before, struct span after, size_t width, bool color, struct buf *out)
{
	struct block b = {{.out = out, .color = color, .room = SIZE_MAX, .limit = SIZE_MAX},
	    width == 0 ? SIZE_MAX : width};

	before = state(before);
	after = state(after);
	if (before.p == NULL)
		before = no_members(after);
	else if (after.p == NULL)
		after = no_members(before);
	if (state_diff(before, after, add_to_block, &b) != 0)
		out->failed = true;
	pen_release(&b.pen);
}

/* Text in which some words matter. */
#include "config.h"

#include <stdint.h>
#include <string.h>

#include "excerpt.h"

#include "banned.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define FOUND "\033[1;31m"
#define PLAIN "\033[0m"

/* A word in printable text. */
struct place {
	uint32_t at, len;
};

/* Packed: the number of places, the places, the text. */
struct packed {
	size_t n;
	const char *places;
	struct span text;
};

void
excerpt_pack(struct span text, const struct span *mark, size_t n, struct buf *out)
{
	struct buf shown = BUF_INIT;
	const char *at = text.p, *end = text.p + text.len;
	struct place place;
	size_t i;

	if (text.p == NULL)
		return;
	buf_add(out, &n, sizeof(n));
	for (i = 0; i < n; i++, at = mark[i - 1].p + mark[i - 1].len) {
		cli_printable((struct span){at, (size_t)(mark[i].p - at)}, &shown);
		place.at = (uint32_t)shown.len;
		cli_printable(mark[i], &shown);
		place.len = (uint32_t)(shown.len - place.at);
		buf_add(out, &place, sizeof(place));
	}
	cli_printable((struct span){at, (size_t)(end - at)}, &shown);
	buf_add(out, shown.data, shown.len);
	out->failed = out->failed || shown.failed;
	buf_release(&shown);
}

static struct packed
unpack(struct span data)
{
	struct packed p = {0};

	if (data.len < sizeof(p.n))
		return (p);
	memcpy(&p.n, data.p, sizeof(p.n));
	p.places = data.p + sizeof(p.n);
	p.text.p = p.places + p.n * sizeof(struct place);
	p.text.len = (size_t)(data.p + data.len - p.text.p);
	return (p);
}

static struct place
place_of(const struct packed *p, size_t i)
{
	struct place ret;

	memcpy(&ret, p->places + i * sizeof(ret), sizeof(ret));
	return (ret);
}

/* Columns of the text between two offsets. */
static size_t
columns_of(const struct packed *p, size_t from, size_t to)
{
	return (cli_columns((struct span){p->text.p + from, to - from}));
}

static size_t
whole_columns(struct span data)
{
	struct packed p = unpack(data);

	return (cli_columns(p.text));
}

/*
 * The column at which a window of ${room} begins in a text of ${total} columns: around the words of the part that has most of them, the first
 * such part.  Two pointers go over the words, so that this is linear in the text.
 */
static size_t
choose(const struct packed *p, size_t total, size_t room)
{
	size_t i, j, most = 0, ret = 0, slack;
	size_t first = 0, first_byte = 0;	/* the column of word i, and where that was reckoned up to */
	size_t last = 0, last_byte = 0;		/* the column behind word j - 1 */
	size_t last_end = 0;
	struct place a, b;

	for (i = j = 0; i < p->n; i++) {
		a = place_of(p, i);
		first += columns_of(p, first_byte, a.at);
		first_byte = a.at;
		for (; j < p->n; j++) {
			b = place_of(p, j);
			last = last_end + columns_of(p, last_byte, b.at + b.len);
			if (j > i && last > first + room)
				break;
			last_end = last;
			last_byte = b.at + b.len;
		}
		if (j - i <= most)
			continue;
		most = j - i;
		slack = room > last_end - first ? room - (last_end - first) : 0;
		ret = first > slack / 2 ? first - slack / 2 : 0;
	}
	return (total > room && ret > total - room ? total - room : ret);
}

/* The text from one offset to another, with its words. */
static void
draw(const struct packed *p, size_t from, size_t to, bool color, struct buf *out)
{
	struct place w;
	size_t i, at = from, begin, end;

	for (i = 0; color && i < p->n; i++) {
		w = place_of(p, i);
		begin = w.at > at ? w.at : at;
		end = w.at + w.len < to ? w.at + w.len : to;
		if (begin >= end)
			continue;
		buf_add(out, p->text.p + at, begin - at);
		buf_adds(out, FOUND);
		buf_add(out, p->text.p + begin, end - begin);
		buf_adds(out, PLAIN);
		at = end;
	}
	buf_add(out, p->text.p + at, to - at);
}

static void
draw_line(struct span data, size_t room, bool color, struct buf *out)
{
	struct packed p = unpack(data);
	size_t total = cli_columns(p.text), start, from = 0, used, left, len;

	if (total <= room) {
		draw(&p, 0, p.text.len, color, out);
		return;
	}
	if (room < 3) {
		buf_adds(out, room > 0 ? ELLIPSIS : "");
		return;
	}
	/* With room for both ellipses; at an end one is not needed. */
	start = choose(&p, total, room - 2);
	if (start + room - 2 >= total)
		start = total - (room - 1);
	if (start < 2)
		start = 0;
	else {
		from = cli_cut(p.text, start, &used);
		/* A wide character may stand across the place. */
		for (; used < start; start++)
			from = cli_cut(p.text, start + 1, &used);
		buf_adds(out, ELLIPSIS);
		room--;
	}
	left = total - columns_of(&p, 0, from);
	len = cli_cut((struct span){p.text.p + from, p.text.len - from}, left <= room ? room : room - 1, &used);
	draw(&p, from, from + len, color, out);
	room -= used;
	if (from + len < p.text.len) {
		buf_adds(out, ELLIPSIS);
		room--;
	}
	/* Columns behind this one are to line up. */
	for (; room > 0; room--)
		buf_addc(out, ' ');
}

const struct table_art excerpt_art = {whole_columns, draw_line, NULL};

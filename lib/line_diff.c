/* Which lines of two texts differ. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "line_diff.h"

#include "banned.h"

#define CELLS_MAX (4u << 20) /* pairs of lines that are compared at most: then none is longer than 65,535 with all */

/* Lines one behind the other. */
struct lines {
	const char *end; /* of the text */
	struct span *line;
	size_t n;
};

static int
split(struct span text, struct lines *ret)
{
	const char *at, *lf;
	size_t n = 1;

	for (at = text.p; text.len > 0 && (lf = memchr(at, '\n', (size_t)(text.p + text.len - at))) != NULL; at = lf + 1)
		n++;
	ret->end = text.p + text.len;
	ret->n = 0;
	if ((ret->line = calloc(n, sizeof(*ret->line))) == NULL)
		return (-1);
	for (at = text.p; at < ret->end; at = lf) {
		lf = memchr(at, '\n', (size_t)(ret->end - at));
		lf = lf != NULL ? lf + 1 : ret->end;
		ret->line[ret->n++] = (struct span){at, (size_t)(lf - at)};
	}
	return (0);
}

/* The text of the lines from ${i} up to ${end}. */
static struct span
part(const struct lines *l, size_t i, size_t end)
{
	const char *from = i < l->n ? l->line[i].p : l->end;
	const char *to = end < l->n ? l->line[end].p : l->end;

	return ((struct span){from, (size_t)(to - from)});
}

struct diff {
	struct lines b, a;
	size_t first, nb, na; /* what differs: lines from first on, so many */
	uint16_t *common;     /* of the lines from [i][j] on: how many can be kept */
};

static inline uint16_t *
cell(const struct diff *d, size_t i, size_t j)
{
	return (&d->common[i * (d->na + 1) + j]);
}

static inline bool
equal(const struct diff *d, size_t i, size_t j)
{
	return (span_eq(d->b.line[d->first + i], d->a.line[d->first + j]));
}

static int
fill(struct diff *d)
{
	size_t i, j;

	if (d->nb == 0 || d->na == 0 || d->nb > CELLS_MAX / d->na)
		return (0);
	if ((d->common = calloc((d->nb + 1) * (d->na + 1), sizeof(*d->common))) == NULL)
		return (-1);
	for (i = d->nb; i-- > 0;)
		for (j = d->na; j-- > 0;)
			if (equal(d, i, j))
				*cell(d, i, j) = (uint16_t)(*cell(d, i + 1, j + 1) + 1);
			else
				*cell(d, i, j) = *cell(d, i + 1, j) >= *cell(d, i, j + 1) ? *cell(d, i + 1, j) : *cell(d, i, j + 1);
	return (0);
}

/* The end of the hunk that begins at [i][j]: up to the next lines that are kept. */
static void
end_of_hunk(const struct diff *d, size_t *i, size_t *j)
{
	if (d->common == NULL) {
		*i = d->nb;
		*j = d->na;
		return;
	}
	while (*i < d->nb || *j < d->na)
		if (*i < d->nb && *j < d->na && equal(d, *i, *j))
			return;
		else if (*j == d->na || (*i < d->nb && *cell(d, *i + 1, *j) >= *cell(d, *i, *j + 1)))
			++*i;
		else
			++*j;
}

static int
walk(const struct diff *d, int (*visit)(void *arg, const struct line_hunk *h), void *arg)
{
	size_t i = 0, j = 0, i0, j0;
	struct line_hunk h;
	int rc;

	while (i < d->nb || j < d->na) {
		i0 = i;
		j0 = j;
		end_of_hunk(d, &i, &j);
		if (i > i0 || j > j0) {
			h.line = d->first + j0 + 1;
			h.before = part(&d->b, d->first + i0, d->first + i);
			h.after = part(&d->a, d->first + j0, d->first + j);
			if ((rc = visit(arg, &h)) != 0)
				return (rc);
		}
		while (i < d->nb && j < d->na && equal(d, i, j)) {
			i++;
			j++;
		}
	}
	return (0);
}

int
line_diff(struct span before, struct span after, int (*visit)(void *arg, const struct line_hunk *h), void *arg)
{
	struct diff d = {.first = 0};
	int ret = -1;

	if (split(before, &d.b) != 0 || split(after, &d.a) != 0)
		goto done;
	d.nb = d.b.n;
	d.na = d.a.n;
	while (d.first < d.nb && d.first < d.na && span_eq(d.b.line[d.first], d.a.line[d.first]))
		d.first++;
	while (d.nb > d.first && d.na > d.first && span_eq(d.b.line[d.nb - 1], d.a.line[d.na - 1])) {
		d.nb--;
		d.na--;
	}
	d.nb -= d.first;
	d.na -= d.first;
	if (fill(&d) == 0)
		ret = walk(&d, visit, arg);
done:	free(d.b.line);
	free(d.a.line);
	free(d.common);
	return (ret);
}

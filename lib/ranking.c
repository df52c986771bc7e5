/* What resembles a text in several ledgers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "ranking.h"

#include "banned.h"

#define KEPT_MAX (64u << 20) /* bytes of lines */

/* One of the best of all roots so far. */
struct ranked {
	double score;
	int64_t time_us;
	size_t root;
	uint64_t seq;
	char *line; /* NULL: there was no room for it */
	size_t len;
};

struct source {
	const char *name;
	char *path;
	char block[BLOCK_NAME_SIZE];
};

struct ranking {
	const struct ask *ask;
	struct source *source;
	size_t sources, sources_cap;
	struct ranked *best; /* sorted */
	size_t n, cap;
	size_t kept; /* bytes */
};

struct ranking *
ranking_new(const struct ask *a)
{
	struct ranking *r;

	if ((r = calloc(1, sizeof(*r))) != NULL)
		r->ask = a;
	return (r);
}

static void
drop(struct ranking *r, size_t n)
{
	while (r->n > n) {
		r->n--;
		if (r->best[r->n].line != NULL)
			r->kept -= r->best[r->n].len;
		free(r->best[r->n].line);
	}
}

void
ranking_free(struct ranking *r)
{
	size_t i;

	if (r == NULL)
		return;
	drop(r, 0);
	for (i = 0; i < r->sources; i++)
		free(r->source[i].path);
	free(r->source);
	free(r->best);
	r->ask->present->root = (struct span){NULL, 0};
	free(r);
}

static int
by_score(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->score != y->score)
		return (x->score > y->score ? -1 : 1);
	if (x->time_us != y->time_us)
		return (x->time_us > y->time_us ? -1 : 1);
	if (x->root != y->root)
		return (x->root < y->root ? -1 : 1);
	return (x->seq > y->seq ? -1 : x->seq < y->seq);
}

static int
add_source(struct ranking *r, const char *name, const char *path)
{
	struct source *more;

	if (r->sources == r->sources_cap) {
		r->sources_cap = r->sources_cap == 0 ? 16 : r->sources_cap * 2;
		if ((more = realloc(r->source, r->sources_cap * sizeof(*more))) == NULL)
			return (-1);
		r->source = more;
	}
	r->source[r->sources] = (struct source){.name = name, .path = strdup(path)};
	return (r->source[r->sources++].path != NULL ? 0 : -1);
}

/* All that one root has; of those that stay the lines.  Return 0, 1 with ${e}, or -1. */
static int
add_found(struct ranking *r, struct place *p, const struct nearest *found, struct err *e)
{
	struct index *ix = p->query.ledger->index;
	struct buf line = BUF_INIT;
	struct ranked *b, *more;
	struct row row;
	size_t i, cap = r->n + found->n;
	int rc = 0;

	if (cap > r->cap) {
		if ((more = realloc(r->best, cap * sizeof(*more))) == NULL)
			return (-1);
		r->best = more;
		r->cap = cap;
	}
	for (i = 0; rc == 0 && i < found->n; i++) {
		if (index_row(ix, found->hit[i].seq, &row, e) != 0)
			rc = 1;
		else
			r->best[r->n++] = (struct ranked){.score = found->hit[i].score,
			    .time_us = row.time_us,
			    .root = r->sources - 1,
			    .seq = found->hit[i].seq};
	}
	if (r->n > 1)
		qsort(r->best, r->n, sizeof(*r->best), by_score);
	drop(r, r->n < r->ask->k ? r->n : r->ask->k);
	for (i = 0; rc == 0 && i < r->n && r->kept < KEPT_MAX; i++) {
		b = &r->best[i];
		if (b->root != r->sources - 1)
			continue;
		if (index_line(ix, b->seq, &line, e) != 0)
			rc = 1;
		else if ((b->line = malloc(line.len)) == NULL)
			rc = -1;
		else {
			memcpy(b->line, line.data, line.len);
			b->len = line.len;
			r->kept += line.len;
		}
	}
	buf_release(&line);
	return (rc);
}

/* What a root that failed had said is taken back. */
static void
forget_source(struct ranking *r)
{
	size_t i, k;

	for (i = k = 0; i < r->n; i++) {
		if (r->best[i].root != r->sources - 1)
			r->best[k++] = r->best[i];
		else if (r->best[i].line != NULL) {
			r->kept -= r->best[i].len;
			free(r->best[i].line);
		}
	}
	r->n = k;
}

int
ranking_add(struct ranking *r, const char *name, const char *path, struct err *e)
{
	struct ask_target target;
	struct nearest found;
	struct place p;
	int rc;

	if (add_source(r, name, path) != 0)
		return (-1);
	if (ask_points(r->ask, path, &p, e) != 0)
		return (1);
	memcpy(r->source[r->sources - 1].block, p.block, sizeof(p.block));
	ask_target(&p, name, &target);
	if (query_similar(&p.query, &target.target, r->ask->k, &found, e) != 0)
		rc = 1;
	else {
		rc = add_found(r, &p, &found, e);
		nearest_release(&found);
	}
	if (rc != 0)
		forget_source(r);
	ask_close(&p);
	return (rc);
}

/* A line that was not kept.  ${p} stays open for the next one, which may be of the same root. */
static int
read_again(struct ranking *r, const struct ranked *b, struct place *p, size_t *open, struct buf *line, struct err *e)
{
	struct source *s = &r->source[b->root];

	if (*open != b->root) {
		ask_close(p);
		*open = SIZE_MAX;
		if (ask_open(r->ask, s->path, s->block[0] != '\0' ? s->block : NULL, p, e) != 0)
			return (-1);
		*open = b->root;
	}
	return (index_line(p->query.ledger->index, b->seq, line, e));
}

int
ranking_answer(struct ranking *r, struct err *e)
{
	struct present *out = r->ask->present;
	struct buf line = BUF_INIT, name = BUF_INIT;
	struct lexical words;
	struct place p = {0};
	size_t i, open = SIZE_MAX;
	struct ranked *b;
	int rc = 0;

	if (lexical_init(&words, (struct span){r->ask->value, strlen(r->ask->value)}, NULL, e) != 0)
		return (-1);
	for (i = 0; rc == 0 && i < r->n; i++) {
		b = &r->best[i];
		buf_reset(&line);
		if (b->line != NULL)
			buf_add(&line, b->line, b->len);
		else if (read_again(r, b, &p, &open, &line, e) != 0)
			rc = -1;
		buf_reset(&name);
		/* A name of a file need not be UTF-8. */
		cli_json_string((struct span){r->source[b->root].name, strlen(r->source[b->root].name)}, &name);
		if (rc == 0 && (name.failed || line.failed))
			rc = err_mem(e);
		out->root = (struct span){name.data, name.len};
		if (rc == 0)
			rc = answer_scored(out, (struct span){line.data, line.len}, b->score, &words, e);
	}
	out->root = (struct span){NULL, 0};
	ask_close(&p);
	lexical_release(&words);
	buf_release(&line);
	buf_release(&name);
	return (rc == -1 ? -1 : 0);
}

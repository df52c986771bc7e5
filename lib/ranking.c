/* The events with the best scores in several ledgers. */
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
	uint64_t nearest; /* of ASK_UNUSUAL */
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
add_found(struct ranking *r, struct place *p, const struct unusual_hit *hit, size_t n, struct err *e)
{
	struct index *ix = p->query.ledger->index;
	struct buf line = BUF_INIT;
	struct ranked *b, *more;
	struct row row;
	size_t i, cap = r->n + n;
	int rc = 0;

	if (cap > r->cap) {
		if ((more = realloc(r->best, cap * sizeof(*more))) == NULL)
			return (-1);
		r->best = more;
		r->cap = cap;
	}
	for (i = 0; rc == 0 && i < n; i++) {
		if (index_row(ix, hit[i].seq, &row, e) != 0)
			rc = 1;
		else
			r->best[r->n++] = (struct ranked){.score = hit[i].score,
			    .nearest = hit[i].nearest,
			    .time_us = row.time_us,
			    .root = r->sources - 1,
			    .seq = hit[i].seq};
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

/* What one root has to say: ${*ret}, to be freed.  Return 0 or -1. */
static int
find(struct place *p, const char *name, struct unusual_hit **ret, size_t *ret_n, struct err *e)
{
	const struct ask *a = p->ask;
	struct ask_target target;
	struct nearest found;
	size_t i;

	ask_target(p, name, &target);
	if (a->what == ASK_UNUSUAL)
		return (query_unusual(&p->query, &target.target, a->k, ret, ret_n, e));
	if (query_similar(&p->query, &target.target, a->k, &found, e) != 0)
		return (-1);
	if ((*ret = calloc(found.n + 1, sizeof(**ret))) != NULL) {
		for (i = 0; i < found.n; i++)
			(*ret)[i] = (struct unusual_hit){.seq = found.hit[i].seq, .score = found.hit[i].score};
	}
	*ret_n = found.n;
	nearest_release(&found);
	return (*ret != NULL ? 0 : err_mem(e));
}

int
ranking_add(struct ranking *r, const char *name, const char *path, struct err *e)
{
	struct unusual_hit *hit;
	struct place p;
	size_t n;
	int rc;

	if (add_source(r, name, path) != 0)
		return (-1);
	if (ask_points(r->ask, path, &p, e) != 0)
		return (1);
	memcpy(r->source[r->sources - 1].block, p.block, sizeof(p.block));
	if (find(&p, name, &hit, &n, e) != 0)
		rc = 1;
	else {
		rc = add_found(r, &p, hit, n, e);
		free(hit);
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

static int
give(struct present *out, const struct ranked *b, struct span line, const struct lexical *words, enum ask_what what, struct err *e)
{
	struct unusual_hit hit = {b->seq, b->score, b->nearest};

	if (what == ASK_UNUSUAL)
		return (answer_unusual_line(out, line, &hit, e));
	return (answer_scored(out, line, b->score, words, e));
}

int
ranking_answer(struct ranking *r, struct err *e)
{
	struct present *out = r->ask->present;
	const char *text = r->ask->what == ASK_SIMILAR ? r->ask->value : "";
	struct buf line = BUF_INIT, name = BUF_INIT;
	struct lexical words;
	struct place p = {0};
	size_t i, open = SIZE_MAX;
	struct ranked *b;
	int rc = 0;

	if (lexical_init(&words, (struct span){text, strlen(text)}, NULL, e) != 0)
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
			rc = give(out, b, (struct span){line.data, line.len}, &words, r->ask->what, e);
	}
	out->root = (struct span){NULL, 0};
	ask_close(&p);
	lexical_release(&words);
	buf_release(&line);
	buf_release(&name);
	return (rc == -1 ? -1 : 0);
}

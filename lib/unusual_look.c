/* A first look at what rows resemble, by codes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "unusual_impl.h"

#include "banned.h"

#define QUERIES 1024u /* candidates that look at the same time */
#define AT_ONCE 8u    /* chunks of codes that they look at before they wait for each other */
#define BLOCKS_MAX (COLUMN_CHUNK / (CODE_ROW_MIN / 8 * CODE_BLOCK))

/* Codes that stand one behind the other. */
struct codes {
	uint8_t *blocks;
	uint64_t seq;
	size_t n; /* rows */
};

struct look {
	size_t first, queries; /* of the active ones: who looks now */
	struct code_query *code;
	struct look_near *near; /* of each of them */
	struct codes some[AT_ONCE];
	size_t somes;
	struct guess *guess;
};

struct look *
look_new(const struct unusual_rows *rows)
{
	struct look *l;
	size_t i;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (NULL);
	l->code = aligned_alloc(_Alignof(struct code_query), QUERIES * sizeof(*l->code));
	l->near = malloc(QUERIES * sizeof(*l->near));
	l->guess = malloc(QUERIES * LOOK_NEAR * sizeof(*l->guess));
	for (i = 0; i < AT_ONCE; i++)
		l->some[i].blocks = malloc((size_t)rows->code_per / CODE_BLOCK * rows->code_bytes * CODE_BLOCK);
	for (i = 0; i < AT_ONCE && l->some[i].blocks != NULL; i++)
		;
	if (i == AT_ONCE && l->code != NULL && l->near != NULL && l->guess != NULL)
		return (l);
	look_free(l);
	return (NULL);
}

void
look_free(struct look *l)
{
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < AT_ONCE; i++)
		free(l->some[i].blocks);
	free(l->guess);
	free(l->near);
	free(l->code);
	free(l);
}

/* ---- one thread ---- */

/* Keep the nearest few. */
static void
keep(struct look_near *near, uint16_t distance, uint64_t row)
{
	size_t i, worst = 0;

	if (near->n < LOOK_NEAR)
		worst = near->n++;
	else {
		for (i = 1; i < LOOK_NEAR; i++)
			worst = near->distance[i] > near->distance[worst] ? i : worst;
		if (near->distance[worst] <= distance)
			return;
	}
	near->distance[worst] = distance;
	near->row[worst] = row;
	if (near->n < LOOK_NEAR)
		return;
	for (i = 0, near->bar = 0; i < LOOK_NEAR; i++)
		near->bar = near->distance[i] > near->bar ? near->distance[i] : near->bar;
}

/* Those before the candidate. */
static void
look_at(const struct code_query *code, struct look_near *near, const struct codes *c, uint64_t before)
{
	uint16_t distance[BLOCKS_MAX * CODE_BLOCK];
	uint32_t bits[BLOCKS_MAX], some;
	size_t n = before <= c->seq ? 0 : before - c->seq < c->n ? (size_t)(before - c->seq) : c->n, i, at;

	if (n == 0)
		return;
	code_distances(code, c->blocks, (n + CODE_BLOCK - 1) / CODE_BLOCK, near->bar, distance, bits);
	for (i = 0; i * CODE_BLOCK < n; i++) {
		for (some = bits[i]; some != 0; some &= some - 1) {
			at = i * CODE_BLOCK + (size_t)__builtin_ctz(some);
			if (at < n && distance[at] <= near->bar)
				keep(near, distance[at], c->seq + at);
		}
	}
}

static void
look_share(struct share *s)
{
	struct unusual *u = s->u;
	struct look *l = u->look;
	size_t i, k;

	for (i = s->from; i < s->to; i++)
		for (k = 0; k < l->somes; k++)
			look_at(&l->code[i], &l->near[i], &l->some[k], u->c[u->active[l->first + i]].seq);
}

static void
ask_share(struct share *s)
{
	struct unusual *u = s->u;
	struct look *l = u->look;
	size_t i;

	for (i = s->from; i < s->to; i++) {
		code_query_init(&l->code[i], row_of(u, u->active[l->first + i]), u->width);
		l->near[i] = (struct look_near){.bar = UINT16_MAX};
	}
}

/* ---- all of them ---- */

/* Codes that cannot be read are not looked at: the rows are, in the end. */
static void
take_codes(struct unusual *u, uint64_t number)
{
	const struct unusual_rows *r = u->rows;
	struct look *l = u->look;
	struct codes *c = &l->some[l->somes];
	const uint8_t *blocks;

	c->seq = number * r->code_per;
	c->n = (size_t)(r->coded - c->seq < r->code_per ? r->coded - c->seq : r->code_per);
	if (r->codes(r->arg, c->seq, c->n, &blocks) != 0)
		return;
	memcpy(c->blocks, blocks, c->n * r->code_bytes);
	l->somes++;
}

/* Compare each with the rows whose codes were the nearest to its own. */
static int
compare_near(struct unusual *u, struct err *e)
{
	struct look *l = u->look;
	size_t n = 0, i, k;

	for (i = 0; i < l->queries; i++)
		for (k = 0; k < l->near[i].n; k++)
			l->guess[n++] = (struct guess){l->near[i].row[k], u->active[l->first + i]};
	return (compare_guesses(u, l->guess, n, e));
}

uint64_t
look_chunks(const struct unusual *u)
{
	uint64_t last = u->c[u->n - 1].seq, coded = u->rows->coded < last ? u->rows->coded : last;

	return ((coded + u->rows->code_per - 1) / u->rows->code_per);
}

int
look(struct unusual *u, uint64_t from, uint64_t to, struct err *e)
{
	uint64_t chunks = look_chunks(u), stride = chunks == 0 ? 1 : stride_of(chunks), at;
	struct look *l = u->look;

	to = to < chunks ? to : chunks;
	for (l->first = 0; l->first < u->actives; l->first += l->queries) {
		l->queries = u->actives - l->first < QUERIES ? u->actives - l->first : QUERIES;
		share_out(u, ask_share, l->queries);
		for (at = from; at < to;) {
			for (l->somes = 0; at < to && l->somes < AT_ONCE; at++)
				take_codes(u, at * stride % chunks);
			share_out(u, look_share, l->queries);
		}
		if (compare_near(u, e) != 0)
			return (-1);
	}
	sift(u);
	return (0);
}

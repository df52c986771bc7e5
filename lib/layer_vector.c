/* The vector of a whole layer. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "event.h"
#include "layer_vector.h"

#include "banned.h"

#define WORD 64
#define ROW_MOST 127
#define ROWS_MAX (1u << 24) /* so many rows add up in 32 bits */

struct sum {
	struct ledger *l;
	struct vectors *v;
	struct embedder *em;
	uint64_t size;
	uint64_t *wanted; /* a bit an event */
	unsigned dims;
	int32_t *part; /* of the last rows */
	int64_t *total;
	uint64_t rows, parts; /* in all, and in part */
	int8_t *row;
	struct buf line;
};

/* ---- which events ---- */

static void
want(struct sum *s, uint64_t seq)
{
	s->wanted[seq / WORD] |= UINT64_C(1) << seq % WORD;
}

static int
want_living(void *arg, const struct element *el)
{
	if (el->alive && !event_reserved(el->name))
		want(arg, el->last_state);
	return (0);
}

/* Leave out those whose rows say that the element is gone, or ecl's own: in the order of the rows, so that each chunk of them is read once. */
static int
drop_others(struct sum *s, struct err *e)
{
	uint64_t word, bits, seq;
	struct row row;

	for (word = 0; word <= s->size / WORD; word++) {
		for (bits = s->wanted[word]; bits != 0; bits &= bits - 1) {
			seq = word * WORD + (uint64_t)__builtin_ctzll(bits);
			if (index_row(s->l->index, seq, &row, e) != 0)
				return (-1);
			if ((row.flags & (ROW_GONE | ROW_OWN)) != 0)
				s->wanted[word] &= ~(bits & -bits);
		}
	}
	return (0);
}

static int
find_living(struct sum *s, struct err *e)
{
	uint64_t *last, *state, n, i;

	if ((s->wanted = calloc(s->size / WORD + 1, sizeof(*s->wanted))) == NULL)
		return (err_mem(e));
	if (s->size == index_size(s->l->index))
		return (index_each(s->l->index, SPAN(""), want_living, s, e));
	if (index_at(s->l->index, s->size, &last, &state, &n, e) != 0)
		return (-1);
	for (i = 0; i < n; i++) {
		if (state[i] != EVENT_NONE)
			want(s, state[i]);
	}
	free(last);
	free(state);
	return (drop_others(s, e));
}

/* ---- their sum ---- */

static void
carry(struct sum *s)
{
	unsigned i;

	for (i = 0; i < s->dims; i++) {
		s->total[i] += s->part[i];
		s->part[i] = 0;
	}
	s->parts = 0;
}

static void
add(struct sum *s, const int8_t *row)
{
	int32_t *part = s->part;
	unsigned i, dims = s->dims;

	for (i = 0; i < dims; i++)
		part[i] += row[i];
	s->rows++;
	if (++s->parts == ROWS_MAX)
		carry(s);
}

/* A row that the files lack.  Return 1, 0 where it cannot be made, or -1. */
static int
make_row(struct sum *s, uint64_t seq, struct err *e)
{
	struct embed_input in;
	struct event ev;

	if (s->em == NULL)
		return (0);
	if (index_event(s->l->index, seq, &s->line, &ev, e) != 0)
		return (-1);
	in = (struct embed_input){ev.element, ev.action, ev.state};
	if (embedder_events(s->em, &in, 1, s->row, e) != 0)
		return (-1);
	add(s, s->row);
	return (1);
}

/* The events of one word that are wanted.  Return 1, 0 or -1. */
static int
add_word(struct sum *s, uint64_t word, struct err *e)
{
	uint64_t bits = s->wanted[word], seq, first = 0, n = 0;
	const int8_t *rows = NULL;
	unsigned width = vectors_width(s->v);
	int rc;

	for (; bits != 0; bits &= bits - 1) {
		seq = word * WORD + (uint64_t)__builtin_ctzll(bits);
		if (seq < vectors_events(s->v) &&
		    ((seq >= first && seq < first + n) || vectors_chunk(s->v, seq, &rows, &first, &n, NULL) == 0)) {
			add(s, rows + (seq - first) * width);
			continue;
		}
		n = 0;
		if ((rc = make_row(s, seq, e)) != 1)
			return (rc);
	}
	return (1);
}

static int
add_all(struct sum *s, struct err *e)
{
	uint64_t word;
	int rc = 1;

	for (word = 0; word <= s->size / WORD && rc == 1; word++)
		rc = add_word(s, word, e);
	carry(s);
	return (rc);
}

/* ---- all together ---- */

/* The sum, so that its largest number is 127: only the direction counts, and small differences of layers show best so. */
static void
finish(const struct sum *s, int8_t *out, unsigned *ret_dims)
{
	int64_t most = 0, twice;
	unsigned i;

	for (i = 0; i < s->dims; i++)
		most = llabs(s->total[i]) > most ? llabs(s->total[i]) : most;
	if (most == 0)
		return;
	for (i = 0; i < s->dims; i++) {
		/* Rounded, halves away from 0, without floats: the same on every machine. */
		twice = 2 * ROW_MOST * llabs(s->total[i]) / most;
		out[i] = (int8_t)((s->total[i] < 0 ? -1 : 1) * ((twice + 1) / 2));
	}
	*ret_dims = s->dims;
}

int
layer_vector(struct ledger *l, struct vectors *v, struct embedder *em, uint64_t size, int8_t *out, unsigned *ret_dims, struct err *e)
{
	struct sum s = {.l = l, .v = v, .em = em, .size = size};
	int rc = -1;

	*ret_dims = 0;
	s.dims = vectors_dims(v);
	if (s.dims == 0 && em != NULL) {
		if (embedder_probe(em, e) != 0)
			return (-1);
		s.dims = embedder_dims(em);
	}
	if (s.dims == 0 || size == 0)
		return (0);
	s.part = calloc(s.dims, sizeof(*s.part));
	s.total = calloc(s.dims, sizeof(*s.total));
	s.row = calloc(1, embedder_width(s.dims));
	if (s.part == NULL || s.total == NULL || s.row == NULL)
		err_mem(e);
	else if (find_living(&s, e) == 0 && (rc = add_all(&s, e)) == 1) {
		finish(&s, out, ret_dims);
		rc = 0;
	}
	free(s.wanted);
	free(s.part);
	free(s.total);
	free(s.row);
	buf_release(&s.line);
	return (rc);
}

/* With the vectors open. */
static int
add_token(struct ledger *l, struct vectors *v, const char *token, uint64_t size, struct buf *out, struct err *e)
{
	struct embedder *em = NULL;
	struct err why = {0};
	unsigned dims = 0;
	int8_t *vector;
	int rc = -1;

	/* Where it is missing, all rows may still be there. */
	if (embedder_open(token, vectors_dims(v), EMBEDDER_NO_COMMAND, &em, &why) != 0) {
		if (err_is_mem(&why))
			return (err_mem(e));
		em = NULL;
	}
	if ((vector = malloc(EMBEDDER_DIMS_MAX)) == NULL)
		err_mem(e);
	else if ((rc = layer_vector(l, v, em, size, vector, &dims, e)) == 0 && dims > 0) {
		buf_addc(out, '"');
		base64_encode(out, (const uint8_t *)vector, dims);
		buf_addc(out, '"');
		rc = out->failed ? err_mem(e) : 1;
	}
	free(vector);
	embedder_free(em);
	return (rc);
}

int
layer_vector_token(struct ledger *l, uint64_t size, struct buf *out, struct err *e)
{
	struct buf token = BUF_INIT;
	struct vectors *v;
	int rc;

	if ((rc = ledger_embedder(l, &token, e)) == 0 && strcmp(buf_cstr(&token), "none") != 0 &&
	    (rc = vectors_open(l->ecl_fd, l->log, VECTORS_MADE, buf_cstr(&token), &v, e)) == 0) {
		rc = add_token(l, v, buf_cstr(&token), size, out, e);
		vectors_free(v);
	}
	buf_release(&token);
	return (rc);
}

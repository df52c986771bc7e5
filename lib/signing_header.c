/*
 * What a block's header says of elements and states, before it is signed.
 *
 * The index gives all elements in their order, the last event of each, and where its state stands; but it is not believed.
 * The header of the last signed block, of m events, commits to what was there then; the lines from m on, which were read, to
 * what became of it.  So from what the index gives, with what the lines touched put back to where it was, heads and
 * states of m events are computed along with those of now: where these are what was signed, all that was not touched is
 * right, and the rest comes from the lines.  Without a signed block, m is 0, and all comes from the lines.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "fetch.h"
#include "signing.h"

#include "banned.h"

/* Heads and states after so many events. */
struct picture {
	struct merkle heads;
	struct sha256 states;
};

#define THEN 1u
#define NOW 2u

struct check {
	struct signing *s;
	struct index *index;
	struct fetch fetch;
	struct picture then, now;
	struct buf which; /* of each event that is fetched: THEN, NOW, or both */
	size_t at;	  /* of the next that comes back */
	struct buf before; /* the name before */
	size_t touched;
	struct buf line;
	struct err *e;
	int rc; /* what index_each() is not told, which takes only positive values for stop */
};

static int
not_of_log(struct err *e, const char *what)
{
	return (err_set(e, "the index does not have the %s of the log: nothing is signed; run 'ecl-index --rebuild'", what));
}

static void
add_head(struct merkle *m, struct span name, uint64_t seq)
{
	uint8_t leaf[ELEMENT_MAX + 9], hash[SHA256_SIZE];
	size_t i;

	memcpy(leaf, name.p, name.len);
	leaf[name.len] = 0;
	for (i = 0; i < 8; i++)
		leaf[name.len + 1 + i] = (uint8_t)(seq >> (56 - 8 * i));
	merkle_leaf(leaf, name.len + 9, hash);
	merkle_add(m, hash);
}

static void
add_state(struct sha256 *c, struct span name, struct span state)
{
	sha256_update(c, name.p, name.len);
	sha256_update(c, "\t", 1);
	sha256_update(c, state.p, state.len);
	sha256_update(c, "\n", 1);
}

/* A state that was fetched. */
static int
on_state(void *arg, struct span name, const struct event *ev)
{
	struct check *c = arg;
	unsigned which = (unsigned char)c->which.data[c->at++];
	uint8_t text[SHA256_SIZE];
	const struct touch *t;

	if (c->at == c->which.len)
		c->at = c->which.len = 0;
	if (ev->state.p == NULL || event_is_gone(ev->state))
		return (not_of_log(c->e, "states"));
	if ((which & NOW) != 0 && (t = touched_find(&c->s->touched, name)) != NULL && t->state == ev->seq) {
		sha256(ev->state.p, ev->state.len, text);
		if (memcmp(text, t->text, SHA256_SIZE) != 0)
			return (not_of_log(c->e, "states"));
	}
	if ((which & THEN) != 0)
		add_state(&c->then.states, name, ev->state);
	if ((which & NOW) != 0)
		add_state(&c->now.states, name, ev->state);
	return (0);
}

static int
want(struct check *c, struct span name, uint64_t seq, unsigned which)
{
	buf_addc(&c->which, (char)which);
	if (c->which.failed)
		return (err_mem(c->e));
	return (fetch_add(&c->fetch, name, seq, c->e));
}

/* The last state at or before event ${seq} of an element, EVENT_NONE where there is none or it is gone: by the parents. */
static int
state_before(struct check *c, uint64_t seq, uint64_t *ret)
{
	struct event ev;

	*ret = EVENT_NONE;
	for (; seq != EVENT_NONE; seq = ev.parent) {
		if (index_event(c->index, seq, &c->line, &ev, c->e) != 0)
			return (-1);
		if (ev.state.p == NULL)
			continue;
		*ret = event_is_gone(ev.state) ? EVENT_NONE : seq;
		return (0);
	}
	return (0);
}

/* The states of one element, then and now. */
static int
add_states(struct check *c, const struct element *el, const struct touch *t)
{
	uint64_t then = el->alive ? el->last_state : EVENT_NONE, now;

	if (event_reserved(el->name))
		return (0);
	if (t != NULL && t->before == EVENT_NONE)
		then = EVENT_NONE;
	else if (t != NULL && el->last_state >= c->s->basis.size && state_before(c, t->before, &then) != 0)
		return (-1);
	now = t == NULL || t->state == EVENT_NONE ? then : t->alive ? t->state : EVENT_NONE;
	if (then != EVENT_NONE && want(c, el->name, then, then == now ? THEN | NOW : THEN) != 0)
		return (-1);
	return (now == EVENT_NONE || now == then ? 0 : want(c, el->name, now, NOW));
}

static int
on_element(void *arg, const struct element *el)
{
	struct check *c = arg;
	const struct touch *t = touched_find(&c->s->touched, el->name);
	uint64_t then = t != NULL ? t->before : el->last;

	if (c->now.heads.size > 0 && span_cmp((struct span){c->before.data, c->before.len}, el->name) >= 0) {
		c->rc = not_of_log(c->e, "elements");
		return (1);
	}
	c->before.len = 0;
	buf_addspan(&c->before, el->name);
	if (c->before.failed) {
		c->rc = err_mem(c->e);
		return (1);
	}
	c->touched += t != NULL;
	if (then != EVENT_NONE)
		add_head(&c->then.heads, el->name, then);
	add_head(&c->now.heads, el->name, t != NULL ? t->last : el->last);
	c->rc = add_states(c, el, t);
	return (c->rc != 0);
}

/* Whether heads, their number and the states are those. */
static bool
is(struct picture *t, uint64_t elements, const uint8_t heads[SHA256_SIZE], const uint8_t state[SHA256_SIZE])
{
	uint8_t root[SHA256_SIZE], text[SHA256_SIZE];

	merkle_root(&t->heads, root);
	sha256_final(&t->states, text);
	return (t->heads.size == elements && memcmp(root, heads, SHA256_SIZE) == 0 && memcmp(text, state, SHA256_SIZE) == 0);
}

static void
picture_init(struct picture *t)
{
	merkle_init(&t->heads);
	sha256_init(&t->states);
}

static int
check_elements(struct signing *s, struct ledger *ledger, const struct block_header *h, struct err *e)
{
	const struct signing_basis *b = &s->basis;
	struct check c = {.s = s, .index = ledger->index, .e = e};
	int rc;

	picture_init(&c.then);
	picture_init(&c.now);
	fetch_init(&c.fetch, ledger->index, on_state, &c);
	if ((rc = index_each(ledger->index, (struct span){"", 0}, on_element, &c, e)) == 0)
		rc = fetch_flush(&c.fetch, e);
	else if (c.rc != 0)
		rc = c.rc;
	if (rc == 0 && c.touched != s->touched.n)
		rc = not_of_log(e, "elements");
	if (rc == 0 && !is(&c.then, b->elements, b->heads, b->state))
		rc = not_of_log(e, "elements and states");
	if (rc == 0 && !is(&c.now, h->elements, h->heads, h->state))
		rc = not_of_log(e, "elements and states");
	fetch_release(&c.fetch);
	buf_release(&c.which);
	buf_release(&c.before);
	buf_release(&c.line);
	return (rc);
}

int
signing_header(struct signing *s, struct ledger *ledger, const struct block_header *h, struct err *e)
{
	uint8_t root[SHA256_SIZE];

	merkle_root(&s->tree, root);
	if (h->size != s->tree.size || memcmp(h->head, s->head, SHA256_SIZE) != 0 || memcmp(h->root, root, SHA256_SIZE) != 0)
		return (not_of_log(e, "root"));
	return (check_elements(s, ledger, h, e));
}

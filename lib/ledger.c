/* One `.ecl` directory: log and index together, and what they say of all elements at once. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch.h"
#include "io.h"
#include "ledger.h"
#include "merkle.h"
#include "received.h"

#include "banned.h"

#define STEP 4096 /* elements between two calls of the ledger's step */

int
ledger_open(int layer_fd, int root_fd, unsigned flags, struct ledger **ret, struct err *e)
{
	struct ledger *l;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		err_mem(e);
		goto err0;
	}
	if ((l->ecl_fd = io_open_dir(layer_fd, ".ecl", e)) == -1)
		goto err1;
	if (log_open(l->ecl_fd, root_fd, &l->log, e) != 0)
		goto err2;
	/* Others made the index of what came as a stream: a checksum does not say whether it is right. */
	if (received_is(l->ecl_fd))
		flags |= INDEX_IGNORE;
	if (index_open(l->ecl_fd, l->log, flags, &l->index, e) != 0)
		goto err3;
	*ret = l;
	return (0);

err3:	log_free(l->log);
err2:	close(l->ecl_fd);
err1:	free(l);
err0:	return (-1);
}

void
ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	index_free(l->index);
	log_free(l->log);
	close(l->ecl_fd);
	free(l);
}

int
ledger_refresh(struct ledger *l, struct err *e)
{
	if (log_refresh(l->log, e) != 0)
		return (-1);
	return (index_catch_up(l->index, e));
}

/* ---- all states ---- */

struct states {
	const struct ledger *ledger;
	const uint64_t *state; /* by id: the event of the state at that size; NULL: the present */
	uint64_t n;
	int (*visit)(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us);
	void *arg;
	struct fetch fetch;
	uint64_t visited;
	struct err *e;
	int rc; /* what index_each() is not told, which takes only positive values for stop */
};

static int
visit_state(void *arg, struct span name, const struct event *ev)
{
	struct states *s = arg;

	if (++s->visited % STEP == 0 && s->ledger->step != NULL)
		s->ledger->step(s->ledger->step_arg, s->visited, s->state != NULL ? s->n : index_elements(s->ledger->index));
	if (ev->state.p == NULL)
		return (err_set(s->e, "the index has event %" PRIu64 " as the state of '%.*s'; run 'ecl-index --rebuild'", ev->seq,
		    (int)name.len, name.p));
	if (event_is_gone(ev->state))
		return (0);
	return (s->visit(s->arg, name, ev->state, ev->seq, ev->time_us));
}

static int
collect(void *arg, const struct element *el)
{
	struct states *s = arg;
	uint64_t seq = el->last_state;

	if (s->state != NULL)
		seq = el->id < s->n ? s->state[el->id] : EVENT_NONE;
	else if (!el->alive)
		return (0);
	if (seq == EVENT_NONE)
		return (0);
	s->rc = fetch_add(&s->fetch, el->name, seq, s->e);
	return (s->rc != 0);
}

int
ledger_states_at(struct ledger *l, uint64_t size,
    int (*visit)(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us), void *arg, struct err *e)
{
	struct states s = {.ledger = l, .visit = visit, .arg = arg, .e = e};
	uint64_t *last = NULL, *state = NULL;
	int rc;

	if (size != index_size(l->index)) {
		if (index_at(l->index, size, &last, &state, &s.n, e) != 0)
			return (-1);
		s.state = state;
	}
	fetch_init(&s.fetch, l->index, visit_state, &s);
	rc = index_each(l->index, (struct span){"", 0}, collect, &s, e);
	if (rc == 0)
		rc = fetch_flush(&s.fetch, e);
	else if (s.rc != 0)
		rc = s.rc;
	fetch_release(&s.fetch);
	free(last);
	free(state);
	return (rc);
}

static int
hash_state(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	struct sha256 *c = arg;

	(void)seq;
	(void)time_us;
	if (event_reserved(name))
		return (0);
	sha256_update(c, name.p, name.len);
	sha256_update(c, "\t", 1);
	sha256_update(c, state.p, state.len);
	sha256_update(c, "\n", 1);
	return (0);
}

int
ledger_state_hash_at(struct ledger *l, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e)
{
	struct sha256 c;

	sha256_init(&c);
	if (ledger_states_at(l, size, hash_state, &c, e) != 0)
		return (-1);
	sha256_final(&c, out);
	return (0);
}

/* ---- the summary ---- */

struct heads {
	struct merkle tree;
	uint64_t n;
};

static int
add_head(void *arg, const struct element *el)
{
	uint8_t leaf[ELEMENT_MAX + 9], hash[SHA256_SIZE];
	struct heads *h = arg;
	size_t i;

	memcpy(leaf, el->name.p, el->name.len);
	leaf[el->name.len] = 0;
	for (i = 0; i < 8; i++)
		leaf[el->name.len + 1 + i] = (uint8_t)(el->last >> (56 - 8 * i));
	merkle_leaf(leaf, el->name.len + 9, hash);
	merkle_add(&h->tree, hash);
	h->n++;
	return (0);
}

/* What the layer's own element says of the embedder: a string token. */
static int
find_embedder(struct ledger *l, struct buf *out, struct err *e)
{
	struct buf scratch = BUF_INIT;
	struct span state = {NULL, 0}, value = {NULL, 0};
	struct element el;
	int rc;

	if ((rc = index_lookup(l->index, SPAN("ecl:layer"), &el, e)) == -1)
		return (-1);
	if (rc == 1 && index_state(l->index, &el, &scratch, &state, e) != 0) {
		buf_release(&scratch);
		return (-1);
	}
	if (state.p == NULL || json_get(state, "embedder", &value) != 1 || value.len < 2 || value.p[0] != '"')
		value = SPAN("\"none\"");
	buf_addspan(out, value);
	buf_release(&scratch);
	return (out->failed ? err_mem(e) : 0);
}

int
ledger_embedder(struct ledger *l, struct buf *out, struct err *e)
{
	struct buf token = BUF_INIT;
	int ret;

	if ((ret = find_embedder(l, &token, e)) == 0) {
		json_unescape((struct span){token.data, token.len}, out);
		if (out->failed)
			ret = err_mem(e);
	}
	buf_release(&token);
	return (ret);
}

/* The genesis, from the log itself. */
int
ledger_origin(struct ledger *l, struct buf *out, struct err *e)
{
	struct span value = {NULL, 0};
	struct buf line = BUF_INIT;
	struct json_fault f;
	struct event ev;
	int rc = -1;

	if (l->log->end.size == 0)
		return (err_set(e, "a log without events has no origin yet"));
	if (log_line(l->log, 0, &line, e) != 0)
		goto out;
	if (event_parse((struct span){line.data, line.len}, &ev, &f) != 0 || !span_is(ev.element, "ecl:layer") || ev.state.p == NULL ||
	    json_get(ev.state, "origin", &value) != 1 || value.len < 3 || value.p[0] != '"') {
		err_set(e, "event 0 is no genesis that names the origin; run 'ecl-verify'");
		goto out;
	}
	json_unescape(value, out);
	rc = out->failed ? err_mem(e) : 0;
out:	buf_release(&line);
	return (rc);
}

int
ledger_summary(struct ledger *l, struct summary *ret, struct err *e)
{
	struct heads heads = {.n = 0};

	memset(ret, 0, sizeof(*ret));
	ret->size = index_size(l->index);
	merkle_init(&heads.tree);
	memcpy(ret->head, l->log->end.hash, SHA256_SIZE);
	if (index_root(l->index, ret->size, ret->root, e) != 0)
		goto err1;
	if (index_each(l->index, (struct span){"", 0}, add_head, &heads, e) != 0)
		goto err1;
	ret->elements = heads.n;
	merkle_root(&heads.tree, ret->heads);
	if (ledger_state_hash_at(l, ret->size, ret->state, e) != 0 || find_embedder(l, &ret->embedder_text, e) != 0)
		goto err1;
	ret->embedder = (struct span){ret->embedder_text.data, ret->embedder_text.len};
	return (0);

err1:	summary_release(ret);
	return (-1);
}

void
summary_release(struct summary *s)
{
	buf_release(&s->embedder_text);
	memset(s, 0, sizeof(*s));
}

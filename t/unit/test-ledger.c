/* What a ledger says of all its elements: states at any size, and the summary for a block's header. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger-model.h"
#include "ledger.h"
#include "tap.h"

struct expected {
	const struct model *m;
	const struct m_element **list; /* living at that size, in the order of bytes */
	uint64_t *seq;		       /* of their states */
	size_t n, at;
	bool good;
	struct sha256 hash;
};

static int
by_bytes(const void *a, const void *b)
{
	return (span_cmp(model_span(*(struct m_element *const *)a), model_span(*(struct m_element *const *)b)));
}

/* The living elements after ${size} events, by the simplest way. */
static void
expect(struct expected *x, const struct model *m, uint64_t size)
{
	uint64_t *state = malloc((m->born + 1) * sizeof(*state)), i;
	size_t k;

	memset(x, 0, sizeof(*x));
	x->m = m;
	x->good = true;
	x->list = calloc(m->names, sizeof(struct m_element *));
	x->seq = calloc(m->names, sizeof(*x->seq));
	for (i = 0; i < m->born; i++)
		state[i] = EVENT_NONE;
	for (i = 0; i < size; i++)
		if (m->ev[i].state != NULL)
			state[m->ev[i].id] = (m->ev[i].flags & ROW_GONE) != 0 ? EVENT_NONE : i;
	for (i = 0; i < m->born; i++)
		if (state[i] != EVENT_NONE)
			x->list[x->n++] = &m->name[m->by_id[i]];
	qsort(x->list, x->n, sizeof(struct m_element *), by_bytes);
	for (k = 0; k < x->n; k++)
		x->seq[k] = state[m->ev[x->list[k]->first].id];
	sha256_init(&x->hash);
	for (k = 0; k < x->n; k++)
		if (strncmp(x->list[k]->name, "ecl:", 4) != 0) {
			sha256_update(&x->hash, x->list[k]->name, x->list[k]->len);
			sha256_update(&x->hash, "\t", 1);
			sha256_update(&x->hash, m->ev[x->seq[k]].state, strlen(m->ev[x->seq[k]].state));
			sha256_update(&x->hash, "\n", 1);
		}
	free(state);
}

static void
expect_end(struct expected *x)
{
	free(x->list);
	free(x->seq);
}

static int
visit(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	struct expected *x = arg;
	size_t i = x->at++;

	x->good = i < x->n && span_eq(name, model_span(x->list[i])) && seq == x->seq[i] && span_is(state, x->m->ev[seq].state) &&
	    time_us == x->m->ev[seq].time_us;
	return (x->good ? 0 : 1);
}

static int
stop_at_third(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	(void)name;
	(void)state;
	(void)seq;
	(void)time_us;
	return (++*(int *)arg == 3 ? 42 : 0);
}

static bool
same_states(struct ledger *l, const struct model *m, uint64_t size)
{
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE];
	struct expected x;
	struct err e;
	bool yes;

	expect(&x, m, size);
	sha256_final(&x.hash, want);
	yes = ledger_states_at(l, size, visit, &x, &e) == 0 && x.good && x.at == x.n && ledger_state_hash_at(l, size, have, &e) == 0 &&
	    memcmp(want, have, SHA256_SIZE) == 0;
	expect_end(&x);
	return (yes);
}

/* `heads`, as DESIGN 6 has it. */
static void
naive_heads(const struct model *m, uint8_t out[SHA256_SIZE])
{
	const struct m_element **list = calloc(m->names, sizeof(struct m_element *));
	uint8_t data[ELEMENT_MAX + 9], leaf[SHA256_SIZE];
	struct merkle t;
	size_t n = 0, i, k;

	for (i = 0; i < m->names; i++)
		if (m->name[i].last != EVENT_NONE)
			list[n++] = &m->name[i];
	qsort(list, n, sizeof(struct m_element *), by_bytes);
	merkle_init(&t);
	for (i = 0; i < n; i++) {
		memcpy(data, list[i]->name, list[i]->len);
		data[list[i]->len] = 0;
		for (k = 0; k < 8; k++)
			data[list[i]->len + 1 + k] = (uint8_t)(list[i]->last >> 8 * (7 - k));
		merkle_leaf(data, list[i]->len + 9, leaf);
		merkle_add(&t, leaf);
	}
	merkle_root(&t, out);
	free(list);
}

static void
test_all(struct ledger *l, struct model *m, const char *how)
{
	uint8_t heads[SHA256_SIZE], root[SHA256_SIZE], state[SHA256_SIZE];
	struct summary s;
	struct err e = {0, 0, ""};
	bool yes = true;
	unsigned i;
	int count = 0;

	ok(same_states(l, m, m->n) && same_states(l, m, 0) && same_states(l, m, 1), "states now, at 0 and at 1 (%s)", how);
	for (i = 0; i < 20 && yes; i++)
		yes = same_states(l, m, random_below(&m->r, (uint32_t)m->n + 1));
	ok(yes, "states at any size (%s)", how);
	ok(ledger_states_at(l, m->n, stop_at_third, &count, &e) == 42 && count == 3, "a visitor can stop it");
	ok(ledger_states_at(l, m->n + 1, stop_at_third, &count, &e) == -1, "not beyond the end");
	if (!ok(ledger_summary(l, &s, &e) == 0, "the summary (%s)", how)) {
		printf("# %s\n", e.text);
		return;
	}
	naive_heads(m, heads);
	ok(s.size == m->n && s.elements == m->born && memcmp(s.head, m->ev[m->n - 1].hash, SHA256_SIZE) == 0, "its size, elements and head");
	ok(memcmp(s.heads, heads, SHA256_SIZE) == 0, "its heads");
	ok(index_root(l->index, m->n, root, &e) == 0 && memcmp(s.root, root, SHA256_SIZE) == 0, "its root");
	ok(ledger_state_hash_at(l, m->n, state, &e) == 0 && memcmp(s.state, state, SHA256_SIZE) == 0, "its state");
	ok(span_is(s.embedder, "\"none\""), "its embedder where the layer names none");
	summary_release(&s);
}

static void
test_empty(void)
{
	uint8_t nothing[SHA256_SIZE], zeros[SHA256_SIZE] = {0};
	struct ledger *l;
	struct summary s;
	struct model m;
	struct err e;
	int fd;

	model_begin(&m, 1, 20, 1000);
	fd = open(m.dir, O_RDONLY | O_DIRECTORY);
	ok(ledger_open(fd, -1, INDEX_TREE, &l, &e) == 0 && ledger_summary(l, &s, &e) == 0, "an empty log");
	sha256(NULL, 0, nothing);
	ok(s.size == 0 && s.elements == 0 && memcmp(s.head, zeros, SHA256_SIZE) == 0 && memcmp(s.root, nothing, SHA256_SIZE) == 0 &&
		memcmp(s.heads, nothing, SHA256_SIZE) == 0 && memcmp(s.state, nothing, SHA256_SIZE) == 0,
	    "its summary");
	summary_release(&s);
	ok(index_publish(l->index, -1, true, &e) == 0 && faccessat(m.ecl_fd, "index", F_OK, 0) != 0, "there is nothing to publish");
	model_grow(&m, 5);
	ok(ledger_refresh(l, &e) == 0 && index_size(l->index) == 5, "it grows");
	ledger_free(l);
	close(fd);
	model_end(&m);
}

/* The genesis names the embedder. */
static void
test_embedder(void)
{
	struct buf line = BUF_INIT;
	struct ledger *l;
	struct summary s;
	struct model m;
	struct event ev;
	struct err e;
	int fd, segment;

	model_begin(&m, 1, 20, 1000);
	memset(&ev, 0, sizeof(ev));
	ev.element = SPAN("ecl:layer");
	ev.action = SPAN("create");
	ev.state = SPAN("{\"embedder\":\"words\",\"format\":1,\"hash\":\"sha256\"}");
	ev.login = EVENT_NO_LOGIN;
	ev.parent = EVENT_NONE;
	event_format(&ev, &line);
	segment = openat(m.ecl_fd, "log/00000000000000000000.ndjson", O_WRONLY | O_CREAT, 0640);
	ok(write(segment, line.data, line.len) == (ssize_t)line.len, "a genesis");
	close(segment);
	fd = open(m.dir, O_RDONLY | O_DIRECTORY);
	ok(ledger_open(fd, -1, INDEX_TREE, &l, &e) == 0 && ledger_summary(l, &s, &e) == 0 && span_is(s.embedder, "\"words\""), "its embedder");
	summary_release(&s);
	ledger_free(l);
	close(fd);
	buf_release(&line);
	model_end(&m);
}

int
main(void)
{
	struct ledger *l;
	struct model m;
	struct err e;
	int fd;

	test_empty();
	test_embedder();
	model_begin(&m, 3, 300, 400);
	model_grow(&m, 4000);
	fd = open(m.dir, O_RDONLY | O_DIRECTORY);
	ok(ledger_open(fd, -1, INDEX_TREE, &l, &e) == 0, "a log without an index");
	test_all(l, &m, "in memory");
	ok(index_publish(l->index, -1, true, &e) == 0, "published");
	test_all(l, &m, "just published");
	model_grow(&m, 300);
	ok(ledger_refresh(l, &e) == 0, "and it grows");
	test_all(l, &m, "with a tail");
	ledger_free(l);
	ok(ledger_open(fd, -1, INDEX_TREE, &l, &e) == 0 && index_published(l->index) == 4000, "opened anew");
	test_all(l, &m, "anew");
	ledger_free(l);
	close(fd);
	model_end(&m);
	return (tap_done());
}

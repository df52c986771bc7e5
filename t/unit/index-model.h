/* The index compared with the model, answer by answer; for the tests of the index. */
#ifndef ECL_INDEX_MODEL_H_
#define ECL_INDEX_MODEL_H_

#include "index_impl.h"
#include "ledger-model.h"
#include "tap.h"

/* What went wrong first in a comparison. */
static char wrong[2048];

#define WRONG(...) (snprintf(wrong, sizeof(wrong), __VA_ARGS__), false)

/* ---- the comparisons ---- */

static inline uint64_t
last_state(const struct model *m, uint64_t seq)
{
	while (seq != EVENT_NONE && m->ev[seq].state == NULL)
		seq = m->ev[seq].parent;
	return (seq);
}

static inline bool
same_element(const struct model *m, const struct m_element *want, const struct element *el)
{
	uint64_t state = last_state(m, want->last);
	bool alive = state != EVENT_NONE && (m->ev[state].flags & ROW_GONE) == 0;

	if (!span_eq(el->name, model_span(want)) || el->id != m->ev[want->last].id || el->first != want->first ||
	    el->last != want->last || el->last_state != state || el->alive != alive)
		return (WRONG("element '%s': id %u first %" PRIu64 " last %" PRIu64 " state %" PRIu64, want->name, el->id, el->first, el->last,
		    el->last_state));
	return (true);
}

static inline bool
same_row(struct index *ix, const struct model *m, uint64_t seq)
{
	const struct m_event *v = &m->ev[seq];
	struct err e;
	struct row row;

	if (index_row(ix, seq, &row, &e) != 0)
		return (WRONG("row %" PRIu64 ": %s", seq, e.text));
	if (row.time_us != v->time_us || row.parent != v->parent || row.offset != v->offset || row.length != v->length ||
	    row.id != v->id || row.flags != v->flags)
		return (WRONG("row %" PRIu64 ": id %u for %u, flags %u for %u", seq, row.id, v->id, row.flags, v->flags));
	return (true);
}

/* Some of the rows, many at a time. */
static inline bool
same_rows(struct index *ix, struct model *m)
{
	uint64_t from = random_below(&m->r, (uint32_t)m->n), n = random_below(&m->r, (uint32_t)(m->n - from) + 1), i;
	struct row *row = malloc((n + 1) * sizeof(*row));
	bool good = true;
	struct err e;

	if (index_rows(ix, from, (size_t)n, row, &e) != 0)
		good = WRONG("rows %" PRIu64 "+%" PRIu64 ": %s", from, n, e.text);
	for (i = 0; i < n && good; i++) {
		const struct m_event *v = &m->ev[from + i];

		if (row[i].time_us != v->time_us || row[i].parent != v->parent || row[i].offset != v->offset ||
		    row[i].length != v->length || row[i].id != v->id || row[i].flags != v->flags)
			good = WRONG("row %" PRIu64 " of some: id %u for %u", from + i, row[i].id, v->id);
	}
	free(row);
	return (good);
}

/* Lines, in the order of the log: many together, or few far from each other; of the places only some. */
static inline bool
same_lines(struct index *ix, struct model *m)
{
	uint64_t seq, step = random_below(&m->r, 3) ? 1 + random_below(&m->r, 3) : 1 + (uint64_t)random_below(&m->r, 1000);
	struct index_place *place = malloc((m->written + 1) * sizeof(*place));
	struct buf out = BUF_INIT;
	struct json_fault f;
	struct event ev;
	size_t i, n = 0, some = 0;
	bool good = true;
	struct err e;

	for (seq = random_below(&m->r, (uint32_t)step); seq < m->written; seq += 1 + random_below(&m->r, (uint32_t)step * 2))
		place[n++] = (struct index_place){.seq = seq, .tag = (size_t)seq};
	if (index_places(ix, place, n, &e) != 0)
		good = WRONG("places: %s", e.text);
	for (i = 0; i < n; i++)
		if (random_below(&m->r, 10) != 0)
			place[some++] = place[i];
	buf_adds(&out, "before");
	if (good && index_lines(ix, place, some, &out, &e) != 0)
		good = WRONG("lines: %s", e.text);
	for (i = 0; i < some && good; i++) {
		const struct m_event *v = &m->ev[place[i].seq];

		if (place[i].tag != place[i].seq || place[i].length != v->length || place[i].at + v->length > out.len ||
		    event_parse((struct span){out.data + place[i].at, v->length}, &ev, &f) != 0 || memcmp(ev.hash, v->hash, SHA256_SIZE) != 0)
			good = WRONG("line %" PRIu64 " of many", place[i].seq);
	}
	buf_release(&out);
	free(place);
	return (good);
}

/* Now and then the index is told what it will be asked for, and more: some of it twice, and names that it never heard. */
static inline void
say_before(struct index *ix, struct model *m)
{
	struct span *name;
	size_t i, n = 0;

	if (random_below(&m->r, 2) == 0 || (name = calloc(2 * m->names + 1, sizeof(*name))) == NULL)
		return;
	for (i = 0; i < m->names; i++) {
		if (random_below(&m->r, 3) != 0)
			name[n++] = model_span(&m->name[i]);
		if (random_below(&m->r, 20) == 0)
			name[n++] = model_span(&m->name[random_below(&m->r, (uint32_t)m->names)]);
	}
	name[n++] = SPAN("no such element");
	index_meet(ix, name, n);
	free(name);
}

static inline bool
same_lookups(struct index *ix, struct model *m, unsigned one_in)
{
	struct buf scratch = BUF_INIT;
	struct element el;
	struct span state;
	struct err e;
	bool good = true;
	size_t i;
	int rc;

	say_before(ix, m);
	for (i = 0; i < m->names && good; i++) {
		if (one_in > 1 && random_below(&m->r, one_in) != 0)
			continue;
		rc = index_lookup(ix, model_span(&m->name[i]), &el, &e);
		if (rc != (m->name[i].last != EVENT_NONE))
			good = WRONG("look-up of '%s': %d %s", m->name[i].name, rc, rc == -1 ? e.text : "");
		if (rc != 1 || !good)
			continue;
		good = same_element(m, &m->name[i], &el);
		if (good && index_state(ix, &el, &scratch, &state, &e) != 0)
			good = WRONG("state of '%s': %s", m->name[i].name, e.text);
		else if (good && el.last_state == EVENT_NONE)
			good = state.p == NULL || WRONG("'%s' has a state", m->name[i].name);
		else if (good)
			good = span_is(state, m->ev[el.last_state].state) || WRONG("another state of '%s'", m->name[i].name);
	}
	if (good && index_lookup(ix, SPAN("no such element"), &el, &e) != 0)
		good = WRONG("an element that is not there");
	buf_release(&scratch);
	return (good);
}

struct visited {
	struct model *m;
	struct index *ix;
	struct m_element **list;
	size_t n, at;
	bool good, probing;
};

static inline int
visit(void *arg, const struct element *el)
{
	struct visited *v = arg;
	struct element other;
	struct err e;

	if (v->at == v->n)
		v->good = WRONG("an element too many: '%.*s'", (int)el->name.len, el->name.p);
	else
		v->good = same_element(v->m, v->list[v->at], el);
	/* A visitor may ask the index, which may meet damage. */
	if (v->good && v->probing && random_below(&v->m->r, 3) == 0) {
		v->good = same_row(v->ix, v->m, random_below(&v->m->r, (uint32_t)index_size(v->ix)));
		if (v->good && index_lookup(v->ix, model_span(v->list[v->at]), &other, &e) != 1)
			v->good = WRONG("a look-up in a visit");
		v->good = v->good && same_element(v->m, v->list[v->at], el);
	}
	v->at++;
	return (v->good ? 0 : 2);
}

static inline int
by_bytes(const void *a, const void *b)
{
	return (span_cmp(model_span(*(struct m_element *const *)a), model_span(*(struct m_element *const *)b)));
}

static inline bool
same_each(struct index *ix, struct model *m, const char *prefix, bool probing)
{
	struct visited v = {.m = m, .ix = ix, .good = true, .probing = probing};
	struct err e;
	size_t i;
	int rc;

	v.list = calloc(m->names, sizeof(struct m_element *));
	for (i = 0; i < m->names; i++)
		if (m->name[i].last != EVENT_NONE && strncmp(m->name[i].name, prefix, strlen(prefix)) == 0)
			v.list[v.n++] = &m->name[i];
	qsort(v.list, v.n, sizeof(struct m_element *), by_bytes);
	rc = index_each(ix, (struct span){prefix, strlen(prefix)}, visit, &v, &e);
	if (v.good && rc != 0)
		v.good = WRONG("index_each: %d %s", rc, rc == -1 ? e.text : "");
	if (v.good && v.at != v.n)
		v.good = WRONG("prefix '%s': %zu elements for %zu", prefix, v.at, v.n);
	free(v.list);
	return (v.good);
}

static inline bool
same_at(struct index *ix, const struct model *m, uint64_t size)
{
	uint64_t *last, *state, n, i, seq, born = 0, *want;
	struct err e;
	bool good;

	if (index_at(ix, size, &last, &state, &n, &e) != 0)
		return (WRONG("index_at(%" PRIu64 "): %s", size, e.text));
	want = malloc((m->born + 1) * sizeof(*want));
	for (seq = 0; seq < size; seq++) {
		born += m->ev[seq].parent == EVENT_NONE;
		want[m->ev[seq].id] = seq;
	}
	good = n == born || WRONG("index_at(%" PRIu64 "): %" PRIu64 " elements for %" PRIu64, size, n, born);
	for (i = 0; i < born && good; i++)
		if (last[i] != want[i] || state[i] != last_state(m, want[i]))
			good = WRONG("index_at(%" PRIu64 "): element %" PRIu64 ": %" PRIu64 " for %" PRIu64 ", state %" PRIu64, size, i, last[i],
			    want[i], state[i]);
	free(want);
	free(last);
	free(state);
	return (good);
}

static inline bool
same_root(struct index *ix, const struct model *m, uint64_t size)
{
	uint8_t want[SHA256_SIZE], have[SHA256_SIZE], leaf[SHA256_SIZE];
	struct merkle t;
	struct err e;
	uint64_t i;

	if ((ix->flags & INDEX_NO_HASHES) != 0)
		return (index_root(ix, size, have, &e) == -1 || WRONG("a root without hashes"));
	merkle_init(&t);
	for (i = 0; i < size; i++) {
		merkle_leaf(m->ev[i].hash, SHA256_SIZE, leaf);
		merkle_add(&t, leaf);
	}
	merkle_root(&t, want);
	if (index_root(ix, size, have, &e) != 0)
		return (WRONG("root of %" PRIu64 ": %s", size, e.text));
	return (memcmp(want, have, SHA256_SIZE) == 0 || WRONG("another root of %" PRIu64, size));
}

static inline bool
same_names(struct index *ix, struct model *m, unsigned times)
{
	struct buf name = BUF_INIT;
	uint64_t size, born, want;
	bool good = true;
	struct err e;
	uint32_t id;

	while (times-- > 0 && good) {
		id = random_below(&m->r, (uint32_t)m->born);
		if (index_name(ix, id, &name, &e) != 0)
			good = WRONG("name of %u: %s", id, e.text);
		else if (!span_eq((struct span){name.data, name.len}, model_span(&m->name[m->by_id[id]])))
			good = WRONG("another name of %u", id);
		size = random_below(&m->r, (uint32_t)m->n + 1);
		for (want = 0; want < m->born && m->name[m->by_id[want]].first < size; want++)
			;
		if (good && (index_born(ix, size, &born, &e) != 0 || born != want))
			good = WRONG("born by %" PRIu64, size);
	}
	buf_release(&name);
	return (good);
}

/* One question of each kind, in an order of chance. */
static inline bool
same_some(struct index *ix, struct model *m)
{
	uint32_t first = random_below(&m->r, 8), i;
	bool good = true;

	for (i = 0; i < 8 && good; i++)
		switch ((first + i) % 8) {
		case 0:
			good = same_row(ix, m, random_below(&m->r, (uint32_t)m->n));
			break;
		case 1:
			good = same_lookups(ix, m, 20);
			break;
		case 2:
			good = same_each(ix, m, random_below(&m->r, 2) ? "" : "if", true);
			break;
		case 3:
			good = same_at(ix, m, random_below(&m->r, (uint32_t)m->n + 1));
			break;
		case 4:
			good = same_root(ix, m, random_below(&m->r, (uint32_t)m->n + 1));
			break;
		case 5:
			good = same_names(ix, m, 5);
			break;
		case 6:
			good = same_rows(ix, m);
			break;
		case 7:
			good = same_lines(ix, m);
			break;
		}
	return (good);
}

/* All of them. */
static inline bool
same_all(struct index *ix, struct model *m)
{
	static const char *const prefix[] = {"", "a", "a:b", "ecl:", "if", "interface:eth1", "n", "nothing", "\xc3"};
	struct buf line = BUF_INIT;
	struct event ev;
	struct err e;
	uint64_t seq;
	size_t i;

	if (index_size(ix) != m->n || index_elements(ix) != m->born)
		return (WRONG("%" PRIu64 " events, %" PRIu64 " elements", index_size(ix), index_elements(ix)));
	if (!same_some(ix, m) || !same_rows(ix, m) || !same_lookups(ix, m, 1) || !same_names(ix, m, 20))
		return (false);
	for (seq = 0; seq < m->n; seq += 1 + random_below(&m->r, 7))
		if (!same_row(ix, m, seq))
			return (false);
	for (seq = 0; seq < m->written; seq += 1 + random_below(&m->r, 300))
		if (index_event(ix, seq, &line, &ev, &e) != 0 || ev.seq != seq || memcmp(ev.hash, m->ev[seq].hash, SHA256_SIZE) != 0)
			return (WRONG("event %" PRIu64 ": %s", seq, e.text));
	buf_release(&line);
	for (i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++)
		if (!same_each(ix, m, prefix[i], false))
			return (false);
	for (i = 0; i < 8; i++)
		if (!same_at(ix, m, i < 2 ? m->n * i : random_below(&m->r, (uint32_t)m->n + 1)) ||
		    !same_root(ix, m, i < 2 ? m->n * i : random_below(&m->r, (uint32_t)m->n + 1)))
			return (false);
	return (true);
}

/* ---- opening ---- */

struct opened {
	struct log *log;
	struct index *ix;
};

static inline bool
open_index(struct opened *o, const struct model *m, unsigned flags)
{
	struct err e;

	o->log = NULL;
	o->ix = NULL;
	if (log_open(m->ecl_fd, -1, &o->log, &e) != 0)
		return (WRONG("log_open: %s", e.text));
	if (index_open(m->ecl_fd, o->log, flags, &o->ix, &e) != 0)
		return (WRONG("index_open: %s", e.text));
	return (true);
}

static inline void
close_index(struct opened *o)
{
	index_free(o->ix);
	log_free(o->log);
}

static inline bool
good(bool yes, const char *name)
{
	bool r = ok(yes, "%s", name);

	if (!r)
		printf("# %s\n", wrong);
	wrong[0] = '\0';
	return (r);
}

static inline bool
publish(struct opened *o)
{
	struct err e;

	return (index_publish(o->ix, -1, true, &e) == 0 || WRONG("index_publish: %s", e.text));
}

static inline bool
checks(const struct model *m, int want)
{
	struct buf fault = BUF_INIT;
	struct opened o;
	struct err e = {0, 0, ""};
	int rc;

	if (!open_index(&o, m, INDEX_LAZY | INDEX_IGNORE))
		return (false);
	rc = index_check(m->ecl_fd, o.log, NULL, NULL, &fault, &e);
	if (rc != want)
		snprintf(wrong, sizeof(wrong), "index_check: %d %s %s", rc, buf_cstr(&fault), e.text);
	buf_release(&fault);
	close_index(&o);
	return (rc == want);
}

#endif

/* The answers of ecl-query. */
#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "event.h"
#include "json.h"
#include "layer_vector.h"
#include "vector_text.h"

#include "banned.h"

/* clang-format off */
#define NAME(column, span) {.name = column, .kind = CELL_NAME, .text = span}
#define JSON(column, span) {.name = column, .kind = CELL_JSON, .text = span}
#define TEXT(column, span) {.name = column, .kind = CELL_TEXT, .text = span}
#define HASH(column, span) {.name = column, .kind = CELL_HASH, .text = span}
#define NUMBER(column, value) {.name = column, .kind = CELL_NUMBER, .n = value}
#define TIME(column, us) {.name = column, .kind = CELL_TIME, .n = us}
#define FLAG(column, value) {.name = column, .kind = CELL_FLAG, .n = value}
#define CHANGE(column, old, new) {.name = column, .kind = CELL_CHANGE, .text = new, .before = old}
/* clang-format on */
#define COUNT(cells) (sizeof(cells) / sizeof((cells)[0]))

const char *const answer_keys[] = {
    [QUERY_ELEMENT] = "element",
    [QUERY_KIND] = "kind",
    [QUERY_ACTION] = "action",
    [QUERY_ACTOR] = "actor",
    [QUERY_HOUR] = "hour",
    [QUERY_DAY] = "day",
    NULL,
};

/* A presenter that wants no more is no error; its own error is that memory ran out, and only that leaves ${e} empty. */
static int
finished(int rc, struct err *e)
{
	if (rc != -1)
		return (0);
	return (e->exit == 0 ? err_mem(e) : -1);
}

static int
give_state(void *arg, const struct query_state *s)
{
	struct cell cells[] = {
	    NAME("element", s->name),
	    JSON("state", s->state),
	    NUMBER("seq", s->seq),
	    TIME("time", (uint64_t)s->time_us),
	};

	return (present_answer(arg, NULL, cells, COUNT(cells)));
}

int
answer_states(struct query *q, struct present *p, struct err *e)
{
	return (finished(query_states(q, give_state, p, e), e));
}

static int
give_event(struct present *p, struct span line, const struct event *ev)
{
	struct cell cells[] = {
	    NUMBER("seq", ev->seq),
	    TIME("time", (uint64_t)ev->time_us),
	    NAME("element", ev->element),
	    NAME("action", ev->action),
	    JSON("state", ev->state),
	    TEXT("actor", ev->actor),
	    TEXT("cause", ev->cause),
	};

	return (present_answer(p, &line, cells, COUNT(cells)));
}

int
answer_before(struct index *ix, const struct event *ev, struct buf *line, struct span *ret, struct err *e)
{
	uint64_t seq = ev->parent, below = ev->seq;
	struct event before;
	struct row row = {0};

	*ret = (struct span){NULL, 0};
	if (ev->state.p == NULL)
		return (0);
	for (; seq != EVENT_NONE && seq < below; below = seq, seq = row.parent) {
		if (index_row(ix, seq, &row, e) != 0)
			return (-1);
		if ((row.flags & ROW_STATE) != 0)
			break;
	}
	if (seq == EVENT_NONE || (seq < below && (row.flags & ROW_GONE) != 0))
		return (0);
	if (seq < below && index_event_at(ix, seq, &row, line, &before, e) != 0)
		return (-1);
	if (seq >= below || !span_eq(before.element, ev->element))
		return (err_set(e, "the index is wrong about event %" PRIu64 ": run 'ecl-index --rebuild'", below));
	*ret = before.state;
	return (0);
}

/* For people: an event, with what it changed. */
static int
show_change(struct present *p, const struct event *ev, struct span before)
{
	struct cell cells[] = {
	    NUMBER("seq", ev->seq),
	    TIME("time", (uint64_t)ev->time_us),
	    NAME("element", ev->element),
	    NAME("action", ev->action),
	    CHANGE("state", before, ev->state),
	    TEXT("actor", ev->actor),
	    TEXT("cause", ev->cause),
	};

	return (present_answer(p, NULL, cells, COUNT(cells)));
}

int
answer_history(struct query *q, struct present *p, struct err *e)
{
	struct buf scratch = BUF_INIT;
	struct query_events *it;
	const struct event *ev;
	struct span line, before;
	int rc;

	if (query_events_open(q, &it, e) != 0)
		return (-1);
	while ((rc = query_events_next(it, &line, &ev, e)) == 1) {
		if (p->format != PRESENT_TABLE)
			rc = give_event(p, line, ev);
		else if ((rc = answer_before(q->ledger->index, ev, &scratch, &before, e)) == 0)
			rc = show_change(p, ev, before);
		if (rc != 0)
			break;
	}
	query_events_free(it);
	buf_release(&scratch);
	return (finished(rc, e));
}

int
answer_line(struct present *p, struct span line, struct span before, struct err *e)
{
	struct json_fault f;
	struct event ev;
	int rc;

	if (p->format == PRESENT_JSON)
		rc = present_answer(p, &line, NULL, 0);
	else if (event_parse(line, &ev, &f) != 0)
		return (err_set(e, "an event of the log is none: %s; run 'ecl-verify'", f.what));
	else
		rc = p->format == PRESENT_TABLE ? show_change(p, &ev, before) : give_event(p, line, &ev);
	return (rc == -1 ? err_mem(e) : rc);
}

/* A hash as a JSON token, in ${out}. */
static struct span
hex_token(const uint8_t hash[SHA256_SIZE], struct buf *out)
{
	buf_addc(out, '"');
	buf_addhex(out, hash, SHA256_SIZE);
	buf_addc(out, '"');
	return ((struct span){out->failed ? "\"\"" : out->data, out->failed ? 2 : out->len});
}

/* For people: all of one event. */
static int
show_event(struct present *p, const struct event *ev)
{
	struct buf prev = BUF_INIT, hash = BUF_INIT, vector = BUF_INIT;

	if (ev->vector.p != NULL)
		buf_addf(&vector, "%zu numbers", vector_text_dims(ev->vector));
	struct cell cells[] = {
	    NUMBER("seq", ev->seq),
	    TIME("time", (uint64_t)ev->time_us),
	    NAME("element", ev->element),
	    NAME("action", ev->action),
	    JSON("state", ev->state),
	    TEXT("actor", ev->actor),
	    TEXT("cause", ev->cause),
	    JSON("meta", ev->meta),
	    NAME("vector", ((struct span){vector.data, vector.len})),
	    NUMBER("uid", ev->uid),
	    NUMBER("login", ev->login == EVENT_NO_LOGIN ? PRESENT_NONE : ev->login),
	    NUMBER("parent", ev->parent),
	    HASH("prev", hex_token(ev->prev, &prev)),
	    HASH("hash", hex_token(ev->hash, &hash)),
	};
	int rc;

	p->facts = true;
	rc = prev.failed || hash.failed || vector.failed ? -1 : present_answer(p, NULL, cells, COUNT(cells));
	buf_release(&vector);
	buf_release(&prev);
	buf_release(&hash);
	return (rc);
}

int
answer_event(struct query *q, const char *what, struct present *p, struct err *e)
{
	struct buf line = BUF_INIT;
	struct event ev;
	int rc;

	if ((rc = query_event(q, what, &line, &ev, e)) == 1)
		rc = p->format == PRESENT_TABLE
		    ? show_event(p, &ev)
		    : give_event(p, (struct span){line.data, line.len}, &ev);
	buf_release(&line);
	return (finished(rc, e));
}

static int
give_element(void *arg, const struct query_element *el)
{
	struct cell cells[] = {
	    NAME("element", el->name),
	    NUMBER("first", el->first),
	    NUMBER("last", el->last),
	    NUMBER("events", el->events),
	};

	return (present_answer(arg, NULL, cells, COUNT(cells)));
}

int
answer_elements(struct query *q, struct present *p, struct err *e)
{
	return (finished(query_elements(q, give_element, p, e), e));
}

static int
give_difference(void *arg, const struct query_change *c)
{
	struct cell cells[] = {
	    NAME("element", c->name),
	    NAME("change", c->before.p == NULL ? SPAN("create") : c->after.p == NULL ? SPAN("delete") : SPAN("modify")),
	    CHANGE("state", c->before, c->after),
	    NUMBER("seq", c->seq),
	};

	return (present_answer(arg, NULL, cells, COUNT(cells)));
}

int
answer_diff(struct query *q, uint64_t from, struct present *p, struct err *e)
{
	p->below = true;
	return (finished(query_diff(q, from, give_difference, p, e), e));
}

struct counts {
	struct present *present;
	const char *key;
	struct buf token; /* of an actor */
};

static int
give_count(void *arg, const struct query_count *c)
{
	struct counts *counts = arg;
	struct cell cells[] = {
	    NAME(counts->key, c->value),
	    NUMBER("count", c->n),
	};

	if (strcmp(counts->key, "actor") == 0 && c->value.p != NULL) {
		buf_reset(&counts->token);
		json_escape(&counts->token, c->value);
		if (counts->token.failed)
			return (-1);
		cells[0].kind = CELL_TEXT;
		cells[0].text = (struct span){counts->token.data, counts->token.len};
	}
	return (present_answer(counts->present, NULL, cells, COUNT(cells)));
}

int
answer_counts(struct query *q, enum query_key key, struct present *p, struct err *e)
{
	struct counts counts = {.present = p, .key = answer_keys[key]};
	int rc;

	rc = query_count(q, key, p->format == PRESENT_TABLE, give_count, &counts, e);
	buf_release(&counts.token);
	return (finished(rc, e));
}

/* The time of an event, PRESENT_NONE where there is none. */
static int
event_time(struct index *ix, uint64_t seq, uint64_t *ret, struct err *e)
{
	struct row row;

	*ret = PRESENT_NONE;
	if (seq >= index_size(ix))
		return (0);
	if (index_row(ix, seq, &row, e) != 0)
		return (-1);
	*ret = (uint64_t)row.time_us;
	return (0);
}

int
answer_layer(struct query *q, struct present *p, struct err *e)
{
	struct ledger *l = q->ledger;
	struct buf state_text = BUF_INIT, root_text = BUF_INIT, vector = BUF_INIT;
	uint8_t state[SHA256_SIZE], root[SHA256_SIZE];
	uint64_t seq = q->size == 0 ? PRESENT_NONE : q->size - 1, time;
	int rc;

	if (event_time(l->index, seq, &time, e) != 0 ||
	    ledger_state_hash_at(l, q->size, state, e) != 0 ||
	    index_root(l->index, q->size, root, e) != 0 ||
	    layer_vector_token(l, q->size, &vector, e) == -1) {
		buf_release(&vector);
		return (-1);
	}
	struct cell cells[] = {
	    NUMBER("seq", seq),
	    TIME("time", time),
	    HASH("state", hex_token(state, &state_text)),
	    HASH("root", hex_token(root, &root_text)),
	    HASH("vector", ((struct span){vector.len > 0 ? vector.data : NULL, vector.len})),
	};
	p->facts = true;
	rc = state_text.failed || root_text.failed ? -1
						   : present_answer(p, NULL, cells, COUNT(cells));
	buf_release(&state_text);
	buf_release(&root_text);
	buf_release(&vector);
	return (finished(rc, e));
}

static int
count_living(void *arg, const struct element *el)
{
	uint64_t *living = arg;

	*living += el->alive && !event_reserved(el->name);
	return (0);
}

/* Rows that a search finds ready. */
static int
count_vectors(struct ledger *l, uint64_t *ret, struct err *e)
{
	struct buf token = BUF_INIT;
	struct vectors *v;
	int rc = -1;

	if (ledger_embedder(l, &token, e) == 0 && vectors_open(l->ecl_fd, l->log, VECTORS_MADE, buf_cstr(&token), &v, e) == 0) {
		*ret = vectors_rows(v);
		vectors_free(v);
		rc = 0;
	}
	buf_release(&token);
	return (rc);
}

int
answer_stat(struct query *q, const struct blocks *blocks, struct present *p, struct err *e)
{
	struct index *ix = q->ledger->index;
	struct log *log = q->ledger->log;
	struct buf head = BUF_INIT;
	uint64_t n = index_size(ix), first, last, living = 0, bytes = 0, present = 0, rows = 0, size;
	size_t i;
	int rc;

	if (event_time(ix, 0, &first, e) != 0 || event_time(ix, n - 1, &last, e) != 0 ||
	    count_vectors(q->ledger, &rows, e) != 0 || index_each(ix, SPAN(""), count_living, &living, e) != 0)
		return (-1);
	for (i = 0; i < log->segments; i++, bytes += size)
		if (log_segment_size(log, i, &size, e) != 0)
			return (-1);
	for (i = 0; i < blocks->list.n; i++)
		present += blocks->present[i];
	struct cell cells[] = {
	    NUMBER("events", n),
	    NUMBER("elements", index_elements(ix)),
	    NUMBER("living", living),
	    TIME("first", first),
	    TIME("last", last),
	    NUMBER("size", bytes),
	    NUMBER("segments", log->segments),
	    NUMBER("blocks", present),
	    HASH("head", n == 0 ? ((struct span){NULL, 0}) : hex_token(log->end.hash, &head)),
	    NUMBER("index_lag", index_lag(ix)),
	    NUMBER("vectors", rows),
	};
	p->facts = true;
	rc = head.failed ? -1 : present_answer(p, NULL, cells, COUNT(cells));
	buf_release(&head);
	return (finished(rc, e));
}

/* Names, one a line. */

struct names {
	struct present *present;
	bool own; /* those of ecl itself too */
	int rc;
};

static int
give_name(void *arg, const struct element *el)
{
	struct names *n = arg;
	struct cell cells[] = {NAME("name", el->name)};

	if (event_reserved(el->name) && !n->own)
		return (0);
	n->rc = present_answer(n->present, NULL, cells, COUNT(cells));
	return (n->rc != 0);
}

int
answer_element_names(struct query *q, const char *prefix, struct present *p, struct err *e)
{
	struct span text = {prefix, strlen(prefix)};
	struct names n = {p, event_reserved(text), 0};
	int rc;

	rc = index_each(q->ledger->index, text, give_name, &n, e);
	return (finished(rc == 1 ? n.rc : rc, e));
}

static int
is_block(const struct dirent *d)
{
	return (strncmp(d->d_name, "block-", 6) == 0);
}

int
answer_block_names(int snap_fd, const char *prefix, struct present *p, struct err *e)
{
	struct dirent **entry;
	size_t len = strlen(prefix);
	int i, n, rc = 0;

	if (snap_fd == -1)
		return (0);
	if ((n = scandirat(snap_fd, ".", &entry, is_block, alphasort)) == -1)
		return (err_sys(e, "cannot read the directory of the blocks"));
	for (i = 0; i < n; i++) {
		struct cell cells[] = {
		    NAME("name", ((struct span){entry[i]->d_name, strlen(entry[i]->d_name)}))};

		if (rc == 0 && strncmp(entry[i]->d_name, prefix, len) == 0)
			rc = present_answer(p, NULL, cells, COUNT(cells));
		free(entry[i]);
	}
	free(entry);
	return (finished(rc, e));
}

/* What a rollback records: an event that says so, and one for every element whose state differs. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "rollback_impl.h"

#include "banned.h"

static void
states_release(struct states *s)
{
	free(s->item);
	buf_release(&s->text);
}

static int
collect(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us)
{
	struct states *s = arg;
	struct state_item *more;
	size_t cap = s->cap == 0 ? 256 : 2 * s->cap;

	(void)seq;
	(void)time_us;
	if (event_reserved(name))
		return (0);
	if (s->n == s->cap) {
		if ((more = realloc(s->item, cap * sizeof(*more))) == NULL)
			return (1);
		s->item = more;
		s->cap = cap;
	}
	s->item[s->n++] = (struct state_item){s->text.len, name.len, s->text.len + name.len, state.len};
	buf_addspan(&s->text, name);
	buf_addspan(&s->text, state);
	sha256_update(&s->hash, name.p, name.len);
	sha256_update(&s->hash, "\t", 1);
	sha256_update(&s->hash, state.p, state.len);
	sha256_update(&s->hash, "\n", 1);
	return (s->text.failed ? 1 : 0);
}

static int
states_read(struct states *s, struct ledger *ledger, struct err *e)
{
	int rc;

	sha256_init(&s->hash);
	if ((rc = ledger_states_at(ledger, ledger->log->end.size, collect, s, e)) == 1)
		return (err_mem(e));
	return (rc);
}

static struct span
item_name(const struct states *s, size_t i)
{
	return ((struct span){s->text.data + s->item[i].name, s->item[i].name_len});
}

static struct span
item_state(const struct states *s, size_t i)
{
	return ((struct span){s->text.data + s->item[i].state, s->item[i].state_len});
}

int
rollback_read_block(struct rollback *r, struct err *e)
{
	const struct block_header *h = &r->block->header;
	struct ledger *ledger;
	uint8_t state[SHA256_SIZE];
	int rc = -1;

	if (ledger_open(r->block_fd, -1, 0, &ledger, e) != 0)
		return (-1);
	if (states_read(&r->want, ledger, e) != 0)
		goto out;
	sha256_final(&r->want.hash, state);
	if (ledger->log->end.size != h->size ||
	    memcmp(ledger->log->end.hash, h->head, SHA256_SIZE) != 0 ||
	    memcmp(state, h->state, SHA256_SIZE) != 0)
		err_no(e, "'%s' does not hold what its header says: 'ecl-verify' tells more",
		    r->block->name);
	else
		rc = 0;
out:	ledger_free(ledger);
	return (rc);
}

/* The block must be of this very history. */
static int
check_history(struct rollback *r, struct ledger *ledger, struct err *e)
{
	const struct block_header *h = &r->block->header;
	struct buf line = BUF_INIT;
	struct event ev;
	int rc = -1;

	if (h->size == 0 || h->size > ledger->log->end.size)
		return (err_no(e, "'%s' is not a block of this ledger: it has %ju events",
		    r->block->name, (uintmax_t)h->size));
	if (index_event(ledger->index, h->size - 1, &line, &ev, e) == 0)
		rc = memcmp(ev.hash, h->head, SHA256_SIZE) == 0
		    ? 0
		    : err_no(e,
			  "'%s' is not a block of this ledger: event %ju is another one there",
			  r->block->name, (uintmax_t)h->size - 1);
	buf_release(&line);
	return (rc);
}

static int
add_rollback(struct rollback *r, struct err *e)
{
	struct event ev = {0};

	ev.element = SPAN("ecl:layer");
	ev.action = SPAN("rollback");
	ev.meta = (struct span){r->meta.data, r->meta.len};
	ev.cause = r->rules.cause;
	return (batch_add(&r->batch, &ev, e));
}

static int
add_element(
    struct rollback *r, struct span name, struct span action, struct span state, struct err *e)
{
	struct event ev = {0};

	ev.element = name;
	ev.action = action;
	ev.state = state;
	ev.cause = r->rules.cause;
	return (batch_add(&r->batch, &ev, e));
}

/* Whether the element is to go back.  Every GLOB that fits it is told. */
static bool
is_wanted(struct rollback *r, struct span name)
{
	bool wanted = !rollback_is_part(r->opt);
	size_t i;

	for (i = 0; i < r->opt->elements; i++) {
		if (filter_name(&r->glob[i], name))
			wanted = r->fits[i] = true;
	}
	return (wanted);
}

/* What is to be recorded of the elements that differ. */
struct changes {
	struct span *name;
	struct change {
		struct span action, state;
	} *change;
	size_t n;
};

static void
add_change(struct changes *c, struct span name, struct span action, struct span state)
{
	c->name[c->n] = name;
	c->change[c->n++] = (struct change){action, state};
}

/* Two sorted lists, side by side. */
static void
compare(struct rollback *r, const struct states *have, struct changes *ret)
{
	const struct states *want = &r->want;
	size_t w = 0, h = 0;
	int c;

	for (; w < want->n || h < have->n; w += c <= 0, h += c >= 0) {
		if (w == want->n || h == have->n)
			c = w == want->n ? 1 : -1;
		else
			c = span_cmp(item_name(want, w), item_name(have, h));
		if (!is_wanted(r, c > 0 ? item_name(have, h) : item_name(want, w)))
			continue;
		if (c < 0)
			add_change(ret, item_name(want, w), SPAN("create"), item_state(want, w));
		else if (c > 0)
			add_change(ret, item_name(have, h), SPAN("delete"), SPAN("null"));
		else if (!span_eq(item_state(want, w), item_state(have, h)))
			add_change(ret, item_name(want, w), SPAN("modify"), item_state(want, w));
	}
}

/* One event for every element that differs. */
static int
add_differences(struct rollback *r, const struct states *have, struct index *ix, struct err *e)
{
	struct changes c = {.n = r->want.n + have->n + 1};
	size_t i;
	int rc = 0;

	c.name = calloc(c.n, sizeof(*c.name));
	c.change = calloc(c.n, sizeof(*c.change));
	c.n = 0;
	if (c.name == NULL || c.change == NULL)
		rc = err_mem(e);
	else {
		compare(r, have, &c);
		index_meet(ix, c.name, c.n);
	}
	for (i = 0; rc == 0 && i < c.n; i++)
		rc = add_element(r, c.name[i], c.change[i].action, c.change[i].state, e);
	free(c.name);
	free(c.change);
	return (rc);
}

static int
fits_element(void *arg, const struct element *el)
{
	return (filter_name(arg, el->name));
}

/* Each GLOB must mean something, be it an element that is as gone as it was in the block: else it is a slip of the pen. */
static int
check_fits(struct rollback *r, struct index *ix, struct err *e)
{
	size_t i;
	int n;

	for (i = 0; i < r->opt->elements; i++) {
		if (r->fits[i])
			continue;
		if ((n = index_each(ix, glob_prefix(r->glob[i].glob->text), fits_element, &r->glob[i], e)) == -1)
			return (-1);
		if (n == 0)
			return (err_no(e, "there never was an element that matches '%s'", r->opt->element[i]));
	}
	return (0);
}

static int
add_states(struct rollback *r, struct ledger *ledger, struct err *e)
{
	struct states have = {0};
	size_t i;
	int rc = 0;

	if (rollback_is_part(r->opt) && r->opt->elements == 0)
		return (0); /* files alone */
	for (i = 0; rc == 0 && i < r->opt->elements; i++)
		rc = filter_settle(&r->glob[i], ledger->index, e);
	if (rc == 0 && (rc = states_read(&have, ledger, e)) == 0 && (rc = add_differences(r, &have, ledger->index, e)) == 0)
		rc = check_fits(r, ledger->index, e);
	states_release(&have);
	return (rc);
}

int
rollback_plan(struct rollback *r, struct ledger *ledger, struct err *e)
{
	int rc = -1;

	batch_begin(&r->batch, ledger, &r->rules);
	if (check_history(r, ledger, e) == 0 && add_rollback(r, e) == 0)
		rc = add_states(r, ledger, e);
	if (rc == 0 && r->batch.lines.failed)
		rc = err_mem(e);
	if (rc != 0)
		batch_abandon(&r->batch, NULL);
	return (rc);
}

/* `,"name":[...]' of strings, where there are any. */
static int
add_strings(struct buf *out, const char *name, const char *const *string, size_t n, struct err *e)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(string[i]);
		if (json_utf8(string[i], len) != len)
			return (err_set(e, "'%s' is not UTF-8, and could not be recorded: name what is above it", string[i]));
		buf_addf(out, i == 0 ? ",\"%s\":[" : ",", name);
		json_escape(out, (struct span){string[i], len});
	}
	if (n > 0)
		buf_addc(out, ']');
	return (0);
}

/* What the rollback's own event says: of which block, and of what of it. */
static int
describe(struct rollback *r, struct err *e)
{
	const struct block_header *h = &r->block->header;

	buf_addf(&r->cause, "\"rollback to %s\"", r->block->name);
	r->rules.cause = r->opt->cause.p != NULL ? r->opt->cause : (struct span){r->cause.data, r->cause.len};
	buf_adds(&r->meta, "{\"block\":\"");
	buf_addhex(&r->meta, h->hash, SHA256_SIZE);
	buf_addc(&r->meta, '"');
	if (add_strings(&r->meta, "elements", r->opt->element, r->opt->elements, e) != 0)
		return (-1);
	buf_addf(&r->meta, ",\"height\":%ju", (uintmax_t)h->height);
	if (add_strings(&r->meta, "paths", r->paths.name, r->paths.n, e) != 0)
		return (-1);
	buf_addf(&r->meta, ",\"size\":%ju}", (uintmax_t)h->size);
	return (r->cause.failed || r->meta.failed ? err_mem(e) : 0);
}

int
rollback_plan_init(struct rollback *r, struct err *e)
{
	size_t i, n = r->opt->elements;

	batch_rules_init(&r->rules);
	if (describe(r, e) != 0)
		return (-1);
	if (n > 0 && ((r->glob = calloc(n, sizeof(*r->glob))) == NULL || (r->fits = calloc(n, sizeof(*r->fits))) == NULL))
		return (err_mem(e));
	for (i = 0; i < n; i++) {
		if (event_reserved((struct span){r->opt->element[i], strlen(r->opt->element[i])}))
			return (err_set(e, "'%s': elements of ecl itself do not go back", r->opt->element[i]));
		if (filter_add(&r->glob[i], r->opt->element[i]) != 0)
			return (err_mem(e));
	}
	return (0);
}

void
rollback_plan_release(struct rollback *r)
{
	size_t i;

	for (i = 0; r->glob != NULL && i < r->opt->elements; i++)
		filter_release(&r->glob[i]);
	free(r->glob);
	free(r->fits);
	batch_release(&r->batch);
	states_release(&r->want);
	buf_release(&r->cause);
	buf_release(&r->meta);
}


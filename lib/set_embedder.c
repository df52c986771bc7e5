/* Another embedder for a ledger. */
#include "config.h"

#include <string.h>

#include "batch.h"
#include "json.h"
#include "set_embedder.h"

#include "banned.h"

#define ELEMENT "ecl:layer"
#define MEMBER "\"embedder\""

static void
add_member(struct buf *out, struct span name, struct span value)
{
	buf_addc(out, out->len == 0 ? '{' : ',');
	buf_addspan(out, name);
	buf_addc(out, ':');
	buf_addspan(out, value);
}

/* The state with another embedder; all else as it was.  Members are in the order of their names. */
static void
replace_member(struct span state, struct span token, struct buf *out)
{
	struct span name, value;
	bool placed = false;
	size_t pos = 0;
	int order;

	while (json_member(state, &pos, &name, &value) == 1) {
		order = json_name_cmp(name, SPAN(MEMBER));
		if (order >= 0 && !placed)
			add_member(out, SPAN(MEMBER), token);
		placed = placed || order >= 0;
		if (order != 0)
			add_member(out, name, value);
	}
	if (!placed)
		add_member(out, SPAN(MEMBER), token);
	buf_addc(out, '}');
}

static int
record(struct layer *l, struct span state, struct err *e)
{
	struct batch_rules rules;
	struct batch b = {0};
	struct event ev = {0};
	enum log_outcome outcome;
	int rc = -1;

	batch_rules_init(&rules);
	ev.element = SPAN(ELEMENT);
	ev.action = SPAN("modify");
	ev.state = state;
	batch_begin(&b, l->ledger, &rules);
	if (batch_add(&b, &ev, e) == 0)
		rc = batch_commit(&b, &l->durable, true, &outcome, e);
	else
		batch_abandon(&b, NULL);
	batch_release(&b);
	return (rc);
}

int
set_embedder_state(struct layer *l, struct span token, struct buf *out, struct err *e)
{
	struct index *ix = l->ledger->index;
	struct buf scratch = BUF_INIT;
	struct span before = {NULL, 0}, had;
	struct element el;
	int rc;

	if ((rc = index_lookup(ix, SPAN(ELEMENT), &el, e)) == 1 && index_state(ix, &el, &scratch, &before, e) != 0)
		rc = -1;
	if (rc == -1)
		goto out;
	if (before.p == NULL || before.len < 2 || before.p[0] != '{') {
		rc = err_set(e, "the ledger has no '%s' with a state, as every ledger has: run 'ecl-verify'", ELEMENT);
		goto out;
	}
	rc = json_get(before, "embedder", &had) == 1 && span_eq(had, token) ? 0 : 1;
	replace_member(before, token, out);
	if (out->failed)
		rc = err_mem(e);
out:	buf_release(&scratch);
	return (rc);
}

/* With the lock held. */
static int
set_locked(struct layer *l, struct span token, struct err *e)
{
	struct buf state = BUF_INIT;
	int rc;

	if ((rc = set_embedder_state(l, token, &state, e)) == 1 && record(l, (struct span){state.data, state.len}, e) != 0)
		rc = -1;
	buf_release(&state);
	return (rc);
}

int
set_embedder(struct layer *l, int wait_ms, const char *token, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	json_escape(&text, (struct span){token, strlen(token)});
	if (text.failed)
		return (err_mem(e));
	if ((rc = layer_lock(l, wait_ms, e)) == 0) {
		rc = set_locked(l, (struct span){text.data, text.len}, e);
		layer_unlock(l);
	}
	buf_release(&text);
	return (rc);
}

/* What the log says of blocks. */
#include "config.h"

#include <stdint.h>

#include "batch.h"
#include "snap.h"

#include "banned.h"

int
snap_last(struct layer *l, struct buf *text, struct block_header *ret, struct err *e)
{
	struct json_fault f;
	struct element el;
	struct event ev;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(l->ledger->index, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc);
	for (seq = el.last; seq != EVENT_NONE; seq = ev.parent) {
		if (index_event(l->ledger->index, seq, text, &ev, e) != 0)
			return (-1);
		if (!span_is(ev.action, SNAP_ACTION))
			continue;
		if (ev.state.p == NULL || block_from_canonical(ev.state, ret, &f) != 0)
			return (err_set(
			    e, "event %ju records a block, but not its header", (uintmax_t)seq));
		return (1);
	}
	return (0);
}

static int
add_event(struct batch *b, struct span action, struct span cause, const struct block_header *h, struct buf *state, struct err *e)
{
	struct event ev = {0};

	buf_reset(state);
	block_canonical(h, state);
	if (state->failed)
		return (err_mem(e));
	ev.element = SPAN(SNAP_ELEMENT);
	ev.action = action;
	ev.state = (struct span){state->data, state->len};
	ev.cause = cause;
	return (batch_add(b, &ev, e));
}

int
snap_record_all(struct layer *l, struct span action, struct span cause, const struct block_header *const *h, size_t n, struct err *e)
{
	struct batch_rules rules;
	struct batch b = {0};
	struct buf state = BUF_INIT;
	enum log_outcome outcome;
	size_t i;
	int rc = 0;

	batch_rules_init(&rules);
	batch_begin(&b, l->ledger, &rules);
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_event(&b, action, cause, h[i], &state, e);
	if (rc == 0)
		rc = batch_commit(&b, &l->durable, true, &outcome, e);
	else
		batch_abandon(&b, NULL);
	batch_release(&b);
	buf_release(&state);
	return (rc);
}

int
snap_record(struct layer *l, const struct block_header *h, struct err *e)
{
	return (snap_record_all(l, SPAN(SNAP_ACTION), (struct span){NULL, 0}, &h, 1, e));
}

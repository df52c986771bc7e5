/* At the end of the log: which claims it does not fit, and how much of it is vouched for. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "verify_internal.h"

#include "banned.h"

/* What ${c} is called. */
static const char *
name_of(const struct verify_claim *c, char *out, size_t size)
{
	if (c->from == CLAIM_GIVEN)
		snprintf(out, size, "the checkpoint '%.128s'", c->name);
	else
		snprintf(out, size, "%s", c->from == CLAIM_ROOT ? "the checkpoint" : "the block's note");
	return (out);
}

static struct verify_place
place_of(const struct verify *v, const struct verify_claim *c, uint64_t seq)
{
	struct verify_place place = PLACE_NONE;

	place.seq = seq;
	if (c->from == CLAIM_ROOT)
		place.path = v->trust.path;
	else if (c->from == CLAIM_BLOCK)
		place.block = c->name;
	return (place);
}

static bool
is_vouched(const struct verify *v, const struct verify_claim *c)
{
	return (c->signer != NULL || (v->opt->quorum > 0 && c->cosigned >= v->opt->quorum));
}

/* Whether those who vouch for ${c} vouch for this log, too, which is another one. */
static bool
is_fork(const struct verify *v, const struct verify_claim *c)
{
	const struct verify_trust *t = &v->trust;
	size_t i;

	for (i = 0; is_vouched(v, c) && i < t->n; i++)
		if (t->claim[i].state == CLAIM_FITS && t->claim[i].size >= c->size && is_vouched(v, &t->claim[i]))
			return (true);
	return (false);
}

static void
differs(struct verify *v, const struct verify_claim *c)
{
	struct verify_place place = place_of(v, c, c->size - 1);
	char name[160];

	if (is_fork(v, c))
		verify_found(v, VERIFY_FORKED, &place,
		    "%s is of other events than the first %" PRIu64 " of the log, and both are signed: there are two histories",
		    name_of(c, name, sizeof(name)), c->size);
	else if (c->from != CLAIM_BLOCK) /* else the block told */
		verify_found(v, VERIFY_REWRITTEN, &place, "the first %" PRIu64 " events are not those of %s", c->size,
		    name_of(c, name, sizeof(name)));
}

static void
longer(struct verify_pass *p, const struct verify_claim *c)
{
	struct verify_place place = place_of(p->v, c, p->seq);
	char name[160];

	if (c->from == CLAIM_BLOCK)
		return; /* it told */
	if (p->log != NULL && p->log->n > 0) {
		place.segment = p->log->segment[p->good_segment].first;
		place.offset = p->good_offset;
	}
	verify_found(p->v, VERIFY_TRUNCATED, &place, "the log ends before event %" PRIu64 ", but %s has %" PRIu64, p->seq,
	    name_of(c, name, sizeof(name)), c->size);
	/* It costs one more look to be certain. */
	p->v->doubt = true;
}

/* Whether nothing heavier than a note was found, but for what could not be read. */
static bool
all_is_well(const struct verify_result *r)
{
	int class;

	for (class = VERIFY_UNCHECKED + 1; class < VERIFY_CLASSES; class ++)
		if (r->count[class] > 0)
			return (false);
	return (true);
}

static void
not_compared(struct verify *v, const struct verify_claim *c)
{
	struct verify_place place = place_of(v, c, VERIFY_NONE);
	char name[160];

	if (!all_is_well(v->result))
		return; /* that is why */
	verify_found(v, VERIFY_UNCHECKED, &place, "%s could not be compared: that takes the log from event 0 to %" PRIu64,
	    name_of(c, name, sizeof(name)), c->size - 1);
}

/* A claim of another origin is of another log, whatever else it says. */
static void
check_origin(struct verify *v, struct verify_claim *c)
{
	struct verify_place place = place_of(v, c, 0);
	char name[160];

	if (c->origin == NULL || v->trust.origin == NULL || strcmp(c->origin, v->trust.origin) == 0)
		return;
	c->state = CLAIM_FOREIGN;
	verify_found(v, VERIFY_REWRITTEN, &place, "%s is of '%.100s', the log says that it is '%.100s'", name_of(c, name, sizeof(name)), c->origin,
	    v->trust.origin);
}

static void
judge(struct verify_pass *p, const struct verify_claim *c)
{
	if (c->state == CLAIM_DIFFERS)
		differs(p->v, c);
	else if (c->state == CLAIM_LONGER)
		longer(p, c);
	else if (c->state == CLAIM_OPEN && c->from == CLAIM_GIVEN)
		not_compared(p->v, c);
}

/* How far the log is vouched for. */
static void
count(struct verify *v)
{
	struct verify_result *r = v->result;
	const struct verify_claim *c;

	for (c = v->trust.claim; c < v->trust.claim + v->trust.n; c++) {
		if (c->state != CLAIM_FITS)
			continue;
		if (c->signer != NULL && c->size >= r->vouched) {
			r->vouched = c->size;
			r->signer = c->signer;
		}
		if (v->opt->quorum > 0 && c->cosigned >= v->opt->quorum && c->size > r->witnessed)
			r->witnessed = c->size;
	}
}

/* Whether anything carries the signature of a demanded key, be it of this log or not. */
static bool
has_signature(const struct verify *v)
{
	size_t i;

	for (i = 0; i < v->trust.n; i++)
		if (v->trust.claim[i].signer != NULL)
			return (true);
	return (false);
}

static void
demand_key(struct verify *v)
{
	struct verify_place place = PLACE_NONE;

	if (v->opt->keys == 0)
		return;
	if (v->layer != NULL && !v->layer->bare) {
		place.path = v->trust.path;
		if (!v->trust.has_note && !v->trust.rejected)
			verify_found(v, VERIFY_UNSIGNED, &place, "there is no signed checkpoint");
		return;
	}
	if (v->result->count[VERIFY_UNSIGNED] > 0)
		return;
	/* A block that stands alone has nothing else that vouches for its files. */
	if (v->blocks.n > 0 && !v->trust.header_signed) {
		place.block = v->blocks.block[0].name;
		verify_found(v, VERIFY_UNSIGNED, &place, "the block's header carries no signature");
	} else if (!has_signature(v))
		verify_found(v, VERIFY_UNSIGNED, &place, "nothing here is signed: give a checkpoint of it that is");
}

static void
demand_quorum(struct verify *v)
{
	struct verify_place place = PLACE_NONE;
	const struct verify_claim *c, *root = NULL;
	size_t most = 0;

	if (v->opt->quorum == 0)
		return;
	for (c = v->trust.claim; c < v->trust.claim + v->trust.n; c++) {
		if (c->cosigned > most)
			most = c->cosigned;
		if (c->from == CLAIM_ROOT && c->state == CLAIM_OPEN)
			root = c;
	}
	if (most < v->opt->quorum)
		verify_found(v, VERIFY_UNSIGNED, &place, "no checkpoint is cosigned by %zu of the %zu witnesses: the most is %zu", v->opt->quorum,
		    v->opt->witnesses, most);
	else if (v->result->witnessed == 0 && root != NULL)
		not_compared(v, root);
}

/* Events that nobody vouches for, though the others are vouched for. */
static void
tail(struct verify_pass *p, uint64_t end, const char *what)
{
	struct verify_place place = PLACE_NONE;

	place.seq = end;
	if (end > 0 && end + 1 == p->seq)
		verify_found(p->v, VERIFY_UNSIGNED_TAIL, &place, "event %" PRIu64 " is behind the newest checkpoint that %s", end, what);
	else if (end > 0 && end < p->seq)
		verify_found(p->v, VERIFY_UNSIGNED_TAIL, &place, "events %" PRIu64 " to %" PRIu64 " are behind the newest checkpoint that %s",
		    end, p->seq - 1, what);
}

/* Whether ROOT/checkpoint is another one by now than it was at the start. */
static bool
has_moved(const struct verify *v)
{
	struct buf now = BUF_INIT;
	bool moved;

	moved = checkpoint_read(v->layer->root_fd, CHECKPOINT_FILE, &now, NULL) == 1 &&
	    (!v->trust.has_note || !span_eq((struct span){now.data, now.len}, (struct span){v->trust.note.data, v->trust.note.len}));
	buf_release(&now);
	return (moved);
}

/* ROOT/checkpoint against the others: it is the one that is written last.  But who signs a block may die before that. */
static void
check_root(struct verify *v)
{
	const struct verify_claim *root = NULL, *given = NULL, *c;
	struct verify_place place = PLACE_NONE;
	uint64_t size;
	int waited_ms = 0;

	for (c = v->trust.claim; c < v->trust.claim + v->trust.n; c++) {
		if (c->from == CLAIM_ROOT)
			root = c;
		if (c->from == CLAIM_GIVEN && c->signer != NULL && c->state != CLAIM_FOREIGN && (given == NULL || c->size > given->size))
			given = c;
	}
	size = root != NULL ? root->size : 0;
	if (root != NULL && given != NULL && size < given->size) {
		place.path = CHECKPOINT_FILE;
		verify_found(v, VERIFY_TRUNCATED, &place, "the checkpoint has %" PRIu64 " events, but '%.128s' of %" PRIu64
		    " was signed before: an older one was put back", size, given->name, given->size);
		return;
	}
	if (v->trust.rejected || size >= v->trust.newest_size || (!v->trust.has_note && v->opt->keys > 0))
		return;
	while (verify_wait_blocks(v, &waited_ms))
		;
	if (has_moved(v))
		return;
	place.block = v->trust.newest;
	if (v->trust.has_note)
		verify_found(v, VERIFY_CHECKPOINT_LAG, &place, "ROOT/checkpoint has %" PRIu64 " events, that of this block %" PRIu64, size,
		    v->trust.newest_size);
	else
		verify_found(v, VERIFY_CHECKPOINT_LAG, &place, "there is no ROOT/checkpoint, but this block has one");
}

void
verify_trust_finish(struct verify_pass *p)
{
	struct verify *v = p->v;
	const struct verify_result *r = v->result;
	size_t i;

	for (i = 0; i < v->trust.n; i++)
		check_origin(v, &v->trust.claim[i]);
	for (i = 0; i < v->trust.n; i++)
		if (v->trust.claim[i].from != CLAIM_INDEX)
			judge(p, &v->trust.claim[i]);
	if (all_is_well(r))
		verify_index_finish(p);
	count(v);
	demand_key(v);
	demand_quorum(v);
	if (v->layer != NULL && !v->layer->bare)
		check_root(v);
	if (r->count[VERIFY_UNSIGNED] > 0 || p->faults > 0)
		return;
	tail(p, r->vouched, "is signed");
	tail(p, r->witnessed, "the witnesses cosigned");
}

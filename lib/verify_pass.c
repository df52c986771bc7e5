/* One pass over the lines of a log: each line in itself, then the chain that they make. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sha256_many.h"
#include "verify_internal.h"

#include "banned.h"

#define HASH_GROUP 64 /* lines hashed at a time */

/* What a line is in itself: nothing here depends on another line. */
struct line {
	struct span text; /* without LF */
	uint64_t offset;
	bool good;
	struct event ev; /* where it is good */
};

void
verify_pass_init(struct verify_pass *p, struct verify *v, struct verify_log *log, unsigned checks)
{
	memset(p, 0, sizeof(*p));
	p->v = v;
	p->log = log;
	p->checks = checks;
	p->begun = log != NULL;
	p->next_anchor = EVENT_NONE;
	merkle_init(&p->tree);
	verify_table_init(&p->elements);
}

void
verify_pass_release(struct verify_pass *p)
{
	verify_table_release(&p->elements);
}

static struct verify_place
place_at(const struct verify_pass *p, uint64_t seq, uint64_t offset)
{
	struct verify_place place = {seq, VERIFY_NONE, offset, "", ""};

	if (p->log != NULL) {
		place.segment = p->log->segment[p->segment].first;
		place.block = p->log->block;
	}
	return (place);
}

void
verify_pass_found(struct verify_pass *p, enum verify_class class, uint64_t seq, uint64_t offset, const char *what)
{
	struct verify_place place = place_at(p, seq, offset);

	if (p->faults++ == 0) {
		p->fault_seq = seq;
		p->fault_segment = place.segment;
		p->fault_offset = offset;
	}
	if ((p->checks & PASS_SILENT) == 0)
		verify_found(p->v, class, &place, "%s", what);
}

void
verify_pass_flush(struct verify_pass *p, enum verify_class class)
{
	if (p->pending.set)
		verify_pass_found(p, class, p->pending.seq, p->pending.offset, p->pending.message);
	p->pending.set = false;
}

void
verify_pass_bad(struct verify_pass *p, uint64_t offset, bool torn, const char *what)
{
	uint64_t seq = p->seq + p->unread++;

	if (torn && p->pending.set)
		return; /* the same tail */
	if (torn) {
		p->pending.set = true;
		p->pending.seq = seq;
		p->pending.offset = offset;
		snprintf(p->pending.message, sizeof(p->pending.message), "%s", what);
		return;
	}
	verify_pass_flush(p, VERIFY_CORRUPT);
	verify_pass_found(p, VERIFY_CORRUPT, seq, offset, what);
}

/* Parse and hash each of the lines. */
static void
check_lines(struct line *lines, size_t n)
{
	uint8_t hash[HASH_GROUP][SHA256_SIZE];
	struct sha256_msg msg[HASH_GROUP];
	struct line *hashed[HASH_GROUP], *l;
	struct json_fault f;
	size_t i, k = 0;

	for (l = lines; l < lines + n; l++) {
		if ((l->good = event_parse(l->text, &l->ev, &f) == 0)) {
			msg[k] = (struct sha256_msg){l->text.p, l->text.len - EVENT_TAIL, hash[k]};
			hashed[k++] = l;
		}
		if (k < HASH_GROUP && l + 1 < lines + n)
			continue;
		sha256_many(msg, k);
		for (i = 0; i < k; i++)
			hashed[i]->good = memcmp(hash[i], hashed[i]->ev.hash, SHA256_SIZE) == 0;
		k = 0;
	}
}

/* A line that is not good: say why. */
static void
bad_line(struct verify_pass *p, struct line *l)
{
	struct json_fault f;
	char what[sizeof(f.what) + 64];

	if (event_parse(l->text, &l->ev, &f) != 0)
		snprintf(what, sizeof(what), "not an event: %s at byte %zu of the line", f.what, f.at + 1);
	else
		snprintf(what, sizeof(what), "event %" PRIu64 " does not have the hash that it says", l->ev.seq);
	verify_pass_bad(p, l->offset, memchr(l->text.p, '\0', l->text.len) != NULL, what);
}

static void
add_leaf(struct verify_pass *p, const uint8_t hash[SHA256_SIZE])
{
	uint8_t leaf[SHA256_SIZE];

	if ((p->checks & PASS_TREE) == 0 || p->tree_lost)
		return;
	merkle_leaf(hash, SHA256_SIZE, leaf);
	merkle_add(&p->tree, leaf);
}

/* Events [p->seq, to) cannot be told. */
static void
lose(struct verify_pass *p, uint64_t to)
{
	p->elements_lost = true;
	if ((p->checks & PASS_BLOCKS) != 0)
		p->v->records.gap = true;
	if (p->gaps < VERIFY_GAPS_MAX)
		p->gap[p->gaps++] = (struct verify_gap){p->seq, to};
}

/* The first good line behind bad ones: what it says of itself is where the chain goes on. */
static void
regain(struct verify_pass *p, const struct event *ev, uint64_t offset)
{
	uint64_t unread = p->unread;

	p->unread = 0;
	if (ev->seq <= p->seq)
		return;
	lose(p, ev->seq);
	if (ev->seq == p->seq + 1 && unread == 1) {
		/* It vouches for the hash of the one that cannot be read. */
		add_leaf(p, ev->prev);
	} else
		p->tree_lost = true;
	p->seq = ev->seq;
	memcpy(p->head, ev->prev, SHA256_SIZE);
	p->offset = offset;
	if (p->seq >= p->next_anchor)
		verify_anchor(p);
}

/* Whether an element's last event may have been among those that could not be read. */
bool
verify_pass_excused(const struct verify_pass *p, uint64_t parent, uint64_t last)
{
	size_t i;

	if (last == EVENT_NONE && p->first_seq > 0 && !p->from_heads && (parent == EVENT_NONE || parent < p->first_seq))
		return (true);
	if (parent == EVENT_NONE || (last != EVENT_NONE && parent < last))
		return (false);
	for (i = 0; i < p->gaps; i++)
		if (parent >= p->gap[i].from && parent < p->gap[i].to)
			return (true);
	return (p->gaps == VERIFY_GAPS_MAX);
}

/* The element's own chain: whether the parent of ${ev} is the element's last event, put into ${*ret_last}. */
static bool
check_element(struct verify_pass *p, const struct line *l, uint64_t *ret_last)
{
	const struct event *ev = &l->ev;
	struct verify_element *el;

	if ((el = verify_table_get(&p->elements, ev->element)) == NULL) {
		err_mem(p->v->e);
		p->broken = true;
		return (true);
	}
	*ret_last = el->last;
	el->last = ev->seq;
	if (ev->state.p != NULL && (p->checks & PASS_STATES) != 0) {
		el->alive = !event_is_gone(ev->state);
		el->state_segment = p->segment;
		el->state_offset = l->offset + (uint64_t)(ev->state.p - l->text.p);
		el->state_len = (uint32_t)ev->state.len;
	}
	return (ev->parent == *ret_last || verify_pass_excused(p, ev->parent, *ret_last));
}

void
verify_pass_say_parent(uint64_t seq, uint64_t parent_seq, uint64_t last, char *what, size_t size)
{
	char parent[24] = "null", before[64] = "its element is new";

	if (parent_seq != EVENT_NONE)
		snprintf(parent, sizeof(parent), "%" PRIu64, parent_seq);
	if (last != EVENT_NONE)
		snprintf(before, sizeof(before), "its element's last event is %" PRIu64, last);
	snprintf(what, size, "event %" PRIu64 " has the parent %s, but %s", seq, parent, before);
}

static bool
is_genesis(const struct event *ev)
{
	struct span value;

	return (span_is(ev->element, "ecl:layer") && span_is(ev->action, "create") && ev->state.p != NULL &&
	    json_get(ev->state, "format", &value) == 1 && span_is(value, "1") &&
	    json_get(ev->state, "hash", &value) == 1 && span_is(value, "\"sha256\"") &&
	    json_get(ev->state, "id", &value) == 1 && json_get(ev->state, "origin", &value) == 1);
}

/* Where a segment may begin and must end (the lines alone decide).  Return whether this is such a place, else with ${what}. */
static bool
check_boundary(struct verify_pass *p, const struct event *ev, uint64_t offset, char *what, size_t size)
{
	const struct verify_segment *s = &p->log->segment[p->segment];

	if (offset > 0) {
		if (p->too_long || !log_rotates(offset, ev))
			return (true);
		p->too_long = true;
		snprintf(what, size, "event %" PRIu64 " should begin a new segment", ev->seq);
		return (false);
	}
	if (ev->seq != s->first) {
		snprintf(what, size, "the segment begins with event %" PRIu64 ", not with that of its name", ev->seq);
		return (false);
	}
	if (p->segment == 0 || p->tree_lost || log_rotates(s[-1].size, ev))
		return (true);
	snprintf(what, size, "the segment begins with event %" PRIu64 ", which belongs into the one before", ev->seq);
	return (false);
}

/* What is wrong with an event that is right in itself, in the place where it stands.  Return whether all is well. */
bool
verify_pass_check_place(struct verify_pass *p, const struct event *ev, uint64_t offset, char *what, size_t size)
{
	if (ev->seq != p->seq) {
		snprintf(what, size, "event %" PRIu64 " where %" PRIu64 " is next", ev->seq, p->seq);
		if (ev->seq < p->seq && memcmp(ev->hash, p->head, SHA256_SIZE) == 0)
			snprintf(what, size, "event %" PRIu64 " is there twice", ev->seq);
		return (false);
	}
	if (memcmp(ev->prev, p->head, SHA256_SIZE) != 0) {
		if (ev->seq == 0)
			snprintf(what, size, "event 0 follows another one");
		else
			snprintf(what, size, "event %" PRIu64 " does not follow event %" PRIu64 " as it stands here: another hash",
			    ev->seq, ev->seq - 1);
		return (false);
	}
	if (ev->time_us < p->time_us) {
		snprintf(what, size, "event %" PRIu64 " is earlier than the one before", ev->seq);
		return (false);
	}
	if (ev->seq == 0 && !is_genesis(ev)) {
		snprintf(what, size, "event 0 is no genesis of format 1");
		return (false);
	}
	return (p->log == NULL || (offset > 0 && offset < LOG_BLOCK_SIZE) || check_boundary(p, ev, offset, what, size));
}

/* The first event of a stream: the one before it is taken on trust. */
static void
begin(struct verify_pass *p, const struct event *ev)
{
	p->begun = true;
	if (verify_trust_origin(&p->v->trust, ev) != 0) {
		err_mem(p->v->e);
		p->broken = true;
	}
	if (ev->seq == 0)
		return;
	p->first_seq = p->seq = ev->seq;
	memcpy(p->head, ev->prev, SHA256_SIZE);
	p->tree_lost = true;
}

/* Count an event whose place was checked. */
static void
accept(struct verify_pass *p, const struct event *ev)
{
	if (ev->seq != p->seq) {
		/* Lines were removed, added or moved: the positions of all that follow are in doubt. */
		if (ev->seq > p->seq)
			lose(p, ev->seq);
		if (ev->seq + 1 != p->seq || memcmp(ev->hash, p->head, SHA256_SIZE) != 0)
			p->tree_lost = p->elements_lost = true;
	} else
		add_leaf(p, ev->hash);
	p->seq = ev->seq + 1;
	p->time_us = ev->time_us;
	memcpy(p->head, ev->hash, SHA256_SIZE);
}

static void
chain(struct verify_pass *p, struct line *l)
{
	const struct event *ev = &l->ev;
	uint64_t last = EVENT_NONE;
	char what[192];
	bool good;

	if (!l->good) {
		bad_line(p, l);
		return;
	}
	if (p->pending.set)
		verify_pass_flush(p, VERIFY_CORRUPT);
	if (p->unread > 0)
		regain(p, ev, l->offset);
	if (!p->begun)
		begin(p, ev);
	/* One finding a line. */
	good = verify_pass_check_place(p, ev, l->offset, what, sizeof(what));
	if ((p->checks & PASS_ELEMENTS) != 0 && ev->seq >= p->seq && !check_element(p, l, &last) && good) {
		verify_pass_say_parent(ev->seq, ev->parent, last, what, sizeof(what));
		good = false;
	}
	if (!good)
		verify_pass_found(p, VERIFY_REWRITTEN, ev->seq, l->offset, what);
	if (p->watch && p->segment == p->watch_segment && l->offset <= p->watch_offset) {
		p->watch_seq = ev->seq;
		p->watch_line = l->offset;
	}
	if ((p->checks & PASS_BLOCKS) != 0 && ev->element.len == 9 && memcmp(ev->element.p, "ecl:block", 9) == 0)
		verify_event(p, ev, l->offset);
	accept(p, ev);
	p->offset = p->good_offset = l->offset + l->text.len + 1;
	p->good_segment = p->segment;
	if (p->seq >= p->next_anchor)
		verify_anchor(p);
}

/* The rest of a line that was told already. */
static size_t
skip(struct verify_pass *p, const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len);

	if (lf == NULL)
		return (len);
	p->skipping = false;
	if (p->pending.set && memchr(data, '\0', (size_t)(lf - data)) == NULL)
		verify_pass_flush(p, VERIFY_CORRUPT);
	return ((size_t)(lf - data) + 1);
}

size_t
verify_pass_feed(struct verify_pass *p, const char *data, size_t len)
{
	struct line lines[VERIFY_LINES];
	uint64_t base = p->offset;
	size_t at = 0, n, i;
	const char *lf;

	if (p->skipping)
		at = skip(p, data, len);
	do {
		for (n = 0; n < VERIFY_LINES && (lf = memchr(data + at, '\n', len - at)) != NULL; n++) {
			lines[n].text = (struct span){data + at, (size_t)(lf - data) - at};
			lines[n].offset = base + at;
			at += lines[n].text.len + 1;
		}
		check_lines(lines, n);
		for (i = 0; i < n && !p->broken; i++)
			chain(p, &lines[i]);
	} while (n == VERIFY_LINES && !p->broken);
	if (len - at > EVENT_LINE_MAX && !p->skipping) {
		verify_pass_bad(p, base + at, true, "a line longer than any event");
		p->skipping = true;
		at = len;
	}
	p->offset = base + at;
	p->bytes += at;
	return (at);
}

void
verify_pass_rest(struct verify_pass *p, size_t len, bool last)
{
	if (len > 0)
		verify_pass_bad(p, p->offset, last, "no line feed at the end");
	p->offset += len;
	p->bytes += len;
	p->skipping = false;
	if (!last)
		verify_pass_flush(p, VERIFY_CORRUPT);
}

void
verify_pass_begin_segment(struct verify_pass *p)
{
	const struct verify_segment *s = &p->log->segment[p->segment];
	char what[192];

	p->inside = true;
	p->too_long = false;
	p->offset = 0;
	if (s->first > p->seq && p->unread == 0) {
		if (s->first == p->seq + 1)
			snprintf(what, sizeof(what), "event %" PRIu64 " is missing", p->seq);
		else
			snprintf(what, sizeof(what), "events %" PRIu64 " to %" PRIu64 " are missing", p->seq, s->first - 1);
		verify_pass_found(p, VERIFY_TRUNCATED, p->seq, 0, what);
		p->unread = 2; /* as many as it takes */
	}
	if (s->size == 0)
		verify_pass_bad(p, 0, false, "the segment is empty");
}

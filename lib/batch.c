/* A batch of events: what an input means, the chain, the commit. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "glob.h"
#include "io.h"
#include "vector_text.h"

#include "banned.h"

#define MINUTE_US 60000000

/* /proc/self/loginuid: who logged in, whatever uid works now. */
static uint32_t
login_uid(void)
{
	char text[16];
	uint64_t n;
	ssize_t len;
	int fd;

	if ((fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC)) == -1)
		return (EVENT_NO_LOGIN);
	len = io_read(fd, text, sizeof(text));
	close(fd);
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len <= 0 || decimal_parse(text, (size_t)len, &n) != 0 || n >= EVENT_NO_LOGIN)
		return (EVENT_NO_LOGIN);
	return ((uint32_t)n);
}

void
batch_rules_init(struct batch_rules *r)
{
	memset(r, 0, sizeof(*r));
	r->uid = (uint32_t)getuid();
	r->login = login_uid();
	if (r->login == r->uid)
		r->login = EVENT_NO_LOGIN;
}

static void
begin(struct batch *b, struct ledger *ledger, const struct batch_rules *rules, const struct log_end *end)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	b->ledger = ledger;
	b->rules = rules;
	b->end = *end;
	buf_reset(&b->lines);
	b->chain.n = 0;
	b->n_pieces = 0;
	b->events = 0;
	b->dims = 0;
	b->behind_us = 0;
	b->now_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	if (b->end.size > 0 && b->now_us < b->end.time_us)
		b->behind_us = b->end.time_us - b->now_us;
}

void
batch_begin(struct batch *b, struct ledger *ledger, const struct batch_rules *rules)
{
	begin(b, ledger, rules, &ledger->log->end);
}

void
batch_follow(struct batch *b, const struct batch *before)
{
	unsigned dims = before->dims;

	begin(b, before->ledger, before->rules, &before->end);
	b->dims = dims;
}

void
batch_release(struct batch *b)
{
	buf_release(&b->lines);
	buf_release(&b->scratch);
	free(b->pieces);
	memset(b, 0, sizeof(*b));
}

int
batch_abandon(struct batch *b, struct err *e)
{
	buf_reset(&b->lines);
	b->chain.n = 0;
	b->n_pieces = 0;
	b->events = 0;
	b->dims = 0;
	b->end = b->ledger->log->end;
	return (index_rollback(b->ledger->index, b->end.size, e));
}

/* Where the next line goes: into the piece that is being filled, or into a new one. */
static int
next_place(struct batch *b, const struct event *ev, struct err *e)
{
	struct log_piece *more;
	bool fresh = b->end.size == 0 || log_rotates(b->end.offset, ev);

	if (fresh) {
		b->end.segment = ev->seq;
		b->end.offset = 0;
	}
	if (!fresh && b->n_pieces > 0)
		return (0);
	if (b->n_pieces == b->cap_pieces) {
		if ((more = realloc(b->pieces, (b->cap_pieces + 4) * sizeof(*more))) == NULL)
			return (err_mem(e));
		b->pieces = more;
		b->cap_pieces += 4;
	}
	b->pieces[b->n_pieces++] = (struct log_piece){b->end.segment, b->lines.len, 0};
	return (0);
}

/* Where a batch stands, to come back to when a line cannot be added. */
struct place {
	struct log_end end;
	size_t lines, n_pieces;
};

static struct place
place_of(const struct batch *b)
{
	return ((struct place){b->end, b->lines.len, b->n_pieces});
}

/* Forget what was begun: nothing of it may be written or printed.  Return -1. */
static int
go_back(struct batch *b, const struct place *p)
{
	b->end = p->end;
	b->lines.len = p->lines;
	b->n_pieces = p->n_pieces;
	return (-1);
}

void
batch_seal(struct batch *b)
{
	size_t n = chain_seal(&b->chain, b->lines.data, b->end.hash);

	index_feed_hashes(b->ledger->index, (const uint8_t (*)[SHA256_SIZE])b->chain.hash, n);
}

/* The line of ${ev} stands at the end of b->lines from ${at} on, and in the index: count it in. */
static void
count_in(struct batch *b, const struct event *ev, size_t at)
{
	size_t len = b->lines.len - at;

	b->pieces[b->n_pieces - 1].len += len;
	b->end.offset += len;
	b->end.size = ev->seq + 1;
	b->end.time_us = ev->time_us;
	b->events++;
}

/* Format ${ev}, whose parent and time are known, but for the hashes. */
static int
chain(struct batch *b, struct event *ev, struct err *e)
{
	struct place before = place_of(b);
	size_t front;

	ev->seq = b->end.size;
	ev->uid = b->rules->uid;
	ev->login = b->rules->login;
	if (b->time_us != ev->time_us || b->time[0] == '\0') {
		event_time_format(ev->time_us, b->time);
		b->time_us = ev->time_us;
	}
	if (next_place(b, ev, e) != 0)
		return (go_back(b, &before));
	if ((front = event_format_front(ev, b->time, &b->lines)) == 0) {
		err_mem(e);
		return (go_back(b, &before));
	}
	if (index_feed_front(b->ledger->index, ev, b->end.segment, b->end.offset, (uint32_t)(b->lines.len - before.lines) - 1, e) != 0)
		return (go_back(b, &before));
	count_in(b, ev, before.lines);
	chain_add(&b->chain, before.lines, front);
	if (b->chain.n == CHAIN_MAX)
		batch_seal(b);
	return (0);
}

static int64_t
present(const struct batch *b)
{
	return (b->end.size > 0 && b->now_us < b->end.time_us ? b->end.time_us : b->now_us);
}

int
batch_add(struct batch *b, struct event *ev, struct err *e)
{
	struct element el;
	int known;

	if ((known = index_lookup(b->ledger->index, ev->element, &el, e)) == -1)
		return (-1);
	ev->parent = known == 1 ? el.last : EVENT_NONE;
	ev->time_us = present(b);
	return (chain(b, ev, e));
}

/* What an observation without an action means: the action, or none where nothing changed; -1 with ${e}. */
static int
infer(struct batch *b, const struct input *in, const struct element *el, int known, struct span *ret, struct err *e)
{
	struct span had;

	if (event_is_gone(in->state)) {
		if (known == 0 || !el->alive)
			return (0);
		*ret = SPAN("delete");
		return (1);
	}
	if (known == 0 || !el->alive) {
		*ret = SPAN("create");
		return (1);
	}
	if (index_state(b->ledger->index, el, &b->scratch, &had, e) != 0)
		return (-1);
	if (span_eq(had, in->state))
		return (0);
	*ret = SPAN("modify");
	return (1);
}

static int
event_time(struct batch *b, const struct input *in, int64_t *ret, struct json_fault *f)
{
	char last[TIME_SIZE];

	if (!in->has_time || !b->rules->keep_time) {
		*ret = present(b);
		return (0);
	}
	if (b->end.size > 0 && in->time_us < b->end.time_us) {
		event_time_format(b->end.time_us, last);
		return (json_fault_set(f, 0, "the time is earlier than that of the log's last event, %s", last));
	}
	if (in->time_us > b->now_us + MINUTE_US && !b->rules->force)
		return (json_fault_set(f, 0, "the time is more than a minute ahead of the clock (--force records it)"));
	*ret = in->time_us;
	return (0);
}

/* Vectors of one ledger can be compared only where all have as many numbers.  Return 0, -1 with ${f}, or -2 with ${e}. */
static int
check_vector(struct batch *b, const struct input *in, struct json_fault *f, struct err *e)
{
	struct ledger *l = b->ledger;
	size_t dims = vector_text_dims(in->vector);

	if (b->dims == 0 && given_dims(&l->given, l->ecl_fd, l->log, l->index, &b->dims, e) != 0)
		return (-2);
	if (b->dims == 0 || dims == b->dims)
		return (0);
	return (json_fault_set(f, in->vector_at, "member 'vector' has %zu numbers, those of this ledger have %u", dims, b->dims));
}

int
batch_observe(struct batch *b, const struct input *in, uint64_t *ret_id, struct json_fault *f, struct err *e)
{
	struct element el;
	struct event ev;
	size_t len;
	int known, n;

	if (in->vector.p != NULL && (n = check_vector(b, in, f, e)) != 0)
		return (n);
	if ((known = index_lookup(b->ledger->index, in->element, &el, e)) == -1)
		return (-2);
	*ret_id = known == 1 ? el.id : EVENT_NONE;
	ev.element = in->element;
	ev.action = in->action;
	if (in->action.p == NULL && (n = infer(b, in, &el, known, &ev.action, e)) != 1)
		return (n == 0 ? 0 : -2);
	ev.parent = known == 1 ? el.last : EVENT_NONE;
	ev.state = in->state;
	ev.actor = in->actor.p != NULL ? in->actor : b->rules->actor;
	ev.cause = in->cause.p != NULL ? in->cause : b->rules->cause;
	ev.meta = in->meta;
	ev.vector = in->vector;
	len = ev.element.len + ev.state.len + ev.actor.len + ev.cause.len + ev.meta.len + ev.vector.len;
	if (len > EVENT_INPUT_MAX)
		return (json_fault_set(f, 0, "the event is longer than %u bytes with its defaults", EVENT_INPUT_MAX));
	if (event_time(b, in, &ev.time_us, f) != 0)
		return (-1);
	if (chain(b, &ev, e) != 0)
		return (-2);
	if (ev.vector.p != NULL)
		b->dims = (unsigned)vector_text_dims(ev.vector);
	if (known == 0)
		*ret_id = index_elements(b->ledger->index) - 1;
	return (1);
}

/* ---- {"complete":GLOB} ---- */

struct completion {
	struct span glob;
	const struct seen *seen;
	uint64_t first_size;
	uint64_t living;
	struct buf names; /* of those to delete, in the order of bytes: u16 length, bytes */
	size_t count;
};

static int
complete_one(void *arg, const struct element *el)
{
	struct completion *c = arg;
	uint16_t len = (uint16_t)el->name.len;

	if (!el->alive || event_reserved(el->name) || !glob_match(c->glob, el->name))
		return (0);
	c->living++;
	if (seen_has(c->seen, el->id) || el->last >= c->first_size)
		return (0);
	buf_add(&c->names, &len, sizeof(len));
	buf_addspan(&c->names, el->name);
	c->count++;
	return (c->names.failed ? 1 : 0);
}

int
batch_complete(struct batch *b, struct span glob, const struct seen *seen, uint64_t first_size, struct json_fault *f, struct err *e)
{
	struct completion c = {.glob = glob, .seen = seen, .first_size = first_size};
	struct event ev;
	uint16_t len;
	size_t at;
	int ret = -2;

	switch (index_each(b->ledger->index, glob_prefix(glob), complete_one, &c, e)) {
	case 0:
		break;
	case 1:
		err_mem(e);
		/* FALLTHROUGH */
	default:
		goto done;
	}
	if (c.living > 10 && c.count * 2 > c.living && !b->rules->force) {
		ret = json_fault_set(f, 0, "'complete' would delete %zu of %" PRIu64 " elements (--force does it)", c.count, c.living);
		goto done;
	}
	for (at = 0; at < c.names.len; at += sizeof(len) + len) {
		memcpy(&len, c.names.data + at, sizeof(len));
		memset(&ev, 0, sizeof(ev));
		ev.element = (struct span){c.names.data + at + sizeof(len), len};
		ev.action = SPAN("delete");
		ev.state = SPAN("null");
		ev.actor = b->rules->actor;
		ev.cause = b->rules->cause;
		if (batch_add(b, &ev, e) != 0)
			goto done;
	}
	ret = c.count > 0;
done:	buf_release(&c.names);
	return (ret);
}

/* ---- replicas ---- */

/* A line that the log has already must be the very same. */
static int
already_there(struct batch *b, struct span line, uint64_t seq, struct err *e)
{
	int same;

	if (index_line(b->ledger->index, seq, &b->scratch, e) != 0)
		return (-1);
	same = span_eq(line, (struct span){b->scratch.data, b->scratch.len});
	return (same ? 0 : err_no(e, "event %" PRIu64 " is another one here: the ledgers have forked", seq));
}

int
batch_add_line(struct batch *b, struct span line, bool hash_ok, struct err *e)
{
	struct json_fault f;
	struct element el;
	struct event ev;
	struct place before = place_of(b);
	int known;

	if (event_parse(line, &ev, &f) != 0)
		return (err_set(e, "byte %zu: %s", f.at + 1, f.what));
	if (!hash_ok)
		return (err_no(e, "the hash of event %" PRIu64 " is wrong", ev.seq));
	if (ev.seq < b->ledger->log->end.size)
		return (already_there(b, line, ev.seq, e));
	if (ev.seq != b->end.size)
		return (err_set(e, "event %" PRIu64 " where %" PRIu64 " is next", ev.seq, b->end.size));
	if (memcmp(ev.prev, b->end.hash, SHA256_SIZE) != 0)
		return (err_no(e, "event %" PRIu64 " does not follow the one before: the ledgers have forked", ev.seq));
	if (b->end.size > 0 && ev.time_us < b->end.time_us)
		return (err_no(e, "the time of event %" PRIu64 " is earlier than that of the one before", ev.seq));
	if ((known = index_lookup(b->ledger->index, ev.element, &el, e)) == -1)
		return (-1);
	if (ev.parent != (known == 1 ? el.last : EVENT_NONE))
		return (err_no(e, "the parent of event %" PRIu64 " is not the element's event before", ev.seq));
	if (next_place(b, &ev, e) != 0)
		return (go_back(b, &before));
	buf_addspan(&b->lines, line);
	buf_addc(&b->lines, '\n');
	if (b->lines.failed) {
		err_mem(e);
		return (go_back(b, &before));
	}
	if (index_feed(b->ledger->index, &ev, b->end.segment, b->end.offset, (uint32_t)line.len, e) != 0)
		return (go_back(b, &before));
	count_in(b, &ev, before.lines);
	memcpy(b->end.hash, ev.hash, SHA256_SIZE);
	return (1);
}

/* Say that bytes behind ${end} are on their way; of bytes that nobody syncs, only where they begin. */
static int
mark(struct durable_file *f, const struct log_end *end, bool sync, struct err *e)
{
	struct durable d;

	if (sync)
		return (durable_store(f, end, DURABLE_DIRTY, e));
	if (durable_load(f, &d, e) != 0)
		return (-1);
	return (d.known && d.unsynced ? 0 : durable_store(f, end, DURABLE_UNSYNCED, e));
}

int
batch_prepare(struct batch *b, struct durable_file *durable, bool sync, struct err *e)
{
	b->durable = durable;
	b->sync = sync;
	batch_seal(b);
	b->before = b->ledger->log->end;
	b->failed = 0;
	b->outcome = LOG_RECORDED;
	return (log_write_begin(b->ledger->log, b->n_pieces, e));
}

void
batch_write(struct batch *b)
{
	struct durable_file *f = b->durable;

	if (b->events == 0)
		return;
	b->outcome = LOG_NOT_RECORDED;
	b->failed = -1;
	if (f != NULL && mark(f, &b->before, b->sync, &b->e) != 0)
		return;
	if (log_write(&b->ledger->log->writer, b->lines.data, b->pieces, b->n_pieces, b->sync, &b->end, &b->outcome, &b->e) != 0) {
		/* In doubt, the mark stays: the next writer reads the disk. */
		if (f != NULL && b->sync && b->outcome == LOG_NOT_RECORDED)
			durable_store(f, &b->before, DURABLE_CLEAN, NULL);
		return;
	}
	/* The bytes are safe now; a mark that cannot be cleared costs the next writer a second look. */
	if (f != NULL && b->sync)
		durable_store(f, &b->end, DURABLE_CLEAN, NULL);
	b->failed = 0;
}

int
batch_finish(struct batch *b, enum log_outcome *ret_outcome, struct err *e)
{
	*ret_outcome = b->outcome;
	if (b->failed == 0) {
		log_wrote(b->ledger->log, b->pieces, b->n_pieces);
		return (0);
	}
	if (e != NULL)
		*e = b->e;
	index_rollback(b->ledger->index, b->ledger->log->end.size, NULL);
	return (-1);
}

int
batch_commit(struct batch *b, struct durable_file *durable, bool sync, enum log_outcome *ret_outcome, struct err *e)
{
	if (batch_prepare(b, durable, sync, e) != 0) {
		*ret_outcome = LOG_NOT_RECORDED;
		index_rollback(b->ledger->index, b->ledger->log->end.size, NULL);
		return (-1);
	}
	batch_write(b);
	return (batch_finish(b, ret_outcome, e));
}

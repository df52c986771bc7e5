/* Adoption: a replica becomes a ledger of its own. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "batch.h"
#include "block.h"
#include "embedder.h"
#include "io.h"
#include "receive.h"
#include "root.h"
#include "set_embedder.h"
#include "snap.h"
#include "verify.h"

#include "banned.h"

/*
 * ROOT/replica is empty in a replica.  From before the first event of the adoption to its end it has a line "adopting <seq of that event>" LF: a run that comes
 * later knows by it, and by the event, what there is to do.
 */
#define LAYER_ELEMENT "ecl:layer"

struct adoption {
	struct layer *l;
	const struct adopt_options *opt;
	bool begun;	    /* the event is there */
	bool command;
	struct buf state;   /* of the layer, from now on */
	struct buf missing; /* headers of blocks that are not here, each with its NUL */
};

/* ---- what is to be recorded ---- */

static int
check(const struct adoption *a, struct err *e)
{
	struct verify_options opt = {.key = a->opt->key, .keys = a->opt->keys, .progress = a->opt->verify, .arg = a->opt->arg};
	const struct verify_finding *f;
	struct verify_result v;
	int rc = 0;

	if (verify_root(a->l->path, &opt, &v, e) != 0)
		return (-1);
	if (v.verdict != VERIFY_OK) {
		for (f = v.finding; f->class != v.verdict; f++)
			;
		rc = err_no(e, "'%s' is not adopted: %s: %s%s%s: 'ecl-verify' tells more", a->l->path, verify_class_name(f->class), f->block,
		    *f->block != '\0' ? ": " : "", f->message);
		if (v.verdict == VERIFY_UNCHECKED && e != NULL)
			e->exit = EXIT_ERROR;
	} else if (v.events == 0)
		rc = err_set(e, "'%s' has no events: there is nothing to adopt", a->l->path);
	verify_release(&v);
	return (rc);
}

/* Whether the mark names an event of the log that is an adoption. */
static int
look_whether_begun(struct adoption *a, struct err *e)
{
	struct buf mark = BUF_INIT, line = BUF_INIT;
	size_t skip = strlen(ROOT_ADOPTING);
	struct event ev;
	uint64_t seq;
	int rc = 0;

	if (io_slurp(a->l->root_fd, ROOT_MARK, ROOT_MARK_MAX, &mark, e) != 0)
		rc = -1;
	else if (mark.len > skip + 1 && memcmp(mark.data, ROOT_ADOPTING, skip) == 0 && decimal_parse(mark.data + skip, mark.len - skip - 1, &seq) == 0 &&
	    seq < a->l->ledger->log->end.size && (rc = index_event(a->l->ledger->index, seq, &line, &ev, e)) == 0)
		a->begun = span_is(ev.element, LAYER_ELEMENT) && span_is(ev.action, "adopt");
	buf_release(&mark);
	buf_release(&line);
	return (rc);
}

static int
mark_begun(const struct adoption *a, struct err *e)
{
	char text[64];

	snprintf(text, sizeof(text), ROOT_ADOPTING "%" PRIu64 "\n", a->l->ledger->log->end.size);
	return (io_publish(a->l->root_fd, ROOT_MARK, text, strlen(text), 0640, true, e));
}

/* The layer's state, without a command that others chose. */
static int
make_state(struct adoption *a, struct err *e)
{
	struct buf token = BUF_INIT, quoted = BUF_INIT;
	int rc = -1;

	if (ledger_embedder(a->l->ledger, &token, e) == 0) {
		a->command = strncmp(buf_cstr(&token), EMBEDDER_COMMAND_TOKEN, strlen(EMBEDDER_COMMAND_TOKEN)) == 0;
		json_escape(&quoted, a->command ? SPAN("none") : (struct span){token.data, token.len});
		rc = quoted.failed ? err_mem(e) : set_embedder_state(a->l, (struct span){quoted.data, quoted.len}, &a->state, e);
	}
	buf_release(&token);
	buf_release(&quoted);
	return (rc == -1 ? -1 : 0);
}

/* An event of ecl:block, newest first: ${gone} are the hashes of those that were pruned later. */
static int
look_at_block(struct adoption *a, const struct event *ev, struct buf *gone, struct err *e)
{
	char name[BLOCK_NAME_SIZE];
	struct block_header h;
	struct json_fault f;
	size_t i;

	if (ev->state.p == NULL || block_from_canonical(ev->state, &h, &f) != 0)
		return (0);
	if (span_is(ev->action, "prune")) {
		buf_add(gone, h.hash, SHA256_SIZE);
		return (gone->failed ? err_mem(e) : 0);
	}
	if (!span_is(ev->action, SNAP_ACTION))
		return (0);
	for (i = 0; i < gone->len; i += SHA256_SIZE)
		if (memcmp(gone->data + i, h.hash, SHA256_SIZE) == 0)
			return (0);
	block_name(&h, name);
	if (faccessat(a->l->snap_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return (0);
	if (errno != ENOENT)
		return (err_sys(e, "cannot look for '%s'", name));
	buf_addspan(&a->missing, ev->state);
	buf_addc(&a->missing, '\0');
	return (a->missing.failed ? err_mem(e) : 0);
}

static int
find_missing(struct adoption *a, struct err *e)
{
	struct index *ix = a->l->ledger->index;
	struct buf line = BUF_INIT, gone = BUF_INIT;
	struct element el;
	struct event ev;
	uint64_t seq;
	int rc;

	if ((rc = index_lookup(ix, SPAN(SNAP_ELEMENT), &el, e)) != 1)
		return (rc);
	for (rc = 0, seq = el.last; rc == 0 && seq != EVENT_NONE; seq = ev.parent)
		if ((rc = index_event(ix, seq, &line, &ev, e)) == 0)
			rc = look_at_block(a, &ev, &gone, e);
	buf_release(&line);
	buf_release(&gone);
	return (rc);
}

/* ---- recording it ---- */

static int
add_adoption(const struct adoption *a, struct batch *b, struct err *e)
{
	char host[256] = "localhost";
	struct buf meta = BUF_INIT;
	struct event ev = {0};
	int rc;

	if (gethostname(host, sizeof(host) - 1) != 0 || json_utf8(host, strlen(host)) != strlen(host))
		snprintf(host, sizeof(host), "localhost");
	buf_adds(&meta, "{\"host\":");
	json_escape(&meta, (struct span){host, strlen(host)});
	buf_addc(&meta, '}');
	ev.element = SPAN(LAYER_ELEMENT);
	ev.action = SPAN("adopt");
	ev.state = (struct span){a->state.data, a->state.len};
	ev.meta = (struct span){meta.data, meta.len};
	rc = meta.failed ? err_mem(e) : batch_add(b, &ev, e);
	buf_release(&meta);
	return (rc);
}

static int
add_all(const struct adoption *a, struct batch *b, struct err *e)
{
	const char *header = NULL;
	struct event ev = {0};

	if (!a->begun && add_adoption(a, b, e) != 0)
		return (-1);
	ev.element = SPAN(SNAP_ELEMENT);
	ev.action = SPAN("prune");
	ev.cause = SPAN("\"not here when the replica was adopted\"");
	while ((header = buf_next_string(&a->missing, header)) != NULL) {
		ev.state = (struct span){header, strlen(header)};
		if (batch_add(b, &ev, e) != 0)
			return (-1);
	}
	return (0);
}

/* With lock held. */
static int
record(struct adoption *a, struct buf *out, struct err *e)
{
	struct batch_rules rules;
	struct batch b = {0};
	enum log_outcome outcome;
	int rc = -1;

	if (look_whether_begun(a, e) != 0 || find_missing(a, e) != 0 || (!a->begun && (make_state(a, e) != 0 || mark_begun(a, e) != 0)))
		return (-1);
	if (a->begun && a->missing.len == 0)
		return (0);
	batch_rules_init(&rules);
	batch_begin(&b, a->l->ledger, &rules);
	if (add_all(a, &b, e) == 0)
		rc = batch_commit(&b, &a->l->durable, true, &outcome, e);
	else
		batch_abandon(&b, NULL);
	if (rc == 0) {
		buf_add(out, b.lines.data, b.lines.len);
		rc = out->failed ? err_mem(e) : 0;
	}
	batch_release(&b);
	return (rc);
}

static int
adopt_locked(struct adoption *a, struct buf *out, struct err *e)
{
	struct layer *l = a->l;
	int rc;

	if (receive_sweep(l, e) != 0 || check(a, e) != 0 || snap_lock(l, a->opt->wait_ms, e) != 0)
		return (-1);
	rc = record(a, out, e);
	layer_unlock(l);
	if (rc != 0 || snap_tidy(l, a->opt->wait_ms, e) != 0)
		return (-1);
	if ((unlinkat(l->root_fd, ROOT_MARK, 0) != 0 && errno != ENOENT) || io_fsync(l->root_fd) != 0)
		return (err_sys(e, "cannot remove '%s/" ROOT_MARK "'", l->path));
	l->replica = false;
	return (0);
}

int
adopt(struct layer *l, const struct adopt_options *opt, struct buf *out, bool *ret_command, struct err *e)
{
	struct adoption a = {.l = l, .opt = opt};
	int rc;

	if (layer_lock_blocks(l, opt->wait_ms, e) != 0)
		return (-1);
	rc = adopt_locked(&a, out, e);
	layer_unlock_blocks(l);
	*ret_command = a.command;
	buf_release(&a.state);
	buf_release(&a.missing);
	return (rc);
}

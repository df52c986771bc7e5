/*
 * Checkpoints of a root.
 *
 * What is signed is computed from the lines of the log: nothing is believed because the index says so.  So that not all of
 * them need be read each time, the work goes on from the last signed checkpoint, of m events: the index gives the frontier
 * of m - 1 of them, the log gives event m - 1, and both together must have the root that was signed.  Then the frontier is
 * right, and so is the hash of event m - 1, to which event m and all behind it are chained.  Where they have not, the index
 * is damaged or the log was rewritten: reading from event 0 on tells.  signing_header.c does the same for elements and states.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io.h"
#include "signing.h"

#include "banned.h"

#define LINES 64 /* whose hashes are checked at a time */
#define MODE 0640

static struct span
origin_of(const struct signing *s)
{
	const char *name = note_signer_key(s->opt.signer)->name;

	return ((struct span){name, strlen(name)});
}

/* ---- what was signed before ---- */

/* Parse and check one, already read.  Return 1, 0 where it does not count any more, or -1. */
static int
check_note(const struct signing *s, struct span bytes, struct signing_mark *m, struct err *e)
{
	struct checkpoint c;
	struct err why = {0};
	struct note n;
	bool good;
	int rc;

	if (note_parse(bytes, &n, &why) != 0 || checkpoint_parse(n.text, &c, &why) != 0)
		return (err_set(e, "%s, which the next checkpoint must extend, is damaged: %s", m->where, why.text));
	if (!span_eq(c.origin, origin_of(s)))
		return (err_set(e, "%s is of another log, '%.*s'", m->where, (int)(c.origin.len > 255 ? 255 : c.origin.len), c.origin.p));
	if ((rc = note_verify(&n, note_signer_key(s->opt.signer), 1, &good, &why)) == -1) {
		if (why.exit == EXIT_NO)
			return (err_no(e, "%s, which the next checkpoint must extend, was changed: %s", m->where, why.text));
		*e = why;
		return (-1);
	}
	m->ours = rc == 1;
	m->size = c.size;
	memcpy(m->root, c.root, SHA256_SIZE);
	/* Our key took over behind it. */
	return (m->ours || m->size > s->published);
}

/* The checkpoint ${name} under ${dirfd}, if there is one.  Return 1, 0 or -1. */
static int
add_mark(struct signing *s, int dirfd, const char *name, const char *where, struct err *e)
{
	struct signing_mark m = {0};
	struct buf bytes = BUF_INIT;
	struct err why = {0};
	int rc;

	snprintf(m.where, sizeof(m.where), "'%s'", where);
	if ((rc = checkpoint_read(dirfd, name, &bytes, &why)) == -1)
		rc = err_set(e, "%s, which the next checkpoint must extend, cannot be read: %s", m.where, why.text);
	else if (rc == 1)
		rc = check_note(s, (struct span){bytes.data, bytes.len}, &m, e);
	buf_release(&bytes);
	if (rc == 1)
		s->mark[s->marks++] = m;
	return (rc);
}

/* The header of a block whose checkpoint is good, if it is signed, too. */
static void
read_basis(struct signing *s, const struct block *b, const struct signing_mark *m)
{
	struct buf bytes = BUF_INIT, text = BUF_INIT;
	char name[BLOCK_NAME_SIZE + 32];
	struct note n;
	bool good;

	snprintf(name, sizeof(name), "%s/.ecl/" CHECKPOINT_NOTE, b->name);
	checkpoint_block_text(origin_of(s), (struct span){b->line.data, b->line.len}, &text);
	if (b->good && b->header.size == m->size && checkpoint_read(s->l->snap_fd, name, &bytes, NULL) == 1 &&
	    note_parse((struct span){bytes.data, bytes.len}, &n, NULL) == 0 && !text.failed &&
	    span_eq(n.text, (struct span){text.data, text.len}) && note_verify(&n, note_signer_key(s->opt.signer), 1, &good, NULL) == 1) {
		s->basis.size = b->header.size;
		s->basis.elements = b->header.elements;
		memcpy(s->basis.heads, b->header.heads, SHA256_SIZE);
		memcpy(s->basis.state, b->header.state, SHA256_SIZE);
	}
	buf_release(&bytes);
	buf_release(&text);
}

/*
 * That of the newest block that has one.  A run that died may have left it newer than ROOT/checkpoint.  One that is of no use is passed over,
 * as it would not be there at all if the block had been deleted: ecl-verify has words for it.
 */
static int
add_block_mark(struct signing *s, struct err *e)
{
	struct block_list list;
	char name[BLOCK_NAME_SIZE + 32], where[BLOCK_NAME_SIZE + 48];
	struct err why = {0};
	size_t i;
	int rc = 0;

	if (block_list_names(s->l->snap_fd, 0, &list, e) != 0)
		return (-1);
	for (i = list.n; i-- > 0 && rc != 1;) {
		snprintf(name, sizeof(name), "%s/.ecl/" CHECKPOINT_FILE, list.block[i].name);
		snprintf(where, sizeof(where), ".snapshots/%s", name);
		rc = add_mark(s, s->l->snap_fd, name, where, &why);
		if (rc == 1 && s->mark[s->marks - 1].ours && block_list_header(s->l->snap_fd, &list.block[i], &why) == 0)
			read_basis(s, &list.block[i], &s->mark[s->marks - 1]);
	}
	block_list_release(&list);
	return (0);
}

int
signing_init(struct signing *s, struct layer *l, const struct signing_options *opt, struct err *e)
{
	struct buf origin = BUF_INIT;
	struct signing_mark m;
	unsigned i;
	bool right;

	memset(s, 0, sizeof(*s));
	s->l = l;
	s->opt = *opt;
	sha256("", 0, s->basis.heads);
	sha256("", 0, s->basis.state);
	if (l->replica)
		return (err_set(e, "'%s' is a replica of another ledger: that is where its checkpoints are signed", l->path));
	if (ledger_origin(l->ledger, &origin, e) != 0) {
		buf_release(&origin);
		return (-1);
	}
	right = span_eq((struct span){origin.data, origin.len}, origin_of(s));
	buf_release(&origin);
	if (!right)
		return (err_set(e, "the key's name '%s' is not the origin of the log", origin_of(s).p));
	if (add_mark(s, l->root_fd, CHECKPOINT_FILE, CHECKPOINT_FILE, e) == -1)
		return (-1);
	if (s->marks == 1 && s->mark[0].ours)
		s->published = s->mark[0].size;
	if (add_block_mark(s, e) != 0)
		return (-1);
	for (i = 0; i < s->marks; i++)
		if (!s->mark[i].ours && !opt->new_key)
			return (err_set(e, "%s was signed by another key; with --force this one takes over", s->mark[i].where));
	if (s->marks == 2 && s->mark[1].size < s->mark[0].size) {
		m = s->mark[0];
		s->mark[0] = s->mark[1];
		s->mark[1] = m;
	}
	return (0);
}

void
signing_release(struct signing *s)
{
	touched_release(&s->touched);
}

/* ---- reading the log ---- */

static int
not_extended(const struct signing_mark *m, struct err *e)
{
	return (err_no(e, "the log no longer has the first %" PRIu64 " events that %s signs: it was rewritten; nothing is signed, and 'ecl-verify' says more",
	    m->size, m->where));
}

/* Whether the tree, where it has the size of a mark, has its root, too. */
static int
check_marks(const struct signing *s, struct err *e)
{
	uint8_t root[SHA256_SIZE];
	unsigned i;

	for (i = 0; i < s->marks; i++) {
		if (s->mark[i].size != s->tree.size)
			continue;
		merkle_root(&s->tree, root);
		if (memcmp(root, s->mark[i].root, SHA256_SIZE) != 0)
			return (not_extended(&s->mark[i], e));
	}
	return (0);
}

/* Where to begin: behind the first mark, if its root proves the index right.  Else with event 0, which needs no proof. */
static int
start(struct signing *s, struct log *log, struct err *e)
{
	struct buf line = BUF_INIT;
	uint8_t leaf[SHA256_SIZE], root[SHA256_SIZE];
	struct json_fault f;
	struct merkle tree;
	struct event ev;
	unsigned i;
	int rc = 0;

	merkle_init(&s->tree);
	memset(s->head, 0, sizeof(s->head));
	s->begun = true;
	for (i = 0; i < s->marks; i++)
		if (!s->mark[i].ours || s->mark[i].size == 0)
			return (0);
	/* Of elements and states nothing was signed. */
	if (s->marks == 0 || s->basis.size == 0)
		return (0);
	if (index_frontier(s->l->ledger->index, s->mark[0].size - 1, &tree, e) != 0 || log_line(log, s->mark[0].size - 1, &line, e) != 0) {
		rc = -1;
	} else if (event_hash_ok((struct span){line.data, line.len}) && event_parse((struct span){line.data, line.len}, &ev, &f) == 0) {
		merkle_leaf(ev.hash, SHA256_SIZE, leaf);
		merkle_add(&tree, leaf);
		merkle_root(&tree, root);
		if (memcmp(root, s->mark[0].root, SHA256_SIZE) == 0) {
			s->tree = tree;
			memcpy(s->head, ev.hash, SHA256_SIZE);
		}
	}
	buf_release(&line);
	return (rc);
}

/* One line, whose hash is right where ${good}: it must be the next event. */
static int
add_event(struct signing *s, const struct log_line *line, bool good, struct err *e)
{
	uint8_t leaf[SHA256_SIZE];
	struct json_fault f;
	struct event ev;

	/* The second look has the words for what is wrong. */
	if ((!good || event_parse(line->text, &ev, &f) != 0) && log_check_line(line->text, &ev, line->segment, line->offset, e) != 0)
		return (-1);
	if (ev.seq != s->tree.size || memcmp(ev.prev, s->head, SHA256_SIZE) != 0)
		return (err_no(e, "event %" PRIu64 " does not follow the one before it: nothing is signed, and 'ecl-verify' says more", s->tree.size));
	merkle_leaf(ev.hash, SHA256_SIZE, leaf);
	merkle_add(&s->tree, leaf);
	memcpy(s->head, ev.hash, SHA256_SIZE);
	if (ev.seq >= s->basis.size && touched_add(&s->touched, &ev) != 0)
		return (err_mem(e));
	return (check_marks(s, e));
}

/* Some lines behind each other: their hashes at a time. */
static int
add_events(struct signing *s, const struct log_line *line, size_t n, struct err *e)
{
	struct span text[LINES];
	bool good[LINES];
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = line[i].text;
	event_hashes_ok(text, n, good);
	for (i = 0; i < n; i++)
		if (add_event(s, &line[i], good[i], e) != 0)
			return (-1);
	return (0);
}

int
signing_read(struct signing *s, struct log *log, uint64_t size, struct err *e)
{
	struct log_line line[LINES];
	struct log_reader r;
	uint64_t from;
	int n, rc = 0;

	if (s->marks > 0 && s->mark[s->marks - 1].size > size)
		return (err_no(e, "of %" PRIu64 " events that %s signs the log has %" PRIu64 ": it was cut; nothing is signed",
		    s->mark[s->marks - 1].size, s->mark[s->marks - 1].where, size));
	if (!s->begun && (start(s, log, e) != 0 || check_marks(s, e) != 0))
		return (-1);
	if (s->tree.size == size)
		return (0);
	from = s->tree.size;
	if (log_seek(log, from, &r, e) != 0)
		return (-1);
	while (rc == 0 && s->tree.size < size) {
		n = log_reader_some(&r, line, size - s->tree.size < LINES ? (size_t)(size - s->tree.size) : LINES, e);
		if (n <= 0) {
			rc = n == 0 ? err_set(e, "the log ends with event %" PRIu64, s->tree.size) : -1;
			break;
		}
		rc = add_events(s, line, (size_t)n, e);
		if (s->opt.step != NULL)
			s->opt.step(s->opt.arg, s->tree.size - from, size - from);
	}
	log_reader_release(&r);
	return (rc);
}

/* ---- signing ---- */

int
signing_checkpoint(const struct signing *s, struct buf *out, struct err *e)
{
	struct checkpoint c = {.origin = origin_of(s), .size = s->tree.size};
	struct buf text = BUF_INIT;
	int rc;

	merkle_root(&s->tree, c.root);
	checkpoint_format(&c, &text);
	rc = text.failed ? err_mem(e) : note_write((struct span){text.data, text.len}, s->opt.signer, out, e);
	buf_release(&text);
	return (rc);
}

int
signing_block(const struct signing *s, struct span header, struct buf *out, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	checkpoint_block_text(origin_of(s), header, &text);
	rc = text.failed ? err_mem(e) : note_write((struct span){text.data, text.len}, s->opt.signer, out, e);
	buf_release(&text);
	return (rc);
}

int
signing_publish(struct signing *s, struct err *e)
{
	struct buf note = BUF_INIT;
	int rc;

	if (s->published == s->tree.size)
		return (0);
	if ((rc = signing_checkpoint(s, &note, e)) == 0)
		rc = io_publish(s->l->root_fd, CHECKPOINT_FILE, note.data, note.len, MODE, true, e);
	buf_release(&note);
	if (rc == 0)
		s->published = s->tree.size;
	return (rc);
}

/* Proofs out of a ledger: which event is the last of an element, as of a block. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "block.h"
#include "io.h"
#include "merkle.h"
#include "merkle_proof.h"
#include "note.h"
#include "proof.h"
#include "prove.h"

#include "banned.h"

/* A block, and what of it goes into the proof. */
struct latest {
	struct span element;
	struct layer *layer; /* the block; not owned */
	const char *name;    /* of it, for messages */
	struct block_header header;
	struct buf note;     /* as it is appended */
	struct buf leaves;   /* of the tree of heads */
	uint64_t head, last; /* place of the element, and seq of its last event */
	bool found;
};

/* ---- the block's note ---- */

/* What stands under the header of the block: the note over it, or the bare text of one.  Return 1, 0 where it is not signed and should be, or -1. */
static int
read_note(struct latest *t, struct span header, bool is_signed, struct err *e)
{
	struct buf origin = BUF_INIT, text = BUF_INIT;
	struct note n;
	int rc = -1;

	if (ledger_origin(t->layer->ledger, &origin, e) != 0)
		goto out;
	checkpoint_block_text((struct span){origin.data, origin.len}, header, &text);
	buf_reset(&t->note);
	if (!is_signed) {
		buf_add(&t->note, text.data, text.len);
		rc = text.failed || t->note.failed ? err_mem(e) : 1;
		goto out;
	}
	if ((rc = checkpoint_read(t->layer->ecl_fd, CHECKPOINT_NOTE, &t->note, e)) != 1)
		goto out;
	if (note_parse((struct span){t->note.data, t->note.len}, &n, e) != 0) {
		err_within(e, CHECKPOINT_NOTE);
		rc = -1;
	} else if (text.failed)
		rc = err_mem(e);
	else if (!span_eq(n.text, (struct span){text.data, text.len}))
		rc = err_no(e, "the note of '%s' is not over its header: run 'ecl-verify'", t->name);
out:	buf_release(&origin);
	buf_release(&text);
	return (rc);
}

/* ---- its heads ---- */

static int
add_head(void *arg, const struct element *el)
{
	struct latest *t = arg;
	uint8_t leaf[SHA256_SIZE];

	if (span_eq(el->name, t->element)) {
		t->found = true;
		t->head = t->leaves.len / SHA256_SIZE;
		t->last = el->last;
	}
	proof_head(el->name, el->last, leaf);
	buf_add(&t->leaves, leaf, SHA256_SIZE);
	return (t->leaves.failed);
}

static int
range(void *arg, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e)
{
	const struct latest *t = arg;
	struct merkle m;

	(void)e;
	merkle_init(&m);
	for (; from < to; from++)
		merkle_add(&m, (const uint8_t *)t->leaves.data + from * SHA256_SIZE);
	merkle_root(&m, out);
	return (0);
}

/* The heads of the block, and the path of ours.  Return 0, 1 where they are not those of the header, or -1. */
static int
find_head(struct latest *t, struct tlog_hashes *ret, struct err *e)
{
	struct buf path = BUF_INIT;
	uint8_t root[SHA256_SIZE];
	int rc;

	buf_reset(&t->leaves);
	t->found = false;
	if ((rc = index_each(t->layer->ledger->index, (struct span){"", 0}, add_head, t, e)) != 0)
		return (rc == 1 ? err_mem(e) : -1);
	range(t, 0, t->leaves.len / SHA256_SIZE, root, e);
	if (t->leaves.len / SHA256_SIZE != t->header.elements || memcmp(root, t->header.heads, SHA256_SIZE) != 0)
		return (1);
	if (!t->found)
		return (err_no(e, "'%.*s' is none of the %" PRIu64 " elements as of '%s'", (int)t->element.len, t->element.p,
		    t->header.elements, t->name));
	if ((rc = merkle_inclusion(t->head, t->header.elements, range, t, &path, e)) == 0) {
		ret->len = path.len;
		if (path.len > 0)
			memcpy(ret->hash, path.data, path.len);
	}
	buf_release(&path);
	return (rc);
}

/* The proof, from a block whose note is read.  Return 0, 1 where its index, or its log, is not what its header says, or -1. */
static int
prove(struct latest *t, struct buf *out, struct err *e)
{
	struct tlog_proof p = {.kind = TLOG_LATEST, .note = {t->note.data, t->note.len}};
	struct index *ix = t->layer->ledger->index;
	struct buf line = BUF_INIT;
	struct event ev;
	struct json_fault f;
	int rc;

	if (index_size(ix) < t->header.size)
		return (1);
	if ((rc = find_head(t, &p.heads, e)) != 0)
		return (rc);
	p.head = t->head;
	p.index = t->last;
	rc = t->last < t->header.size ? prove_path(ix, t->last, t->header.size, t->header.root, &line, &p.hashes, e) : 1;
	if (rc == 0 && (event_parse((struct span){line.data, line.len}, &ev, &f) != 0 || !span_eq(ev.element, t->element)))
		rc = err_no(e, "event %" PRIu64 " of '%s' is not of the element whose last it is said to be: run 'ecl-verify'", t->last, t->name);
	if (rc == 0)
		tlog_proof_format(&p, (struct span){line.data, line.len}, out);
	buf_release(&line);
	return (rc == 0 && out->failed ? err_mem(e) : rc);
}

/* ---- which block ---- */

/* From the block that is open as t->layer, whose header is ${header}.  Return 1, 0 where it is not signed and should be, 2 where it is not what its header says, or -1. */
static int
from_block(struct latest *t, struct span header, bool is_signed, struct buf *out, struct err *e)
{
	struct json_fault f = {0, ""};
	int rc;

	if (block_parse(header, &t->header, &f) != 0 || !event_hash_ok(header))
		return (err_no(e, "the header of '%s' is damaged: run 'ecl-verify'", t->name));
	if ((rc = read_note(t, header, is_signed, e)) != 1)
		return (rc);
	if ((rc = prove(t, out, e)) == -1)
		return (-1);
	return (rc == 0 ? 1 : 2);
}

/* The newest of the blocks of a root, and without its index where that misled. */
static int
from_blocks(struct latest *t, struct layer *root, bool is_signed, struct buf *out, struct err *e)
{
	static const unsigned flags[2] = {LAYER_TREE, LAYER_TREE | LAYER_IGNORE_INDEX};
	struct block_list list;
	struct layer *l;
	size_t i, how;
	int rc = 0;

	if (block_list_names(root->snap_fd, 0, &list, e) != 0)
		return (-1);
	for (i = list.n; i-- > 0 && rc == 0;) {
		if ((rc = block_list_header(root->snap_fd, &list.block[i], e)) != 0)
			break;
		if (!list.block[i].good)
			continue;
		t->name = list.block[i].name;
		for (how = 0, rc = 2; how < 2 && rc == 2; how++) {
			if ((rc = layer_open_block(root, t->name, flags[how], &l, e)) != 0)
				break;
			t->layer = l;
			rc = from_block(t, (struct span){list.block[i].line.data, list.block[i].line.len}, is_signed, out, e);
			layer_free(l);
		}
		if (rc == 2)
			rc = err_no(e, "block '%s' is not what its header says: run 'ecl-verify'", t->name);
	}
	block_list_release(&list);
	return (rc);
}

/* A block that stands alone. */
static int
from_bare(struct latest *t, struct layer *l, bool is_signed, struct buf *out, struct err *e)
{
	struct buf header = BUF_INIT;
	int rc;

	t->layer = l;
	t->name = l->path;
	if ((rc = io_slurp(l->ecl_fd, "block", BLOCK_HEADER_MAX, &header, e)) == 0) {
		if (header.len > 0 && header.data[header.len - 1] == '\n')
			header.len--;
		rc = from_block(t, (struct span){header.data, header.len}, is_signed, out, e);
	}
	if (rc == 2)
		rc = err_no(e, "'%s' is not what its header says: run 'ecl-verify'", t->name);
	buf_release(&header);
	return (rc);
}

int
prove_latest(struct layer *l, struct span element, bool is_signed, struct buf *out, struct err *e)
{
	struct latest t = {.element = element};
	int rc;

	rc = l->bare ? from_bare(&t, l, is_signed, out, e) : from_blocks(&t, l, is_signed, out, e);
	if (rc == 0)
		err_set(e, "'%s' has no %sblock: 'ecl-snap%s' makes one%s", l->path, is_signed ? "signed " : "",
		    is_signed ? " --sign KEY" : "", is_signed ? ", or use --unsigned" : "");
	buf_release(&t.note);
	buf_release(&t.leaves);
	return (rc == 1 ? 0 : -1);
}

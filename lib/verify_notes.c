/* The notes that lie in a block: its checkpoint, and its signed header. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

#define NOTE_SUFFIX "/block"

struct notes {
	struct verify *v;
	const struct block *b;
	const struct note_key *signer; /* of either */
	bool header_signed;
	struct verify_place place;
};

static void
damaged(struct notes *c, const char *what)
{
	verify_found(c->v, VERIFY_BLOCK_DAMAGED, &c->place, "%s", what);
}

/* Whether a note of ${origin} is one of this log, as far as its genesis can be read. */
static bool
is_ours(const struct notes *c, struct span origin)
{
	return (c->v->trust.origin == NULL || span_is(origin, c->v->trust.origin));
}

static int
ask(struct notes *c, const struct note *n, struct span origin, const char *what, struct err *e)
{
	const struct note_key *signer;
	int rc = verify_trust_keys(c->v, n, origin, &c->place, what, &signer, e);

	if (rc == 1 && signer != NULL)
		c->signer = signer;
	return (rc);
}

static int
check_checkpoint(struct notes *c, struct span bytes, struct err *e)
{
	const struct block_header *h = &c->b->header;
	struct verify_trust *t = &c->v->trust;
	struct err why = {0};
	struct checkpoint cp;
	struct note n;
	int rc;

	if (note_parse(bytes, &n, &why) != 0 || checkpoint_parse(n.text, &cp, &why) != 0) {
		verify_found(c->v, VERIFY_BLOCK_DAMAGED, &c->place, "it is no signed checkpoint: %s", why.text);
		return (0);
	}
	if (!is_ours(c, cp.origin)) {
		damaged(c, "the block's checkpoint is of another ledger");
		return (0);
	}
	if (cp.size != h->size || memcmp(cp.root, h->root, SHA256_SIZE) != 0) {
		damaged(c, "the block's checkpoint does not say what its header says");
		return (0);
	}
	if ((rc = ask(c, &n, cp.origin, "the block's checkpoint", e)) == 1 && cp.size > t->newest_size) {
		t->newest_size = cp.size;
		t->newest = c->b->name;
	}
	return (rc);
}

static int
check_note(struct notes *c, struct span bytes, struct err *e)
{
	struct buf expected = BUF_INIT;
	struct err why = {0};
	struct span origin;
	struct note n;
	const char *lf;
	bool same;
	int rc;

	if (note_parse(bytes, &n, &why) != 0) {
		verify_found(c->v, VERIFY_BLOCK_DAMAGED, &c->place, "it is no signed note: %s", why.text);
		return (0);
	}
	lf = memchr(n.text.p, '\n', n.text.len); /* the last byte is one */
	origin = (struct span){n.text.p, (size_t)(lf - n.text.p)};
	origin.len -= origin.len < strlen(NOTE_SUFFIX) ? origin.len : strlen(NOTE_SUFFIX);
	checkpoint_block_text(origin, (struct span){c->b->line.data, c->b->line.len}, &expected);
	if (expected.failed)
		return (err_mem(e));
	same = span_eq((struct span){expected.data, expected.len}, n.text);
	buf_release(&expected);
	if (same && is_ours(c, origin)) {
		if ((rc = ask(c, &n, origin, "the block's note", e)) == 1)
			c->header_signed = c->signer != NULL;
		return (rc);
	}
	damaged(c, same ? "the block's note is of another ledger" : "the block's note is not of its header");
	return (0);
}

/* The note file ${path} in ${dir}, which may be absent. */
static int
look(struct notes *c, int dir, const char *path, int (*check)(struct notes *c, struct span bytes, struct err *e), struct err *e)
{
	struct buf bytes = BUF_INIT;
	struct err why = {0};
	int rc;

	c->place.path = path;
	if ((rc = checkpoint_read(dir, path, &bytes, &why)) == 1)
		rc = check(c, (struct span){bytes.data, bytes.len}, e);
	else if (rc == -1) {
		verify_found(c->v, verify_is_denied(why.sys) ? VERIFY_UNCHECKED : VERIFY_BLOCK_DAMAGED, &c->place, "%s", why.text);
		rc = 0;
	}
	buf_release(&bytes);
	return (rc);
}

bool
verify_trust_header(const struct verify_trust *t, const char *block)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->claim[i].from == CLAIM_BLOCK && t->claim[i].header_signed && strcmp(t->claim[i].name, block) == 0)
			return (true);
	return (false);
}

int
verify_trust_block(struct verify *v, const struct verify_pass *p, const struct block *b, struct err *e)
{
	struct notes c = {v, b, NULL, false, PLACE_NONE};
	struct verify_mark mark = verify_mark(v->result);
	struct verify_claim *claim;
	int dir, rc = 0;

	c.place.block = b->name;
	if ((dir = verify_block_open(v, b, NULL)) == -1)
		return (0); /* that was told, or it is gone */
	if (look(&c, dir, ".ecl/" CHECKPOINT_FILE, check_checkpoint, e) == -1 || look(&c, dir, ".ecl/" CHECKPOINT_NOTE, check_note, e) == -1)
		rc = -1;
	close(dir);
	if (rc == 0 && verify_is_worse(v->result, &mark) && verify_block_gone(v, b->name)) {
		verify_forget(v->result, &mark);
		return (0);
	}
	if (rc == -1 || c.signer == NULL)
		return (rc);
	if ((claim = verify_trust_add(v, CLAIM_BLOCK, b->name)) == NULL)
		return (err_mem(e));
	claim->size = b->header.size;
	memcpy(claim->root, b->header.root, SHA256_SIZE);
	claim->signer = c.signer;
	claim->header_signed = c.header_signed;
	if (p != NULL)
		verify_trust_compare(p, claim);
	v->trust.header_signed |= c.header_signed;
	return (c.header_signed);
}

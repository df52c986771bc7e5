/* A proof, checked with nothing else at hand. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "merkle.h"
#include "proof.h"

#include "banned.h"

#define BLOCK_SUFFIX SPAN("/block") /* of the first line of a block's note */

/* ---- the note ---- */

/* The text of ${bytes}: a signed note's, or all of them where they are no more than a text. */
static int
note_text(struct span bytes, struct note *ret, struct err *e)
{
	size_t i;

	for (i = 0; i + 1 < bytes.len; i++)
		if (bytes.p[i] == '\n' && bytes.p[i + 1] == '\n')
			return (note_parse(bytes, ret, e));
	if (bytes.len == 0 || bytes.p[bytes.len - 1] != '\n')
		return (err_set(e, "its last line has no line feed"));
	*ret = (struct note){.text = bytes, .n = 0};
	return (0);
}

/* Who of ${key} signed; ${*ret_n} of them, ${*ret} the first. */
static int
signers(const struct note *n, const struct note_key *key, size_t keys, size_t *ret_n, const struct note_key **ret, struct err *e)
{
	bool *good;
	size_t i;
	int rc;

	*ret_n = 0;
	*ret = NULL;
	if (n->n == 0 || keys == 0)
		return (0);
	if ((good = calloc(keys, sizeof(*good))) == NULL)
		return (err_mem(e));
	if ((rc = note_verify(n, key, keys, good, e)) > 0) {
		for (i = keys; i-- > 0;)
			if (good[i])
				*ret = &key[i];
		*ret_n = (size_t)rc;
	}
	free(good);
	return (rc < 0 ? -1 : 0);
}

/* ${what} is ${n}, of ${origin}: is it signed as ${t} demands? */
static int
check_signatures(const struct note *n, struct span origin, bool cosigned, const char *what, const struct proof_trust *t,
    struct proof *ret, struct err *e)
{
	const struct note_key *first, *own = NULL;
	size_t i, k;

	if (t->unsigned_ok)
		return (0);
	for (i = 0; i < t->keys && own == NULL; i++) {
		if (t->key[i].type != NOTE_ED25519 || !span_is(origin, t->key[i].name))
			continue;
		if (signers(n, &t->key[i], 1, &k, &own, e) != 0)
			return (-1);
	}
	if (own == NULL)
		return (err_no(e, "the %s of '%.*s' is not signed by %s", what, (int)(origin.len < 200 ? origin.len : 200), origin.p,
		    t->keys == 1 ? t->key[0].name : "any of the keys given"));
	ret->signer = own;
	if (!cosigned || t->witnesses == 0)
		return (0);
	if (signers(n, t->witness, t->witnesses, &k, &first, e) != 0)
		return (-1);
	if (k < t->quorum)
		return (err_no(e, "the %s is cosigned by %zu of the witnesses, not by %zu", what, k, t->quorum));
	ret->witnesses = k;
	return (0);
}

static int
read_checkpoint(struct span bytes, const char *what, struct note *n, struct checkpoint *ret, struct err *e)
{
	struct err why = {0};

	if (note_text(bytes, n, &why) != 0 || checkpoint_parse(n->text, ret, &why) != 0)
		return (err_set(e, "the %s: %s", what, why.text));
	return (0);
}

/* The checkpoint of the proof. */
static int
check_checkpoint(struct span bytes, const struct proof_trust *t, struct proof *ret, struct err *e)
{
	struct checkpoint c;
	struct note n;

	if (read_checkpoint(bytes, "checkpoint", &n, &c, e) != 0)
		return (-1);
	ret->origin = c.origin;
	ret->size = c.size;
	memcpy(ret->root, c.root, SHA256_SIZE);
	return (check_signatures(&n, c.origin, true, "checkpoint", t, ret, e));
}

/* One that was kept: where it is signed, then by whom that is demanded. */
static int
check_known(struct span bytes, const struct proof_trust *t, struct checkpoint *ret, const struct proof *p, struct err *e)
{
	const struct proof_trust own = {t->key, t->keys, NULL, 0, 0, t->unsigned_ok};
	struct proof none = {.kind = TLOG_EVENT};
	struct note n;

	if (read_checkpoint(bytes, "checkpoint that was kept", &n, ret, e) != 0)
		return (-1);
	if (!span_eq(ret->origin, p->origin))
		return (err_no(e, "the proof is of another log than the checkpoint that was kept"));
	return (n.n == 0 ? 0 : check_signatures(&n, ret->origin, false, "checkpoint that was kept", &own, &none, e));
}

/* It must be the one that the proof is against. */
static int
compare_known(struct span known, const struct proof_trust *t, const struct proof *p, struct err *e)
{
	struct checkpoint c;

	if (known.p == NULL)
		return (0);
	if (check_known(known, t, &c, p, e) != 0)
		return (-1);
	if (c.size != p->size)
		return (err_no(e, "the proof is against %" PRIu64 " events, the checkpoint that was kept is of %" PRIu64, p->size, c.size));
	if (memcmp(c.root, p->root, SHA256_SIZE) != 0)
		return (err_no(e, "the proof is against another history than the checkpoint that was kept"));
	return (0);
}

/* The header in the note of a block. */
static int
check_block(struct span bytes, const struct proof_trust *t, struct proof *ret, struct err *e)
{
	struct json_fault f = {0, ""};
	struct err why = {0};
	const char *end;
	struct span line;
	struct note n;

	if (note_text(bytes, &n, &why) != 0)
		return (err_set(e, "the block's note: %s", why.text));
	end = memchr(n.text.p, '\n', n.text.len);
	ret->origin = (struct span){n.text.p, (size_t)(end - n.text.p)};
	line = (struct span){end + 1, n.text.len - ret->origin.len - 1};
	if (ret->origin.len <= BLOCK_SUFFIX.len ||
	    memcmp(end - BLOCK_SUFFIX.len, BLOCK_SUFFIX.p, BLOCK_SUFFIX.len) != 0)
		return (err_set(e, "the block's note: its first line must be an origin and '%s'", BLOCK_SUFFIX.p));
	ret->origin.len -= BLOCK_SUFFIX.len;
	if (line.len == 0 || memchr(line.p, '\n', line.len) != line.p + line.len - 1)
		return (err_set(e, "the block's note: its second and last line must be a block's header"));
	line.len--;
	if (line.len > BLOCK_HEADER_MAX || block_parse(line, &ret->block, &f) != 0)
		return (err_set(e, "the block's note: the header, byte %zu: %s", f.at + 1, f.what));
	if (!event_hash_ok(line))
		return (err_no(e, "the block's note: the hash of the header is wrong"));
	return (check_signatures(&n, ret->origin, false, "block's note", t, ret, e));
}

/* ---- the record ---- */

static int
check_record(const struct tlog_proof *p, struct span record, struct proof *ret, struct err *e)
{
	struct json_fault f = {0, ""};
	int rc = 1;

	ret->line = record;
	if (record.p == NULL) {
		if ((rc = tlog_proof_extra(p, &ret->text, e)) == -1)
			return (-1);
		ret->line = (struct span){ret->text.data, ret->text.len};
	} else if (record.len > 0 && record.p[record.len - 1] == '\n')
		ret->line.len--;
	if (rc == 0)
		return (err_set(e, "the proof does not hold its event: give its line, or '-'"));
	if (ret->line.len == 0 || event_parse(ret->line, &ret->event, &f) != 0)
		return (err_set(e, "the event, byte %zu: %s", f.at + 1, f.what[0] != '\0' ? f.what : "expected an event's line"));
	if (!event_hash_ok(ret->line))
		return (err_no(e, "event %" PRIu64 " does not have the hash that it says", ret->event.seq));
	if (ret->event.seq != p->index)
		return (err_no(e, "the proof is of event %" PRIu64 ", not of %" PRIu64, p->index, ret->event.seq));
	return (0);
}

/* That the event is in the log of ret->size and ret->root. */
static int
check_inclusion(const struct tlog_proof *p, struct proof *ret, struct err *e)
{
	uint8_t leaf[SHA256_SIZE];

	merkle_leaf(ret->event.hash, SHA256_SIZE, leaf);
	if (!merkle_check_inclusion(leaf, p->index, ret->size, p->hashes.hash, p->hashes.len, ret->root))
		return (err_no(e, "the hashes do not lead from event %" PRIu64 " to the root of %" PRIu64 " events", p->index, ret->size));
	return (0);
}

void
proof_head(struct span name, uint64_t seq, uint8_t out[SHA256_SIZE])
{
	uint8_t leaf[PROOF_HEAD_MAX];
	size_t i;

	memcpy(leaf, name.p, name.len);
	leaf[name.len] = 0;
	for (i = 0; i < 8; i++)
		leaf[name.len + 1 + i] = (uint8_t)(seq >> (56 - 8 * i));
	merkle_leaf(leaf, name.len + 9, out);
}

/* ---- the three kinds ---- */

static int
check_event(const struct tlog_proof *p, struct span record, struct span known, const struct proof_trust *t, struct proof *ret,
    struct err *e)
{
	if (check_checkpoint(p->note, t, ret, e) != 0 || compare_known(known, t, ret, e) != 0 || check_record(p, record, ret, e) != 0)
		return (-1);
	return (check_inclusion(p, ret, e));
}

static int
check_latest(const struct tlog_proof *p, struct span record, struct span known, const struct proof_trust *t, struct proof *ret,
    struct err *e)
{
	uint8_t leaf[SHA256_SIZE];

	if (t->witnesses > 0)
		return (err_set(e, "witnesses cosign checkpoints, not the note of a block, which this proof is against"));
	if (check_block(p->note, t, ret, e) != 0)
		return (-1);
	ret->size = ret->block.size;
	memcpy(ret->root, ret->block.root, SHA256_SIZE);
	if (compare_known(known, t, ret, e) != 0 || check_record(p, record, ret, e) != 0 || check_inclusion(p, ret, e) != 0)
		return (-1);
	proof_head(ret->event.element, ret->event.seq, leaf);
	if (!merkle_check_inclusion(leaf, p->head, ret->block.elements, p->heads.hash, p->heads.len, ret->block.heads))
		return (err_no(e, "the hashes do not lead from the element and event %" PRIu64 " to the root of the block's %" PRIu64 " heads",
		    p->index, ret->block.elements));
	return (0);
}

static int
check_consistency(const struct tlog_proof *p, struct span known, const struct proof_trust *t, struct proof *ret, struct err *e)
{
	struct checkpoint old;

	if (check_checkpoint(p->note, t, ret, e) != 0)
		return (-1);
	ret->old = p->index;
	if (p->index == 0 && p->hashes.len > 0)
		return (err_no(e, "there is nothing to prove of no events"));
	if (known.p == NULL && p->index == 0)
		return (0);
	if (known.p == NULL)
		return (err_set(e, "consistency is between two checkpoints: the older one, of %" PRIu64 " events, is needed too: --checkpoint", p->index));
	if (check_known(known, t, &old, ret, e) != 0)
		return (-1);
	if (old.size != p->index)
		return (err_no(e, "the proof is of the first %" PRIu64 " events, the checkpoint that was kept of %" PRIu64, p->index, old.size));
	if (old.size > 0 && !merkle_check_consistency(old.size, ret->size, old.root, ret->root, p->hashes.hash, p->hashes.len))
		return (err_no(e, "the log of %" PRIu64 " events is not shown to begin with the %" PRIu64 " of the checkpoint that was kept",
		    ret->size, old.size));
	return (0);
}

int
proof_check(struct span bytes, struct span record, struct span known, const struct proof_trust *trust, struct proof *ret,
    struct err *e)
{
	struct tlog_proof p;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (tlog_proof_parse(bytes, &p, e) != 0)
		return (-1);
	ret->kind = p.kind;
	switch (p.kind) {
	case TLOG_EVENT:
		rc = check_event(&p, record, known, trust, ret, e);
		break;
	case TLOG_LATEST:
		rc = check_latest(&p, record, known, trust, ret, e);
		break;
	default:
		rc = check_consistency(&p, known, trust, ret, e);
		break;
	}
	if (rc != 0)
		proof_release(ret);
	return (rc);
}

void
proof_release(struct proof *p)
{
	buf_release(&p->text);
	memset(p, 0, sizeof(*p));
}

/*
 * What notes say of a log, against the log.
 *
 * A note is believed as far as it is signed by whom that was demanded: one without that signature is a finding, and its text is not evidence.
 * Where no key was demanded, what a note says is compared all the same; only who says it is not known.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "io.h"
#include "verify_internal.h"

#include "banned.h"

/* ---- claims ---- */

struct verify_claim *
verify_trust_add(struct verify *v, enum verify_claimant from, const char *name)
{
	struct verify_trust *t = &v->trust;
	size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
	struct verify_claim *c;

	if (t->n == t->cap) {
		if ((c = realloc(t->claim, cap * sizeof(*c))) == NULL)
			return (NULL);
		t->claim = c;
		t->cap = cap;
	}
	c = &t->claim[t->n++];
	memset(c, 0, sizeof(*c));
	c->from = from;
	c->name = name;
	return (c);
}

void
verify_trust_release(struct verify_trust *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free(t->claim[i].origin);
	free(t->claim);
	free(t->origin);
	buf_release(&t->note);
	buf_release(&t->index_fault);
	memset(t, 0, sizeof(*t));
}

void
verify_trust_compare(const struct verify_pass *p, struct verify_claim *c)
{
	const struct verify_since *s = &p->v->since;
	uint8_t root[SHA256_SIZE];

	if (s->set && c->size == s->block->header.size)
		memcpy(root, s->block->header.root, SHA256_SIZE);
	else if (p->seq == c->size && (p->checks & PASS_TREE) != 0 && !p->tree_lost)
		merkle_root(&p->tree, root);
	else
		return;
	c->state = memcmp(root, c->root, SHA256_SIZE) == 0 ? CLAIM_FITS : CLAIM_DIFFERS;
	/* A line that was damaged may be vouched for by the next one: it is not what was signed. */
	if (c->state == CLAIM_FITS && p->faults > 0)
		c->state = CLAIM_OPEN;
}

/* ---- who signed a note ---- */

/* The demanded keys of one origin.  Return an array that the caller frees, and their number; NULL where memory ran out. */
static struct note_key *
keys_of(const struct verify_options *opt, struct span origin, size_t *ret_n)
{
	struct note_key *own;
	size_t i;

	*ret_n = 0;
	if ((own = calloc(opt->keys + 1, sizeof(*own))) == NULL)
		return (NULL);
	for (i = 0; i < opt->keys; i++)
		if (span_is(origin, opt->key[i].name))
			own[(*ret_n)++] = opt->key[i];
	return (own);
}

/* The key of ${opt} that ${own}[i], a copy, is. */
static const struct note_key *
original(const struct verify_options *opt, const struct note_key *own)
{
	const struct note_key *k = opt->key;

	while (k->name != own->name || memcmp(k->public, own->public, sizeof(k->public)) != 0)
		k++;
	return (k);
}

/* note_verify(), with what is wrong as a finding.  Return the number of keys that have signed, 0 with ${*ret_bad} where the note is to be rejected, or -1. */
static int
ask_note(struct verify *v, const struct note *n, const struct note_key *keys, size_t nkeys, bool *good, const struct verify_place *place,
    const char *what, bool *ret_bad, struct err *e)
{
	struct err why = {0};
	int rc;

	*ret_bad = false;
	if (nkeys == 0)
		return (0);
	if ((rc = note_verify(n, keys, nkeys, good, &why)) >= 0)
		return (rc);
	if (why.exit != EXIT_NO) {
		*e = why;
		return (-1);
	}
	verify_found(v, VERIFY_UNSIGNED, place, "%s: %s", what, why.text);
	*ret_bad = true;
	return (0);
}

int
verify_trust_keys(struct verify *v, const struct note *n, struct span origin, const struct verify_place *place, const char *what,
    const struct note_key **ret_signer, struct err *e)
{
	const struct verify_options *opt = v->opt;
	struct note_key *own;
	bool *good, bad;
	size_t nown, i;
	int rc;

	*ret_signer = NULL;
	if (opt->keys == 0)
		return (1);
	own = keys_of(opt, origin, &nown);
	good = calloc(opt->keys, sizeof(*good));
	if (own == NULL || good == NULL)
		rc = err_mem(e);
	else
		rc = ask_note(v, n, own, nown, good, place, what, &bad, e);
	for (i = 0; rc > 0 && i < nown && *ret_signer == NULL; i++)
		if (good[i])
			*ret_signer = original(opt, &own[i]);
	if (rc == 0 && nown == 0)
		verify_found(v, VERIFY_UNSIGNED, place, "%s is of '%.*s': no key of that name was given", what, (int)origin.len, origin.p);
	else if (rc == 0 && !bad)
		verify_found(v, VERIFY_UNSIGNED, place, "%s is not signed by the key that was demanded", what);
	free(own);
	free(good);
	return (rc > 0 ? 1 : rc);
}

/* How many of the witnesses cosigned.  Return 1 with the number, 0 where the note is to be rejected, which was told, or -1. */
static int
ask_witnesses(struct verify *v, const struct note *n, const struct verify_place *place, const char *what, size_t *ret_n, struct err *e)
{
	const struct verify_options *opt = v->opt;
	bool *good, bad = false;
	int rc;

	*ret_n = 0;
	if (opt->witnesses == 0)
		return (1);
	if ((good = calloc(opt->witnesses, sizeof(*good))) == NULL)
		return (err_mem(e));
	if ((rc = ask_note(v, n, opt->witness, opt->witnesses, good, place, what, &bad, e)) > 0)
		*ret_n = (size_t)rc;
	free(good);
	return (rc == -1 ? -1 : !bad);
}

/* ---- the checkpoints of a root, and those that were given ---- */

int
verify_trust_begin(struct verify *v, struct err *e)
{
	struct verify_place place = PLACE_NONE;
	struct err why = {0};
	int rc;

	place.path = v->trust.path = v->layer->bare ? ".ecl/" CHECKPOINT_FILE : CHECKPOINT_FILE;
	if (v->layer->bare && !v->opt->quick)
		return (0); /* it is one of the block's notes */
	if ((rc = checkpoint_read(v->layer->root_fd, place.path, &v->trust.note, &why)) == 1)
		v->trust.has_note = true;
	if (rc != -1)
		return (0);
	if (why.sys == ENOMEM) {
		*e = why;
		return (-1);
	}
	verify_found(v, verify_is_denied(why.sys) ? VERIFY_UNCHECKED : VERIFY_CORRUPT, &place, "%s", why.text);
	v->trust.rejected = true;
	return (0);
}

/* A claim of what ${cp} says.  Return 1 or -1. */
static int
claim(struct verify *v, enum verify_claimant from, const char *name, const struct checkpoint *cp, const struct note_key *signer, size_t cosigned,
    struct err *e)
{
	struct verify_claim *c;

	if ((c = verify_trust_add(v, from, name)) == NULL || (c->origin = strndup(cp->origin.p, cp->origin.len)) == NULL)
		return (err_mem(e));
	c->size = cp->size;
	memcpy(c->root, cp->root, SHA256_SIZE);
	c->signer = signer;
	c->cosigned = cosigned;
	return (1);
}

/* The note ${n}, whose text is ${cp}.  Return 1 where it has become a claim, 0 where it may not be believed, which was told, or -1. */
static int
take(struct verify *v, enum verify_claimant from, const char *name, const struct note *n, const struct checkpoint *cp,
    const struct verify_place *place, const char *what, struct err *e)
{
	const struct note_key *signer;
	size_t cosigned;
	int rc;

	if ((rc = verify_trust_keys(v, n, cp->origin, place, what, &signer, e)) != 1)
		return (rc);
	if ((rc = ask_witnesses(v, n, place, what, &cosigned, e)) != 1)
		return (rc);
	return (claim(v, from, name, cp, signer, cosigned, e));
}

static int
take_root(struct verify *v, struct err *e)
{
	struct span bytes = {v->trust.note.data, v->trust.note.len};
	struct verify_place place = PLACE_NONE;
	struct checkpoint cp;
	struct err why = {0};
	struct note n;
	int rc;

	if (!v->trust.has_note)
		return (0);
	place.path = v->trust.path;
	if (note_parse(bytes, &n, &why) != 0 || checkpoint_parse(n.text, &cp, &why) != 0) {
		verify_found(v, VERIFY_CORRUPT, &place, "it is no signed checkpoint: %s", why.text);
		rc = 0;
	} else if (cp.size == 0 && v->opt->keys + v->opt->witnesses > 0) {
		verify_found(v, VERIFY_UNSIGNED, &place, "the checkpoint is of no events: it vouches for none");
		rc = 0;
	} else
		rc = take(v, CLAIM_ROOT, "", &n, &cp, &place, "the checkpoint", e);
	v->trust.rejected |= rc == 0;
	return (rc == -1 ? -1 : 0);
}

static int
take_given(struct verify *v, const struct verify_given *g, struct err *e)
{
	const struct verify_place place = PLACE_NONE;
	struct err why = {0}, bare = {0};
	char what[160];
	struct checkpoint cp;
	struct note n;

	if (note_parse(g->bytes, &n, &why) != 0) {
		/* The bare text: who gave it vouches for it. */
		if (checkpoint_parse(g->bytes, &cp, &bare) != 0)
			return (err_set(e, "'%s' is no checkpoint: %s", g->name, why.text));
		return (claim(v, CLAIM_GIVEN, g->name, &cp, NULL, 0, e) == -1 ? -1 : 0);
	}
	if (checkpoint_parse(n.text, &cp, &why) != 0)
		return (err_set(e, "'%s' is no checkpoint: %s", g->name, why.text));
	snprintf(what, sizeof(what), "the checkpoint '%.128s'", g->name);
	return (take(v, CLAIM_GIVEN, g->name, &n, &cp, &place, what, e) == -1 ? -1 : 0);
}

int
verify_trust_claims(struct verify *v, struct err *e)
{
	size_t i;

	if (take_root(v, e) != 0)
		return (-1);
	for (i = 0; i < v->opt->checkpoints; i++)
		if (take_given(v, &v->opt->checkpoint[i], e) != 0)
			return (-1);
	return (0);
}

/* ---- the origin ---- */

int
verify_trust_origin(struct verify_trust *t, const struct event *ev)
{
	struct buf origin = BUF_INIT;
	struct span token;

	if (t->origin != NULL || ev->seq != 0 || ev->state.p == NULL || json_get(ev->state, "origin", &token) != 1 ||
	    token.len < 2 || token.p[0] != '"')
		return (0);
	json_unescape(token, &origin);
	if (!origin.failed)
		t->origin = strndup(origin.data == NULL ? "" : origin.data, origin.len);
	buf_release(&origin);
	return (t->origin == NULL ? -1 : 0);
}

int
verify_trust_log_origin(struct verify *v)
{
	struct buf line = BUF_INIT;
	struct json_fault f;
	struct event ev;
	const char *lf;
	ssize_t n;
	int fd, rc = 0;

	if (v->log.n == 0 || v->log.segment[0].first != 0 || (fd = verify_log_fd(&v->log, 0, NULL)) == -1)
		return (0); /* that is told elsewhere */
	if (buf_reserve(&line, EVENT_LINE_MAX + 1) != 0)
		return (-1);
	if ((n = io_pread(fd, line.data, EVENT_LINE_MAX + 1, 0)) > 0 && (lf = memchr(line.data, '\n', (size_t)n)) != NULL &&
	    event_parse((struct span){line.data, (size_t)(lf - line.data)}, &ev, &f) == 0)
		rc = verify_trust_origin(&v->trust, &ev);
	buf_release(&line);
	return (rc);
}

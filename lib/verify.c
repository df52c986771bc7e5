/* Verification: the run over a root or a stream, and what it found. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "verify_internal.h"

#include "banned.h"

static const char *const class_names[VERIFY_CLASSES] = {
    [VERIFY_OK] = "ok",
    [VERIFY_PRUNED] = "pruned",
    [VERIFY_BLOCK_WRITABLE] = "block-writable",
    [VERIFY_UNRECORDED_BLOCK] = "unrecorded-block",
    [VERIFY_UNSIGNED_TAIL] = "unsigned-tail",
    [VERIFY_CHECKPOINT_LAG] = "checkpoint-lag",
    [VERIFY_INDEX_LAG] = "index-lag",
    [VERIFY_INDEX_DAMAGED] = "index-damaged",
    [VERIFY_UNCHECKED] = "unchecked",
    [VERIFY_TORN] = "torn",
    [VERIFY_UNSIGNED] = "unsigned",
    [VERIFY_BLOCK_DAMAGED] = "block-damaged",
    [VERIFY_CORRUPT] = "corrupt",
    [VERIFY_TRUNCATED] = "truncated",
    [VERIFY_REWRITTEN] = "rewritten",
    [VERIFY_FORKED] = "forked",
};

const char *
verify_class_name(enum verify_class class)
{
	return (class_names[class]);
}

/* ---- findings ---- */

void
verify_found(struct verify *v, enum verify_class class, const struct verify_place *place, const char *fmt, ...)
{
	struct verify_result *r = v->result;
	struct verify_finding *f;
	bool first = r->count[class]++ == 0;
	va_list ap;

	if (place->segment == VERIFY_NONE ? class == VERIFY_TRUNCATED : place->segment >= v->doubt_from)
		v->doubt |= v->doubt_from != VERIFY_NONE;
	/* The verdict is a class: none goes without one that is told. */
	if (r->n >= VERIFY_FINDINGS_MAX && !first) {
		r->more++;
		return;
	}
	f = &r->finding[r->n++];
	memset(f, 0, sizeof(*f));
	f->class = class;
	f->seq = place->seq;
	f->segment = place->segment;
	f->offset = place->offset;
	snprintf(f->block, sizeof(f->block), "%s", place->block);
	snprintf(f->path, sizeof(f->path), "%s", place->path);
	va_start(ap, fmt);
	vsnprintf(f->message, sizeof(f->message), fmt, ap);
	va_end(ap);
}

struct verify_mark
verify_mark(const struct verify_result *r)
{
	struct verify_mark mark = {.n = r->n, .more = r->more};

	memcpy(mark.count, r->count, sizeof(mark.count));
	return (mark);
}

bool
verify_is_worse(const struct verify_result *r, const struct verify_mark *mark)
{
	size_t i;

	for (i = VERIFY_UNCHECKED; i < VERIFY_CLASSES; i++)
		if (r->count[i] != mark->count[i])
			return (true);
	return (false);
}

void
verify_forget(struct verify_result *r, const struct verify_mark *mark)
{
	r->n = mark->n;
	r->more = mark->more;
	memcpy(r->count, mark->count, sizeof(mark->count));
}

static int
result_init(struct verify_result *r, struct err *e)
{
	memset(r, 0, sizeof(*r));
	if ((r->finding = calloc(VERIFY_FINDINGS_ROOM, sizeof(*r->finding))) == NULL)
		return (err_mem(e));
	return (0);
}

void
verify_release(struct verify_result *r)
{
	free(r->finding);
	memset(r, 0, sizeof(*r));
}

/* What the pass says of the whole. */
static void
conclude(struct verify_pass *p, struct verify_result *r)
{
	int class;

	verify_trust_finish(p);

	r->events = p->seq - p->first_seq;
	r->bytes = p->bytes;
	memcpy(r->head, p->head, SHA256_SIZE);
	r->verdict = VERIFY_OK;
	for (class = VERIFY_UNCHECKED; class < VERIFY_CLASSES; class ++)
		if (r->count[class] > 0)
			r->verdict = (enum verify_class)class;
}

/* ---- what knows of the log ---- */

static void
check_durable(struct verify_pass *p)
{
	struct verify_place place = {p->seq - 1, VERIFY_NONE, VERIFY_NONE, "", "durable"};

	if (p->seq == p->v->durable.size && memcmp(p->head, p->v->durable.hash, SHA256_SIZE) != 0)
		verify_found(p->v, VERIFY_REWRITTEN, &place, "event %" PRIu64 " is not the one that was recorded last once",
		    place.seq);
}

/* A block, and who signed it.  Its notes are looked at also where it is wrong. */
static void
check_block(struct verify_pass *p, const struct block *b)
{
	verify_block(p, b);
	if (verify_trust_block(p->v, p, b, p->v->e) == -1)
		p->broken = true;
}

void
verify_anchor(struct verify_pass *p)
{
	struct verify *v = p->v;
	const struct verify_anchor *a;

	for (; v->next < v->anchors && v->anchor[v->next].size <= p->seq && !p->broken; v->next++) {
		a = &v->anchor[v->next];
		if (a->block != NULL)
			check_block(p, a->block);
		else if (a->claim_plus_1 > 0)
			verify_trust_compare(p, &v->trust.claim[a->claim_plus_1 - 1]);
		else
			check_durable(p);
	}
	p->next_anchor = v->next < v->anchors ? v->anchor[v->next].size : EVENT_NONE;
}

/* Claims of more events than there are.  Whole lines that cannot be read are not missing. */
static bool
check_claim_length(const struct verify_pass *p, const struct verify_anchor *a)
{
	if (a->claim_plus_1 == 0)
		return (false);
	if (p->unread == 0 || p->torn)
		p->v->trust.claim[a->claim_plus_1 - 1].state = CLAIM_LONGER;
	return (true);
}

/* What knows of more events than there are. */
static void
check_length(struct verify_pass *p)
{
	struct verify *v = p->v;
	struct verify_place place = {p->seq, VERIFY_NONE, VERIFY_NONE, "", ""};
	const struct verify_anchor *a;

	if (p->log->n > 0) {
		place.segment = p->log->segment[p->good_segment].first;
		place.offset = p->good_offset;
	} else if (!v->layer->replica)
		verify_found(v, VERIFY_TRUNCATED, &place, "the log is empty: it has no genesis");
	for (; v->next < v->anchors && !p->broken; v->next++) {
		a = &v->anchor[v->next];
		if (check_claim_length(p, a))
			continue;
		place.block = a->block != NULL ? a->block->name : "";
		place.path = a->block != NULL ? "" : "durable";
		if (p->unread == 0 || p->torn)
			verify_found(v, VERIFY_TRUNCATED, &place, "the log ends before event %" PRIu64 ", but there were %" PRIu64,
			    p->seq, a->size);
		if (a->block != NULL)
			check_block(p, a->block);
	}
}

static int
cmp_anchors(const void *a, const void *b)
{
	const struct verify_anchor *x = a, *y = b;

	return ((x->size > y->size) - (x->size < y->size));
}

static int
set_anchors(struct verify *v, struct err *e)
{
	uint64_t from = v->since.set ? v->since.block->header.size : 0;
	const struct block *b;
	size_t i;

	if ((v->anchor = calloc(v->blocks.n + v->trust.n + 1, sizeof(*v->anchor))) == NULL)
		return (err_mem(e));
	for (i = 0; i < v->trust.n; i++)
		if (v->trust.claim[i].size >= from)
			v->anchor[v->anchors++] = (struct verify_anchor){v->trust.claim[i].size, NULL, i + 1};
	for (i = 0; i < v->blocks.n; i++) {
		b = &v->blocks.block[i];
		if (!v->opt->quick && b->good && (!v->since.set || b->header.size > from))
			v->anchor[v->anchors++] = (struct verify_anchor){b->header.size, b, 0};
	}
	if (v->durable.size > from)
		v->anchor[v->anchors++] = (struct verify_anchor){v->durable.size, NULL, 0};
	if (v->anchors > 0)
		qsort(v->anchor, v->anchors, sizeof(*v->anchor), cmp_anchors);
	return (0);
}

/* ---- a root ---- */

/* First what is signed, then the blocks: what they were made of is in the log that is listed then. */
static int
list(struct verify *v, struct err *e)
{
	bool blocks = !v->opt->quick || v->opt->since != NULL;
	size_t i;

	if (verify_trust_begin(v, e) != 0)
		return (-1);
	if (blocks && (v->layer->bare ? block_list_read_alone(v->layer->root_fd, &v->blocks, e)
				      : block_list_read(v->layer->snap_fd, &v->blocks, e)) != 0)
		return (-1);
	if (verify_end(v, &v->log, e) != 0)
		return (-1);
	for (i = 0; i < v->log.n; i++)
		v->total += v->log.segment[i].size;
	if (verify_trust_log_origin(v) != 0)
		return (err_mem(e));
	if (verify_trust_claims(v, e) != 0 || (v->opt->since != NULL && verify_since(v, e) != 0))
		return (-1);
	if (!v->opt->quick && verify_index(v, e) != 0)
		return (-1);
	return (set_anchors(v, e));
}

/* What the pass has to keep: the tree, too, where something signed is to be compared. */
static unsigned
checks(const struct verify_options *opt)
{
	if (!opt->quick)
		return (PASS_TREE | PASS_ELEMENTS | PASS_STATES | PASS_BLOCKS);
	return (opt->keys > 0 || opt->quorum > 0 || opt->checkpoints > 0 ? PASS_TREE : 0);
}

static int
round_run(struct verify *v, struct err *e)
{
	struct verify_pass p;
	int rc;

	if (list(v, e) != 0)
		return (-1);
	verify_files_start(v);
	verify_pass_init(&p, v, &v->log, checks(v->opt));
	if (v->since.set)
		verify_since_begin(&p);
	verify_anchor(&p);
	if ((rc = verify_pass_log(&p, e)) != 0)
		goto out;
	verify_tail(&p);
	check_length(&p);
	if (!v->opt->quick)
		rc = verify_blocks_finish(&p, e);
	if (p.broken)
		rc = -1;
	conclude(&p, v->result);
out:	verify_pass_release(&p);
	return (rc);
}

/* Forget a round, but for what the next one needs of it. */
static void
round_release(struct verify *v)
{
	verify_files_stop(v);
	verify_log_release(&v->log);
	block_list_release(&v->blocks);
	memset(&v->blocks, 0, sizeof(v->blocks));
	free(v->anchor);
	v->anchor = NULL;
	v->anchors = v->next = 0;
	free(v->records.record);
	memset(&v->records, 0, sizeof(v->records));
	verify_trust_release(&v->trust);
	verify_since_release(&v->since);
	v->told_rewritten = v->doubt = false;
	v->total = 0;
}

int
verify_root(const char *path, const struct verify_options *opt, struct verify_result *ret, struct err *e)
{
	struct verify v = {.opt = opt, .result = ret, .e = e, .log = VERIFY_LOG_INIT};
	const struct verify_mark none = {0};
	int rc;

	if (layer_open(path, LAYER_READ | LAYER_NO_INDEX | (opt->since != NULL ? LAYER_ROOT : 0), &v.layer, e) != 0)
		return (-1);
	if (result_init(ret, e) != 0) {
		layer_free(v.layer);
		return (-1);
	}
	while ((rc = round_run(&v, e)) == 0 && verify_again(&v)) {
		round_release(&v);
		verify_forget(ret, &none);
		ret->blocks = ret->anchored = ret->vouched = ret->witnessed = ret->since = 0;
		ret->since_block[0] = '\0';
		ret->signer = NULL;
		v.round++;
	}
	round_release(&v);
	layer_free(v.layer);
	if (rc != 0)
		verify_release(ret);
	return (rc);
}

/* ---- a stream ---- */

int
verify_stream(int fd, const struct verify_options *opt, struct verify_result *ret, struct err *e)
{
	struct verify v = {.opt = opt, .result = ret, .e = e, .log = VERIFY_LOG_INIT, .doubt_from = VERIFY_NONE};
	struct verify_pass p;
	int rc = 0;

	if (result_init(ret, e) != 0)
		return (-1);
	verify_pass_init(&p, &v, NULL, checks(opt) & ~PASS_STATES);
	if ((rc = verify_trust_claims(&v, e)) == 0 && (rc = set_anchors(&v, e)) == 0)
		verify_anchor(&p);
	if (rc == 0)
		rc = verify_pass_stream(&p, fd, e);
	p.torn = p.pending.set;
	verify_pass_flush(&p, VERIFY_TORN);
	for (; v.next < v.anchors; v.next++)
		check_claim_length(&p, &v.anchor[v.next]);
	conclude(&p, ret);
	verify_pass_release(&p);
	free(v.records.record);
	free(v.anchor);
	verify_trust_release(&v.trust);
	if (rc != 0)
		verify_release(ret);
	return (rc);
}

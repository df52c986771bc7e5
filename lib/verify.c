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
    [VERIFY_UNCHECKED] = "unchecked",
    [VERIFY_TORN] = "torn",
    [VERIFY_BLOCK_DAMAGED] = "block-damaged",
    [VERIFY_CORRUPT] = "corrupt",
    [VERIFY_TRUNCATED] = "truncated",
    [VERIFY_REWRITTEN] = "rewritten",
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
	va_list ap;

	r->count[class]++;
	if (place->segment == VERIFY_NONE ? class == VERIFY_TRUNCATED : place->segment >= v->doubt_from)
		v->doubt |= v->doubt_from != VERIFY_NONE;
	if (r->n == VERIFY_FINDINGS_MAX) {
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
	if ((r->finding = calloc(VERIFY_FINDINGS_MAX, sizeof(*r->finding))) == NULL)
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

	r->events = p->seq - p->first_seq;
	r->bytes = p->bytes;
	memcpy(r->head, p->head, SHA256_SIZE);
	r->verdict = VERIFY_OK;
	for (class = VERIFY_UNCHECKED; class < VERIFY_CLASSES; class ++)
		if (r->count[class] > 0)
			r->verdict = (enum verify_class)class;
}

/* ---- a stream ---- */

int
verify_stream(int fd, const struct verify_options *opt, struct verify_result *ret, struct err *e)
{
	struct verify v = {.opt = opt, .result = ret, .e = e, .log = VERIFY_LOG_INIT, .doubt_from = VERIFY_NONE};
	struct verify_pass p;
	struct buf window = BUF_INIT;
	size_t used;
	ssize_t n;
	int rc = 0;

	if (result_init(ret, e) != 0)
		return (-1);
	verify_pass_init(&p, &v, NULL, opt->quick ? 0 : PASS_TREE | PASS_ELEMENTS | PASS_BLOCKS);
	for (;;) {
		if (buf_reserve(&window, VERIFY_CHUNK) != 0) {
			rc = err_mem(e);
			break;
		}
		if ((n = io_read(fd, window.data + window.len, VERIFY_CHUNK)) <= 0) {
			rc = n == 0 ? 0 : err_sys(e, "cannot read the standard input");
			break;
		}
		window.len += (size_t)n;
		used = verify_pass_feed(&p, window.data, window.len);
		memmove(window.data, window.data + used, window.len - used);
		window.len -= used;
		if (p.broken) {
			rc = -1;
			break;
		}
		if (opt->progress != NULL)
			opt->progress(opt->arg, p.bytes, 0);
	}
	verify_pass_rest(&p, window.len, true);
	verify_pass_flush(&p, VERIFY_TORN);
	conclude(&p, ret);
	verify_pass_release(&p);
	buf_release(&window);
	free(v.records.record);
	if (rc != 0)
		verify_release(ret);
	return (rc);
}

/* ---- a root ---- */

static void
check_durable(struct verify_pass *p)
{
	struct verify_place place = {p->seq - 1, VERIFY_NONE, VERIFY_NONE, "", "durable"};

	if (p->seq == p->v->durable.size && memcmp(p->head, p->v->durable.hash, SHA256_SIZE) != 0)
		verify_found(p->v, VERIFY_REWRITTEN, &place, "event %" PRIu64 " is not the one that was recorded last once",
		    place.seq);
}

void
verify_anchor(struct verify_pass *p)
{
	struct verify *v = p->v;
	const struct verify_anchor *a;

	for (; v->next < v->anchors && v->anchor[v->next].size <= p->seq; v->next++) {
		a = &v->anchor[v->next];
		if (a->block != NULL)
			verify_block(p, a->block);
		else
			check_durable(p);
	}
	p->next_anchor = v->next < v->anchors ? v->anchor[v->next].size : EVENT_NONE;
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
	for (; v->next < v->anchors; v->next++) {
		a = &v->anchor[v->next];
		place.block = a->block != NULL ? a->block->name : "";
		place.path = a->block != NULL ? "" : "durable";
		/* Whole lines that cannot be read are not missing. */
		if (p->unread == 0 || p->torn)
			verify_found(v, VERIFY_TRUNCATED, &place, "the log ends before event %" PRIu64 ", but there were %" PRIu64,
			    p->seq, a->size);
		if (a->block != NULL)
			verify_block(p, a->block);
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
	size_t i;

	if ((v->anchor = calloc(v->blocks.n + 1, sizeof(*v->anchor))) == NULL)
		return (err_mem(e));
	for (i = 0; i < v->blocks.n; i++)
		if (v->blocks.block[i].good)
			v->anchor[v->anchors++] = (struct verify_anchor){v->blocks.block[i].header.size, &v->blocks.block[i]};
	if (v->durable.size > 0)
		v->anchor[v->anchors++] = (struct verify_anchor){v->durable.size, NULL};
	if (v->anchors > 0)
		qsort(v->anchor, v->anchors, sizeof(*v->anchor), cmp_anchors);
	return (0);
}

/* The blocks first: what they were made of is in the log that is listed then. */
static int
list(struct verify *v, struct err *e)
{
	size_t i;

	if (!v->opt->quick && block_list_read(v->layer->snap_fd, &v->blocks, e) != 0)
		return (-1);
	if (verify_end(v, &v->log, e) != 0 || set_anchors(v, e) != 0)
		return (-1);
	for (i = 0; i < v->log.n; i++)
		v->total += v->log.segment[i].size;
	return (0);
}

static int
round_run(struct verify *v, struct err *e)
{
	const unsigned all = PASS_TREE | PASS_ELEMENTS | PASS_STATES | PASS_BLOCKS;
	struct verify_pass p;
	int rc;

	if (list(v, e) != 0)
		return (-1);
	verify_pass_init(&p, v, &v->log, v->opt->quick ? 0 : all);
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
	verify_log_release(&v->log);
	block_list_release(&v->blocks);
	memset(&v->blocks, 0, sizeof(v->blocks));
	free(v->anchor);
	v->anchor = NULL;
	v->anchors = v->next = 0;
	free(v->records.record);
	memset(&v->records, 0, sizeof(v->records));
	v->told_rewritten = v->doubt = false;
	v->total = 0;
}

int
verify_root(const char *path, const struct verify_options *opt, struct verify_result *ret, struct err *e)
{
	struct verify v = {.opt = opt, .result = ret, .e = e, .log = VERIFY_LOG_INIT};
	const struct verify_mark none = {0};
	int rc;

	if (layer_open(path, LAYER_READ | LAYER_NO_INDEX | (opt->quick ? 0 : LAYER_ROOT), &v.layer, e) != 0)
		return (-1);
	if (result_init(ret, e) != 0) {
		layer_free(v.layer);
		return (-1);
	}
	while ((rc = round_run(&v, e)) == 0 && verify_again(&v)) {
		round_release(&v);
		verify_forget(ret, &none);
		ret->blocks = ret->anchored = 0;
		v.round++;
	}
	round_release(&v);
	layer_free(v.layer);
	if (rc != 0)
		verify_release(ret);
	return (rc);
}

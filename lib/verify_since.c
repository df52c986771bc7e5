/*
 * What is taken on trust: a block, and all that it covers.
 *
 * The block's header, which the caller believes (because it is signed, or because he says so), fixes the hash of its last event and the root
 * of all up to it.  So the pass can begin behind that event, once the log was seen to have it; and the tree can be gone on with, from hashes of
 * any origin whose root is that of the header: those of the index, or else those that the lines say themselves.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "index.h"
#include "verify_internal.h"
#include "when.h"

#include "banned.h"

#define LINES 256

/* Whether ${m} is the tree of the block's events. */
static bool
is_tree(const struct block_header *h, const struct merkle *m)
{
	uint8_t root[SHA256_SIZE];

	merkle_root(m, root);
	return (m->size == h->size && memcmp(root, h->root, SHA256_SIZE) == 0);
}

static bool
tree_of_index(const struct verify *v, struct log *log, const struct block_header *h, struct merkle *ret)
{
	struct index *ix;
	bool good;

	if (index_open(v->layer->ecl_fd, log, INDEX_TREE | INDEX_LAZY, &ix, NULL) != 0)
		return (false);
	good = index_published(ix) >= h->size && index_frontier(ix, h->size, ret, NULL) == 0 && is_tree(h, ret);
	index_free(ix);
	return (good);
}

/* The hash that a line says it has. */
static bool
hash_of(struct span line, uint8_t out[SHA256_SIZE])
{
	return (line.len > EVENT_TAIL && hex_decode(line.p + line.len - 2 - (size_t)2 * SHA256_SIZE, SHA256_SIZE, out) == 0);
}

static bool
tree_of_lines(struct log *log, const struct block_header *h, struct merkle *ret)
{
	uint8_t hash[LINES][SHA256_SIZE];
	struct log_line line[LINES];
	struct log_reader r;
	int n = 1, i;

	merkle_init(ret);
	log_reader_init(&r, log, 0, 0);
	while (n > 0 && ret->size < h->size) {
		size_t want = h->size - ret->size < LINES ? (size_t)(h->size - ret->size) : LINES;

		n = log_reader_some(&r, line, want, NULL);
		for (i = 0; i < n; i++)
			if (!hash_of(line[i].text, hash[i]))
				n = -1;
		if (n <= 0)
			break;
		merkle_leaves(hash[0], (size_t)n, hash[0]);
		for (i = 0; i < n; i++)
			merkle_add(ret, hash[i]);
	}
	log_reader_release(&r);
	return (is_tree(h, ret));
}

/* Find the last event of the block in the log: the place behind it.  Return whether it is there, and the one that the header names. */
static bool
find_end(struct verify *v, struct log *log, const struct block_header *h)
{
	struct verify_since *s = &v->since;
	struct log_reader r;
	struct log_line line;
	struct event ev;
	bool found = false;
	size_t i;

	if (h->size == 0 || h->size > log->end.size || log_seek(log, h->size - 1, &r, NULL) != 0)
		return (false);
	if (log_reader_next(&r, &line, NULL) == 1 && log_check_line(line.text, &ev, line.segment, line.offset, NULL) == 0 &&
	    ev.seq == h->size - 1 && memcmp(ev.hash, h->head, SHA256_SIZE) == 0) {
		s->time_us = ev.time_us;
		s->offset = line.offset + line.text.len + 1;
		for (i = 0; i < v->log.n && v->log.segment[i].first != line.segment; i++)
			;
		found = i < v->log.n && s->offset <= v->log.segment[i].size;
		s->segment = i;
	}
	log_reader_release(&r);
	return (found);
}

/* Whether the block is signed by whom that is demanded.  Return 1, 0 where it is not, or -1. */
static int
is_signed(struct verify *v, const struct block *b, struct err *e)
{
	struct verify_place place = PLACE_NONE;
	struct verify_mark mark = verify_mark(v->result);
	int rc;

	if (v->opt->keys == 0)
		return (1);
	if ((rc = verify_trust_block(v, NULL, b, e)) == -1)
		return (-1);
	if (verify_is_worse(v->result, &mark)) {
		/* The block tells, where it is looked at. */
		if (!v->opt->quick)
			verify_forget(v->result, &mark);
		return (0);
	}
	place.block = b->name;
	if (rc == 0)
		verify_found(v, VERIFY_UNSIGNED, &place, "the block's header carries no signature: it is not taken on trust");
	return (rc);
}

/* A block whose header is bad, under its name or height: that is a finding, and no mistake of who asks. */
static const struct block *
find_bad(const struct verify *v)
{
	char height[32];
	size_t i;

	for (i = 0; i < v->blocks.n; i++) {
		snprintf(height, sizeof(height), "block-%" PRIu64, v->blocks.block[i].height);
		if (!v->blocks.block[i].good && (strcmp(v->opt->since, v->blocks.block[i].name) == 0 || strcmp(v->opt->since, height) == 0))
			return (&v->blocks.block[i]);
	}
	return (NULL);
}

static int
trust(struct verify *v, struct log *log, struct err *e)
{
	struct verify_place place = PLACE_NONE;
	struct verify_since *s = &v->since;
	const struct block *b;
	int rc;

	if ((b = find_bad(v)) != NULL) {
		place.block = b->name;
		place.path = ".ecl/block";
		if (v->opt->quick)
			verify_found(v, VERIFY_BLOCK_DAMAGED, &place, "%s", b->fault);
		return (0);
	}
	if (when_block(v->opt->since, log, &v->blocks, v->opt->now_us, &b, e) != 0)
		return (-1);
	if ((rc = is_signed(v, b, e)) != 1)
		return (rc);
	s->block = b;
	verify_table_init(&s->elements);
	if (!v->opt->quick && (rc = verify_heads(v, b, &s->elements, e)) != 1)
		return (rc);
	s->set = find_end(v, log, &b->header) && (tree_of_index(v, log, &b->header, &s->tree) || tree_of_lines(log, &b->header, &s->tree));
	return (0);
}

int
verify_since(struct verify *v, struct err *e)
{
	struct err why = {0};
	struct log *log;
	int rc;

	if (log_open(v->layer->ecl_fd, layer_reader_root(v->layer), &log, &why) != 0)
		return (0); /* what is wrong with it is told where it is looked at */
	rc = trust(v, log, e);
	log_free(log);
	return (rc);
}

void
verify_since_release(struct verify_since *s)
{
	verify_table_release(&s->elements);
	memset(s, 0, sizeof(*s));
}

void
verify_since_begin(struct verify_pass *p)
{
	struct verify_since *s = &p->v->since;
	const struct block_header *h = &s->block->header;
	struct verify_result *r = p->v->result;
	size_t i;

	p->segment = p->good_segment = s->segment;
	p->offset = p->good_offset = s->offset;
	p->inside = true;
	p->first_seq = p->seq = h->size;
	p->time_us = s->time_us;
	memcpy(p->head, h->head, SHA256_SIZE);
	p->tree = s->tree;
	if (s->elements.n > 0) {
		verify_table_release(&p->elements);
		p->elements = s->elements;
		memset(&s->elements, 0, sizeof(s->elements));
		p->from_heads = true;
	}
	p->states_lost = true;
	p->v->records.gap = true;
	for (i = 0; i < s->segment; i++)
		p->v->total -= p->v->log.segment[i].size;
	p->v->total -= s->offset;
	r->since = h->size;
	memcpy(r->since_block, s->block->name, sizeof(r->since_block));
}

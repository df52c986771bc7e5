/*
 * The index: reading the log, line by line.  Some lines at a time are looked at, so that what the
 * table of elements has of them is on its way to the processor before it is needed.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "index_impl.h"

#include "banned.h"

#define LINES 16 /* at a time */
#define HEX ((size_t)2 * SHA256_SIZE)

struct scan {
	struct index *ix;
	struct skim skim;
	char before[2 * SHA256_SIZE]; /* the hash of the event before the first line, in hex */
	struct log_line line[LINES];
	struct fed fed[LINES];
	uint8_t hash[LINES][SHA256_SIZE];
	bool skimmed[LINES]; /* the others are for event_parse() */
};

static const char *
hash_of(const struct log_line *line)
{
	return (line->text.p + line->text.len - 2 - HEX);
}

static void
skim_lines(struct scan *s, size_t n)
{
	bool hashed = (s->ix->flags & INDEX_NO_HASHES) == 0;
	const char *before = s->before;
	struct fed *f;
	size_t i;

	for (i = 0; i < n; i++) {
		f = &s->fed[i];
		*f = (struct fed){.seq = s->ix->size + i,
		    .segment = s->line[i].segment,
		    .offset = s->line[i].offset,
		    .length = (uint32_t)s->line[i].text.len};
		s->skimmed[i] = before != NULL &&
		    index_skim(&s->skim, s->line[i].text, before, hashed ? s->hash[i] : NULL, f);
		if (s->skimmed[i]) {
			f->hash = hashed ? s->hash[i] : NULL;
			f->hint = etable_hint(s->ix->table, f->name);
			f->hinted = s->ix->table;
		}
		before = s->line[i].text.len > HEX + 2 ? hash_of(&s->line[i]) : NULL;
	}
	for (i = 0; i < n; i++)
		if (s->skimmed[i])
			etable_expect(s->ix->table, s->fed[i].hint);
}

/* A line of another form. */
static int
feed_parsed(struct index *ix, const struct log_line *line, struct err *e)
{
	struct fed f = {.seq = ix->size, .segment = line->segment, .offset = line->offset};
	struct json_fault fault;
	struct event ev;

	if (index_hash_settle(ix, e) != 0)
		return (-1);
	if (event_parse(line->text, &ev, &fault) != 0)
		return (index_corrupt(&f, fault.what, e));
	index_fed_from_event(&f, &ev, line->segment, line->offset, (uint32_t)line->text.len);
	return (index_feed_one(ix, &f, e));
}

static int
feed_lines(struct scan *s, size_t n, struct err *e)
{
	bool hashed = (s->ix->flags & INDEX_NO_HASHES) == 0;
	size_t i;
	int rc;

	skim_lines(s, n);
	for (i = 0; i < n; i++) {
		rc = s->skimmed[i] ? index_feed_one(s->ix, &s->fed[i], e)
				   : feed_parsed(s->ix, &s->line[i], e);
		if (rc != 0)
			return (-1);
		if (!hashed)
			s->ix->hash_hex = hash_of(&s->line[i]);
	}
	memcpy(s->before, hash_of(&s->line[n - 1]), HEX);
	if (!hashed)
		s->ix->hash_hex = s->before;
	return (0);
}

int
index_hash_settle(struct index *ix, struct err *e)
{
	const char *hex = ix->hash_hex;

	ix->hash_hex = NULL;
	if (hex != NULL && hex_decode(hex, SHA256_SIZE, ix->hash) != 0)
		return (err_set(e,
		    "the log is corrupt at seq %" PRIu64 ": its hash is no hash; run 'ecl-verify'",
		    ix->size - 1));
	return (0);
}

int
index_scan(struct index *ix, uint64_t limit, struct err *e)
{
	struct buf before = BUF_INIT;
	struct log_reader r;
	struct scan *s;
	size_t segment, want;
	int n = 1, rc = 0;

	if (ix->size >= limit)
		return (0);
	buf_addhex(&before, ix->hash, SHA256_SIZE);
	if (before.failed || (s = calloc(1, sizeof(*s))) == NULL) {
		buf_release(&before);
		return (err_mem(e));
	}
	s->ix = ix;
	memcpy(s->before, before.data, HEX);
	buf_release(&before);
	segment = log_segment_of(ix->log, ix->size);
	log_reader_init(
	    &r, ix->log, segment, ix->log->segment[segment].first == ix->size ? 0 : ix->offset);
	while (ix->size < limit && rc == 0) {
		want = limit - ix->size < LINES ? (size_t)(limit - ix->size) : LINES;
		if ((n = log_reader_some(&r, s->line, want, e)) <= 0)
			break;
		rc = feed_lines(s, (size_t)n, e);
	}
	if (index_hash_settle(ix, rc == 0 && n > 0 ? e : NULL) != 0)
		rc = -1;
	log_reader_release(&r);
	free(s);
	if (n == 0)
		return (err_set(
		    e, "the log ends before event %" PRIu64 "; run 'ecl-verify'", ix->size));
	return (rc != 0 || n == -1 ? -1 : 0);
}

/* The manifest of a space of vectors; vectors.h has the format. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "embedder.h"
#include "io.h"
#include "json.h"
#include "manifest.h"
#include "vectors_impl.h"

#include "banned.h"

#define KIND "ecl-vectors "
#define FORMAT "3\n"
#define SEQ_WIDTH 8
#define NUMBER_MAX UINT64_C(999999999999)

const char *
vectors_space(const char *name)
{
	if (strcmp(name, VECTORS_MADE) == 0)
		return (VECTORS_MADE);
	return (strcmp(name, VECTORS_GIVEN) == 0 ? VECTORS_GIVEN : NULL);
}

void
vectors_head_file(const char *space, char out[VECTORS_NAME])
{
	snprintf(out, VECTORS_NAME, "%s.head", space);
}

static bool
is_given(const struct vectors_head *h)
{
	return (h->space[0] == 'g');
}

void
vectors_ivf_name(const struct vectors_head *h, uint64_t number, char out[VECTORS_NAME])
{
	snprintf(out, VECTORS_NAME, "ivf-%s.%08" PRIx32 "-%012" PRIu64, h->space, h->seed, number);
}

static unsigned
width_of(const struct vectors_head *h)
{
	return (h->dims == 0 ? 0 : embedder_width(h->dims));
}

unsigned
vectors_code_width(const struct vectors_head *h)
{
	return (code_width(width_of(h)));
}

void
vectors_head_format(const struct vectors_head *h, struct buf *out)
{
	const struct vectors_segment *s;
	size_t i;

	buf_addf(out, KIND FORMAT "seed %08" PRIx32 "\nspace %s\nembedder ", h->seed, h->space);
	buf_add(out, h->token.data, h->token.len);
	buf_addf(out, "\ndims %u\nevents %" PRIu64 " ", h->dims, h->events);
	buf_addhex(out, h->hash, SHA256_SIZE);
	buf_addf(out, "\ncolumn %u %" PRIu64 " %08" PRIx32 "\n", width_of(h), h->rows.rows, h->rows.crc);
	buf_addf(out, "codes %u %" PRIu64 " %08" PRIx32 "\n", vectors_code_width(h), h->codes.rows, h->codes.crc);
	if (is_given(h))
		buf_addf(out, "seqs %" PRIu64 " %08" PRIx32 "\nothers %" PRIu64 " %" PRIu64 "\n", h->seqs.rows, h->seqs.crc, h->others,
		    h->first_other);
	for (i = 0; i < h->segments; i++) {
		s = &h->segment[i];
		buf_addf(out, "ivf %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %08" PRIx32 "\n", s->from, s->to, s->number, s->bytes, s->crc);
	}
	manifest_seal(out);
}

/* The token of the embedder: a string, up to the end of its line. */
static bool
take_token(struct manifest *m, struct buf *out)
{
	const char *lf = memchr(m->p, '\n', (size_t)(m->end - m->p));
	struct json_fault f;
	bool canonical;
	size_t pos = 0, len;

	if (lf == NULL || lf == m->p || *m->p != '"')
		return (false);
	len = (size_t)(lf - m->p);
	if (json_scan(m->p, len, &pos, 1, &canonical, &f) != 0 || pos != len || !canonical)
		return (false);
	buf_add(out, m->p, len);
	m->p = lf + 1;
	return (!out->failed);
}

static bool
take_segment(struct manifest *m, struct vectors_head *h)
{
	struct vectors_segment s, *more;

	if (!manifest_number(m, &s.from) || !manifest_take(m, " ") || !manifest_number(m, &s.to) || !manifest_take(m, " ") ||
	    !manifest_number(m, &s.number) || !manifest_take(m, " ") || !manifest_number(m, &s.bytes) || !manifest_take(m, " ") ||
	    !manifest_crc(m, &s.crc) || !manifest_take(m, "\n") || h->segments == VECTORS_SEGMENTS_MAX)
		return (false);
	if ((more = realloc(h->segment, (h->segments + 1) * sizeof(s))) == NULL)
		return (false);
	h->segment = more;
	h->segment[h->segments++] = s;
	return (true);
}

/* Whether the numbers fit each other; ${dims}, ${width} and ${code} as they came. */
static bool
consistent(const struct vectors_head *h, uint64_t dims, uint64_t width, uint64_t code)
{
	uint64_t at = 0;
	size_t i;

	if (h->events == 0 || h->events >= EVENT_NONE || dims > EMBEDDER_DIMS_MAX || width != width_of(h) || (dims == 0) != (h->rows.rows == 0) ||
	    h->rows.rows > h->events || h->others > h->events)
		return (false);
	if (code != vectors_code_width(h) || h->codes.rows != (code == 0 ? 0 : h->rows.rows / CODE_BLOCK))
		return (false);
	if (is_given(h) ? h->seqs.rows != h->rows.rows : h->rows.rows != h->events)
		return (false);
	for (i = 0; i < h->segments; i++) {
		if (h->segment[i].from < at || h->segment[i].from >= h->segment[i].to || h->segment[i].to > h->rows.rows ||
		    h->segment[i].number > NUMBER_MAX)
			return (false);
		at = h->segment[i].to;
	}
	return (true);
}

int
vectors_head_parse(struct span text, const char *space, struct vectors_head *ret)
{
	struct manifest m = {text.p, text.p + text.len};
	uint64_t dims, width, code;

	memset(ret, 0, sizeof(*ret));
	ret->space = space;
	if (!manifest_take(&m, KIND FORMAT "seed ") || !manifest_crc(&m, &ret->seed) || !manifest_take(&m, "\nspace ") ||
	    !manifest_take(&m, space) || !manifest_take(&m, "\nembedder ") || !take_token(&m, &ret->token) || !manifest_take(&m, "dims ") ||
	    !manifest_number(&m, &dims) || !manifest_take(&m, "\nevents ") || !manifest_number(&m, &ret->events) || !manifest_take(&m, " ") ||
	    !manifest_hex(&m, SHA256_SIZE, ret->hash) || !manifest_take(&m, "\ncolumn ") || !manifest_number(&m, &width) ||
	    !manifest_take(&m, " ") || !manifest_number(&m, &ret->rows.rows) || !manifest_take(&m, " ") || !manifest_crc(&m, &ret->rows.crc) ||
	    !manifest_take(&m, "\ncodes ") || !manifest_number(&m, &code) || !manifest_take(&m, " ") ||
	    !manifest_number(&m, &ret->codes.rows) || !manifest_take(&m, " ") || !manifest_crc(&m, &ret->codes.crc) || !manifest_take(&m, "\n"))
		goto err1;
	if (is_given(ret) &&
	    (!manifest_take(&m, "seqs ") || !manifest_number(&m, &ret->seqs.rows) || !manifest_take(&m, " ") ||
		!manifest_crc(&m, &ret->seqs.crc) || !manifest_take(&m, "\nothers ") || !manifest_number(&m, &ret->others) ||
		!manifest_take(&m, " ") || !manifest_number(&m, &ret->first_other) || !manifest_take(&m, "\n")))
		goto err1;
	while (manifest_take(&m, "ivf "))
		if (!take_segment(&m, ret))
			goto err1;
	ret->dims = dims <= EMBEDDER_DIMS_MAX ? (unsigned)dims : 0;
	if (!manifest_end(&m, text) || !consistent(ret, dims, width, code))
		goto err1;
	return (0);

err1:	vectors_head_release(ret);
	return (-1);
}

void
vectors_head_release(struct vectors_head *h)
{
	buf_release(&h->token);
	free(h->segment);
	memset(h, 0, sizeof(*h));
}

/* Whether it begins as one, but not as ours. */
static bool
is_other_version(struct span text)
{
	struct manifest m = {text.p, text.p + text.len};

	return (manifest_take(&m, KIND) && !manifest_take(&m, FORMAT));
}

int
vectors_head_load(int dir_fd, const char *space, struct vectors_head *ret, struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = {0, 0, ""};
	char name[VECTORS_NAME];
	int rc = 1;

	vectors_head_file(space, name);
	if (io_slurp(dir_fd, name, MANIFEST_MAX, &text, &why) != 0) {
		rc = why.sys == ENOENT ? 0 : -1;
		if (e != NULL)
			*e = why;
	} else if (is_other_version((struct span){text.data, text.len}))
		rc = err_set(e, "'%s' is that of another version of ecl", name);
	else if (errno = 0, vectors_head_parse((struct span){text.data, text.len}, space, ret) != 0)
		rc = errno == ENOMEM ? err_mem(e) : err_set(e, "'%s' is damaged", name);
	buf_release(&text);
	return (rc);
}

int
vectors_head_publish(const struct vectors_head *h, int dir_fd, bool sync, struct err *e)
{
	struct buf text = BUF_INIT;
	char name[VECTORS_NAME];
	int rc;

	vectors_head_format(h, &text);
	vectors_head_file(h->space, name);
	rc = text.failed ? err_mem(e) : io_publish(dir_fd, name, text.data, text.len, 0640, sync, e);
	buf_release(&text);
	return (rc);
}

bool
vectors_head_was_published(const struct vectors_head *h, int dir_fd)
{
	struct buf text = BUF_INIT;
	char name[VECTORS_NAME];
	bool was;

	vectors_head_format(h, &text);
	vectors_head_file(h->space, name);
	was = text.failed || io_was_published(dir_fd, name, text.data, text.len);
	buf_release(&text);
	return (was);
}

int
vectors_head_made_by(const struct vectors_head *h, const char *token, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	json_escape(&text, (struct span){token, strlen(token)});
	rc = text.failed ? err_mem(e) : span_eq((struct span){text.data, text.len}, (struct span){h->token.data, h->token.len});
	buf_release(&text);
	return (rc);
}

void
vectors_columns_init(struct vectors_columns *c, const struct vectors_head *h, int dir_fd)
{
	unsigned code = vectors_code_width(h);
	char name[VECTORS_NAME];

	snprintf(name, sizeof(name), "%s.%08" PRIx32, h->space, h->seed);
	/* Without a row there is no width yet: a column needs one. */
	column_init(&c->row, dir_fd, name, h->dims == 0 ? EMBEDDER_WIDTH_MIN : width_of(h), h->seed, h->rows.rows, h->rows.crc);
	snprintf(name, sizeof(name), "%s.code.%08" PRIx32, h->space, h->seed);
	column_init(&c->code, dir_fd, name, code == 0 ? EMBEDDER_WIDTH_MIN : code * CODE_BLOCK, h->seed, h->codes.rows, h->codes.crc);
	/* They are read from one end to the other, and what the processor still has of one chunk is where the next one goes. */
	c->code.cached = 1;
	snprintf(name, sizeof(name), "%s.seq.%08" PRIx32, h->space, h->seed);
	column_init(&c->seq, dir_fd, name, SEQ_WIDTH, h->seed, h->seqs.rows, h->seqs.crc);
}

void
vectors_columns_release(struct vectors_columns *c)
{
	column_release(&c->row);
	column_release(&c->code);
	column_release(&c->seq);
}

int
vectors_event_hash(struct log *log, uint64_t seq, uint8_t out[SHA256_SIZE], struct err *e)
{
	struct buf line = BUF_INIT;
	int rc = -1;

	/* The last one's is known: where nothing was appended since, no line is looked for. */
	if (seq + 1 == log->end.size) {
		memcpy(out, log->end.hash, SHA256_SIZE);
		return (0);
	}
	if (log_line(log, seq, &line, e) == 0)
		rc = line.len >= EVENT_TAIL && hex_decode(line.data + line.len - 2 - (size_t)2 * SHA256_SIZE, SHA256_SIZE, out) == 0
		    ? 0
		    : err_set(e, "the log is corrupt at seq %" PRIu64 ": its hash is no hash; run 'ecl-verify'", seq);
	buf_release(&line);
	return (rc);
}

int
vectors_head_confirm(const struct vectors_head *h, struct log *log, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	char name[VECTORS_NAME];

	vectors_head_file(h->space, name);
	if (log->end.size < h->events)
		return (err_set(e, "'%s' has %" PRIu64 " events, the log %" PRIu64, name, h->events, log->end.size));
	if (vectors_event_hash(log, h->events - 1, hash, e) != 0)
		return (-1);
	if (memcmp(hash, h->hash, SHA256_SIZE) != 0)
		return (err_set(e, "'%s' is that of another log: event %" PRIu64 " is not the one it names", name, h->events - 1));
	return (0);
}

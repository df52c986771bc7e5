/* Proofs as text. */
#include "config.h"

#include <string.h>

#include "base64.h"
#include "tlog_proof.h"

#include "banned.h"

#define FIRST_EVENT "c2sp.org/tlog-proof@v1"
#define FIRST_LATEST "ecl/tlog-latest@v1"

/* ---- to read them ---- */

struct lines {
	struct span text;
	size_t at;
	size_t number; /* of the line taken last */
	struct err *e;
};

/* The next line without its LF.  Return 0, or -1 where there is none. */
static int
take(struct lines *l, struct span *ret)
{
	const char *p = l->text.p + l->at, *end = l->at < l->text.len ? memchr(p, '\n', l->text.len - l->at) : NULL;

	l->number++;
	if (end == NULL)
		return (err_set(l->e, "line %zu: the proof ends here", l->number));
	*ret = (struct span){p, (size_t)(end - p)};
	l->at += ret->len + 1;
	return (0);
}

/* What stands behind ${word} and a space, where ${line} begins so. */
static bool
said(struct span line, const char *word, struct span *ret)
{
	size_t len = strlen(word);

	if (line.len <= len || memcmp(line.p, word, len) != 0 || line.p[len] != ' ')
		return (false);
	*ret = (struct span){line.p + len + 1, line.len - len - 1};
	return (true);
}

static int
parse_number(struct lines *l, struct span line, const char *word, uint64_t *ret)
{
	struct span value;

	if (!said(line, word, &value) || decimal_parse(value.p, value.len, ret) != 0)
		return (err_set(l->e, "line %zu: expected '%s' and a number", l->number, word));
	return (0);
}

/* Up to the empty line behind them, and that one too. */
static int
take_hashes(struct lines *l, struct tlog_hashes *ret)
{
	struct span line = {NULL, 0};

	ret->len = 0;
	for (;;) {
		if (take(l, &line) != 0)
			return (-1);
		if (line.len == 0)
			return (0);
		if (base64_size(line.p, line.len) != SHA256_SIZE)
			return (err_set(l->e, "line %zu: expected a hash of 32 bytes in base64, or an empty line", l->number));
		if (ret->len == sizeof(ret->hash))
			return (err_set(l->e, "line %zu: one hash more than any proof has", l->number));
		base64_decode(line.p, line.len, ret->hash + ret->len);
		ret->len += SHA256_SIZE;
	}
}

/* extra, index and hashes. */
static int
take_inclusion(struct lines *l, struct tlog_proof *ret)
{
	struct span line;

	if (take(l, &line) != 0)
		return (-1);
	if (said(line, "extra", &ret->extra)) {
		if (base64_size(ret->extra.p, ret->extra.len) == SIZE_MAX)
			return (err_set(l->e, "line %zu: expected base64 behind 'extra'", l->number));
		if (take(l, &line) != 0)
			return (-1);
	} else
		ret->extra = (struct span){NULL, 0};
	if (parse_number(l, line, "index", &ret->index) != 0)
		return (-1);
	return (take_hashes(l, &ret->hashes));
}

static int
take_proof(struct lines *l, struct tlog_proof *ret)
{
	struct span line, value;

	if (take(l, &line) != 0)
		return (-1);
	if (span_is(line, FIRST_EVENT)) {
		ret->kind = TLOG_EVENT;
		return (take_inclusion(l, ret));
	}
	if (span_is(line, FIRST_LATEST)) {
		ret->kind = TLOG_LATEST;
		if (take(l, &line) != 0 || parse_number(l, line, "head", &ret->head) != 0 || take_hashes(l, &ret->heads) != 0)
			return (-1);
		return (take_inclusion(l, ret));
	}
	if (!said(line, "old", &value))
		return (err_set(l->e, "line 1: expected '%s', '%s' or 'old' and a size", FIRST_EVENT, FIRST_LATEST));
	ret->kind = TLOG_CONSISTENCY;
	if (parse_number(l, line, "old", &ret->index) != 0)
		return (-1);
	return (take_hashes(l, &ret->hashes));
}

int
tlog_proof_parse(struct span bytes, struct tlog_proof *ret, struct err *e)
{
	struct lines l = {bytes, 0, 0, e};

	memset(ret, 0, sizeof(*ret));
	if (take_proof(&l, ret) != 0)
		return (-1);
	ret->note = (struct span){bytes.p + l.at, bytes.len - l.at};
	ret->note_line = l.number + 1;
	return (0);
}

int
tlog_proof_extra(const struct tlog_proof *p, struct buf *out, struct err *e)
{
	size_t len;

	if (p->extra.p == NULL)
		return (0);
	len = base64_size(p->extra.p, p->extra.len);
	if (buf_reserve(out, len + 1) != 0)
		return (err_mem(e));
	base64_decode(p->extra.p, p->extra.len, (uint8_t *)out->data + out->len);
	out->len += len;
	return (1);
}

/* ---- to write them ---- */

static void
add_hashes(const struct tlog_hashes *h, struct buf *out)
{
	size_t i;

	for (i = 0; i < h->len; i += SHA256_SIZE) {
		base64_encode(out, h->hash + i, SHA256_SIZE);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
}

static void
add_number(const char *word, uint64_t n, struct buf *out)
{
	buf_adds(out, word);
	buf_addc(out, ' ');
	buf_addu64(out, n);
	buf_addc(out, '\n');
}

void
tlog_proof_format(const struct tlog_proof *p, struct span record, struct buf *out)
{
	if (p->kind == TLOG_EVENT)
		buf_adds(out, FIRST_EVENT "\n");
	if (p->kind == TLOG_LATEST) {
		buf_adds(out, FIRST_LATEST "\n");
		add_number("head", p->head, out);
		add_hashes(&p->heads, out);
	}
	if (p->kind != TLOG_CONSISTENCY && record.p != NULL) {
		buf_adds(out, "extra ");
		base64_encode(out, (const uint8_t *)record.p, record.len);
		buf_addc(out, '\n');
	}
	add_number(p->kind == TLOG_CONSISTENCY ? "old" : "index", p->index, out);
	add_hashes(&p->hashes, out);
	buf_addspan(out, p->note);
}

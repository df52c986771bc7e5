/* Questions to a ledger: one event. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "query_impl.h"

#include "banned.h"

#define HASH_MIN 8
#define HASH_HEX (2 * SHA256_SIZE)

/* The line whose hash begins with ${hex}. */
static int
find_hash(struct query *q, const char *hex, size_t len, struct buf *out, struct err *e)
{
	struct log_reader r;
	struct log_line line;
	uint64_t n = 0;
	int rc, found = 0;

	log_reader_init(&r, q->ledger->log, 0, 0);
	while ((rc = log_reader_next(&r, &line, e)) > 0) {
		if (++n % INDEX_ROWS == 0)
			query_step(q, n, index_size(q->ledger->index));
		if (line.text.len < EVENT_TAIL ||
		    memcmp(line.text.p + line.text.len - HASH_HEX - 2, hex, len) != 0)
			continue;
		if (found++ == 1) {
			rc = err_set(e, "the hashes of several events begin with '%s'", hex);
			break;
		}
		buf_reset(out);
		buf_addspan(out, line.text);
		if (len == HASH_HEX)
			break;
	}
	log_reader_release(&r);
	if (rc >= 0 && out->failed)
		return (err_mem(e));
	return (rc < 0 ? -1 : found);
}

int
query_event(struct query *q, const char *what, struct buf *out, struct event *ev, struct err *e)
{
	struct index *ix = q->ledger->index;
	struct json_fault f;
	size_t len = strlen(what), digits = strspn(what, "0123456789");
	uint64_t seq;
	int rc;

	if (len > 0 && digits == len) {
		if (decimal_parse(what, len, &seq) != 0 || seq >= index_size(ix))
			return (0);
		return (index_event(ix, seq, out, ev, e) == 0 ? 1 : -1);
	}
	if (strncmp(what, "hash:", 5) == 0) {
		what += 5;
		len -= 5;
	}
	if (len < HASH_MIN || len > HASH_HEX || strspn(what, "0123456789abcdef") != len)
		return (err_set(e,
		    "'%s' is neither a seq nor the beginning of a hash (%d or more of 0-9 and a-f)",
		    what, HASH_MIN));
	if ((rc = find_hash(q, what, len, out, e)) <= 0)
		return (rc);
	if (event_parse((struct span){out->data, out->len}, ev, &f) != 0)
		return (
		    err_set(e, "the log is corrupt: the event with hash '%s': %s; run 'ecl-verify'",
			what, f.what));
	return (1);
}

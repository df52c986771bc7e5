/* Any bytes as a stream to be received: what passes does not depend on the pieces that it comes in, is no more than what came, and passes again as it is. */
#include "config.h"

#include <string.h>

#include "receive_filter.h"

#include "fuzz.h"

#include "banned.h"

/* Feed it in pieces of ${step} bytes.  Return what the filter says. */
static int
feed(const char *p, size_t size, size_t step, struct buf *out, uint64_t *ret_left_out)
{
	struct receive_filter f;
	struct err e = {0};
	size_t at, n;
	int rc = 0;

	receive_filter_init(&f);
	for (at = 0; rc == 0 && at < size; at += n) {
		n = size - at < step ? size - at : step;
		rc = receive_filter_feed(&f, p + at, n, out, &e);
	}
	MUST(rc == 0 || e.text[0] != '\0');
	*ret_left_out = f.left_out;
	receive_filter_release(&f);
	return (rc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, parts = BUF_INIT, again = BUF_INIT;
	uint64_t left_out, same;
	size_t step = size > 0 ? 1 + data[size - 1] % 37 : 1;
	int rc;

	rc = feed((const char *)data, size, size + 1, &whole, &left_out);
	MUST(feed((const char *)data, size, step, &parts, &same) == rc && same == left_out);
	MUST(whole.len == parts.len && whole.len <= size);
	MUST(whole.len == 0 || memcmp(whole.data, parts.data, whole.len) == 0);
	MUST(feed(whole.len > 0 ? whole.data : "", whole.len, step, &again, &same) == 0 && same == 0);
	MUST(again.len == whole.len);
	buf_release(&whole);
	buf_release(&parts);
	buf_release(&again);
	return (0);
}

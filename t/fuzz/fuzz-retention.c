/* Any text as --keep: refused with a column within, or rules that count; and any time in any order finds its hour, day and week. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "retention.h"

#include "fuzz.h"

#include "banned.h"

static void
walk(const struct retention *r, const uint8_t *data, size_t size)
{
	struct retention_walk w;
	struct buf reason = BUF_INIT;
	uint64_t kept = 0, most = 0;
	unsigned rule;
	int64_t us;

	retention_begin(&w, r);
	for (; size >= sizeof(us); data += sizeof(us), size -= sizeof(us)) {
		memcpy(&us, data, sizeof(us));
		buf_reset(&reason);
		if (retention_next(&w, us, &reason)) {
			MUST(reason.len > 0);
			kept++;
		} else
			MUST(reason.len == 0);
	}
	for (rule = 0; rule < RETENTION_RULES; rule++)
		most = r->keep[rule] > UINT64_MAX - most ? UINT64_MAX : most + r->keep[rule];
	MUST(kept <= most);
	buf_release(&reason);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size < 64 ? size : 64;
	struct retention r = {.local = size % 2 == 1};
	struct err e = {0, 0, ""};
	char text[65];

	memcpy(text, data, len);
	text[len] = '\0';
	if (retention_add(&r, text, &e) != 0) {
		size_t column;

		MUST(strncmp(e.text, "column ", 7) == 0);
		column = strtoul(e.text + 7, NULL, 10);
		MUST(column >= 1 && column <= strlen(text) + 1);
		memset(&r, 0, sizeof(r));
		r.keep[RETENTION_HOURLY] = r.keep[RETENTION_WEEKLY] = size;
	}
	walk(&r, data, size);
	return (0);
}

/* Any bytes as a stored line: what is taken has one text, and times have one number. */
#include "config.h"

#include <string.h>

#include "event.h"

#include "fuzz.h"

#include "banned.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = {(const char *)data, size};
	struct json_fault f = {0, ""};
	struct buf again = BUF_INIT;
	struct event ev;
	uint8_t hash[SHA256_SIZE];
	char time[TIME_SIZE];
	int64_t us, back;
	bool right;

	if (event_time_parse(line.p, line.len, &us) == 0) {
		event_time_format(us, time);
		MUST(event_time_parse(time, TIME_SIZE - 1, &back) == 0 && back == us);
	}
	/* What reads the 27 characters of a stored time takes what the other does, no more and no less. */
	if (size >= TIME_SIZE - 1)
		MUST((event_time_read(line.p, &back) == 0) ==
		    (line.p[10] == 'T' && line.p[19] == '.' && line.p[26] == 'Z' &&
			event_time_parse(line.p, TIME_SIZE - 1, &us) == 0 && (event_time_read(line.p, &back), back == us)));
	right = event_hash_ok(line);
	if (event_parse(line, &ev, &f) != 0) {
		MUST(f.at <= size && f.what[0] != '\0');
		return (0);
	}
	MUST(event_name_fault(ev.element) == NULL && event_action_fault(ev.action) == NULL);
	memcpy(hash, ev.hash, sizeof(hash));
	event_format(&ev, &again);
	MUST(again.len == size + 1);
	MUST(memcmp(again.data, line.p, size - EVENT_TAIL) == 0);
	MUST(right == (memcmp(hash, ev.hash, sizeof(hash)) == 0));
	MUST(event_hash_ok((struct span){again.data, again.len - 1}));
	buf_release(&again);
	return (0);
}

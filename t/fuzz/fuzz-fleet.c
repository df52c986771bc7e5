/*
 * Any bytes as what a stranger may send to a subscriber: a subject, and lines.  Of lines, what is
 * called right is so by the strict reader, line by line.
 */
#include "config.h"

#include <string.h>

#include "event.h"
#include "fleet_name.h"
#include "fleet_replica.h"

#include "fuzz.h"

#include "banned.h"

static void
as_subject(const uint8_t *data, size_t size)
{
	char text[FLEET_SUBJECT_SIZE], token[FLEET_HOST_MAX + 1], again[FLEET_SUBJECT_SIZE];
	struct fleet_name name;

	if (size >= sizeof(text) || memchr(data, '\0', size) != NULL)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (fleet_subject_parse("ecl", text, &name) != NULL)
		return;
	MUST(fleet_token(name.host, token, NULL) == 0);
	fleet_subject("ecl", token, name.id, again);
	MUST(strcmp(text, again) == 0);
}

static void
as_lines(const uint8_t *data, size_t size)
{
	struct verify_batch work;
	struct fleet_finding f;
	struct json_fault fault;
	struct span lines = {(const char *)data, size}, line;
	struct event ev;
	uint64_t seq = 0, next;
	size_t len, at;

	memset(&work, 0, sizeof(work));
	if (fleet_run(&work, lines, &len, &seq, &f) == 0)
		MUST(size == 0 || len > 0);
	MUST(len <= size);
	for (at = 0, next = seq; at < len; at += line.len + 1, next++) {
		line.p = lines.p + at;
		line.len = (size_t)((const char *)memchr(line.p, '\n', len - at) - line.p);
		MUST(event_parse(line, &ev, &fault) == 0 && event_hash_ok(line) && ev.seq == next);
		MUST(memcmp(ev.hash, work.hash[next - seq], SHA256_SIZE) == 0);
	}
	if (size > 0)
		(void)fleet_check_genesis(&work, "47aca482-7e2f-4064-aa86-019dcc06c0f5", lines, &f);
	verify_batch_release(&work);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_subject(data, size);
	as_lines(data, size);
	return (0);
}

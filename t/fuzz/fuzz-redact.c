/* A glob, a line feed, any bytes as a line of input: its room is enough, what is made of it is canonical, and does not change again. */
#include "config.h"

#include <string.h>

#include "redact.h"

#include "fuzz.h"

#include "banned.h"

static struct json_work work;

static void
check_canonical(struct span value)
{
	struct json_fault f;
	bool canonical = false;
	size_t pos = 0;

	MUST(value.p == NULL || (json_scan(value.p, value.len, &pos, 2, &canonical, &f) == 0 && canonical && pos == value.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *lf = memchr(data, '\n', size);
	struct buf scratch = BUF_INIT, glob = BUF_INIT;
	struct json_fault f;
	struct redact r;
	struct input in;
	struct span line, state, meta;
	char *where;

	if (lf == NULL)
		return (0);
	memset(&r, 0, sizeof(r));
	hmac_key(&r.hmac, "key", 3);
	buf_add(&glob, data, (size_t)(lf - data));
	redact_glob(&r, buf_cstr(&glob));
	line = (struct span){(const char *)lf + 1, size - (size_t)(lf - data) - 1};
	MUST(buf_reserve(&scratch, input_room(line.len) + redact_room(line.len)) == 0);
	where = scratch.data;
	if (input_parse(line, true, &work, &scratch, &in, &f) == 0) {
		MUST(redact_input(&r, &in, &scratch) == 0);
		MUST(scratch.data == where);
		check_canonical(in.state);
		check_canonical(in.meta);
		state = in.state;
		meta = in.meta;
		MUST(buf_reserve(&scratch, redact_room(state.len + meta.len)) == 0);
		if (scratch.data == where) {
			MUST(redact_input(&r, &in, &scratch) == 0);
			MUST(span_eq(in.state, state) && span_eq(in.meta, meta));
		}
	}
	redact_release(&r);
	buf_release(&glob);
	buf_release(&scratch);
	return (0);
}

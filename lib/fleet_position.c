/* How far a subscriber has come in a stream. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fleet_position.h"
#include "io.h"
#include "json.h"

#include "banned.h"

#define POSITION_MAX 1024u

static int
name_of(const char *stream, char out[NAME_MAX + 1], struct err *e)
{
	if ((size_t)snprintf(out, NAME_MAX + 1, "%s.position", stream) > NAME_MAX)
		return (err_set(e, "the stream '%.100s...' has too long a name", stream));
	return (0);
}

/* The file is one canonical object, or it says nothing. */
static bool
parse(struct span text, const char *filter, struct fleet_position *ret)
{
	struct buf scratch = BUF_INIT;
	struct span v, created, seq, time, id;
	struct json_fault f;
	uint64_t n, t;
	bool canonical, ok = false;
	size_t pos = 0;

	memset(ret, 0, sizeof(*ret));
	if (text.len == 0 || text.p[text.len - 1] != '\n' || text.p[0] != '{')
		return (false);
	text.len--;
	if (json_scan(text.p, text.len, &pos, 2, &canonical, &f) != 0 || pos != text.len || !canonical)
		return (false);
	if (json_get(text, "filter", &v) != 1 || json_get(text, "created", &created) != 1 || json_get(text, "seq", &seq) != 1 ||
	    json_get(text, "time", &time) != 1 || json_get(text, "id", &id) != 1 || v.len < 2 || id.len < 2 || id.len - 2 >= sizeof(ret->id))
		return (false);
	json_escape(&scratch, (struct span){filter, strlen(filter)});
	if (span_eq(v, (struct span){scratch.data, scratch.len}) && decimal_parse(created.p, created.len, &n) == 0 &&
	    decimal_parse(time.p, time.len, &t) == 0 && decimal_parse(seq.p, seq.len, &ret->seq) == 0) {
		ret->created_ns = (int64_t)n;
		ret->time_ns = (int64_t)t;
		memcpy(ret->id, id.p + 1, id.len - 2);
		ok = true;
	}
	buf_release(&scratch);
	if (!ok)
		memset(ret, 0, sizeof(*ret));
	return (ok);
}

int
fleet_position_load(int dirfd, const char *stream, const char *filter, struct fleet_position *ret, struct err *e)
{
	struct buf text = BUF_INIT;
	char name[NAME_MAX + 1];
	struct err why = {0};
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	if (name_of(stream, name, e) != 0)
		return (-1);
	if (io_slurp(dirfd, name, POSITION_MAX, &text, &why) == 0)
		(void)parse((struct span){text.data, text.len}, filter, ret);
	else if (why.sys != ENOENT && why.sys != 0) {
		*e = why;
		rc = -1;
	}
	buf_release(&text);
	return (rc);
}

int
fleet_position_store(int dirfd, const char *stream, const char *filter, const struct fleet_position *p, struct err *e)
{
	struct buf text = BUF_INIT;
	char name[NAME_MAX + 1];
	int rc;

	if (name_of(stream, name, e) != 0)
		return (-1);
	buf_addf(&text, "{\"created\":%" PRId64 ",\"filter\":", p->created_ns);
	json_escape(&text, (struct span){filter, strlen(filter)});
	buf_addf(&text, ",\"id\":\"%s\",\"seq\":%" PRIu64 ",\"time\":%" PRId64 "}\n", p->id, p->seq, p->time_ns);
	rc = text.failed ? err_mem(e) : io_publish(dirfd, name, text.data, text.len, 0640, false, e);
	buf_release(&text);
	return (rc);
}

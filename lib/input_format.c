/* Lines of input, written. */
#include "config.h"

#include <string.h>

#include "input.h"

#include "banned.h"

static int
check_state(const char *state, struct err *e)
{
	size_t len = strlen(state), pos, offset;
	struct json_fault f;
	bool canonical;

	pos = offset = json_space(state, len, 0);
	if (json_scan(state, len, &pos, 2, &canonical, &f) != 0)
		return (err_set(e, "--state:1:%zu: %s", f.at + 1, f.what));
	if ((offset = json_space(state, len, pos)) != len)
		return (err_set(e, "--state:1:%zu: one JSON value was expected", offset + 1));
	if (memchr(state, '\n', len) != NULL)
		return (err_set(e, "--state: a line feed: write the value on one line"));
	return (0);
}

int
input_line(const char *element, const char *action, const char *state, struct buf *out, struct err *e)
{
	struct span name = {element, strlen(element)};
	const char *why;

	if ((why = event_name_fault(name)) != NULL)
		return (err_set(e, "--element: %s", why));
	if (action != NULL && (why = event_action_fault((struct span){action, strlen(action)})) != NULL)
		return (err_set(e, "--action: %s", why));
	if (state != NULL && check_state(state, e) != 0)
		return (-1);
	buf_adds(out, "{\"element\":");
	json_escape(out, name);
	if (action != NULL)
		buf_addf(out, ",\"action\":\"%s\"", action);
	if (state != NULL)
		buf_addf(out, ",\"state\":%s", state);
	buf_addc(out, '}');
	return (out->failed ? err_mem(e) : 0);
}

static void
add(struct buf *out, const char *name, struct span value)
{
	if (value.p == NULL)
		return;
	buf_addf(out, ",\"%s\":", name);
	buf_addspan(out, value);
}

void
input_format(const struct input *in, struct buf *out)
{
	char time[TIME_SIZE];

	buf_adds(out, "{\"element\":");
	json_escape(out, in->element);
	if (in->has_time) {
		event_time_format(in->time_us, time);
		buf_addf(out, ",\"time\":\"%s\"", time);
	}
	if (in->action.p != NULL)
		buf_addf(out, ",\"action\":\"%.*s\"", (int)in->action.len, in->action.p);
	add(out, "state", in->state);
	add(out, "actor", in->actor);
	add(out, "cause", in->cause);
	add(out, "meta", in->meta);
	add(out, "vector", in->vector);
	buf_adds(out, "}\n");
}

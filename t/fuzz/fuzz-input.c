/* Any bytes as a line of input: its room is enough, what is taken makes an event whose line parses and is taken as input again. */
#include "config.h"

#include <string.h>

#include "input.h"

#include "fuzz.h"

#include "banned.h"

static struct json_work work;

/* As an event of the log: an action where there was none. */
static void
check_event(const struct input *in)
{
	struct buf line = BUF_INIT, scratch = BUF_INIT;
	struct json_fault f = {0, ""};
	struct event ev, back;
	struct input again;
	struct span text;

	memset(&ev, 0, sizeof(ev));
	ev.element = in->element;
	ev.action = in->action.p != NULL ? in->action
	    : event_is_gone(in->state)	 ? SPAN("delete")
					 : SPAN("modify");
	ev.state = in->state;
	ev.actor = in->actor;
	ev.cause = in->cause;
	ev.meta = in->meta;
	ev.vector = in->vector;
	ev.time_us = in->time_us;
	event_format(&ev, &line);
	text = (struct span){line.data, line.len - 1};
	MUST(event_parse(text, &back, &f) == 0);
	if (text.len <= EVENT_INPUT_MAX) {
		MUST(input_parse(text, true, &work, &scratch, &again, &f) == 0);
		MUST(again.kind == INPUT_EVENT && again.has_time && again.time_us == in->time_us);
		MUST(span_eq(again.element, in->element) && span_eq(again.action, ev.action));
		MUST(span_eq(again.state, in->state) && span_eq(again.meta, in->meta));
		MUST(span_eq(again.actor, in->actor) && span_eq(again.cause, in->cause));
		MUST(span_eq(again.vector, in->vector));
	}
	buf_release(&line);
	buf_release(&scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = {(const char *)data, size};
	struct json_fault f = {0, ""}, g = {0, ""};
	struct buf scratch = BUF_INIT;
	struct input in, other;
	char *where;
	int rc;

	/* Exactly the room that is asked for: it is enough, and nothing is written behind it. */
	scratch.cap = input_room(size);
	MUST((scratch.data = where = malloc(scratch.cap)) != NULL);
	rc = input_parse(line, true, &work, &scratch, &in, &f);
	MUST(scratch.data == where && (rc == 0 || scratch.len == 0));
	if (rc != 0)
		MUST(f.at <= size && f.what[0] != '\0' &&
		    json_utf8(f.what, strlen(f.what)) == strlen(f.what));
	else if (in.kind == INPUT_EVENT)
		check_event(&in);
	else if (in.kind == INPUT_COMPLETE)
		MUST(in.glob.len > 0 && in.glob.len <= ELEMENT_MAX && !event_reserved(in.glob));
	/* Without keep_time no less is taken. */
	MUST(input_parse(line, false, &work, &scratch, &other, &g) == 0 || rc != 0);
	buf_release(&scratch);
	return (0);
}

/* Any bytes as JSON: jansson's verdict is ours, a canonical form is its own, and its members are walked whole. */
#include "config.h"

#include <string.h>

#include <jansson.h>

#include "json.h"

#include "fuzz.h"

#include "banned.h"

static struct json_work work;

static bool
is_excused(const json_error_t *error)
{
	return (json_error_code(error) == json_error_numeric_overflow ||
	    json_error_code(error) == json_error_stack_overflow);
}

/* The members of a canonical object are the object. */
static void
check_walk(struct span object)
{
	struct buf copy = BUF_INIT, text = BUF_INIT, token = BUF_INIT;
	struct span name, value, found;
	size_t pos = 0, n = 0;

	buf_addc(&copy, '{');
	while (json_member(object, &pos, &name, &value)) {
		if (n++ > 0)
			buf_addc(&copy, ',');
		buf_addspan(&copy, name);
		buf_addc(&copy, ':');
		buf_addspan(&copy, value);
		buf_reset(&text);
		buf_reset(&token);
		json_unescape(name, &text);
		json_escape(&token, (struct span){text.data, text.len});
		MUST(span_eq(name, (struct span){token.data, token.len}));
		if (memchr(name.p, '\\', name.len) == NULL) {
			MUST(json_get(object, buf_cstr(&text), &found) == 1);
			MUST(found.p == value.p && found.len == value.len);
		}
	}
	buf_addc(&copy, '}');
	MUST(span_eq(object, (struct span){copy.data, copy.len}));
	buf_release(&copy);
	buf_release(&text);
	buf_release(&token);
}

static void
check_canonical(struct span text, struct span form, const json_t *theirs)
{
	struct buf again = BUF_INIT;
	json_t *back;
	size_t pos = 0, start;
	bool canonical;

	MUST(json_scan(form.p, form.len, &pos, 1, &canonical, NULL) == 0);
	MUST(canonical && pos == form.len);
	pos = 0;
	MUST(json_canonical(form.p, form.len, &pos, 1, &work, &again, NULL) == 0);
	MUST(span_eq(form, (struct span){again.data, again.len}));
	pos = start = json_space(text.p, text.len, 0);
	MUST(json_scan(text.p, text.len, &pos, 1, &canonical, NULL) == 0);
	MUST(canonical == span_eq(form, (struct span){text.p + start, pos - start}));
	MUST(form.len <= pos - start);
	if (theirs != NULL) {
		back = json_loadb(form.p, form.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
		MUST(back != NULL && json_equal(back, theirs));
		json_decref(back);
	}
	if (form.p[0] == '{')
		check_walk(form);
	buf_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	struct json_fault f = {0, ""};
	struct buf form = BUF_INIT;
	json_error_t error;
	json_t *theirs;
	size_t pos;
	int rc;

	theirs = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	pos = json_space(text.p, text.len, 0);
	rc = json_canonical(text.p, text.len, &pos, 1, &work, &form, &f);
	if (rc != 0) {
		MUST(form.len == 0 && f.at <= size && f.what[0] != '\0');
		MUST(json_utf8(f.what, strlen(f.what)) == strlen(f.what));
	}
	if (rc == 0) {
		pos = json_space(text.p, text.len, pos);
		if (pos == text.len) {
			MUST(theirs != NULL || is_excused(&error));
			check_canonical(text, (struct span){form.data, form.len}, theirs);
		} else /* to jansson a NUL outside strings is the end of the text */
			MUST(theirs == NULL || text.p[pos] == '\0');
	} else if (strstr(f.what, "nesting") == NULL)
		MUST(theirs == NULL || text.p[f.at] == '\0');
	json_decref(theirs);
	buf_release(&form);
	return (0);
}

/*
 * Any bytes as JSON: jansson's verdict is ours, all engines give the same answer, a canonical form is its own and means
 * the same to jansson, and its members are walked whole.
 */
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

/* The other engines say of ${text} what the best said: ${rc}, ${form}, ${f}, and ${end}. */
static void
check_engines(struct span text, int rc, struct span form, const struct json_fault *f, size_t end)
{
	static const char *const engines[] = {"portable", "sse2", "avx2"};
	struct json_fault g, h;
	struct buf out = BUF_INIT;
	bool canonical;
	size_t i, pos, start = json_space(text.p, text.len, 0);

	for (i = 0; i < 3; i++) {
		if (json_use(engines[i]) != 0)
			continue;
		buf_reset(&out);
		memset(&g, 0, sizeof(g));
		memset(&h, 0, sizeof(h));
		pos = start;
		MUST(json_canonical(text.p, text.len, &pos, 1, &work, &out, &g) == rc);
		MUST(span_eq(form, (struct span){out.data, out.len}) && pos == end);
		MUST(g.at == f->at && strcmp(g.what, f->what) == 0);
		pos = start;
		/* Only what is repeated goes unseen by json_scan(), and then it is not canonical. */
		if (json_scan(text.p, text.len, &pos, 1, &canonical, &h) == 0) {
			MUST(rc == 0 ? pos == end : strncmp(f->what, "duplicate", 9) == 0 && !canonical);
			MUST(rc != 0 || canonical == span_eq(form, (struct span){text.p + start, pos - start}));
		} else
			MUST(rc != 0 && (strcmp(h.what, f->what) == 0 || strncmp(f->what, "duplicate", 9) == 0));
	}
	buf_release(&out);
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
	check_engines(text, rc, (struct span){form.data, form.len}, &f, pos);
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

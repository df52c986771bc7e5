/* An embedder that is a command: texts in, rows out. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "coprocess.h"
#include "embedder_command.h"
#include "vector_text.h"

#include "banned.h"

#define SHOWN_COMMAND 160 /* bytes of a message */
#define SHOWN_TEXT 100
#define SHOWN_ANSWER 60

struct command {
	char *line;
	unsigned dims;
	int timeout_ms;
	struct coprocess *process; /* NULL: not running */
	struct command_answer answer;
	struct buf text;
};

/* One run of it. */
struct run {
	struct command *c;
	const struct command_job *job;
};

int
command_new(const char *line, unsigned dims, int timeout_ms, struct command **ret, struct err *e)
{
	struct command *c;

	if ((c = calloc(1, sizeof(*c))) == NULL || (c->line = strdup(line)) == NULL) {
		free(c);
		return (err_mem(e));
	}
	c->dims = dims;
	c->timeout_ms = timeout_ms;
	*ret = c;
	return (0);
}

void
command_free(struct command *c)
{
	if (c == NULL)
		return;
	coprocess_free(c->process);
	command_answer_release(&c->answer);
	buf_release(&c->text);
	free(c->line);
	free(c);
}

unsigned
command_dims(const struct command *c)
{
	return (c->dims);
}

/* ---- messages ---- */

/* Bytes of another's, fit for a message: no controls, not longer than ${max}, no character parted. */
static void
show(struct span s, size_t max, struct buf *out)
{
	size_t i, len = s.len;

	if (len > max)
		for (len = max; len > 0 && ((unsigned char)s.p[len] & 0xc0) == 0x80; len--)
			;
	for (i = 0; i < len; i++)
		buf_addc(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? '?' : s.p[i]);
	if (len < s.len)
		buf_adds(out, "...");
}

/* What ${inner} says, with whose fault it is in front and the text at which it happened behind. */
static int
blame(struct command *c, const struct err *inner, struct span text, struct err *e)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "the embedder '");
	show((struct span){c->line, strlen(c->line)}, SHOWN_COMMAND, &b);
	buf_adds(&b, "' ");
	buf_adds(&b, inner->text);
	if (text.len > 0) {
		buf_adds(&b, " (at '");
		show(text, SHOWN_TEXT, &b);
		buf_adds(&b, "')");
	}
	if (inner->exit == EXIT_RETRY)
		err_retry(e, "%s", buf_cstr(&b));
	else
		err_set(e, "%s", buf_cstr(&b));
	buf_release(&b);
	return (-1);
}

static int
bad_answer(struct span line, const char *why, struct err *e)
{
	struct buf b = BUF_INIT;

	show(line, SHOWN_ANSWER, &b);
	err_set(e, "answered '%s': %s", buf_cstr(&b), why);
	buf_release(&b);
	return (-1);
}

/* ---- answers ---- */

static int
says_error(struct span value, struct command_answer *a, struct err *e)
{
	struct buf b = BUF_INIT;

	buf_reset(&a->error);
	if (value.p[0] == '"')
		json_unescape(value, &a->error);
	else
		buf_addspan(&a->error, value);
	show((struct span){a->error.data, a->error.len}, 300, &b);
	err_set(e, "says: %s", buf_cstr(&b));
	buf_release(&b);
	return (-1);
}

int
command_parse(struct span line, struct command_answer *a, const float **ret, unsigned *ret_dims, struct err *e)
{
	struct json_fault f;
	struct span object, value;
	size_t at = json_space(line.p, line.len, 0);

	buf_reset(&a->canonical);
	buf_reset(&a->floats);
	if (at == line.len || line.p[at] != '{')
		return (bad_answer(line, "that is no JSON object", e));
	if (json_canonical(line.p, line.len, &at, 1, &a->work, &a->canonical, &f) != 0)
		return (bad_answer(line, f.what, e));
	if (json_space(line.p, line.len, at) != line.len)
		return (bad_answer(line, "something stands behind the JSON object", e));
	object = (struct span){a->canonical.data, a->canonical.len};
	if (json_get(object, "error", &value) == 1 && !span_is(value, "null"))
		return (says_error(value, a, e));
	if (json_get(object, "vector", &value) != 1 || value.p[0] != '[')
		return (bad_answer(line, "that has no array 'vector'", e));
	if (vector_text_numbers(value.p, value.len, 0, &a->floats, &f) != 0)
		return (bad_answer(line, f.what, e));
	if (a->floats.failed)
		return (err_mem(e));
	if (a->floats.len == 0)
		return (bad_answer(line, "the vector is empty", e));
	if (a->floats.len / sizeof(float) > EMBEDDER_DIMS_MAX)
		return (err_set(e, "gave a vector of %zu numbers: %u at most", a->floats.len / sizeof(float), EMBEDDER_DIMS_MAX));
	*ret = (const float *)(const void *)a->floats.data;
	*ret_dims = (unsigned)(a->floats.len / sizeof(float));
	return (0);
}

void
command_answer_release(struct command_answer *a)
{
	json_work_release(&a->work);
	buf_release(&a->canonical);
	buf_release(&a->floats);
	buf_release(&a->error);
}

static int
take_answer(void *arg, size_t i, struct span line, struct err *e)
{
	struct run *r = arg;
	struct command *c = r->c;
	const float *v;
	unsigned dims, width;
	int8_t *row;

	if (command_parse(line, &c->answer, &v, &dims, e) != 0)
		return (-1);
	if (c->dims == 0)
		c->dims = dims;
	else if (dims != c->dims)
		return (err_set(e, "gave a vector of %u numbers, where the others have %u; where it changed, 'ecl-index --rebuild' makes all vectors anew",
		    dims, c->dims));
	if ((row = r->job->row(r->job->arg, i)) == NULL)
		return (0);
	width = embedder_width(dims);
	memset(row + dims, 0, width - dims);
	return (embedder_quantize(v, dims, row) == 0 ? 0 : err_set(e, "gave a vector that is not finite"));
}

/* ---- questions ---- */

static void
ask(void *arg, size_t i, struct buf *out)
{
	struct run *r = arg;
	struct buf *text = &r->c->text;

	buf_reset(text);
	r->job->text(r->job->arg, i, text);
	if (text->failed)
		out->failed = true;
	buf_adds(out, "{\"text\":");
	json_escape(out, (struct span){text->data, text->len});
	buf_adds(out, "}\n");
}

int
command_run(struct command *c, const struct command_job *job, size_t n, struct err *e)
{
	struct run r = {c, job};
	struct coprocess_talk talk = {ask, take_answer, &r};
	struct err inner = {0, 0, ""};
	unsigned dims = c->dims;
	size_t answered;

	if (n == 0)
		return (0);
	if (c->process == NULL && coprocess_start(c->line, &c->process, &inner) != 0)
		return (blame(c, &inner, (struct span){NULL, 0}, e));
	if (coprocess_exchange(c->process, &talk, n, c->timeout_ms, &answered, &inner) == 0)
		return (0);
	coprocess_free(c->process);
	c->process = NULL;
	c->dims = dims; /* what failed fixes nothing */
	buf_reset(&c->text);
	if (answered < n)
		job->text(job->arg, answered, &c->text);
	return (blame(c, &inner, (struct span){c->text.data, c->text.len}, e));
}

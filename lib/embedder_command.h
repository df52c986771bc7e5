/* An embedder that is a command: texts in, rows out. */
#ifndef ECL_EMBEDDER_COMMAND_H_
#define ECL_EMBEDDER_COMMAND_H_

#include "embedder.h"
#include "json.h"

struct command;

/** command_new(line, dims, timeout_ms, ret, e): nothing is started yet; ${dims} 0: not known.  ${ret} to be released with command_free().  Return 0 or -1. */
int command_new(const char *line, unsigned dims, int timeout_ms, struct command **ret, struct err *e);
void command_free(struct command *c);

/** command_dims(c): numbers of a vector; 0: not known yet. */
unsigned command_dims(const struct command *c);

/* Where the texts come from, and where the vectors go to: either may be for any i < n, each once and in order. */
struct command_job {
	void (*text)(void *arg, size_t i, struct buf *out); /* append the text of ${i}: UTF-8 */
	int8_t *(*row)(void *arg, size_t i);		    /* room for embedder_width(command_dims()) bytes; NULL: the dims are all that is wanted */
	void *arg;
};

/** command_run(c, job, n, e): embed ${n} texts, on a command that runs or is started.  Return 0, or -1 with ${e}, which names the command and the text. */
int command_run(struct command *c, const struct command_job *job, size_t n, struct err *e);

/* What stands in an answer; also for the fuzzer. */
struct command_answer {
	struct json_work work;
	struct buf canonical, floats, error;
};

/**
 * command_parse(line, a, ret, ret_dims, e):
 * Read the answer ${line}: ${ret} becomes its ${ret_dims} numbers (in a->floats), all finite, at most EMBEDDER_DIMS_MAX.  Other members than
 * `vector' and `error' are passed over.  Return 0, or -1 with ${e}, whose text goes on where "the command 'X'" ends.
 */
int command_parse(struct span line, struct command_answer *a, const float **ret, unsigned *ret_dims, struct err *e);
void command_answer_release(struct command_answer *a);

#endif

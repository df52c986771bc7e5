/* A ledger's embedder: none, a model that ships, or a command of the user. */
#ifndef ECL_EMBEDDER_H_
#define ECL_EMBEDDER_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "embed.h"
#include "err.h"
#include "vector_text.h"

#define EMBEDDER_DIMS_MAX VECTOR_DIMS_MAX
#define EMBEDDER_WIDTH_MIN 32u	 /* bytes of a row */
#define EMBEDDER_TEXT_MAX 8192u	 /* bytes of an event's text that a command gets: what stands behind is cut off */
#define EMBEDDER_COMMAND_MAX 4096u

#define EMBEDDER_COMMAND_TOKEN "command:" /* what the token of a command begins with */

#define EMBEDDER_NO_COMMAND 1u /* no command is run: see layer_may_command() */

/*
 * The token that names it, in the state of `ecl:layer` (DESIGN 3) and wherever vectors are kept: `none`, `NAME:<64 hex>` as model_id()
 * gives it, or `command:COMMANDLINE` (EMBEDDER_COMMAND_TOKEN).
 *
 * A command is a coprocess, `sh -c COMMANDLINE`.  It reads a line {"text":"interface eth0 modify mtu 9000"} for each event or query, and answers
 * each, in this order, with a line {"vector":[0.1,...]}, or {"error":"why"}, which ends it.  Many lines may wait before it answers the first, its
 * input ends when nothing more is asked.  All its vectors have as many numbers.  For ECL_EMBEDDER_TIMEOUT seconds (60) without
 * a byte in either direction it is waited for.
 */
struct embedder;

/* An event, as event_parse() gives it: the name itself, the action without quotes, canonical JSON or p == NULL. */
struct embed_input {
	struct span element, action, state;
};

/**
 * embedder_open(token, dims, flags, ret, e):
 * Open what ${token} names, decoded.  ${dims}: of the vectors there are already, which it has to agree with; 0: there are none.  `none` is an
 * error, a model that is missing, or another one by now than the token says, too: they name `ecl-index --embedder`.  A command is not
 * started before the first vector is wanted, and never with EMBEDDER_NO_COMMAND in ${flags}: then it is an error here.
 * To be released with embedder_free().  Return 0 or -1.
 */
int embedder_open(const char *token, unsigned dims, unsigned flags, struct embedder **ret, struct err *e);

/** embedder_free(em): waits for the command to end, for two seconds at most.  Clones first.  NULL is fine. */
void embedder_free(struct embedder *em);

/** embedder_clone(em): another one of the same model, for another thread; released before ${em} is.  NULL: a command, or memory ran out. */
struct embedder *embedder_clone(struct embedder *em);

bool embedder_is_command(const struct embedder *em);

/** embedder_model(em): its model, NULL where it is a command. */
const struct model *embedder_model(const struct embedder *em);

/** embedder_dims(em): numbers of a vector; 0: of a command that was not yet asked. */
unsigned embedder_dims(const struct embedder *em);

/** embedder_probe(em, e): see that embedder_dims() is known, which may start the command and ask it something.  Return 0 or -1. */
int embedder_probe(struct embedder *em, struct err *e);

/** embedder_width(dims): bytes of a row: the power of two that is not below ${dims}, nor below EMBEDDER_WIDTH_MIN. */
unsigned embedder_width(unsigned dims);

/**
 * embedder_events(em, in, n, out, e):
 * Write the rows of ${n} events to ${out}, embedder_width() bytes each, zeros behind the vector; those of ecl's own elements are all zeros.  The dims
 * must be known: embedder_probe().  One thread at a time.  Return 0, or -1 with ${out} undefined; a command is then started anew where it is asked again.
 */
int embedder_events(struct embedder *em, const struct embed_input *in, size_t n, int8_t *out, struct err *e);

/** embedder_text(em, text, out, e): the same of a query's words, one row. */
int embedder_text(struct embedder *em, struct span text, int8_t *out, struct err *e);

/**
 * embedder_quantize(v, dims, out):
 * Write ${v}, as long as 1, to ${out}: ${dims} bytes, of which 127 stands for min(1, 10 / sqrt(${dims})), and for all that is more.  A zero
 * vector is all zeros.  Numbers may be as large and as small as a float32 can be.  The same to the bit on every machine.  Return 0, or -1
 * where a number is infinite or NaN.
 */
int embedder_quantize(const float *v, unsigned dims, int8_t *out);

/** embedder_describe(in, out): append what a command gets of an event: `interface eth0 modify mtu 9000'. */
void embedder_describe(const struct embed_input *in, struct buf *out);

/**
 * embedder_token(arg, out, e):
 * What a user says as the token: `none`; a name of letters, digits, `-', `_' and `.' is a model's, which must be there and whole; what has a space or
 * a slash in it is a command, which is not run.  NULL: the model that ships, by its default name.  Return 0, or -1 with ${out} as it was.
 */
int embedder_token(const char *arg, struct buf *out, struct err *e);

#endif

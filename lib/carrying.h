/* `ecl-snap --send' and `--receive': their options, and what they say. */
#ifndef ECL_CARRYING_H_
#define ECL_CARRYING_H_

#include <stdbool.h>

#include "blocks.h"
#include "cli.h"
#include "err.h"
#include "layer.h"
#include "note.h"
#include "present.h"

/* All zeros: neither was asked for. */
struct carrying {
	const char *send, *parent, *have;
	bool receive, is_unsigned;
	struct note_key *vkey, *witness; /* of --receive */
	size_t vkeys, witnesses, quorum;
};

/** carrying_check(c, cli): whether the options make sense together.  Return 0, or an exit code where they do not, and that was said. */
int carrying_check(struct carrying *c, const struct cli *cli);

/** carrying_send(c, cli, l, blocks, e): write the stream to standard output.  Return 0 or -1. */
int carrying_send(const struct carrying *c, struct cli *cli, struct layer *l, const struct blocks *blocks, struct err *e);

/** carrying_receive(c, cli, l, p, e): a stream from standard input becomes a block of ${l}, opened with LAYER_WRITE and LAYER_REPLICA; its header goes to ${p}.  Return 0 or -1. */
int carrying_receive(const struct carrying *c, struct cli *cli, struct layer *l, struct present *p, struct err *e);

void carrying_release(struct carrying *c);

#endif

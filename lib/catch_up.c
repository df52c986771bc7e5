/* Opening a ledger before the eyes of people. */
#include "config.h"

#include <inttypes.h>

#include "catch_up.h"

#include "banned.h"

#define STEP 16384	  /* events between two looks at the clock */
#define LONG (256u << 10) /* events that a writer would not leave to readers */

int
catch_up(struct cli *cli, struct layer *l, struct err *e)
{
	struct index *ix = l->ledger->index;
	uint64_t from = index_size(ix), end = l->ledger->log->end.size,
		 lacked = from < end ? end - from : 0;
	struct progress progress;
	int rc;

	progress_init(&progress, cli, "reading the log", "events", lacked);
	while ((rc = index_advance(ix, STEP, e)) == 1)
		progress_step(&progress, index_size(ix) - from);
	progress_end(&progress);
	if (rc == 0 && lacked > LONG && (l->flags & LAYER_WRITE) == 0)
		cli_info(cli,
		    "the index lacks %" PRIu64
		    " events, which were read from the log; 'ecl-index' makes this fast",
		    lacked);
	return (rc);
}

int
catch_up_open(struct cli *cli, const char *path, unsigned flags, struct layer **ret, struct err *e)
{
	struct layer *l;

	if (layer_open(path, flags | LAYER_LAZY, &l, e) != 0)
		return (-1);
	if (catch_up(cli, l, e) != 0) {
		layer_free(l);
		return (-1);
	}
	*ret = l;
	return (0);
}

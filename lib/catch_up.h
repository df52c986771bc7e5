/* Opening a ledger before the eyes of people: what the index lacks is read from the log, which may take long. */
#ifndef ECL_CATCH_UP_H_
#define ECL_CATCH_UP_H_

#include "cli.h"
#include "err.h"
#include "layer.h"

/**
 * catch_up_open(cli, path, flags, ret, e):
 * As layer_open(), with progress.  Where the index lacked so much that a reader will not want to wait for it again, say what
 * helps.  Return 0 or -1.
 */
int catch_up_open(struct cli *cli, const char *path, unsigned flags, struct layer **ret, struct err *e);

/** catch_up(cli, l, e): the same for a layer that was opened with LAYER_LAZY. */
int catch_up(struct cli *cli, struct layer *l, struct err *e);

#endif

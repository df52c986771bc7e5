/* `ecl-snap' alone: a block is made, before the eyes of people. */
#ifndef ECL_SNAPPING_H_
#define ECL_SNAPPING_H_

#include <stdbool.h>

#include "cli.h"
#include "err.h"
#include "layer.h"
#include "present.h"

struct snapping {
	bool full, if_changed; /* as of snap_options */
	const char *key;       /* the file of the private key that signs; NULL: nobody does */
};

/**
 * snapping_run(s, cli, l, p, e):
 * Make a block of ${l}, which was opened with LAYER_WRITE and LAYER_TREE, and give its header to ${p}; say so where none was needed.  Return 0 or -1.
 */
int snapping_run(const struct snapping *s, struct cli *cli, struct layer *l, struct present *p, struct err *e);

#endif

/* `ecl-snap --prune': its options, and what it says. */
#ifndef ECL_PRUNING_H_
#define ECL_PRUNING_H_

#include <stdbool.h>

#include "cli.h"
#include "layer.h"
#include "present.h"
#include "retention.h"

/* All zeros: it was not asked for. */
struct pruning {
	bool wanted, dry_run;
	struct retention keep;
	struct buf rules; /* as they were given: the log has them as the cause of what is pruned */
};

/** pruning_keep(p, cli): take the argument of a --keep.  Return 0, or an exit code where that was wrong, and was said. */
int pruning_keep(struct pruning *p, struct cli *cli);

/** pruning_check(p, cli): whether the options make sense together.  Return 0, or an exit code where they do not, and that was said. */
int pruning_check(const struct pruning *p, const struct cli *cli);

/**
 * pruning_run(p, cli, l, out, e):
 * Prune, or plan to, and give block, height, time, action (`keep` or `prune`) and reason to ${out}, oldest first: of all blocks with --dry-run, else of those that
 * are gone.  ${l} was opened as for prune_run(), but for a plan.  Return 0, EXIT_ERROR where some could not be deleted, and that was said, or -1 with ${e}.
 */
int pruning_run(struct pruning *p, struct cli *cli, struct layer *l, struct present *out, struct err *e);

void pruning_release(struct pruning *p);

#endif

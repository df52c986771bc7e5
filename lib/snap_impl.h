/* What the parts of making a block share; not for others. */
#ifndef ECL_SNAP_IMPL_H_
#define ECL_SNAP_IMPL_H_

#include "files_update.h"
#include "layer_vector.h"
#include "snap.h"
#include "subvol.h"
#include "subvol_changed.h"

/* A block in the making. */
struct making {
	struct layer *l;
	enum backend backend;
	char first[32]; /* the snapshot that is hashed, under .snapshots */
	bool has_last;
	struct block_header last; /* the block before */
	struct buf last_text;
	struct block_header header;
	struct summary summary;
	struct subvol_identity source; /* btrfs only: of what the snapshot is of */
	struct files_update files;
	struct subvol_draft *draft; /* a copy of live that is not yet up to date; or NULL */
	bool full; /* nothing remembered is asked */
	struct buf line;
	struct buf vector; /* what the header's points to */
	bool sign;
	struct signing signing;
	struct buf checkpoint, note; /* signed, or empty */
};

/**
 * snap_seal(m, e):
 * From the snapshot that was hashed, with the header that says what was found, to the block under its name, which is on the disk.  Where that
 * fails, what is left of ${m}->first is for the caller to remove.  Return 0 or -1.
 */
int snap_seal(struct making *m, struct err *e);

#endif

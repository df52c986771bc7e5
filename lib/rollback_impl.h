/* What the parts of a rollback share: the plan, the exchange of all of live, single paths. */
#ifndef ECL_ROLLBACK_IMPL_H_
#define ECL_ROLLBACK_IMPL_H_

#include "batch.h"
#include "filter.h"
#include "rollback.h"
#include "sha256.h"

/* Living elements and their states, in the order of bytes. */
struct states {
	struct state_item {
		size_t name, name_len, state, state_len; /* in text */
	} *item;
	size_t n, cap;
	struct buf text;
	struct sha256 hash; /* of them all, as DESIGN 6 has it */
};

/* One path that goes back. */
struct rollback_path {
	const char *path; /* relative to live: no empty components, no "." or "..": points into paths->text */
	size_t at;	  /* where in it the component begins that is exchanged: the first that live lacks, or the last */
	size_t block_at;  /* the same of the block */
	size_t with;	  /* which of the paths brings that component: this one, or one before it that lacks it, too */
	int dir_fd;	  /* of live, that has this component, or is to have it */
	int stage_fd;	  /* where what is to be exchanged with it lies; -1: not yet */
	bool wanted;	  /* the block has it */
	bool there;	  /* live has it */
	bool done;	  /* it was exchanged */
	uint64_t inode;	  /* of what is staged; 0: nothing */
};

struct rollback_paths {
	struct rollback_path *path; /* sorted; none lies below another */
	const char **name;	    /* of each, again */
	size_t n;
	struct buf text;
	char stage[32]; /* the directory under live/.ecl in which they lie */
	int stage_fd;
	bool kept; /* that has what belongs in live, and could not be put there: it is not swept */
};

struct rollback {
	struct layer *l;
	const struct block *block;
	const struct rollback_options *opt;
	struct rollback_result *result;
	enum backend backend;
	int block_fd;
	struct states want;   /* of the block */
	struct filter *glob;  /* opt->element, each by itself: all must fit something */
	bool *fits;	      /* of each: whether it did */
	struct rollback_paths paths;
	struct batch_rules rules;
	struct batch batch;
	struct buf cause, meta;
};

/** rollback_is_part(opt): whether only parts are to go back. */
static inline bool
rollback_is_part(const struct rollback_options *opt)
{
	return (opt->elements > 0 || opt->paths > 0);
}

/* The plan (rollback_plan.c). */

/** rollback_plan_init(r, e): the rules of the batch, its cause and meta, the GLOBs.  Return 0 or -1. */
int rollback_plan_init(struct rollback *r, struct err *e);

/** rollback_plan_release(r): what is left of a plan. */
void rollback_plan_release(struct rollback *r);

/** rollback_read_block(r, e): the states of the block, from its own ledger, which must be what its header says.  Return 0 or -1. */
int rollback_read_block(struct rollback *r, struct err *e);

/** rollback_plan(r, ledger, e): put into r->batch what ${ledger} must be told.  On failure the batch is empty again.  Return 0 or -1. */
int rollback_plan(struct rollback *r, struct ledger *ledger, struct err *e);

/* All of live (rollback_live.c). */

/** rollback_live(r, out, e): with blocks.lock held and all checked.  As rollback_to(). */
int rollback_live(struct rollback *r, struct buf *out, struct err *e);

/** rollback_files_count(r, ret_n, e): how many files the rollback would change, as rollback_result.files says (rollback_files.c).  r->paths were found.  Return 0 or -1. */
int rollback_files_count(struct rollback *r, uint64_t *ret_n, struct err *e);

/* Parts (rollback_parts.c, rollback_paths.c). */

/** rollback_parts(r, out, e): with blocks.lock held and all checked.  As rollback_to(). */
int rollback_parts(struct rollback *r, struct buf *out, struct err *e);

/**
 * rollback_paths_parse(r, e):
 * Fill in r->paths from r->opt: without `.', empty components and what lies below another.  To be released with rollback_paths_release(),
 * also where it fails.  Return 0 or -1.
 */
int rollback_paths_parse(struct rollback *r, struct err *e);
void rollback_paths_release(struct rollback_paths *p);

/**
 * rollback_paths_find(r, e):
 * Look for them (again) in live and in the block: links are not followed, mounts not entered.  Return 0 or -1.
 */
int rollback_paths_find(struct rollback *r, struct err *e);

/** rollback_paths_stage(r, e): copy what the block has of them to beside live's, on the disk, with what a run that finds it must know (snap_staged.c).  Return 0, or -1 with nothing left of it. */
int rollback_paths_stage(struct rollback *r, struct err *e);

/** rollback_paths_exchange(r, e): put them in their places, on the disk.  Return 0, or -1 with all back where it was (or ${e} says what is not). */
int rollback_paths_exchange(struct rollback *r, struct err *e);

/**
 * rollback_paths_restore(r, e):
 * Put back what was there before.  What finds its place taken by somebody else is put beside it, as NAME.kept-PID, and so is what somebody put in the place of what
 * went back; where that fails, the stage is kept, as live/.ecl/.kept-SEQ.  ${e}, which says why it is done, says that, too.
 */
void rollback_paths_restore(struct rollback *r, struct err *e);

/** rollback_paths_prune(r): remove directories that paths left empty that went, where the block lacks them.  Whatever cannot be removed stays. */
void rollback_paths_prune(struct rollback *r);

/** rollback_paths_sweep(r, e): delete what was staged, or was exchanged for it, if rollback_paths_restore() did not keep it.  Return 0 or -1. */
int rollback_paths_sweep(struct rollback *r, struct err *e);

#endif

/* A root, or a layer alone: where its parts are, who may write, its locks (DESIGN 2 and 4). */
#ifndef ECL_LAYER_H_
#define ECL_LAYER_H_

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "durable.h"
#include "err.h"
#include "files.h"
#include "ledger.h"
#include "mounts.h"
#include "vectors.h"

#define LAYER_READ 0u
#define LAYER_WRITE 1u	  /* refuses a root that the effective user does not own (unless LAYER_FORCE) */
#define LAYER_FORCE 2u
#define LAYER_REPLICA 4u  /* the writer is a replica's: without it a root marked `replica` refuses, with it an unmarked one does */
#define LAYER_EITHER 512u /* the writer is of both kinds: it writes nothing into the log of a replica */
#define LAYER_TREE 8u	  /* the ledger is opened with INDEX_TREE */
#define LAYER_NO_INDEX 16u /* only the log: layer->ledger is NULL, open a log of your own with log_open(layer->ecl_fd, layer_reader_root(layer)) */
#define LAYER_IGNORE_INDEX 32u /* the ledger is opened with INDEX_IGNORE */
#define LAYER_NO_SYNC 64u      /* the writer does not sync: nor does it wait for what others left unsynced */
#define LAYER_ROOT 128u	       /* refuses a layer without its root, as a writer does */
#define LAYER_LAZY 256u	       /* the ledger is opened with INDEX_LAZY: the caller brings the index up to date before anything else; later openings, as by layer_lock(), do not leave it to him */

struct layer {
	char *path;   /* as the user named it */
	unsigned flags;
	bool bare;    /* no root: a block, or live, itself; the layer is root_fd, and snap_fd is -1 */
	int root_fd;
	int live_fd;
	int ecl_fd;   /* live/.ecl */
	int snap_fd;  /* .snapshots */
	bool replica; /* the root is marked as a replica */
	struct ledger *ledger;
	struct durable_file durable; /* of the writer, with the lock held */
	int gate_fd, lock_fd, blocks_fd, index_fd; /* -1 until needed */
	bool locked;
	uint64_t torn; /* bytes of a torn tail that layer_lock() saved and cut, to be reported */
	uint64_t torn_seq;
	struct mounts *mounts; /* kept for who deletes many blocks; or NULL */
	struct files_watch watch; /* of the files that are read for a block */
};

/**
 * layer_open(path, flags, ret, e):
 * Open the root at ${path}; with LAYER_READ also a layer that stands alone, a directory that has `.ecl` itself: a block, wherever it is
 * mounted, or live.  Such a layer has no blocks beside it, no locks and no `durable`, and a writer gets an error that says
 * what it is and which root it belongs to.  A reader creates and writes nothing.  Return 0, or -1 (an error says whether there is no root, a
 * half-made one, or no permission).
 */
int layer_open(const char *path, unsigned flags, struct layer **ret, struct err *e);
void layer_free(struct layer *l);

/** layer_no_events(l, e): say that the log of ${l}, which is no replica, is empty.  Return -1. */
int layer_no_events(const struct layer *l, struct err *e);

/** layer_open_block(root, name, flags, ret, e): the block of ${root} with that name, as layer_open() of a bare layer would.  Its header must be right.  Return 0 or -1. */
int layer_open_block(const struct layer *root, const char *name, unsigned flags, struct layer **ret, struct err *e);

/**
 * layer_lock(l, wait_ms, e):
 * Become the one writer: gate, then lock, then release gate; look whether live is still the same subvolume (else open
 * the new one); make sure that what is there is durable, and recover (a torn tail is saved, cut and noted in l->torn); bring
 * the ledger up to date.  Return 0, or -1 (EXIT_RETRY where it is locked for longer than ${wait_ms}).
 */
int layer_lock(struct layer *l, int wait_ms, struct err *e);
void layer_unlock(struct layer *l);

/** layer_wanted(l): whether somebody else waits to be the writer while we are. */
bool layer_wanted(struct layer *l);

/**
 * layer_lock_blocks(l, wait_ms, e), layer_unlock_blocks(l):
 * ROOT/blocks.lock; taken before layer_lock().  Opens live anew where it was exchanged while others had the lock.  Return 0, or -1 (EXIT_RETRY where
 * it is locked for longer than ${wait_ms}, or where ${l} is no more the replica that it was when it was opened).
 */
int layer_lock_blocks(struct layer *l, int wait_ms, struct err *e);
void layer_unlock_blocks(struct layer *l);

/** layer_reopen_live(l, e): after an exchange: open what is `live` now.  Return 0 or -1. */
int layer_reopen_live(struct layer *l, struct err *e);

/** layer_exchanged(l): whether live is another directory by now than l->live_fd, or none; never of a layer alone. */
bool layer_exchanged(const struct layer *l);

/** layer_reader_root(l): what log_open() is to be told of the root: a reader goes on in what is live, a writer looks when it takes the lock; -1: nothing. */
int layer_reader_root(const struct layer *l);

/**
 * layer_may_command(l):
 * Whether a command that stands in the log (the embedder's) may be run.  Who can write the log, or hands us one, would run what he
 * likes as us; so only where ROOT, its `.ecl` and its log belong to the effective user (or LAYER_FORCE), never of a replica, nor of a layer
 * that stands alone, nor of what was received as a stream.  Of a block that was opened by its name, ask its root, and received_is() of the block.
 */
bool layer_may_command(const struct layer *l);

/** layer_index_lock(l, ret_fd, e): ROOT/index.lock, open but not locked; the layer's own.  Return 0 or -1. */
int layer_index_lock(struct layer *l, int *ret_fd, struct err *e);

/**
 * layer_vectors(l, u, e):
 * vectors_catch_up() of the ledger as far as it is durable, under index.lock (skipped where it is busy).  The caller sets max, threads, step and arg of ${u},
 * all else zero.  Rows of an embedder that is a command are left as they are.  Return 0 or -1.
 */
int layer_vectors(struct layer *l, struct vectors_update *u, struct err *e);

/** layer_publish(l, sync, e): index_publish() of the ledger's index under index.lock (skipped where it is busy). */
int layer_publish(struct layer *l, bool sync, struct err *e);

/** layer_publish_begin(l, ret, e): index_publish_begin() of the ledger's index, under index.lock. */
int layer_publish_begin(struct layer *l, struct publication **ret, struct err *e);

#endif

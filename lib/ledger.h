/* One `.ecl` directory: its log, its index, and what a block header says of them. */
#ifndef ECL_LEDGER_H_
#define ECL_LEDGER_H_

#include "err.h"
#include "given.h"
#include "index.h"
#include "log.h"

struct ledger {
	int ecl_fd;
	struct log *log;
	struct index *index;
	struct given given; /* what is known of the dimension of the vectors in the log */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* told now and then of how many elements the states are read; NULL: nobody asks */
	void *step_arg;
};

/**
 * ledger_open(layer_fd, root_fd, flags, ret, e):
 * Open the ledger of the subvolume (live, a block, a tree being built) open at ${layer_fd}, for reading; ${root_fd} as for log_open(),
 * ${flags} as for index_open().  Writes nothing.  To be released with ledger_free().  Return 0 or -1.
 */
int ledger_open(int layer_fd, int root_fd, unsigned flags, struct ledger **ret, struct err *e);
void ledger_free(struct ledger *l);

/** ledger_refresh(l, e): see what was appended since. */
int ledger_refresh(struct ledger *l, struct err *e);

/** ledger_embedder(l, out, e): append the token of the layer's embedder, decoded (embedder.h), as of the ledger's end; `none` where it names none.  Return 0 or -1. */
int ledger_embedder(struct ledger *l, struct buf *out, struct err *e);

/** ledger_origin(l, out, e): append the origin, decoded, as the genesis has it: the name of the log in its checkpoints, and of the key that signs them.  Return 0 or -1. */
int ledger_origin(struct ledger *l, struct buf *out, struct err *e);

/* What a block header says of the log and the elements (DESIGN 6). */
struct summary {
	uint64_t size;
	uint8_t head[SHA256_SIZE]; /* 32 zeros where the log is empty */
	uint8_t root[SHA256_SIZE];
	uint64_t elements;
	uint8_t heads[SHA256_SIZE];
	uint8_t state[SHA256_SIZE];
	struct span embedder; /* string token of the layer's embedder: points to embedder_text */
	struct buf embedder_text;
};

/** ledger_summary(l, ret, e): as of the ledger's end.  Needs INDEX_TREE.  ${ret} to be released with summary_release().  O(elements). */
int ledger_summary(struct ledger *l, struct summary *ret, struct err *e);
void summary_release(struct summary *s);

/**
 * ledger_states_at(l, size, visit, arg, e):
 * Call ${visit} for every element that lives after the first ${size} events (those of ecl included), in the order of bytes,
 * with its state's canonical text, the seq of the event that set it and that event's time.  ${visit} returns 0 to go on; any other value stops
 * and is returned.  Return 0 or -1.
 */
int ledger_states_at(struct ledger *l, uint64_t size,
    int (*visit)(void *arg, struct span name, struct span state, uint64_t seq, int64_t time_us), void *arg, struct err *e);

/** ledger_state_hash_at(l, size, out, e): the `state` of DESIGN 6 after the first ${size} events. */
int ledger_state_hash_at(struct ledger *l, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e);

#endif

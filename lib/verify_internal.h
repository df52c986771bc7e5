/* What the parts of the verifier share; not for others. */
#ifndef ECL_VERIFY_INTERNAL_H_
#define ECL_VERIFY_INTERNAL_H_

#include "buf.h"
#include "event.h"
#include "layer.h"
#include "log.h"
#include "merkle.h"
#include "verify.h"
#include "verify_signed.h"
#include "verify_batch.h"
#include "verify_table.h"

/* ---- segments, read as they are (verify_read.c) ---- */

#define VERIFY_FDS 64

struct verify_segment {
	uint64_t first; /* by its name */
	uint64_t size;	/* bytes to look at */
};

/* An open segment. */
struct verify_fd {
	int fd_plus_1; /* 0: none */
	size_t segment;
};

struct verify_log {
	int dirfd;		/* `log`; -1: there is none */
	struct layer *layer;	/* whose live log this is, NULL: a block's */
	const char *block;	/* the block's name, "" for live */
	struct verify_segment *segment;
	size_t n;
	bool from_disk;		/* read around the page cache */
	struct verify_fd fd[VERIFY_FDS];
};

#define VERIFY_LOG_INIT {.dirfd = -1, .block = ""}

/** verify_log_open(log, ecl_fd, e): list the segments under an `.ecl`, with their sizes now, into an empty ${log}.  None is no error.  To be released with verify_log_release(), also when it failed; then it is empty again. */
int verify_log_open(struct verify_log *log, int ecl_fd, struct err *e);
void verify_log_release(struct verify_log *log);

/** verify_log_fd(log, i, e): a descriptor of segment ${i}, owned by ${log} and good until the next call; -1 with errno. */
int verify_log_fd(struct verify_log *log, size_t i, struct err *e);

/** verify_log_open_fd(log, i, e), verify_log_pread(log, fd, p, len, offset): one of the caller's own, and to read it as ${log} wants it. */
int verify_log_open_fd(struct verify_log *log, size_t i, struct err *e);
ssize_t verify_log_pread(const struct verify_log *log, int fd, void *p, size_t len, uint64_t offset);

/* ---- lines and their chain (verify_pass.c) ---- */

#define VERIFY_LINES 16	       /* that are parsed and hashed before they are chained; they stay in the cache */
#define VERIFY_CHUNK (256u << 10) /* bytes of one read: stays in the cache */
#define VERIFY_GAPS_MAX 1024

#define PASS_TREE 1u	 /* keep the Merkle tree */
#define PASS_ELEMENTS 2u /* keep the elements, check parents */
#define PASS_STATES 4u	 /* and where their states stand */
#define PASS_BLOCKS 8u	 /* look at the events of ecl:block */
#define PASS_SILENT 16u	 /* count what is wrong, tell nobody */

/* Events that cannot be told: [from, to). */
struct verify_gap {
	uint64_t from, to;
};

/* Bytes at what may be the log's torn tail. */
struct verify_pending {
	bool set;
	uint64_t seq, offset;
	char message[240];
};

struct verify_pass {
	struct verify *v;
	struct verify_log *log; /* NULL: a stream */
	unsigned checks;

	/* Where it is. */
	size_t segment;	 /* number of the segment at hand */
	uint64_t offset; /* in it (or the stream), of the first byte that was not dealt with */
	uint64_t bytes;	 /* of all */
	bool inside;	 /* the segment was begun */
	bool too_long;	 /* and goes on where the next one should begin: told */
	bool skipping;	 /* up to the next LF: what stands before it was told already */
	struct verify_pending pending;

	/* The chain so far. */
	bool begun;	    /* false: the first line is taken as it is */
	uint64_t first_seq; /* of that line, else 0 */
	uint64_t seq;	    /* the next one expected */
	uint8_t head[SHA256_SIZE];
	int64_t time_us;
	uint64_t unread; /* bad lines since the last good one; also for a missing segment */
	uint64_t faults; /* findings of this pass; of the first one: */
	uint64_t fault_seq, fault_segment, fault_offset;
	bool torn;	 /* what is unread is the torn tail */
	bool broken;	 /* out of memory: e of the run is set */

	struct merkle tree;
	bool tree_lost; /* an event's hash could not be told: no more roots */
	struct verify_table elements;
	bool elements_lost; /* nor heads and states */
	bool states_lost;   /* nor states: they are in events that are taken on trust */
	bool from_heads;    /* the elements were known before the first event */
	struct verify_gap gap[VERIFY_GAPS_MAX];
	size_t gaps;

	uint64_t next_anchor; /* call verify_anchor() at this seq; EVENT_NONE: never */

	size_t good_segment; /* behind the last good line */
	uint64_t good_offset;

	/* To find the line that an offset is in. */
	bool watch;
	size_t watch_segment;
	uint64_t watch_offset, watch_seq, watch_line;
};

/** verify_pass_init(p, v, log, checks), verify_pass_release(p): before event 0; ${log} NULL: before whatever comes. */
void verify_pass_init(struct verify_pass *p, struct verify *v, struct verify_log *log, unsigned checks);
void verify_pass_release(struct verify_pass *p);

/** verify_pass_feed(p, data, len): the bytes at p->offset.  Return how many were dealt with: whole lines. */
size_t verify_pass_feed(struct verify_pass *p, const char *data, size_t len);

/** verify_pass_bad(p, offset, torn, what): the bytes at ${offset} are no event; ${torn}: they may be the log's torn tail. */
void verify_pass_bad(struct verify_pass *p, uint64_t offset, bool torn, const char *what);

/** verify_pass_found(p, class, seq, offset, what): a finding about the event ${seq} at ${offset} of the segment at hand. */
void verify_pass_found(struct verify_pass *p, enum verify_class class, uint64_t seq, uint64_t offset, const char *what);

/**
 * verify_pass_check_place(p, ev, offset, what, size):
 * Whether ${ev}, which is right in itself, may stand next, at ${offset}; else with why not in ${what}.
 */
bool verify_pass_check_place(struct verify_pass *p, const struct event *ev, uint64_t offset, char *what, size_t size);

/** verify_pass_excused(p, parent, last): whether a parent other than ${last} is no fault, as the element's last event may be one that could not be read. */
bool verify_pass_excused(const struct verify_pass *p, uint64_t parent, uint64_t last);

/** verify_pass_say_parent(seq, parent, last, what, size): that it is a fault, in words. */
void verify_pass_say_parent(uint64_t seq, uint64_t parent, uint64_t last, char *what, size_t size);

/** verify_pass_flush(p, class): what was pending is a finding of this class after all. */
void verify_pass_flush(struct verify_pass *p, enum verify_class class);

/** verify_pass_rest(p, len, last): ${len} bytes stand behind the last LF of a segment or stream; ${last}: nothing follows. */
void verify_pass_rest(struct verify_pass *p, size_t len, bool last);

/** verify_pass_begin_segment(p): the next bytes are the first of segment p->segment. */
void verify_pass_begin_segment(struct verify_pass *p);

/** verify_pass_log(p, e): from where ${p} is to the end of its log, as listed.  Return 0 or -1. */
int verify_pass_log(struct verify_pass *p, struct err *e);

/* ---- many lines at a time (verify_take.c, verify_stream.c, verify_ahead.h) ---- */

/** verify_pass_take(p, b): the lines of ${b}, which was checked, come next.  Return false, with nothing done, where they have to be fed one by one. */
bool verify_pass_take(struct verify_pass *p, const struct verify_batch *b);

#define VERIFY_AHEAD 4 /* batches in hand for each thread, so that none of them waits */

/** verify_pass_stream(p, fd, e): the lines that come from ${fd}, to their end.  Return 0 or -1. */
int verify_pass_stream(struct verify_pass *p, int fd, struct err *e);

/* ---- events of ecl:block (verify_events.c) ---- */

/* A block that the log tells of. */
struct verify_record {
	uint64_t height, seq, size;
	uint8_t hash[SHA256_SIZE];
	char name[BLOCK_NAME_SIZE];
	bool pruned;
};

struct verify_records {
	struct verify_record *record;
	size_t n, cap;
	bool gap; /* events were lost since the last one */
};

/** verify_event(p, ev, offset): an event of ecl:block. */
void verify_event(struct verify_pass *p, const struct event *ev, uint64_t offset);

/** verify_records_find(r, hash): the block with this header hash, or NULL. */
struct verify_record *verify_records_find(struct verify_records *r, const uint8_t hash[SHA256_SIZE]);

/* ---- what is taken on trust (verify_since.c) ---- */

/* Behind the last event of a block that is taken on trust. */
struct verify_since {
	bool set;
	const struct block *block;
	const struct note_key *signer;
	size_t segment; /* of that event; a number in the log's list */
	uint64_t offset; /* behind it */
	int64_t time_us; /* its time */
	struct merkle tree;
	struct verify_table elements; /* as of then, where they are asked for; the pass takes them over */
};

/**
 * verify_since(v, e):
 * The log and the blocks are listed: look whether the block that v->opt->since names can be taken on trust with what came before, and set v->since.  Where it
 * cannot, that is a finding, or will be one when the log is looked at from its beginning.  Return 0, or -1 where there is no such block.
 */
int verify_since(struct verify *v, struct err *e);

/** verify_since_release(s): nothing is taken on trust. */
void verify_since_release(struct verify_since *s);

/**
 * verify_heads(v, b, ret, e):
 * Fill ${ret}, which is empty and which the caller releases in any case, with the elements as of the block ${b}, without their states.
 * Return 1, 0 where the block does not have those that its header vouches for, or -1.  O(elements); where the block's index is no good, O(its
 * events).
 */
int verify_heads(const struct verify *v, const struct block *b, struct verify_table *ret, struct err *e);

/** verify_since_begin(p): put ${p}, at its beginning, behind the events that are taken on trust. */
void verify_since_begin(struct verify_pass *p);

/* ---- the run (verify.c) ---- */

/* Where the pass stops to compare: a block, a claim (a number: they move), or ROOT/durable. */
struct verify_anchor {
	uint64_t size;
	const struct block *block;
	size_t claim_plus_1; /* 0: none */
};

struct verify {
	const struct verify_options *opt;
	struct verify_result *result;
	struct err *e; /* of what broke the run */
	struct layer *layer;
	struct verify_log log;
	uint64_t total;	     /* bytes, for progress */
	struct block_list blocks;
	struct log_end durable;	      /* ROOT/durable; its size 0: not known */
	struct verify_anchor *anchor; /* by size */
	size_t anchors, next;
	struct verify_records records;
	bool told_rewritten; /* by a block */
	struct verify_trust trust;
	struct verify_since since;
	struct verify_files *files; /* of the blocks; NULL: nobody looks at them yet */

	/* What may be a writer's work, not damage (verify_end.c). */
	unsigned round;
	bool blind;	     /* whether anybody writes cannot be seen */
	uint64_t doubt_from; /* findings in or behind this segment are in doubt; VERIFY_NONE: none is */
	bool doubt;	     /* and there are some */
	uint64_t torn_offset, torn_size; /* of the torn tail of the round before */
};

/* Where something was found; VERIFY_NONE and "" for what does not apply. */
struct verify_place {
	uint64_t seq, segment, offset;
	const char *block, *path;
};

#define PLACE_NONE ((struct verify_place){VERIFY_NONE, VERIFY_NONE, VERIFY_NONE, "", ""})

void verify_found(struct verify *v, enum verify_class class, const struct verify_place *place, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* A point in the findings. */
struct verify_mark {
	size_t n;
	uint64_t count[VERIFY_CLASSES], more;
};

/** verify_mark(r): now.  verify_is_worse(r, mark): more than notes were found since.  verify_forget(r, mark): nothing was. */
struct verify_mark verify_mark(const struct verify_result *r);
bool verify_is_worse(const struct verify_result *r, const struct verify_mark *mark);
void verify_forget(struct verify_result *r, const struct verify_mark *mark);

/** verify_anchor(p): p->seq reached p->next_anchor, or passed it. */
void verify_anchor(struct verify_pass *p);

/* ---- the end of a log that grows (verify_end.c) ---- */

/**
 * verify_end(v, log, e):
 * List the live log into ${log}, which is zeros, as far as it is certain to stay: to its end where no writer is at
 * work, else to the durable end.  Where neither can be known, v->doubt_from says what is in doubt.  Waits
 * for at most some seconds.  Return 0 or -1.
 */
int verify_end(struct verify *v, struct verify_log *log, struct err *e);

/** verify_again(v): after a round: whether what was found is in doubt, and another round is called for.  Waits. */
bool verify_again(struct verify *v);

/** verify_tail(p): at the end of the log: what is pending is a torn tail, where it has not changed since the round before. */
void verify_tail(struct verify_pass *p);

/** verify_extend(p, e): go on with what the log has grown by.  Return 0 or -1. */
int verify_extend(struct verify_pass *p, struct err *e);

/** verify_wait_blocks(v, waited_ms): whether who makes or prunes blocks may still be at it; waits a little, at most some seconds in all. */
bool verify_wait_blocks(struct verify *v, int *waited_ms);

/* ---- blocks (verify_block.c, verify_blocks.c, verify_files.c) ---- */

/** verify_is_denied(errno): we could not look; says nothing of what is there. */
bool verify_is_denied(int sys);

/** verify_block(p, b): check block ${b} with ${p} at its size, or (p->seq is another) by itself. */
void verify_block(struct verify_pass *p, const struct block *b);

/** verify_block_open(v, b, e): the directory of block ${b}, which may stand alone.  Return a descriptor, or -1. */
int verify_block_open(const struct verify *v, const struct block *b, struct err *e);
/** verify_files_start(v): begin to look at the files of the blocks that v->anchor names, in that order; and verify_files_stop(v). */
void verify_files_start(struct verify *v);
void verify_files_stop(struct verify *v);

/** verify_files_root(v, b, fd, ret_entries, ret_root, e): files_root() of the block ${b}, ${fd}, which is known already or will soon be. */
int verify_files_root(struct verify *v, const struct block *b, int fd, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e);

/** verify_block_gone(v, name): there is no such block now. */
bool verify_block_gone(const struct verify *v, const char *name);

/** verify_blocks_finish(p, e): at the end of the log: what it tells of blocks against what is there.  Return 0 or -1. */
int verify_blocks_finish(struct verify_pass *p, struct err *e);

#endif

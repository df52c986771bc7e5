/* What is derived from the log: rows, elements, Merkle hashes; published files and a tail in memory (DESIGN 5). */
#ifndef ECL_INDEX_H_
#define ECL_INDEX_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "event.h"
#include "log.h"
#include "merkle.h"

#define ROW_SIZE 32
#define ROW_STATE 1u  /* flags: the event has a state */
#define ROW_GONE 2u   /* and it is null */
#define ROW_OWN 4u    /* the element belongs to ecl (`ecl:`) */
#define ROW_CREATE 16u
#define ROW_MODIFY 32u
#define ROW_DELETE 64u

/*
 * Whose event it is, as 16 bits of a hash of the actor (0: none), and what was done, as 8 bits of a hash of the action (0: one of the three that
 * have flags): what differs is another one, what is the same must be seen in the line.  Rows of programs that did not know this lack ROW_SAYS.
 */
#define ROW_SAYS 128u
#define ROW_ACTOR 0x00ffff00u
#define ROW_ACTION 0xff000000u
#define ROW_PLAIN 0x0000007fu /* what those programs knew */

struct row {
	int64_t time_us;
	uint64_t parent; /* EVENT_NONE: none */
	uint32_t offset; /* in the segment */
	uint32_t length; /* of the line, LF not counted */
	uint32_t id;	 /* of the element: elements are numbered in the order of their first events */
	uint32_t flags;
};

/* What is known of one element as of the end of the log. */
struct element {
	struct span name; /* valid until the index changes or the iteration goes on */
	uint32_t id;
	uint64_t first;	     /* seq of its first event */
	uint64_t last;	     /* of its last */
	uint64_t last_state; /* of the last that has a state; EVENT_NONE: none has */
	bool alive;	     /* that state is not null */
};

struct index;

#define INDEX_TREE 1u	/* the Merkle hashes are needed too */
#define INDEX_IGNORE 2u /* do not use published files: all from the log */
#define INDEX_NO_HASHES 8u /* for who asks neither for roots nor for a publication (which does nothing then): hashes of the tail are not kept */
#define INDEX_LAZY 4u	/* index_open() does not scan the log's tail: index_advance() does */

/**
 * index_open(ecl_fd, log, flags, ret, e):
 * Open the index under ${ecl_fd} and bring it up to the end of ${log} in memory: published files as far as `head`
 * vouches for them and the log confirms it, then a scan of the log's tail.  A damaged, cut, foreign or missing index
 * is not an error: the log is scanned instead (here, or later when the damage is met).  Writes nothing.  ${log}
 * must outlive the index; it is refreshed where `head` is ahead of it.  Return 0 or -1.  O(events behind `head`).
 */
int index_open(int ecl_fd, struct log *log, unsigned flags, struct index **ret, struct err *e);
void index_free(struct index *ix);

/** index_catch_up(ix, e): scan what ${log} has grown by since.  Return 0 or -1. */
int index_catch_up(struct index *ix, struct err *e);

/** index_advance(ix, max, e): scan at most ${max} events more: to rebuild in bounded memory, with a publish each time.  Return 1 where more are left, 0, or -1. */
int index_advance(struct index *ix, uint64_t max, struct err *e);

/**
 * index_feed(ix, ev, segment, offset, length, e):
 * Take in the next event, which stands (or will stand: it need not be written yet) at ${offset} of the segment whose first
 * seq is ${segment}, ${length} bytes without LF.  Nothing of ${ev} is kept.  Return 0, or -1 where it does not
 * follow what is there.  O(1); an element that the index has not met since it was opened costs a look-up.
 */
int index_feed(struct index *ix, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length, struct err *e);

/**
 * index_feed_front(ix, ev, segment, offset, length, e):
 * As index_feed(), of an event whose hash is not known yet: prev and hash of ${ev} are not looked at.  index_feed_hashes() gives them
 * later, in order, before anything else that needs them: index_feed(), roots, a publication.
 */
int index_feed_front(struct index *ix, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length, struct err *e);

/** index_feed_hashes(ix, hashes, n): the hashes of the next ${n} events that lack one. */
void index_feed_hashes(struct index *ix, const uint8_t (*hashes)[SHA256_SIZE], size_t n);

/** index_rollback(ix, size, e): forget the events from ${size} on, which are not, or no longer, in the log.  Slow: scans the tail again. */
int index_rollback(struct index *ix, uint64_t size, struct err *e);

/** index_actor_flags(actor), index_action_flags(action): what the row of an event says of them: ROW_ACTOR's bits of a token, or none; and of an action its flag, or ROW_ACTION's bits. */
uint32_t index_actor_flags(struct span actor);
uint32_t index_action_flags(struct span action);

/** index_size(ix): number of events covered; index_published(ix): of them in the files; index_damage(ix): why the files were not used, or NULL. */
uint64_t index_size(const struct index *ix);
uint64_t index_published(const struct index *ix);
const char *index_damage(const struct index *ix);

/** index_row(ix, seq, ret, e): the row of event ${seq} < size.  Return 0 or -1.  O(1). */
int index_row(struct index *ix, uint64_t seq, struct row *ret, struct err *e);

/** index_rows(ix, seq, n, out, e): the rows of ${n} events from ${seq} on, all < size.  Fastest for INDEX_ROWS of them, from a multiple of it on. */
#define INDEX_ROWS 2048
int index_rows(struct index *ix, uint64_t seq, size_t n, struct row *out, struct err *e);

/**
 * index_peek(ix, seq, ret, e), index_generation(ix), index_wrong(ix, generation, why, e):
 * index_row() without the checksum, which costs 64 KiB: for who will see by the lines of the log whether it is right; ret->id is not to be
 * used.  A parent is smaller than ${seq}.  Where a line says otherwise, index_wrong() throws the files away, as for any damage, ${why} being
 * what is wrong, unless that was done since the index was of ${generation}, which is when the rows were read; then all is asked again.
 * Return 0, or -1: of index_wrong(), where it is not for the files that it is wrong.
 */
int index_peek(struct index *ix, uint64_t seq, struct row *ret, struct err *e);
uint64_t index_generation(const struct index *ix);
int index_wrong(struct index *ix, uint64_t generation, const struct err *why, struct err *e);

/** index_line(ix, seq, out, e): replace ${out} by the line of event ${seq}, LF not included, and check that it is that event.  O(1). */
int index_line(struct index *ix, uint64_t seq, struct buf *out, struct err *e);

/* One of many lines. */
struct index_place {
	uint64_t seq;
	uint32_t offset, length; /* as index_places() has it, unchecked; then the line's */
	uint32_t id;		 /* the element's number, as unchecked */
	size_t at;		 /* where index_lines() put it */
	size_t tag;		 /* the asker's own */
};

/**
 * index_places(ix, place, n, e), index_lines(ix, place, n, out, e):
 * Where ${n} events, in the order of their seqs, have their lines, and how long they are; and then the lines of ${n} such places, appended to
 * ${out}, each checked to be that event's (but not whose event it is).  The second may be asked for some of the places only.  Neighbours are
 * read at once.  Return 0 or -1.
 */
int index_places(struct index *ix, struct index_place *place, size_t n, struct err *e);
int index_lines(struct index *ix, struct index_place *place, size_t n, struct buf *out, struct err *e);

/** index_event(ix, seq, out, ev, e): index_line(), parsed into ${ev} whose spans point into ${out}. */
int index_event(struct index *ix, uint64_t seq, struct buf *out, struct event *ev, struct err *e);

/** index_event_at(ix, seq, row, out, ev, e): the same, where the row is known already; only its offset and length are looked at, and they may be wrong. */
int index_event_at(struct index *ix, uint64_t seq, const struct row *row, struct buf *out, struct event *ev, struct err *e);

/** index_lookup(ix, name, ret, e): the element of that name.  Return 1, 0 where there never was one, or -1.  O(log n). */
int index_lookup(struct index *ix, struct span name, struct element *ret, struct err *e);

/**
 * index_hint(ix, name), index_expect(ix, hint):
 * Two hints that index_lookup() of ${name} comes soon: the first, then some others of their kind, then the second with what the first
 * returned, and so on.  What the look-up will touch is on its way to the processor meanwhile.  O(1), and nothing but time depends on it.
 */
uint32_t index_hint(const struct index *ix, struct span name);
void index_expect(const struct index *ix, uint32_t hint);

/**
 * index_meet(ix, name, n):
 * A hint that index_lookup() of these ${n} names comes: what it would read of each is read in the order of the log, neighbours at once.  Nothing but
 * time depends on it.  Memory: 1 MiB, and 8 MiB of lines.  O(n log n).
 */
void index_meet(struct index *ix, const struct span *name, size_t n);

/**
 * index_state(ix, el, scratch, ret, e):
 * The canonical text of the present state of ${el} (ret->p == NULL where it has none), also where the event that set it
 * is not written yet.  It stands in the index or in ${scratch} and is valid until either changes.  Return 0 or -1.
 */
int index_state(struct index *ix, const struct element *el, struct buf *scratch, struct span *ret, struct err *e);

/**
 * index_each(ix, prefix, visit, arg, e):
 * Call ${visit}(${arg}, element) for every element that ever was and whose name begins with ${prefix}, in the order of
 * bytes.  ${visit} returns 0 to go on, anything else to stop, and index_each then returns that.  Return 0 at the
 * end, -1 on an error (${visit} should return positive values).  ${visit} may call the index, but not index_each.
 */
int index_each(struct index *ix, struct span prefix, int (*visit)(void *arg, const struct element *el), void *arg, struct err *e);

/** index_elements(ix): number of elements that ever were (names: also those of ecl itself). */
uint64_t index_elements(const struct index *ix);

/** index_born(ix, size, ret, e): number of elements that were there after the first ${size} events: their ids are below it.  O(log n). */
int index_born(struct index *ix, uint64_t size, uint64_t *ret, struct err *e);

/** index_name(ix, id, out, e): replace ${out} by the name of element ${id}.  O(1). */
int index_name(struct index *ix, uint32_t id, struct buf *out, struct err *e);

/**
 * index_at(ix, size, ret_last, ret_state, ret_n, e):
 * The elements after the first ${size} events, by one scan of the rows backwards: ${*ret_n} elements; for each id the
 * seq of its last event and of its last event with a state (EVENT_NONE: none), in two arrays that the caller frees.
 * O(size), and less where all elements changed lately.
 */
int index_at(struct index *ix, uint64_t size, uint64_t **ret_last, uint64_t **ret_state, uint64_t *ret_n, struct err *e);

/** index_root(ix, size, out, e): RFC 6962 root over the first ${size} events (needs INDEX_TREE).  O(log n) reads of chunks. */
int index_root(struct index *ix, uint64_t size, uint8_t out[SHA256_SIZE], struct err *e);

/** index_frontier(ix, size, ret, e): the same tree, to be added to: the roots of its perfect subtrees. */
int index_frontier(struct index *ix, uint64_t size, struct merkle *ret, struct err *e);

/**
 * index_sums(ix, ret_fault, e):
 * Read all that is published, and compare it with its own checksums and sizes, not with the log (index_check() does).  The index is opened
 * with INDEX_TREE and INDEX_LAZY.  Return 0, 1 with what is wrong, naming the file, in ${ret_fault}, or -1.  O(bytes of the index).
 */
int index_sums(struct index *ix, struct buf *ret_fault, struct err *e);

/**
 * index_range(ix, from, to, out, e):
 * The same of the events from ${from} to ${to}, that one not included, which are a subtree: MTH(D[from:to]), as merkle_proof.h asks for them.
 * Like a root it is what the files say, whose checksums are right: who makes a proof checks it against what he knows otherwise.
 */
int index_range(struct index *ix, uint64_t from, uint64_t to, uint8_t out[SHA256_SIZE], struct err *e);

/**
 * index_level(ix, level, first, n, out, e):
 * ${n} hashes, 32 bytes each, from number ${first} on, of the subtrees of 256^level events; level < INDEX_LEVELS.  Return 0 or -1.
 */
#define INDEX_LEVELS 5
int index_level(struct index *ix, unsigned level, uint64_t first, size_t n, uint8_t *out, struct err *e);

/**
 * index_publish(ix, lock_fd, sync, e):
 * Write what the files lack and publish a new `head`.  ${lock_fd} is ROOT/index.lock: where somebody else holds it, do nothing.
 * Each file is synced before what names it, so that a crash leaves a whole index; ${sync} false is for who has the file system commit all of
 * it at once in a moment, as a snapshot of btrfs does: what it names is only written out, so that a device that fails is noticed.  A crash between leaves the old `head`, or in the worst case one whose files have not what their
 * checksums say, or an empty one: no worse than any damage, which is noticed and made good from the log, and takes time only.
 * Memory of the tail is released.  Only what is in the log, which must be durable: while events are fed that are not
 * written yet, do nothing.  Return 0 or -1 (a failure costs nothing but time: the old `head` stays).
 */
int index_publish(struct index *ix, int lock_fd, bool sync, struct err *e);

/**
 * index_publish_begin(ix, lock_fd, ret, e), index_publish_run(p), index_publish_end(ix, p, e):
 * The same in three steps.  The second writes and syncs all, and shares nothing with the index: another thread may do it, while
 * the index is fed and asked for events and single elements (not for roots, and not by index_each(): these fail).  The lock is held from the first step to the last.  The first returns 1 with ${*ret}, 0 where
 * there is nothing to do, or -1.  ${p} does not outlive the last step, which must come; ${ix} may be another index by then, and ${p} then
 * means nothing to it.
 */
struct publication;
int index_publish_begin(struct index *ix, int lock_fd, struct publication **ret, struct err *e);
void index_publish_run(struct publication *p);
int index_publish_end(struct index *ix, struct publication *p, struct err *e);

/** index_compact(ix, lock_fd, e): as index_publish(), and merge all runs into one, and remove what no manifest names.  A busy lock is an error (EXIT_RETRY). */
int index_compact(struct index *ix, int lock_fd, struct err *e);

/**
 * index_check(ecl_fd, log, step, arg, ret_fault, e):
 * Read all that is published and compare it with the log.  ${step} (may be NULL) is called now and then with the number of events done.
 * Return 0 where it is right (or nothing is published), 1 with what is wrong, naming the file, in ${ret_fault}, or -1.
 */
int index_check(int ecl_fd, struct log *log, void (*step)(void *arg, uint64_t done), void *arg, struct buf *ret_fault, struct err *e);

/** index_lag(ix): number of events that `head` lacks, or will lack once what is on its way has arrived. */
uint64_t index_lag(const struct index *ix);

/**
 * index_anew(ix, e), index_replace(ix, e):
 * For a rebuild, with ROOT/index.lock held by the caller: after the first, ${ix}, opened with INDEX_IGNORE and INDEX_LAZY, is published into
 * `index.new`, beside the index that readers go on to use; the second exchanges the two, and removes the old one.  What a rebuild
 * that died has left is removed by the next, and by index_compact().  Return 0 or -1.
 */
int index_anew(struct index *ix, struct err *e);
int index_replace(struct index *ix, struct err *e);

#define INDEX_DIR "index"
#define INDEX_DIR_ANEW "index.new" /* one that is being made anew */

/** index_remove(ecl_fd, lock_fd, e): delete all index files (for a rebuild), under the lock; EXIT_RETRY where it is busy. */
int index_remove(int ecl_fd, int lock_fd, struct err *e);

#endif

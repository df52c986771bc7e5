/* The inside of the index: what its files share. */
#ifndef ECL_INDEX_IMPL_H_
#define ECL_INDEX_IMPL_H_

#include <stdbool.h>
#include <stdint.h>

#include "column.h"
#include "index.h"
#include "le.h"
#include "runs.h"

#define ROW_ID 24	/* where the element's number stands in a row */
#define INDEX_AGAIN 2	/* the published files turned out to be damaged, all is in memory now: look again */
#define INDEX_DAMAGED 3 /* they are damaged, and nothing was done about it yet */
#define TREE_LEVELS INDEX_LEVELS /* tree.0 to tree.4: over 4 G events the rest is hashed at each question */
#define TREE_FAN 256
#define RUNS_MAX 24	    /* more than that are merged, whatever their size */
#define MERGE_RECORDS 262144 /* larger merges belong to ecl-index, while there are few runs */
#define TABLE_MAX 200000     /* elements kept from one publish to the next */
#define STATES_MAX (32u << 20) /* bytes of states kept */
#define RELOAD_LAG 262144	    /* a reader whose tail is longer looks whether somebody published */

#define NO_ENTRY UINT32_MAX
#define ID_UNKNOWN UINT32_MAX		/* not looked up in the runs yet */
#define STATE_UNKNOWN (EVENT_NONE - 1)

/* ---- elements in memory (index_table.c) ---- */

/* What is known of one element; one cache line. */
struct entry {
	const char *name;
	char *state;	    /* text of a state, where state_seq is not EVENT_NONE */
	uint32_t state_len, state_cap;
	uint64_t state_seq; /* of the event whose state that is */
	uint64_t first;	    /* while id is unknown: the event before the first one in the tail */
	uint64_t last, last_state;
	uint32_t id;
	uint16_t name_len;
	bool alive;
	bool dirty;	    /* the runs do not say this yet */
};
_Static_assert(sizeof(struct entry) <= 64 && (sizeof(struct entry) & (sizeof(struct entry) - 1)) == 0, "entries share no cache lines");

struct slot {
	uint32_t tag;
	uint32_t entry; /* plus one; 0: free */
};

struct arena;

struct etable {
	struct entry *entry;
	size_t n, cap;
	struct slot *slot;
	size_t slots; /* a power of two, or 0 */
	uint32_t *dirty;
	size_t dirties, dirty_cap;
	struct arena *arena;
	size_t state_bytes, state_limit;
	uint64_t key[2];
	struct etable *next; /* among those set aside */
};

/** etable_new(), etable_free(t): an empty table with a random key, or NULL. */
struct etable *etable_new(void);
void etable_free(struct etable *t);

/** etable_find(t, name, ret_tag): the entry's number, or NO_ENTRY; ${*ret_tag} is for etable_add(). */
uint32_t etable_find(const struct etable *t, struct span name, uint32_t *ret_tag);

/** etable_find_hinted(t, name, hint): the same, where etable_hint() was asked before; the tag is ${hint}. */
uint32_t etable_find_hinted(const struct etable *t, struct span name, uint32_t hint);

/** etable_hint(t, name), etable_expect(t, hint): fetch the slot where ${name} is looked for first; then the entry that stands there, and what it points to. */
uint32_t etable_hint(const struct etable *t, struct span name);
void etable_expect(const struct etable *t, uint32_t hint);

/** etable_add(t, name, tag): a new entry, all fields but name, state and flags zero; NO_ENTRY when memory ran out. */
uint32_t etable_add(struct etable *t, struct span name, uint32_t tag);

/** etable_dirty(t, n): mark it.  Return 0 or -1 (memory). */
int etable_dirty(struct etable *t, uint32_t n);

/** etable_clean(t): no entry is dirty any more. */
void etable_clean(struct etable *t);

/**
 * etable_dirty_copy(t, ret_ids):
 * The dirty entries of ${t} as a table of their own, all dirty, for merge_begin() only: it cannot be searched.  ${*ret_ids}: the ids of all
 * entries of ${t} by their numbers.  Both are the caller's; NULL where memory ran out.
 */
struct etable *etable_dirty_copy(const struct etable *t, uint32_t **ret_ids);

/**
 * etable_only_dirty(t, ret_moved):
 * Forget the entries that are not dirty.  The others change their numbers: ${*ret_moved} tells the new one by the old one, and is the
 * caller's.  Return the new table, which replaces ${t}; or NULL where memory ran out, and then nothing has changed.
 */
struct etable *etable_only_dirty(struct etable *t, uint32_t **ret_moved);

/** etable_keep_state(t, n, seq, state): a copy of the state that event ${seq} set.  Return 0 or -1 (memory). */
int etable_keep_state(struct etable *t, uint32_t n, uint64_t seq, struct span state);

/** etable_trim(t, seq): where the states take too much memory, drop those of events below ${seq}. */
void etable_trim(struct etable *t, uint64_t seq);

/** etable_sorted(t, prefix, after, ret, ret_n): numbers of the dirty entries with ${prefix} (above ${after}, where it has a p), by name.  Return 0 or -1. */
int etable_sorted(const struct etable *t, struct span prefix, struct span after, uint32_t **ret, size_t *ret_n);

static inline struct span
entry_name(const struct entry *en)
{
	return ((struct span){en->name, en->name_len});
}

/* ---- the manifest (index_head.c) ---- */

struct head_column {
	uint64_t rows;
	uint32_t crc;
};

struct head_run {
	uint64_t number, bytes, records;
};

/*
 * `head`, a text:
 *   ecl-index 1
 *   seed <8 hex digits>: random, new with each rebuild; all checksums begin with it
 *   events <N> <hash of event N-1>
 *   elements <M>
 *   column <name> <width> <rows> <CRC-32C of the last, partial chunk>: rows, births, tree.0 to tree.4
 *   run <name> <bytes> <records>: oldest first, any number
 *   crc <CRC-32C of all above, 8 hex digits>
 */
struct head {
	uint32_t seed;
	uint64_t events, elements;
	uint8_t hash[SHA256_SIZE];
	struct head_column rows, births, tree[TREE_LEVELS];
	struct head_run *run;
	size_t runs;
};

/** head_format(h, out): append the text. */
void head_format(const struct head *h, struct buf *out);

/** head_parse(text, ret): strictly.  Return 0, or -1.  To be released with head_release(). */
int head_parse(struct span text, struct head *ret);
void head_release(struct head *h);

/* ---- the index ---- */

/* What is beyond the files, from some event on. */
struct tail {
	struct buf rows;   /* ROW_SIZE each, as in the file, but the id is the number of an entry */
	struct buf hashes; /* of the events; the last ones may be missing while they are fed */
	struct buf births; /* u64 each */
	struct buf tree[TREE_LEVELS]; /* as far as somebody asked for them */
};

struct index {
	int ecl_fd, dir_fd; /* dir_fd: -1 where there is no directory */
	struct log *log;
	unsigned flags;

	uint64_t size;	    /* events covered */
	uint64_t elements;
	uint8_t hash[SHA256_SIZE]; /* of the last event */
	const char *hash_hex; /* while a scan keeps no hashes: the same, in hex; else NULL */
	uint64_t offset;    /* behind the last line, in its segment */

	uint64_t published; /* of them in the files */
	bool ahead;	    /* the files have more than that, which is not to be seen yet */
	uint64_t published_elements;
	uint8_t published_hash[SHA256_SIZE];
	uint64_t published_offset;
	uint32_t seed;
	struct column rows, births, tree[TREE_LEVELS];
	struct run **run; /* oldest first */
	size_t runs;
	struct buf head; /* text of the manifest that all this came from; empty: none */
	uint32_t head_tried; /* checksum of the manifest that was looked at last, good or not; 0: none */

	uint64_t base;	    /* first event of the tail: published, or where the publication that is under way ends */
	uint64_t base_elements;
	struct tail tail;
	struct publication *going; /* under way: it has the rows from published to base; NULL: none */
	struct etable *table, *aside; /* aside: tables whose names and states somebody may still hold */
	uint32_t memo;	   /* the entry that was asked for last */
	struct buf missed; /* the name that was looked for last, and is nowhere */
	uint64_t missed_size;
	struct buf found;  /* the name of an element that got no entry */
	struct buf line;   /* the one read last for our own purposes */
	uint64_t line_seq; /* the event that it is, where it was read for a look-up; else EVENT_NONE */
	struct span line_state; /* in it */
	uint64_t generation; /* changes when entries change their numbers */
	bool damaged;
	char damage[sizeof(((struct err *)0)->text)];
};

/* An event as the index sees it. */
struct fed {
	uint64_t seq;
	struct span name;
	int64_t time_us;
	uint64_t parent;
	uint32_t flags;
	const uint8_t *prev, *hash; /* prev == NULL: known to be right; hash == NULL: comes later */
	struct span state; /* to be kept; p == NULL: not */
	uint64_t segment, offset;
	uint32_t length;
	const struct etable *hinted; /* the table for which the hint is; NULL: none */
	uint32_t hint;
};

/* index_tail.c */

/** index_feed_one(ix, f, e): the next event.  Return 0 or -1. */
int index_feed_one(struct index *ix, const struct fed *f, struct err *e);

/** index_row_flags(ev): the flags of its row. */
uint32_t index_row_flags(const struct event *ev);

/** index_fed_from_event(f, ev, segment, offset, length): all but the state. */
void index_fed_from_event(struct fed *f, const struct event *ev, uint64_t segment, uint64_t offset, uint32_t length);

/** index_corrupt(f, why, e): say that the log is, at the event ${f}.  Return -1. */
int index_corrupt(const struct fed *f, const char *why, struct err *e);

/** index_rewind(ix): what the size says of the place in the log, after the tail was dropped or the files changed. */
void index_rewind(struct index *ix);

/** index_tail_reset(ix): back to what is published. */
int index_tail_reset(struct index *ix, struct err *e);

/** index_tail_release(t): free its arrays. */
void index_tail_release(struct tail *t);

/** index_resolve(ix, n, e): make sure that entry ${n} has an id.  Return 0, -1, or INDEX_AGAIN. */
int index_resolve(struct index *ix, uint32_t n, struct err *e);

/** index_resolve_all(ix, e): all that are dirty.  Return 0 or -1. */
int index_resolve_all(struct index *ix, struct err *e);

/** index_run_find(ix, name, ret, e): the newest run's record of ${name}.  Return 1, 0, -1, or INDEX_AGAIN. */
int index_run_find(struct index *ix, struct span name, struct run_record *ret, struct err *e);

/* index_anew.c */

#define INDEX_ANEW 0x8000u /* a flag of our own: what is published goes into the directory beside the present one */

/** index_dir_name(ix): of the directory that the files are in. */
const char *index_dir_name(const struct index *ix);

/** index_remove_aside(ix, e): what a rebuild that died has left, or the index that was replaced.  Not while ${ix} is one made anew.  Return 0 or -1. */
int index_remove_aside(struct index *ix, struct err *e);

/* index_lost.c */

/**
 * index_lost(ix, why, e):
 * The files cannot be used, for ${why}: take those that were made in their place, where there are any, and scan what they lack; else scan the
 * log anew.  The index goes as far as before, whatever others recorded meanwhile.  Return INDEX_AGAIN, or -1 with ${e}.
 */
int index_lost(struct index *ix, const struct err *why, struct err *e);

/**
 * index_as_of(ix, rec, why):
 * Where the files are ahead: what a run's record says of an element, as it was when ix->published events were there.  Return 1, 0 where the
 * element was not there yet, or -1.  O(events of the element since).
 */
int index_as_of(struct index *ix, struct run_record *rec, struct err *why);

/* index_scan.c */

/** index_scan(ix, limit, e): read the log up to event ${limit}.  Return 0 or -1. */
int index_scan(struct index *ix, uint64_t limit, struct err *e);

/** index_hash_settle(ix, e): make ix->hash what it should be, where a scan that keeps no hashes left that open.  Return 0 or -1. */
int index_hash_settle(struct index *ix, struct err *e);

/* index_skim.c */

/* What one line leaves for the next; all zeros at first. */
struct skim {
	char second[20]; /* "2026-11-21T10:00:00" of a line before */
	int64_t second_us;
};

/**
 * index_skim(s, line, before, hash, ret):
 * What of ${ret} comes from the line itself: seq, name, time, parent, flags; its hash goes to ${hash}, where that is not NULL.  ${before} is
 * the hash of the event before, in hex, which must be its `prev`.  False where the line is anything but of the usual form: then it is
 * for event_parse().
 */
bool index_skim(struct skim *s, struct span line, const char before[2 * SHA256_SIZE], uint8_t *hash, struct fed *ret);

/* index_head.c */

/** index_load(ix, e): take what `head` vouches for; the tail is empty then.  What is wrong goes to index_damage().  Return 0 or -1 (memory). */
int index_load(struct index *ix, struct err *e);

/* What those have seen who use the index while its files are replaced. */
struct view {
	uint32_t seed;	   /* of the files that were lost */
	bool moved;	   /* it is another live: they may be the same */
	uint64_t size;	   /* events */
	uint64_t elements; /* among them, and the hash of the last one; 0: not known */
	uint8_t hash[SHA256_SIZE];
};

/** index_reload(ix, view): as index_load(), but only files of another seed, or in another live than before, which need not end where ${view} does.  The tail is left alone.  Return 1, or 0 where there are none that are right. */
int index_reload(struct index *ix, struct view *view);

/** index_head_crc(text): the checksum of the whole text of a manifest, never 0. */
uint32_t index_head_crc(struct span text);

/** index_head_read(dir_fd, out, ret_crc, e): replace ${out} by the text of `head` and ${*ret_crc} by its checksum, never 0 but where there is none. */
int index_head_read(int dir_fd, struct buf *out, uint32_t *ret_crc, struct err *e);

/** index_close_files(ix): forget all that is published, and what is on its way there; the tail is left alone. */
void index_close_files(struct index *ix);

/** index_set_damage(ix, text): why the files are not used. */
void index_set_damage(struct index *ix, const char *text);

/* index.c */

/** index_free_aside(ix): nobody holds names or states of tables that were set aside any more. */
void index_free_aside(struct index *ix);

/** index_row_encode(out, row), index_row_decode(p, ret): a row as it stands in the file. */
void index_row_encode(uint8_t out[ROW_SIZE], const struct row *row);

static inline void
index_row_decode(const uint8_t *p, struct row *ret)
{
	ret->time_us = (int64_t)le64_get(p);
	ret->parent = le64_get(p + 8);
	ret->offset = le32_get(p + 16);
	ret->length = le32_get(p + 20);
	ret->id = le32_get(p + 24);
	ret->flags = le32_get(p + 28);
}

/**
 * index_peek_line(ix, seq, ret, out):
 * The row and the line of a published event, where the row is right: no checksum says so, but the line does, and it costs no chunk.
 */
bool index_peek_line(struct index *ix, uint64_t seq, struct row *ret, struct buf *out);

/** index_is_line(line, behind, seq): whether ${line}, and the byte behind it, looks like the line of that event. */
bool index_is_line(struct span line, char behind, uint64_t seq);

/** index_tail_row(ix, seq): the row of event ${seq} >= ix->published, whose id is the number of an entry. */
const uint8_t *index_tail_row(const struct index *ix, uint64_t seq);

/* index_tree.c */

/* Merkle hashes in files and in memory. */
struct tree {
	struct column *level;
	struct tail *tail;
	uint64_t from, size; /* events: the first of the tail, and how many there are */
};

/** tree_extend(t, e): all levels of the tail's tree.  Return 0, -1 (memory), or INDEX_DAMAGED (a file of the tree). */
int tree_extend(struct tree *t, struct err *e);

/* index_merge.c: several sources of elements as one, in the order of names */

struct merge_source {
	struct run_iter it;
	struct run_record rec;
};

struct merge {
	const struct etable *table;
	uint32_t *entry; /* dirty entries, sorted */
	size_t entries, at;
	struct merge_source **source; /* runs, newest first; those at their end are taken out */
	size_t sources;
	char name[ELEMENT_MAX]; /* of the record returned last */
	bool of_run;		/* it is a run's, not that of an entry */
};

/**
 * merge_begin(m, table, run, runs, prefix, after, e):
 * All names with ${prefix} (above ${after}, where it has a p) from the dirty entries of ${table}, whose ids are known, and the ${runs} runs,
 * oldest first.  Neither may change while it goes on.  Return 0, -1 (memory), or INDEX_DAMAGED; released with merge_end() in any case.
 */
int merge_begin(struct merge *m, const struct etable *table, struct run *const *run, size_t runs, struct span prefix, struct span after,
    struct err *e);

/** merge_next(m, ret, e): the next, as the newest source has it.  Return 1, 0 at the end (prefix not looked at), or INDEX_DAMAGED. */
int merge_next(struct merge *m, struct run_record *ret, struct err *e);
void merge_end(struct merge *m);

/* index_publication.c */

/* What is on its way into the files.  It has all that it needs for itself, so that another thread may write it. */
struct publication {
	int dir_fd, lock_fd;
	bool sync; /* what is written */
	uint32_t seed;
	uint64_t from, size;  /* events: where it begins, and where it ends */
	uint64_t elements, offset;
	uint8_t hash[SHA256_SIZE];
	struct tail tail;
	struct etable *table; /* the entries that the runs lack */
	uint32_t *ids;	      /* of the elements, by the numbers that stand in the tail's rows */
	struct head_run *kept; /* the runs that stay as they are, oldest first */
	size_t n_kept;
	struct run **merged;  /* and those that go into the new one */
	size_t n_merged;
	uint64_t number, records; /* of the new one, at most */
	struct column rows, births, tree[TREE_LEVELS];
	struct run *run;
	struct buf head;
	int rc;		      /* how it went: 0, -1, or INDEX_DAMAGED, with ${e} */
	struct err e;
};

/** publication_run(p): write and (p->sync) sync all, and publish the new manifest; p->rc tells how it went. */
void publication_run(struct publication *p);

/** publication_free(p): and remove the run where it did not go well.  The tail must have been taken back, if it is wanted. */
void publication_free(struct publication *p);

/* index_sweep.c */

/* What of the directory is to go. */
enum sweep {
	SWEEP_LEFT_OVER, /* what publishers that died left behind */
	SWEEP_OURS,	 /* all that a new manifest would begin anew */
	SWEEP_ALL
};

/** index_sweep(ix, dir_fd, how, e): ${ix}: whose runs are not left over; may be NULL for the others.  Return 0 or -1. */
int index_sweep(const struct index *ix, int dir_fd, enum sweep how, struct err *e);

#endif

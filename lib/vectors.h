/* Vectors of a ledger's events: int8 rows in columns, FAISS segments, and the manifest that vouches for them (DESIGN 5, SEARCH). */
#ifndef ECL_VECTORS_H_
#define ECL_VECTORS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "log.h"

/*
 * There are two spaces.  VECTORS_MADE has a row for every event, row = seq: what the ledger's embedder made of it, zeros for events
 * of ecl itself.  VECTORS_GIVEN has a row for every event that brought its own `vector`, in the order of the log, and a second column
 * that tells which event that is.  The first such event fixes their dimension; those of another one are counted, and not in the space.
 *
 * The manifest of a space is `index/<space>.head`, which is published by a rename after all that it names is on the disk:
 *   ecl-vectors 3
 *   seed <8 hex digits>: random, new whenever the space is made anew; its files have it in their names, all checksums begin with it
 *   space <vectors|given>
 *   embedder <its token, as a JSON string>: what made the rows; "" of those that were given
 *   dims <numbers of a vector; 0 where there is no row yet>
 *   events <N> <hash of event N-1>: those below N are in it
 *   column <width> <rows> <CRC-32C of the last, partial chunk>: the files `<space>.<seed>-...` (column.h)
 *   codes <width> <blocks> <CRC-32C of the last, partial chunk>: of rows that have codes, whole blocks of them (code.h), `<space>.code.<seed>-...`; else 0 0 00000000
 *   seqs <rows> <CRC-32C of the last, partial chunk>: of the given ones only, `given.seq.<seed>-...`, u64 each
 *   others <count> <seq of the first>: of the given ones only, where some have another dimension
 *   ivf <from row> <to row> <number> <bytes> <crc>: the segment `ivf-<space>.<seed>-<number, 12 digits>` (ivf.h); sorted, any number
 *   crc <CRC-32C of all above, 8 hex digits>
 * It counts where the log has event N-1 with that hash.  Spaces know nothing of each other, nor of the index's `head`.
 */
#define VECTORS_MADE "vectors"
#define VECTORS_GIVEN "given"
#define VECTORS_NAME 64 /* bytes of a file's name, with NUL */

struct vectors;

/* A FAISS segment, as the manifest has it. */
struct vectors_segment {
	uint64_t from, to; /* rows */
	uint64_t number, bytes;
	uint32_t crc;
};

/**
 * vectors_open(ecl_fd, log, space, token, ret, e):
 * Open a space under ${ecl_fd}.  A missing, damaged, cut or foreign manifest is no error: there are no rows then.  Nor are there where they
 * were made by another embedder than ${token} (decoded; NULL: any will do).  ${log} is refreshed where the manifest is ahead
 * of it, and must outlive what is opened.  Writes nothing.  To be released with vectors_free().  Return 0, or -1 (memory).  O(1).
 */
int vectors_open(int ecl_fd, struct log *log, const char *space, const char *token, struct vectors **ret, struct err *e);
void vectors_free(struct vectors *v);

/** vectors_clone(v): the same for another thread, or NULL where memory or descriptors ran out.  It may outlive ${v}, but not its log. */
struct vectors *vectors_clone(const struct vectors *v);

/** vectors_damage(v): why a manifest that is there is not used; NULL where it is.  vectors_other(v): the token of the embedder that made the rows which are not used for that; or NULL. */
const char *vectors_damage(const struct vectors *v);
const char *vectors_other(const struct vectors *v);

/** vectors_events(v): the events below this seq are in it.  vectors_rows(v): number of rows. */
uint64_t vectors_events(const struct vectors *v);
uint64_t vectors_rows(const struct vectors *v);

/** vectors_dims(v), vectors_width(v): numbers of a vector, and bytes of a row; 0 where there is no row. */
unsigned vectors_dims(const struct vectors *v);
unsigned vectors_width(const struct vectors *v);

/** vectors_others(v, ret_first): number of events whose vector is not in the space, since its dimension is another; and the first of them. */
uint64_t vectors_others(const struct vectors *v, uint64_t *ret_first);

/**
 * vectors_chunk(v, row, ret, ret_first, ret_n, e):
 * The rows, vectors_width() bytes each, of the 64 KiB chunk in which ${row} stands, their checksum checked: ${*ret_n} of them from row ${*ret_first} on,
 * valid until eight more calls were made.  Where the files were made anew meanwhile, the new ones are read.  Return 0; or -1 where they
 * are damaged, with an error that names the file and what mends it.
 */
int vectors_chunk(struct vectors *v, uint64_t row, const int8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e);

/**
 * vectors_scanned(v, scanned):
 * Whether rows are read from one end to the other from now on, each chunk once: then what vectors_chunk() gives is valid until its next call only, and what
 * the processor still has of one chunk is where the next one goes.
 */
void vectors_scanned(struct vectors *v, bool scanned);

/** vectors_row(v, row, out, e): one row, vectors_width() bytes.  Return as vectors_chunk(). */
int vectors_row(struct vectors *v, uint64_t row, int8_t *out, struct err *e);

/** vectors_code_bytes(v): bytes of a row's code; 0: the rows have none.  vectors_coded(v): the rows below that have them: whole blocks (code.h). */
unsigned vectors_code_bytes(const struct vectors *v);
uint64_t vectors_coded(const struct vectors *v);

/** vectors_codes(v, row, ret, ret_first, ret_n, e): as vectors_chunk(), the blocks of codes, valid until the next call; ${*ret_first} and ${*ret_n} count rows. */
int vectors_codes(struct vectors *v, uint64_t row, const uint8_t **ret, uint64_t *ret_first, uint64_t *ret_n, struct err *e);

/** vectors_ahead(v, codes, from, to): what a scan of these rows, or of their codes, will read: where it is not in memory the system is told.  One system call where it is. */
void vectors_ahead(struct vectors *v, bool codes, uint64_t from, uint64_t to);

/**
 * vectors_peek(v, row, wait, out):
 * One row, unchecked: for who can tell by its code whether it is right.  Return 1; 0 where it would have to be read from the disk and ${wait} is false,
 * which then begins; or -1.
 */
int vectors_peek(struct vectors *v, uint64_t row, bool wait, int8_t *out);

/** vectors_seq(v, row, ret, e): the event whose row that is.  vectors_find(v, seq, ret_row, e): the first row whose event is ${seq} or a later one; vectors_rows() where none is.  O(log n). */
int vectors_seq(struct vectors *v, uint64_t row, uint64_t *ret, struct err *e);
int vectors_find(struct vectors *v, uint64_t seq, uint64_t *ret_row, struct err *e);

/** vectors_segments(v, ret): the FAISS segments: sorted, disjoint; none where the index is neither root's nor the effective user's own.  vectors_segment_name(v, s, out): the name of its file in the directory vectors_dir(v), a descriptor (-1: none). */
size_t vectors_segments(const struct vectors *v, const struct vectors_segment **ret);
void vectors_segment_name(const struct vectors *v, const struct vectors_segment *s, char out[VECTORS_NAME]);
int vectors_dir(const struct vectors *v);

/* ---- writing (vectors_write.c) ---- */

/* What is to be brought up to date, and by whom. */
struct vectors_update {
	int ecl_fd;
	const char *dir; /* under it: "index", or that of an index which is made anew */
	struct log *log;
	int lock_fd;	   /* ROOT/index.lock, which is skipped where it is busy; -1: the caller holds it */
	uint64_t size;	   /* the events below this seq, which are durable */
	uint64_t max;	   /* at most so many events, by who wants it cheap; 0: all of them */
	const char *token; /* of the ledger's embedder, decoded; "none": there are no rows of VECTORS_MADE; NULL: leave them as they are */
	unsigned flags;	   /* for embedder_open() */
	unsigned threads;  /* as for vectorize() */
	bool anew;	   /* whatever is there */
	bool unsynced;	   /* a little is published as by index_publish() without a sync, for the same reason */
	void (*step)(void *arg, uint64_t done, uint64_t total); /* told now and then of how many events are embedded; NULL: nobody asks */
	void *arg;

	/* What was found. */
	bool busy;			       /* the lock was: nothing was done */
	uint64_t rows, given;		       /* of the two spaces, as they are now */
	char damage[sizeof(((struct err *)0)->text)]; /* why what was there is made anew; "": it is not */
};

/**
 * vectors_catch_up(u, e):
 * Bring both spaces up to date, first the given ones.  Each 262,144 events are published for themselves: what they need is synced, then the
 * manifest, but for u->unsynced.  What is damaged, foreign, or of another embedder than u->token is made anew, in files of new names.  The embedder is opened
 * where rows are missing, and only then.  Return 0; or -1, with what was published before still there.
 */
int vectors_catch_up(struct vectors_update *u, struct err *e);

/** vectors_sweep(ecl_fd, dir, e): with index.lock held: remove the files of spaces that their manifests do not name: those of spaces that were made anew, and what died.  Return 0 or -1. */
int vectors_sweep(int ecl_fd, const char *dir, struct err *e);

/** vectors_carry(ecl_fd, dir, e): with index.lock held: what `index` has of VECTORS_MADE is in the directory ${dir} beside it too, where that has none.  Return 0 or -1. */
int vectors_carry(int ecl_fd, const char *dir, struct err *e);

/* ---- comparing (vectors_check.c) ---- */

struct vectors_check {
	const char *space;
	const char *token;  /* of the ledger's embedder, decoded */
	unsigned threads;   /* as for vectorize() */
	struct buf *fault;  /* what is wrong is appended to it, and what mends it */
	void (*step)(void *arg, uint64_t done); /* told now and then of how many rows are done; NULL: nobody asks */
	void *arg;
};

/**
 * vectors_check(ecl_fd, log, c, e):
 * Read all rows of a space and make them again from the log; of those that a command made, the checksums only.  Rows of another embedder, or none, are
 * right.  Return 0 where all is, 1 with what is wrong in c->fault, or -1.
 */
int vectors_check(int ecl_fd, struct log *log, struct vectors_check *c, struct err *e);

#endif

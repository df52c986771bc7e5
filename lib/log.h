/* The log: segments of event lines under .ecl/log, read and appended to (DESIGN 2 to 4). */
#ifndef ECL_LOG_H_
#define ECL_LOG_H_

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "event.h"

#define LOG_SEGMENT_SIZE (64u << 20) /* a line that would begin at or behind this offset begins a new segment */
#define LOG_BLOCK_SIZE (16u << 20)   /* so does the event that records a block, behind this offset */
#define LOG_NAME_SIZE 28	     /* "00000000000000000000.ndjson" and NUL */

struct log_segment {
	uint64_t first; /* seq of its first event, also its name */
	uint64_t size;	/* bytes of whole lines, once known: ask log_segment_size() */
	int fd;		/* read-only, opened when first needed, else -1 */
};

/* Where the log ends: behind the last whole line. */
struct log_end {
	uint64_t segment; /* first seq of the last segment */
	uint64_t offset;  /* bytes of whole lines in it */
	uint64_t size;	  /* number of events: the seq of the next one; 0 = the log is empty */
	int64_t time_us;  /* of the last event */
	uint8_t hash[SHA256_SIZE];
};

/* The writing end of a log: what a thread that commits works on, and it alone. */
struct log_writer {
	int dirfd;	    /* the log's */
	int fd;		    /* the last segment, for appending; -1: not open */
	struct log_end end; /* of the log, with all that was written here */
};

struct log {
	int dirfd;
	int root_fd; /* of the root whose live it is in, the opener's: a reader goes on in what is live now; -1: it stays where it is */
	struct log_segment *segment; /* in order of seq */
	size_t segments;
	size_t cap;
	struct log_end end;
	uint64_t torn; /* bytes behind end in the last segment that are no whole line */
	struct log_writer writer;
	int open_fds;  /* how many of segment[].fd are open */
};

/** log_segment_name(first, out): the file name of the segment whose first event is ${first}. */
void log_segment_name(uint64_t first, char out[LOG_NAME_SIZE]);

/**
 * log_open(ecl_fd, root_fd, ret_log, e):
 * Open the log under the `.ecl` directory ${ecl_fd} for reading, as far as its last whole line reaches now.  With ${root_fd},
 * which must stay open as long as the log, that is the log of ROOT/live: where a rollback exchanges live, then or later, the
 * log goes on in the new one, which must have all that was found (else what is not open yet is an error); -1: none.  A
 * log without segments is empty, not an error.  The last line must be a valid event whose hash is right: NULs or a
 * missing LF behind the last good line are a torn tail (counted in log->torn); a whole line that does not verify is an
 * error that names segment and offset.  Return 0, or -1 with ${e}.  One reading of the directory; O(1) else.
 */
int log_open(int ecl_fd, int root_fd, struct log **ret_log, struct err *e);
void log_free(struct log *log);

/**
 * log_live(root_fd, path, fd):
 * Open the directory ${path} (`live/...`) of a root where that is another one than ${fd}: a rollback has exchanged live.  Return
 * a descriptor; -1 where it is the same, or cannot be opened, or ${root_fd} is -1.
 */
int log_live(int root_fd, const char *path, int fd);

/**
 * log_reach(log, end, e):
 * The log ends at ${end} now, as is known from elsewhere (ROOT/durable), be that before or behind the end that was found here.
 * Return 0; 1 where no event with that hash ends there, and nothing has changed; or -1.  O(1), but for a new segment.
 */
int log_reach(struct log *log, const struct log_end *end, struct err *e);

/** log_refresh(log, e): see what was appended since.  What was read before must still be there.  Return 0 or -1. */
int log_refresh(struct log *log, struct err *e);

/** log_segment_of(log, seq): the index in log->segment of the segment that holds event ${seq} < log->end.size. */
size_t log_segment_of(const struct log *log, uint64_t seq);

/**
 * log_segment_size(log, segment, ret, e), log_segment_limit(log, segment, ret, e):
 * Its bytes of whole lines (of the last one: as of log_open() or log_refresh(); its file may be longer by a torn tail);
 * the limit is the same, but for the last segment it is log->end.offset.  Return 0 or -1.  The first time costs a stat().
 */
int log_segment_size(struct log *log, size_t segment, uint64_t *ret, struct err *e);
int log_segment_limit(struct log *log, size_t segment, uint64_t *ret, struct err *e);

/** log_pread(log, segment, p, len, offset, e): read exactly ${len} bytes of a segment (an index in log->segment). */
int log_pread(struct log *log, size_t segment, void *p, size_t len, uint64_t offset, struct err *e);

/** log_is_cached(log, segment, offset), log_read_ahead(log, segment, offset, len): as io_is_cached() and io_read_ahead(), of a segment. */
bool log_is_cached(struct log *log, size_t segment, uint64_t offset);
void log_read_ahead(struct log *log, size_t segment, uint64_t offset, uint64_t len);

/** log_segment_fd(log, segment, e): a descriptor of it, for reading; the log's own, valid until other segments are read.  Return -1 with ${e}. */
int log_segment_fd(struct log *log, size_t segment, struct err *e);

/* Reads whole lines one behind the other. */
struct log_reader {
	struct log *log;
	size_t segment;	 /* index in log->segment of the next line */
	uint64_t offset; /* and its place there */
	struct buf window;
	uint64_t window_at; /* offset of window.data[0] in the segment */
};

/* One line that a reader found. */
struct log_line {
	struct span text;  /* without LF; valid until the next call */
	uint64_t segment;  /* first seq of its segment */
	uint64_t offset;   /* of its first byte there */
};

/** log_reader_init(r, log, segment, offset): read from there on, up to log->end at the time of each call. */
void log_reader_init(struct log_reader *r, struct log *log, size_t segment, uint64_t offset);
void log_reader_release(struct log_reader *r);

/** log_reader_next(r, ret, e): the next line.  Return 1, 0 at the end, or -1.  Lines are not parsed; one over EVENT_LINE_MAX is an error. */
int log_reader_next(struct log_reader *r, struct log_line *ret, struct err *e);

/** log_reader_some(r, ret, max, e): at least one line and at most ${max}, as far as they have been read already; all are valid until the next call.  Return their number, 0 at the end, or -1. */
int log_reader_some(struct log_reader *r, struct log_line *ret, size_t max, struct err *e);

/**
 * log_seek(log, seq, r, e):
 * Place ${r} (initialised, or to be: it is initialised here) before event ${seq} <= log->end.size by bisection
 * over the bytes; needs no index.  O(log(segment size)) reads.
 */
int log_seek(struct log *log, uint64_t seq, struct log_reader *r, struct err *e);

/** log_size_at(log, us, ret, e): the number of events whose time is <= ${us}, by bisection over the bytes. */
int log_size_at(struct log *log, int64_t us, uint64_t *ret, struct err *e);

/** log_next_line(log, segment, offset, limit, ret, e): where the first line begins that begins behind ${offset}, ${limit} where none does before it.  Return 0 or -1. */
int log_next_line(struct log *log, size_t segment, uint64_t offset, uint64_t limit, uint64_t *ret, struct err *e);

/** log_line(log, seq, out, e): append the line of event ${seq}, without LF, to ${out} (bisection).  Return 0 or -1. */
int log_line(struct log *log, uint64_t seq, struct buf *out, struct err *e);

/** log_list(log, e): list the segments anew, with all their sizes; leaves log->end alone.  For log_recover().  Return 0 or -1. */
int log_list(struct log *log, struct err *e);

/**
 * log_check_line(line, ret, segment, offset, e):
 * Parse one whole line and check its hash, naming the place in ${e} where it is wrong.  Return 0 or -1.
 */
int log_check_line(struct span line, struct event *ret, uint64_t segment, uint64_t offset, struct err *e);

/** log_line_before(log, segment, offset, out, ret_at, e): put the line whose LF is the last byte before ${offset} into ${out} (LF not included), and where it begins into ${*ret_at}. */
int log_line_before(struct log *log, size_t segment, uint64_t offset, struct buf *out, uint64_t *ret_at, struct err *e);

/** log_rotates(offset, ev): whether the line of ${ev}, which would begin at ${offset} > 0, begins a new segment.  Only the log's contents decide, so that replicas have the same segments. */
bool log_rotates(uint64_t offset, const struct event *ev);

/* A stretch of a batch that goes into one segment. */
struct log_piece {
	uint64_t segment; /* first seq of the segment; a new one where it is not the last */
	size_t at, len;	  /* bytes of the batch */
};

/* What became of an append that failed. */
enum log_outcome {
	LOG_RECORDED,	  /* nothing failed */
	LOG_NOT_RECORDED, /* cut off again: the log is as it was */
	LOG_IN_DOUBT	  /* may or may not be on the disk: the next writer finds out */
};

/**
 * log_write_begin(log, n, e):
 * Place log->writer at the end of the log, and make room for ${n} more segments, so that log_wrote() cannot fail.  Return 0 or -1.
 */
int log_write_begin(struct log *log, size_t n, struct err *e);

/**
 * log_write(w, data, pieces, n, sync, end, ret_outcome, e):
 * Append a batch: one write (some, one behind the other, of megabytes) and (with ${sync}) one fdatasync a piece, by the protocol for short writes and
 * failed syncs of DESIGN 4.  A new segment appears by rename, with its lines in it.  On success w->end
 * becomes ${*end}.  The caller holds the root's lock and has the end of the log durable.  Touches nothing of the log
 * but ${w}: another thread may read meanwhile.  Return 0 or -1.
 */
int log_write(struct log_writer *w, const char *data, const struct log_piece *pieces, size_t n, bool sync, const struct log_end *end,
    enum log_outcome *ret_outcome, struct err *e);

/** log_wrote(log, pieces, n): what log_write() wrote is part of the log now, which ends where log->writer does. */
void log_wrote(struct log *log, const struct log_piece *pieces, size_t n);

/**
 * log_recover(log, ecl_fd, from, ret_torn, e):
 * As a writer after a crash or a failed sync: fdatasync the last segments, drop their cached pages, and read
 * again every line from ${from} (an end that was durable once; all zeros: from the beginning of the last segment),
 * checking hashes and chain.  A torn tail is copied to `.ecl/torn-<seq>` (fsynced) and cut off, its length put in
 * ${*ret_torn}.  A whole line without NULs that does not verify is an error and nothing is changed.
 * Return 0 with log->end durable, or -1.
 */
int log_recover(struct log *log, int ecl_fd, const struct log_end *from, uint64_t *ret_torn, struct err *e);

#endif

/* ROOT/durable: how far the log is known to be on the disk, within one boot (DESIGN 4). */
#ifndef ECL_DURABLE_H_
#define ECL_DURABLE_H_

#include <stdbool.h>

#include "err.h"
#include "log.h"

/*
 * One line of text, written in place by a single pwrite and never synced:
 *   ecl-durable 1 <clean|dirty|unsynced> <boot id> <segment> <offset> <size> <time_us> <hash> <crc32c, 8 hex digits> LF
 * padded with spaces before the checksum so that it is always DURABLE_SIZE bytes.  The checksum covers all before it.
 */
#define DURABLE_SIZE 256

enum durable_mark {
	DURABLE_CLEAN,	 /* the log ends at end, and all of it is on the disk */
	DURABLE_DIRTY,	 /* a writer began and did not finish: what lies behind end may be in the page cache only */
	DURABLE_UNSYNCED /* writers who chose not to sync (--sync=none) appended behind end */
};

struct durable {
	bool known; /* the file was there, whole, and of this boot */
	bool dirty; /* marked otherwise than clean */
	bool unsynced;
	bool stale; /* whole, but of another boot: its end was durable once */
	bool damaged; /* there, but it says nothing: changed, or being written at this moment */
	struct log_end end;
};

#define BOOT_ID_SIZE 36

/* The file, kept open by a writer; the boot is asked for once. */
struct durable_file {
	int root_fd; /* not owned */
	int fd;	     /* -1 until needed */
	char boot[BOOT_ID_SIZE + 1];
};

/** durable_init(f, root_fd), durable_close(f): nothing is opened yet; ${f} can be used again after durable_close(). */
void durable_init(struct durable_file *f, int root_fd);
void durable_close(struct durable_file *f);

/**
 * durable_load(f, ret, e), durable_store(f, end, mark, e):
 * For the one who holds ROOT/lock: what is stored, and store.  An absent or damaged file gives all false; one that was replaced
 * since is opened anew by durable_load(), which comes before durable_store() each time the lock was taken.  Return 0 or -1.
 */
int durable_load(struct durable_file *f, struct durable *ret, struct err *e);
int durable_store(struct durable_file *f, const struct log_end *end, enum durable_mark mark, struct err *e);

/** durable_watch(f, ret, e): as durable_load(), for a reader without the lock who comes again and again.  Return 0 or -1. */
int durable_watch(struct durable_file *f, struct durable *ret, struct err *e);

/** durable_read(root_fd, ret, e), durable_write(root_fd, end, mark, e): the same, once; reading needs no right to write. */
int durable_read(int root_fd, struct durable *ret, struct err *e);
int durable_write(int root_fd, const struct log_end *end, enum durable_mark mark, struct err *e);

#endif

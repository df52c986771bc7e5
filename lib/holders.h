/* Which processes have files of a directory open, or work in it, as far as /proc tells. */
#ifndef ECL_HOLDERS_H_
#define ECL_HOLDERS_H_

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define HOLDERS_MAX 20	/* processes that are named */
#define HOLDERS_MS 2000	/* milliseconds that it may take */

struct holder {
	pid_t pid;
	char command[64]; /* as /proc/PID/comm has it */
	bool cwd;	  /* works there: the path is a directory */
	size_t path;	  /* offset in holders.paths of a string: one of them, relative to the directory where it can be told */
	uint64_t more;	  /* files beside it */
};

/* All zeros is a valid empty one. */
struct holders {
	struct holder holder[HOLDERS_MAX]; /* by pid */
	size_t n;
	uint64_t unnamed; /* processes that hold something, too */
	uint64_t unseen;  /* processes into which we may not look */
	bool cut;	  /* the time was over before all were looked at */
	bool blind;	  /* there is no /proc: nothing is known */
	struct buf paths;
};

/**
 * holders_find(dir_fd, whole_device, own, ret):
 * Look through /proc for processes other than this one that have files below the directory ${dir_fd} open, or have it or one below it as their
 * working or root directory.  Files below the directory ${own} of it (NULL: none) do not count, nor does the directory ${dir_fd} itself as an open file: so
 * programs of ours are not found, who look what live is.  With ${whole_device} also whatever has the same st_dev, under whatever path: for a subvolume.  Files that were
 * unlinked, and those that are mapped but not open, are not found.  Ends after HOLDERS_MS.  Never fails: ${ret}, to be released with
 * holders_release(), says how much was seen.  O(open files of all processes).
 */
void holders_find(int dir_fd, bool whole_device, const char *own, struct holders *ret);
void holders_release(struct holders *h);

#endif

/* What the parts of subvol share: copies and removals of whole trees. */
#ifndef ECL_SUBVOL_INTERNAL_H_
#define ECL_SUBVOL_INTERNAL_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "xattrs.h"

#define SUBVOL_DEPTH_MAX 1000 /* directories in directories: each takes a descriptor */

/**
 * subvol_copy(src_fd, dirfd, name, sync, e):
 * Copy the directory ${src_fd} with all below it to the new directory ${name} under ${dirfd}, and ${sync} it.  Names of one file are names of one file there.  What
 * vanishes meanwhile is left out.  Return 0, or -1 with nothing left of it.
 */
int subvol_copy(int src_fd, int dirfd, const char *name, bool sync, struct err *e);

/* A file that was copied, as it was then. */
struct copied_file {
	size_t path, len; /* in copy.paths */
	uint64_t ino;
	int64_t ctime_ns; /* INT64_MIN: it may have changed since, and have the same */
};

struct copy {
	int top_fd;   /* where the copy is: path is relative to it */
	void *linked; /* files with several names, a tree of the first of each (tsearch(3)) */
	dev_t dev;
	bool reflink;	 /* worth trying: both ends are on one file system that has them */
	bool splice;	 /* so is copy_file_range */
	struct buf path; /* of what is being copied, for messages; "" is the top */
	struct xattrs xattrs;
	struct buf target;
	char *window;
	unsigned depth;
	const char *only; /* of what is below: the path behind the component at hand; NULL: all */
	bool again; /* there will be another look, so what is copied is remembered, and what changes meanwhile is no error */
	struct copied_file *copied;
	size_t n, cap;
	struct buf paths;
	bool forgot; /* memory ran out: everything is copied again */
	struct err *e;
};

/* The steps of subvol_copy().  After the first, subvol_copy_stop(). */
int subvol_copy_start(struct copy *c, int src_fd, int dirfd, const char *name, struct err *e);
int subvol_copy_all(struct copy *c, int src_fd, int dirfd, const char *name, bool sync);
void subvol_copy_stop(struct copy *c);

/** subvol_copy_entry(c, from_dir, to_dir, name): one file, or directory with all below it, that is not there yet; its path is c->path. */
int subvol_copy_entry(struct copy *c, int from_dir, int to_dir, const char *name);

/** subvol_copy_forget_links(c): a name that is copied from now on is linked to none that was copied before. */
void subvol_copy_forget_links(struct copy *c);

/** subvol_copy_attributes(c, in, out, to_dir, name, st): owner, mode, xattrs and times of a file or directory, last of all. */
int subvol_copy_attributes(struct copy *c, int in, int out, int to_dir, const char *name, const struct stat *st);

/** subvol_copy_names(c, fd, names): append the names in a directory, each with its NUL.  Return 0 or -1. */
int subvol_copy_names(struct copy *c, int fd, struct buf *names);

/** subvol_copy_remember(c, st): the file at hand is about to be copied as ${st} says, if that is to be known later. */
void subvol_copy_remember(struct copy *c, const struct stat *st);

/** subvol_copy_changed(c): the file at hand has become another while it was opened.  Return 0 where it will be looked at again, else -1. */
int subvol_copy_changed(struct copy *c);

/** subvol_remove_tree(dirfd, name, e): remove a directory with all below it; mounts are refused.  Return 0 or -1. */
int subvol_remove_tree(int dirfd, const char *name, struct err *e);

/** subvol_may_remove(dirfd, name, e): of a directory on btrfs: whether all below ${name} is ours to remove, as far as owners and modes tell.  Return 0, or -1 with the directory that is not. */
int subvol_may_remove(int dirfd, const char *name, struct err *e);

/** subvol_remove_below(dirfd, name, e): remove what is in the directory ${name}, which stays. */
int subvol_remove_below(int dirfd, const char *name, struct err *e);

#endif

/* A walk over managed files that makes the leaf of each (DESIGN 6, `files`). */
#ifndef ECL_FILES_WALK_H_
#define ECL_FILES_WALK_H_

#include <sys/stat.h>

#include <stdbool.h>

#include "err.h"
#include "files_seen.h"
#include "files_view.h"
#include "xattrs.h"

#define FILES_WINDOW (1u << 20) /* bytes read at a time */

/* Who wants to know how far it is: called now and then with the number of bytes read.  All zeros: nobody. */
struct files_watch {
	void (*step)(void *arg, uint64_t bytes);
	void *arg;
};

/* A file that was found; or, removed, a path where there is none any more. */
struct files_item {
	size_t path, len; /* in walk.paths */
	uint64_t ino, size;
	int64_t ctime_ns;
	size_t order; /* in which they were found */
	bool removed;
	uint8_t content[SHA256_SIZE], leaf[SHA256_SIZE];
};

struct files_parts;

struct files_walk {
	dev_t dev;
	bool btrfs;
	struct buf path; /* of the directory or file at hand */
	struct buf paths;
	struct files_item *item;
	size_t n, cap;
	struct files_item found; /* the one in the making */
	struct xattrs xattrs;
	const struct files_view *known; /* files of which a leaf or a content may be taken over; or NULL */
	int64_t settled_ns;		/* a file whose ctime is younger may have changed again since, and still have it */
	struct files_seen *seen;	/* NULL: even where the same bytes were read before */
	bool from_disk;
	bool live; /* the files may change meanwhile: what vanishes is not there, and what grows is as long as it was read */
	struct files_watch watch;
	uint64_t bytes; /* read so far */
	struct buf leaf;
	char *window;
	unsigned depth;
	uint64_t turn;		   /* another one where another directory is at hand; not 0 */
	struct files_parts *parts; /* who reads the regular files; NULL: the walk itself */
	struct err *e;
};

/** files_walk_begin(w, layer_fd): for the files of that directory.  ${w} has what the caller set, else zeros.  Return 0 or -1; release it either way. */
int files_walk_begin(struct files_walk *w, int layer_fd);
void files_walk_release(struct files_walk *w);

/** files_walk_like(w, other, e): another walk over the files of the same layer, for another thread.  It knows no files, and nobody watches.  Return 0 or -1; release it either way. */
int files_walk_like(struct files_walk *w, const struct files_walk *other, struct err *e);

/** files_walk_dir(w, fd): all files below the directory ${fd}, whose path is w->path.  Return 0 or -1. */
int files_walk_dir(struct files_walk *w, int fd);

/** files_walk_file(w, dir, name, below): the file ${name} of the directory ${dir}, whose path is w->path; and where it is a directory and ${below}, what is in it.  Return 0 or -1. */
int files_walk_file(struct files_walk *w, int dir, const char *name, bool below);

/** files_walk_regular(w, dir, name): read the regular file ${name} of the directory ${dir}, whose path is w->path.  Return 0 or -1. */
int files_walk_regular(struct files_walk *w, int dir, const char *name);

/** files_walk_take(w, from): move what ${from} found behind what ${w} did.  Return 0 or -1. */
int files_walk_take(struct files_walk *w, struct files_walk *from);

/**
 * files_walk_look(dir, name, ret):
 * What is at ${name} itself: its type and mode, owner, size, inode, ctime and device number.  Return 0, or -1 with errno: EXDEV where something is mounted over it,
 * of which only a kernel before 5.8 does not tell.
 */
int files_walk_look(int dir, const char *name, struct stat *ret);

/** files_walk_foreign(w): what is said where something is mounted over w->path, or it is a subvolume.  Return -1. */
int files_walk_foreign(struct files_walk *w);

/** files_walk_removed(w, path): there is no such file any more.  Return 0 or -1. */
int files_walk_removed(struct files_walk *w, struct span path);

/** files_walk_sort(w): by path; of those with one path the last found stays. */
void files_walk_sort(struct files_walk *w);

/** files_walk_record(w, i): item ${i}, for as long as none is added. */
struct files_record files_walk_record(const struct files_walk *w, size_t i);

/** files_walk_failed(w, what): report errno of what was done with the file at hand.  Return -1. */
int files_walk_failed(struct files_walk *w, const char *what);

/** files_ctime_ns(st): when the file was changed. */
int64_t files_ctime_ns(const struct stat *st);

/** files_leaf_begin(w, st): path 0x00 type mode uid gid, into w->leaf, and what is to be remembered.  Return 0, or -1 for an unknown type. */
int files_leaf_begin(struct files_walk *w, const struct stat *st);

/* What stands behind that: size, content (of the regular file ${fd}, or of a link), xattrs (of ${fd} or ${path}).  Return 0 or -1. */
int files_leaf_content(struct files_walk *w, int fd, const struct stat *st);
int files_leaf_target(struct files_walk *w, int dir, const char *name);
int files_leaf_xattrs(struct files_walk *w, int fd, const char *path);

#endif

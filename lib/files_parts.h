/* A walk over all files of a layer, of which the regular ones are read by all processors. */
#ifndef ECL_FILES_PARTS_H_
#define ECL_FILES_PARTS_H_

#include "files_walk.h"

/**
 * files_walk_all(w, layer_fd):
 * As files_walk_dir() of the layer itself, after files_walk_begin(): one thread walks, the others read meanwhile what it finds, some files at a time.
 * What fails is what would fail first if one thread did all.  Where files are known already, all is done by the one thread.
 * w->watch is called by any thread, one at a time.  Return 0 or -1.
 */
int files_walk_all(struct files_walk *w, int layer_fd);

/**
 * files_walk_parts(w, walk, arg):
 * The same of another walk: ${walk} is called with ${arg}, and what it returns is returned, or -1 where what it found cannot be read.  It moves w->turn on where it goes
 * to another directory, and it may say of a path that it is gone before it says that it is there, not behind that.
 */
int files_walk_parts(struct files_walk *w, int (*walk)(void *arg), void *arg);

/**
 * files_parts_add(p, dir, size):
 * Let the file at hand, in the directory ${dir}, a regular one of about ${size} bytes, be read by some thread.  Return 1; 0 where the caller is
 * to read it, as nobody else does anything meanwhile; or -1.
 */
int files_parts_add(struct files_parts *p, int dir, uint64_t size);

#endif

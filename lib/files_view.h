/* The files of a block as they are remembered: all of an older one, and what changed since. */
#ifndef ECL_FILES_VIEW_H_
#define ECL_FILES_VIEW_H_

#include "files_base.h"

struct files_view {
	struct files_base *base;      /* NULL: there are only the changes */
	struct files_record *change;  /* by path, each once */
	size_t n;
	uint32_t *by_ino; /* the changes by inode; or NULL: files_view_of_ino() is not asked */
};

/** files_view_sort(v): fill in v->by_ino, for the caller to free.  Return 0, or -1 where memory ran out. */
int files_view_sort(struct files_view *v);

/** files_view_find(v, path, ret): the file with that path.  Return whether there is one.  O(log n). */
bool files_view_find(const struct files_view *v, struct span path, struct files_record *ret);

/* A place among the files, by path. */
struct files_cursor {
	uint64_t base;
	size_t change;
};

/** files_view_seek(v, c, path): to the first file whose path is not less.  O(log n).  All zeros is the first file. */
void files_view_seek(const struct files_view *v, struct files_cursor *c, struct span path);

/** files_view_next(v, c, ret): the file there, and on to the one behind it.  Return false at the end. */
bool files_view_next(const struct files_view *v, struct files_cursor *c, struct files_record *ret);

/* The files with one inode number. */
struct files_links {
	uint64_t ino, base;
	size_t change;
};

/** files_view_links(v, l, ino), files_view_link(v, l, ret): begin; and the next of them, false behind the last.  O(log n). */
void files_view_links(const struct files_view *v, struct files_links *l, uint64_t ino);
bool files_view_link(const struct files_view *v, struct files_links *l, struct files_record *ret);

/**
 * files_view_root(v, ret_entries, ret_root, e):
 * Number of, and RFC 6962 root over, the files.  O(changes log n) where no path came or went since the base; else every node
 * right of the first that did is made anew, O(n).  Return 0 or -1.
 */
int files_view_root(const struct files_view *v, uint64_t *ret_entries, uint8_t ret_root[SHA256_SIZE], struct err *e);

#endif

/* The extended attributes that belong to a file, not to its host or file system (DESIGN 6). */
#ifndef ECL_XATTRS_H_
#define ECL_XATTRS_H_

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/*
 * Those of `user.*`, `security.capability`, `system.posix_acl_access` and `system.posix_acl_default` that a
 * file has.  All zeros is a valid empty list; one list serves many files.
 */
struct xattrs {
	char **name; /* sorted by bytes; points into list */
	size_t n, cap;
	struct buf list;
	struct buf value; /* of the attribute last read */
};

/** xattrs_counts(name): whether the attribute ${name} is one of these. */
bool xattrs_counts(const char *name);

#define XATTRS_PATH_SIZE 320

/** xattrs_path(dirfd, name, out): a path by which ${name} in the directory ${dirfd} can be reached, for what has no call with a dirfd. */
void xattrs_path(int dirfd, const char *name, char out[XATTRS_PATH_SIZE]);

/** xattrs_list(x, fd, path): the names of the file ${fd} or, where that is -1, of ${path} (a link is not followed).  Return 0, or -1 with errno. */
int xattrs_list(struct xattrs *x, int fd, const char *path);

/** xattrs_get(x, i, fd, path): read the value of x->name[${i}] into x->value.  Return 0, or -1 with errno. */
int xattrs_get(struct xattrs *x, size_t i, int fd, const char *path);

/** xattrs_drop_acls(fd, path): remove the ACLs of such a file, which may have inherited them.  To have none is no error.  Return 0, or -1 with errno. */
int xattrs_drop_acls(int fd, const char *path);

void xattrs_release(struct xattrs *x);

#endif

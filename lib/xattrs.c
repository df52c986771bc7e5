/* The extended attributes that belong to a file. */
#include "config.h"

#include <sys/xattr.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xattrs.h"

#include "banned.h"

bool
xattrs_counts(const char *name)
{
	return (strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	    strcmp(name, "system.posix_acl_access") == 0 ||
	    strcmp(name, "system.posix_acl_default") == 0);
}

static int
compare_names(const void *a, const void *b)
{
	return (strcmp(*(char *const *)a, *(char *const *)b));
}

void
xattrs_path(int dirfd, const char *name, char out[XATTRS_PATH_SIZE])
{
	snprintf(out, XATTRS_PATH_SIZE, "/proc/self/fd/%d/%s", dirfd, name);
}

/* Fill ${b} by a call that says ERANGE where it needs more room. */
static int
read_list(struct buf *b, int fd, const char *path)
{
	ssize_t n;

	for (;;) {
		b->len = 0;
		if (buf_reserve(b, b->cap == 0 ? 1024 : b->cap) != 0)
			break;
		n = fd != -1 ? flistxattr(fd, b->data, b->cap) : llistxattr(path, b->data, b->cap);
		if (n >= 0) {
			b->len = (size_t)n;
			return (0);
		}
		if (errno == ENOTSUP) /* a file system without any */
			return (0);
		if (errno != ERANGE)
			return (-1);
		if (buf_reserve(b, 2 * b->cap) != 0)
			break;
	}
	errno = ENOMEM;
	return (-1);
}

static int
push_name(struct xattrs *x, char *name)
{
	size_t cap = x->cap == 0 ? 8 : 2 * x->cap;
	char **more;

	if (x->n == x->cap) {
		if ((more = realloc(x->name, cap * sizeof(*more))) == NULL)
			return (-1);
		x->name = more;
		x->cap = cap;
	}
	x->name[x->n++] = name;
	return (0);
}

int
xattrs_list(struct xattrs *x, int fd, const char *path)
{
	char *p = NULL;

	x->n = 0;
	if (read_list(&x->list, fd, path) != 0)
		return (-1);
	while ((p = buf_next_string(&x->list, p)) != NULL) {
		if (xattrs_counts(p) && push_name(x, p) != 0)
			return (-1);
	}
	if (x->n > 1)
		qsort(x->name, x->n, sizeof(*x->name), compare_names);
	return (0);
}

int
xattrs_get(struct xattrs *x, size_t i, int fd, const char *path)
{
	struct buf *b = &x->value;
	ssize_t n;

	for (;;) {
		b->len = 0;
		if (buf_reserve(b, b->cap == 0 ? 1024 : b->cap) != 0)
			break;
		n = fd != -1 ? fgetxattr(fd, x->name[i], b->data, b->cap)
			     : lgetxattr(path, x->name[i], b->data, b->cap);
		if (n >= 0) {
			b->len = (size_t)n;
			return (0);
		}
		if (errno != ERANGE)
			return (-1);
		if (buf_reserve(b, 2 * b->cap) != 0)
			break;
	}
	errno = ENOMEM;
	return (-1);
}

int
xattrs_drop_acls(int fd, const char *path)
{
	static const char *const acl[] = {"system.posix_acl_access", "system.posix_acl_default"};
	size_t i;

	for (i = 0; i < sizeof(acl) / sizeof(acl[0]); i++)
		if ((fd != -1 ? fremovexattr(fd, acl[i]) : lremovexattr(path, acl[i])) != 0 && errno != ENODATA && errno != ENOTSUP)
			return (-1);
	return (0);
}

void
xattrs_release(struct xattrs *x)
{
	free(x->name);
	buf_release(&x->list);
	buf_release(&x->value);
	memset(x, 0, sizeof(*x));
}

/* The roots that stand side by side in one directory. */
#ifndef ECL_ROOTS_H_
#define ECL_ROOTS_H_

#include <stddef.h>

#include "err.h"

enum root_kind {
	ROOT_WHOLE,	/* it has a log: a root, or a layer alone */
	ROOT_HALF_MADE, /* ecl-init did not finish */
	ROOT_UNKNOWN	/* what it is cannot be told: ${sys} says why */
};

struct root_entry {
	char *name; /* in the directory */
	enum root_kind kind;
	int sys;
};

struct roots {
	struct root_entry *entry; /* in the byte order of the names */
	size_t n;
};

/**
 * roots_list(dir, ret, e):
 * The roots directly under the directory ${dir}: subdirectories, or links to some, that have live/.ecl/log, or .ecl/log themselves, are half-made, or
 * may not be looked into.  Others, and names that begin with a dot, are passed over.  Release with roots_release().  Return 0 or -1.
 */
int roots_list(const char *dir, struct roots *ret, struct err *e);
void roots_release(struct roots *r);

#endif
